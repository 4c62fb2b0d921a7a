//! What the answers of a chain add up to: the rules of each hook, without the calls.
//!
//! A fold is given one filter's answer after another and says when no more are needed. A filter
//! that could not answer counts by its failure policy: closed is a no, open is as if it had not
//! been there.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::contract::{auth, chat, gifts, types};
use crate::manifest::FilterName;

/// A filter gave no answer, and its policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// As a no.
    Closed,
    /// As if it had not been there.
    Open,
}

/// The time that the filters of one hook have together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// From `now` on.
    pub(crate) fn new(now: Instant, budget: Duration) -> Self {
        Self(now + budget)
    }

    /// When the next filter has to be done; `None` when there is no time left to ask it.
    pub(crate) fn next(self, now: Instant) -> Option<Instant> {
        (now < self.0).then_some(self.0)
    }

    /// The end.
    pub(crate) const fn end(self) -> Instant {
        self.0
    }
}

/// What an auth chain comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AuthEnd {
    Allow(FilterName, Box<auth::Grant>),
    Deny(FilterName, types::Rejection),
    Redirect(FilterName, String),
    /// A filter failed, and fails closed.
    Closed(FilterName),
    /// Nobody had an opinion, but one that failed was to fail open.
    Open,
    /// Nobody had an opinion.
    NoOpinion,
    /// Nobody was asked.
    NoFilter,
}

/// The first decision that is not `pass` holds.
#[derive(Debug, Default)]
pub(crate) struct AuthFold {
    asked: bool,
    failed_open: bool,
}

impl AuthFold {
    pub(crate) fn next(
        &mut self,
        filter: &FilterName,
        answer: Result<auth::Decision, Failed>,
    ) -> ControlFlow<AuthEnd> {
        self.asked = true;
        let filter = || filter.clone();
        ControlFlow::Break(match answer {
            Ok(auth::Decision::Allow(grant)) => AuthEnd::Allow(filter(), Box::new(grant)),
            Ok(auth::Decision::Deny(rejection)) => AuthEnd::Deny(filter(), rejection),
            Ok(auth::Decision::Redirect(to)) => AuthEnd::Redirect(filter(), to),
            Ok(auth::Decision::Pass) => return ControlFlow::Continue(()),
            Err(Failed::Closed) => AuthEnd::Closed(filter()),
            Err(Failed::Open) => {
                // The filters after it may still say no.
                self.failed_open = true;
                return ControlFlow::Continue(());
            }
        })
    }

    pub(crate) fn end(self) -> AuthEnd {
        match self {
            Self {
                failed_open: true, ..
            } => AuthEnd::Open,
            Self { asked: true, .. } => AuthEnd::NoOpinion,
            Self { .. } => AuthEnd::NoFilter,
        }
    }
}

/// What a chat chain comes to, beside the message itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ChatEnd {
    Drop(types::Rejection),
    ShadowDrop,
    Hold(String),
}

/// Edits add up; the first that does not let the message through ends the chain. The commands of
/// all that were asked are kept, in their order.
#[derive(Debug)]
pub(crate) struct ChatFold {
    /// As the next filter sees it.
    pub(crate) message: chat::Message,
    pub(crate) commands: Vec<types::Command>,
}

impl ChatFold {
    pub(crate) const fn new(message: chat::Message) -> Self {
        Self {
            message,
            commands: Vec::new(),
        }
    }

    pub(crate) fn next(&mut self, answer: Result<chat::Outcome, Failed>) -> ControlFlow<ChatEnd> {
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(Failed::Open) => return ControlFlow::Continue(()),
            Err(Failed::Closed) => return ControlFlow::Break(ChatEnd::Drop(unavailable())),
        };
        self.commands.extend(outcome.commands);
        match outcome.verdict {
            chat::Verdict::Allow => ControlFlow::Continue(()),
            chat::Verdict::Modify(edit) => {
                let message = &mut self.message;
                if let Some(text) = edit.text {
                    message.text = text;
                }
                if let Some(kind) = edit.kind {
                    message.kind = kind;
                }
                message.attrs.extend(edit.add_attrs);
                ControlFlow::Continue(())
            }
            chat::Verdict::Drop(rejection) => ControlFlow::Break(ChatEnd::Drop(rejection)),
            chat::Verdict::ShadowDrop => ControlFlow::Break(ChatEnd::ShadowDrop),
            chat::Verdict::Hold(reason) => ControlFlow::Break(ChatEnd::Hold(reason)),
        }
    }
}

/// What becomes of a gift after one filter.
pub(crate) fn gift_step(
    answer: Result<gifts::Decision, Failed>,
) -> ControlFlow<Result<gifts::Plan, types::Rejection>> {
    match answer {
        Ok(gifts::Decision::Accept(plan)) => ControlFlow::Break(Ok(plan)),
        Ok(gifts::Decision::Reject(rejection)) => ControlFlow::Break(Err(rejection)),
        Ok(gifts::Decision::Pass) | Err(Failed::Open) => ControlFlow::Continue(()),
        Err(Failed::Closed) => ControlFlow::Break(Err(unavailable())),
    }
}

/// What the end user is told when a filter failed and fails closed.
pub(crate) fn unavailable() -> types::Rejection {
    types::Rejection {
        code: "filter-unavailable".to_owned(),
        message: "this cannot be decided right now".to_owned(),
        retry_after_ms: Some(1000),
    }
}

/// What a sender is told whose gift no filter knows.
pub(crate) fn unknown_gift() -> types::Rejection {
    types::Rejection {
        code: "unknown-gift".to_owned(),
        message: "there is no such gift".to_owned(),
        retry_after_ms: None,
    }
}

#[cfg(test)]
mod tests;

//! One filter is asked: its breaker, its deadline, its figures, its failure policy and its shadow.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use crate::call::{CallContext, CallError};
use crate::chain::{Deadline, Failed};
use crate::manifest::{FailurePolicy, Hook};
use crate::stats::{Decision, FailureKind, LastFailure};
use crate::table::{Deployed, Link};

use super::calls::CallInfo;
use super::state::Inner;

/// A function of the contract, as a chain asks it.
pub(super) trait Question: Sync {
    /// Where it belongs.
    const HOOK: Hook;
    /// What the guest is given: only what its manifest lists.
    type Input: Send + Sync + 'static;
    /// What it answers, checked.
    type Answer: Clone + Debug + PartialEq + Send + Sync + 'static;

    fn input(&self, version: &Deployed) -> Self::Input;

    fn call(
        version: &Deployed,
        context: &CallContext,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Self::Answer, AskError>> + Send;

    fn decision(answer: &Self::Answer) -> Decision;

    /// What must not be recorded.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A filter gave no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("{0}")]
    Call(#[from] CallError),
    /// It answered what cannot be done.
    #[error("{0}")]
    Answer(String),
}

impl AskError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Call(error) => FailureKind::from(error),
            Self::Answer(_) => FailureKind::Answer,
        }
    }
}

/// An answer, and whose.
#[derive(Debug)]
pub(super) struct Answered<'a, A> {
    pub(super) answer: A,
    pub(super) by: &'a Arc<Deployed>,
    /// The version before had to answer.
    pub(super) fallback: bool,
}

impl Inner {
    /// Asks one filter of a chain. `None`: the filter has no version for this request, only a
    /// shadow.
    pub(super) async fn ask<'a, Q: Question>(
        self: &Arc<Self>,
        link: Link<'a, Arc<Deployed>>,
        question: &Q,
        info: &CallInfo<'_>,
        deadline: Deadline,
    ) -> Option<Result<Answered<'a, Q::Answer>, Failed>> {
        let asked = match link.version {
            Some(version) => {
                let answer = self.attempt(version, question, info, deadline).await;
                Some((version, answer))
            }
            None => None,
        };
        if let Some(shadow) = link.shadow {
            let live = asked.as_ref().and_then(|(_, answer)| answer.as_ref());
            self.ask_shadow(shadow, question, info, live.cloned());
        }
        let (version, answer) = asked?;
        if let Some(answer) = answer {
            return Some(Ok(Answered {
                answer,
                by: version,
                fallback: false,
            }));
        }
        Some(match version.version.manifest().failure(Q::HOOK) {
            FailurePolicy::Closed => Err(Failed::Closed),
            FailurePolicy::Open => Err(Failed::Open),
            FailurePolicy::Previous => match link.previous {
                Some(previous) => self
                    .attempt(previous, question, info, deadline)
                    .await
                    .map(|answer| Answered {
                        answer,
                        by: previous,
                        fallback: true,
                    })
                    .ok_or(Failed::Closed),
                None => Err(Failed::Closed),
            },
        })
    }

    /// Asks one version. `None`: it failed, which has been counted.
    async fn attempt<Q: Question>(
        self: &Arc<Self>,
        version: &Arc<Deployed>,
        question: &Q,
        info: &CallInfo<'_>,
        deadline: Deadline,
    ) -> Option<Q::Answer> {
        let stats = version.stats.hook(Q::HOOK);
        let began = Instant::now();
        let Some(until) = deadline.next(began) else {
            stats.failed(FailureKind::Late, None);
            return None;
        };
        let Some(permit) = version.breaker.admit(began) else {
            stats.failed(FailureKind::Disabled, None);
            return None;
        };
        let context = context(info, until, false);
        let input = question.input(version);
        let result = Q::call(version, &context, &input).await;
        let now = Instant::now();
        let took = now.saturating_duration_since(began);
        match result {
            Ok(answer) => {
                permit.succeeded(now);
                stats.answered(Q::decision(&answer), took);
                Some(answer)
            }
            Err(error) => {
                let kind = error.kind();
                stats.failed(kind, Some(took));
                version.remember(Q::HOOK, kind, &error, info);
                self.log.failure(version, info, Q::HOOK, &error);
                if kind.is_the_versions() && permit.failed(now) {
                    self.disabled(version, &error);
                }
                None
            }
        }
    }

    /// Asks a shadow version, later and elsewhere.
    fn ask_shadow<Q: Question>(
        &self,
        shadow: &Arc<Deployed>,
        question: &Q,
        info: &CallInfo<'_>,
        live: Option<Q::Answer>,
    ) {
        let Some(place) = self.shadow_places.take() else {
            shadow.comparison.skipped();
            return;
        };
        let shadow = Arc::clone(shadow);
        let input = question.input(&shadow);
        let secrets = question.secrets();
        let limit = shadow.version.manifest().limits.deadline_ms;
        let now = Instant::now();
        let until = now + std::time::Duration::from_millis(u64::from(limit));
        let context = context(info, until, true);
        tokio::spawn(async move {
            let stats = shadow.stats.hook(Q::HOOK);
            let began = Instant::now();
            let Some(permit) = shadow.breaker.admit(began) else {
                stats.failed(FailureKind::Disabled, None);
                shadow.comparison.failed();
                return;
            };
            let result = Q::call(&shadow, &context, &input).await;
            let now = Instant::now();
            let took = now.saturating_duration_since(began);
            match result {
                Ok(answer) => {
                    permit.succeeded(now);
                    stats.answered(Q::decision(&answer), took);
                    shadow
                        .comparison
                        .compare(live.as_ref(), &answer, &secrets, || {
                            (Q::HOOK, context.request_id.clone(), context.now_ms)
                        });
                }
                Err(error) => {
                    let kind = error.kind();
                    stats.failed(kind, Some(took));
                    shadow.comparison.failed();
                    if kind.is_the_versions() {
                        permit.failed(now);
                    }
                }
            }
            drop(place);
        });
    }
}

impl Deployed {
    fn remember(&self, hook: Hook, kind: FailureKind, error: &AskError, info: &CallInfo<'_>) {
        let backtrace = match error {
            AskError::Call(CallError::Trap { backtrace, .. }) => backtrace.clone(),
            _ => Vec::new(),
        };
        self.stats.remember(LastFailure {
            hook,
            kind: kind.as_str(),
            message: error.to_string(),
            backtrace,
            request_id: info.request_id.to_owned(),
            at_unix_ms: info.now_unix_ms,
        });
    }
}

fn context(info: &CallInfo<'_>, deadline: Instant, shadow: bool) -> CallContext {
    CallContext {
        request_id: info.request_id.to_owned(),
        tenant: info.tenant.to_owned(),
        room: info.room.to_owned(),
        now_ms: info.now_unix_ms,
        deadline,
        shadow,
        attrs: info.attrs.to_vec(),
    }
}

//! The `chat` and `gifts` hooks.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::call::CallContext;
use crate::chain::{self, ChatEnd, ChatFold, Deadline};
use crate::contract::types::{Command, User};
use crate::contract::{chat, gifts};
use crate::manifest::Hook;
use crate::plan::{self, PlanError};
use crate::stats::Decision;
use crate::table::{Deployed, Table};

use super::ask::{AskError, Question};
use super::calls::{CallInfo, ChatAnswer, ChatVerdict, GiftAnswer};
use super::state::Inner;

/// Most items of all filters' catalogues together.
pub const CATALOG_ITEMS_MAX: usize = 1000;

fn refuse(error: &PlanError) -> AskError {
    AskError::Answer(error.to_string())
}

fn check_commands(version: &Deployed, commands: &[Command]) -> Result<(), AskError> {
    let max = version.version.manifest().limits.commands;
    plan::check_commands(&version.filter, commands, max).map_err(|error| refuse(&error))
}

/// `on-message`.
struct OnMessage<'a>(&'a chat::Message);

impl Question for OnMessage<'_> {
    const HOOK: Hook = Hook::Chat;
    type Input = chat::Message;
    type Answer = chat::Outcome;

    fn input(&self, _: &Deployed) -> chat::Message {
        self.0.clone()
    }

    async fn call(
        version: &Deployed,
        context: &CallContext,
        input: &chat::Message,
    ) -> Result<chat::Outcome, AskError> {
        let outcome = version.version.on_message(context, input).await?;
        check_commands(version, &outcome.commands)?;
        Ok(outcome)
    }

    fn decision(answer: &chat::Outcome) -> Decision {
        match answer.verdict {
            chat::Verdict::Allow => Decision::Allow,
            chat::Verdict::Modify(_) => Decision::Modify,
            chat::Verdict::Drop(_) => Decision::Deny,
            chat::Verdict::ShadowDrop => Decision::ShadowDrop,
            chat::Verdict::Hold(_) => Decision::Hold,
        }
    }
}

/// Somebody comes or goes: `on-join`, `on-leave`.
struct Presence<'a, const JOINS: bool>(&'a User);

impl<const JOINS: bool> Question for Presence<'_, JOINS> {
    const HOOK: Hook = Hook::Chat;
    type Input = User;
    type Answer = Vec<Command>;

    fn input(&self, _: &Deployed) -> User {
        self.0.clone()
    }

    async fn call(
        version: &Deployed,
        context: &CallContext,
        input: &User,
    ) -> Result<Vec<Command>, AskError> {
        let commands = if JOINS {
            version.version.on_join(context, input).await?
        } else {
            version.version.on_leave(context, input).await?
        };
        check_commands(version, &commands)?;
        Ok(commands)
    }

    fn decision(_: &Vec<Command>) -> Decision {
        Decision::Done
    }
}

/// `catalog`.
struct Catalog<'a>(&'a User);

impl Question for Catalog<'_> {
    const HOOK: Hook = Hook::Gifts;
    type Input = User;
    type Answer = Vec<gifts::Item>;

    fn input(&self, _: &Deployed) -> User {
        self.0.clone()
    }

    async fn call(
        version: &Deployed,
        context: &CallContext,
        input: &User,
    ) -> Result<Vec<gifts::Item>, AskError> {
        Ok(version.version.catalog(context, input).await?)
    }

    fn decision(_: &Vec<gifts::Item>) -> Decision {
        Decision::Done
    }
}

/// `on-gift`.
struct OnGift<'a>(&'a gifts::Gift);

impl Question for OnGift<'_> {
    const HOOK: Hook = Hook::Gifts;
    type Input = gifts::Gift;
    type Answer = gifts::Decision;

    fn input(&self, _: &Deployed) -> gifts::Gift {
        self.0.clone()
    }

    async fn call(
        version: &Deployed,
        context: &CallContext,
        input: &gifts::Gift,
    ) -> Result<gifts::Decision, AskError> {
        let decision = version.version.on_gift(context, input).await?;
        if let gifts::Decision::Accept(plan) = &decision {
            let max = version.version.manifest().limits.commands;
            plan::check_plan(&version.filter, input, plan, max).map_err(|error| refuse(&error))?;
        }
        Ok(decision)
    }

    fn decision(answer: &gifts::Decision) -> Decision {
        match answer {
            gifts::Decision::Accept(_) => Decision::Allow,
            gifts::Decision::Reject(_) => Decision::Deny,
            gifts::Decision::Pass => Decision::Pass,
        }
    }
}

impl Inner {
    pub(super) async fn on_message(
        self: &Arc<Self>,
        table: &Table,
        info: &CallInfo<'_>,
        message: chat::Message,
    ) -> ChatAnswer {
        let deadline = Deadline::new(Instant::now(), self.options.chain_budget);
        let mut fold = ChatFold::new(message);
        let mut end = None;
        for link in table.routes.chain(Hook::Chat, info.pin) {
            let asked = self
                .ask(link, &OnMessage(&fold.message), info, deadline)
                .await;
            let Some(result) = asked.map(|result| result.map(|answered| answered.answer)) else {
                continue;
            };
            if let ControlFlow::Break(broken) = fold.next(result) {
                end = Some(broken);
                break;
            }
        }
        let ChatFold { message, commands } = fold;
        let verdict = match end {
            None => ChatVerdict::Deliver(message),
            Some(ChatEnd::Drop(rejection)) => ChatVerdict::Drop(rejection),
            Some(ChatEnd::ShadowDrop) => ChatVerdict::ShadowDrop,
            Some(ChatEnd::Hold(reason)) => ChatVerdict::Hold { message, reason },
        };
        ChatAnswer { verdict, commands }
    }

    /// All filters hear of it; one that fails has nothing to say.
    pub(super) async fn presence<const JOINS: bool>(
        self: &Arc<Self>,
        table: &Table,
        info: &CallInfo<'_>,
        who: &User,
    ) -> Vec<Command> {
        let deadline = Deadline::new(Instant::now(), self.options.chain_budget);
        let mut commands = Vec::new();
        for link in table.routes.chain(Hook::Chat, info.pin) {
            let asked = self
                .ask(link, &Presence::<JOINS>(who), info, deadline)
                .await;
            if let Some(Ok(answered)) = asked {
                commands.extend(answered.answer);
            }
        }
        commands
    }

    pub(super) async fn catalog(
        self: &Arc<Self>,
        table: &Table,
        info: &CallInfo<'_>,
        viewer: &User,
    ) -> Vec<gifts::Item> {
        let deadline = Deadline::new(Instant::now(), self.options.chain_budget);
        let mut items = Vec::new();
        let mut ids = BTreeSet::new();
        for link in table.routes.chain(Hook::Gifts, info.pin) {
            let asked = self.ask(link, &Catalog(viewer), info, deadline).await;
            let Some(Ok(answered)) = asked else {
                continue;
            };
            // The first filter that offers an item is the first that is asked when it is given.
            let new = answered
                .answer
                .into_iter()
                .filter(|item| ids.insert(item.id.clone()));
            items.extend(new.take(CATALOG_ITEMS_MAX.saturating_sub(items.len())));
        }
        items
    }

    pub(super) async fn on_gift(
        self: &Arc<Self>,
        table: &Table,
        info: &CallInfo<'_>,
        gift: &gifts::Gift,
    ) -> GiftAnswer {
        let deadline = Deadline::new(Instant::now(), self.options.chain_budget);
        for link in table.routes.chain(Hook::Gifts, info.pin) {
            let asked = self.ask(link, &OnGift(gift), info, deadline).await;
            let Some(result) = asked.map(|result| result.map(|answered| answered.answer)) else {
                continue;
            };
            match chain::gift_step(result) {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(Ok(plan)) => {
                    return GiftAnswer::Accept {
                        filter: link.filter.clone(),
                        plan,
                    };
                }
                ControlFlow::Break(Err(rejection)) => return GiftAnswer::Reject(rejection),
            }
        }
        GiftAnswer::Reject(chain::unknown_gift())
    }
}

//! The contract's functions, one by one.

use super::run::Call;
use super::{CallContext, CallError};
use crate::contract::types::{Command, Context, FilterError, User};
use crate::contract::{auth, chat, gifts, http, lifecycle};
use crate::manifest::Hook;
use crate::version::{Exports, Instance, LoadedVersion};

type Answered<A> = wasmtime::Result<Result<A, FilterError>>;

/// A call of one function: its arguments, the guest's binding, and the answer.
macro_rules! call {
    ($name:ident($($arg:ident: $type:ty),*) -> $answer:ty = $interface:ident.$function:ident) => {
        struct $name<'a> {
            $($arg: &'a $type),*
        }

        impl Call for $name<'_> {
            type Answer = $answer;

            async fn invoke(
                &self,
                exports: &Exports,
                instance: &mut Instance,
                context: &Context,
            ) -> Answered<$answer> {
                let (guest, store) = instance.$interface(exports)?;
                guest.$function(store, context $(, self.$arg)*).await
            }
        }
    };
}

call!(Authorize(request: auth::Request) -> auth::Decision = auth.call_authorize);
call!(OnMessage(message: chat::Message) -> chat::Outcome = chat.call_on_message);
call!(OnJoin(who: User) -> Vec<Command> = chat.call_on_join);
call!(OnLeave(who: User) -> Vec<Command> = chat.call_on_leave);
call!(Catalog(viewer: User) -> Vec<gifts::Item> = gifts.call_catalog);
call!(OnGift(gift: gifts::Gift) -> gifts::Decision = gifts.call_on_gift);
call!(OnRequest(request: http::Request) -> http::RequestOutcome = http.call_on_request);
call!(OnResponse(request: http::Request, head: http::ResponseHead) -> http::ResponseOutcome = http.call_on_response);

struct Describe;

impl Call for Describe {
    type Answer = lifecycle::FilterInfo;

    async fn invoke(
        &self,
        exports: &Exports,
        instance: &mut Instance,
        _: &Context,
    ) -> Answered<lifecycle::FilterInfo> {
        // Whether the exports are of the contract's types is known only when they are asked for: now, before anybody is
        // served by them.
        if exports.auth.is_some() {
            instance.auth(exports)?;
        }
        if exports.chat.is_some() {
            instance.chat(exports)?;
        }
        if exports.gifts.is_some() {
            instance.gifts(exports)?;
        }
        if exports.http.is_some() {
            instance.http(exports)?;
        }
        let guest = instance.lifecycle(exports)?;
        guest.call_describe(&mut instance.store).await.map(Ok)
    }
}

struct Configure;

impl Call for Configure {
    type Answer = ();

    /// An instance that has started has been configured.
    async fn invoke(&self, _: &Exports, _: &mut Instance, _: &Context) -> Answered<()> {
        Ok(Ok(()))
    }
}

impl LoadedVersion {
    /// Starts an instance, which configures it, and throws nothing away: a pooled one serves the next call.
    ///
    /// # Errors
    /// [`CallError::Config`] when the guest refuses the manifest's `config`; or any other end of a call.
    pub async fn configure(&self, ctx: &CallContext) -> Result<(), CallError> {
        self.run(ctx, Configure).await
    }

    /// Asks the filter what it is. It also checks the types of all functions that the manifest's hooks need.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn describe(&self, ctx: &CallContext) -> Result<lifecycle::FilterInfo, CallError> {
        self.run(ctx, Describe).await
    }

    /// Asks whether somebody may do something.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn authorize(
        &self,
        ctx: &CallContext,
        request: &auth::Request,
    ) -> Result<auth::Decision, CallError> {
        self.exported(Hook::Auth, "authorize")?;
        self.run(ctx, Authorize { request }).await
    }

    /// Shows it a message.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn on_message(
        &self,
        ctx: &CallContext,
        message: &chat::Message,
    ) -> Result<chat::Outcome, CallError> {
        self.exported(Hook::Chat, "on-message")?;
        let outcome = self.run(ctx, OnMessage { message }).await?;
        self.check_commands(&outcome.commands)?;
        Ok(outcome)
    }

    /// Tells it that somebody has come.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn on_join(&self, ctx: &CallContext, who: &User) -> Result<Vec<Command>, CallError> {
        self.exported(Hook::Chat, "on-join")?;
        let commands = self.run(ctx, OnJoin { who }).await?;
        self.check_commands(&commands)?;
        Ok(commands)
    }

    /// Tells it that somebody has gone.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn on_leave(&self, ctx: &CallContext, who: &User) -> Result<Vec<Command>, CallError> {
        self.exported(Hook::Chat, "on-leave")?;
        let commands = self.run(ctx, OnLeave { who }).await?;
        self.check_commands(&commands)?;
        Ok(commands)
    }

    /// Asks what somebody can give.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn catalog(
        &self,
        ctx: &CallContext,
        viewer: &User,
    ) -> Result<Vec<gifts::Item>, CallError> {
        self.exported(Hook::Gifts, "catalog")?;
        self.run(ctx, Catalog { viewer }).await
    }

    /// Asks what a gift does.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn on_gift(
        &self,
        ctx: &CallContext,
        gift: &gifts::Gift,
    ) -> Result<gifts::Decision, CallError> {
        self.exported(Hook::Gifts, "on-gift")?;
        let decision = self.run(ctx, OnGift { gift }).await?;
        if let gifts::Decision::Accept(plan) = &decision {
            self.check_commands(&plan.commands)?;
        }
        Ok(decision)
    }

    /// Shows it the head of a request.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn on_request(
        &self,
        ctx: &CallContext,
        request: &http::Request,
    ) -> Result<http::RequestOutcome, CallError> {
        self.exported(Hook::HttpRequest, "on-request")?;
        self.run(ctx, OnRequest { request }).await
    }

    /// Shows it the head of a response, and the request that it answers.
    ///
    /// # Errors
    /// Any end of a call without an answer.
    pub async fn on_response(
        &self,
        ctx: &CallContext,
        request: &http::Request,
        head: &http::ResponseHead,
    ) -> Result<http::ResponseOutcome, CallError> {
        self.exported(Hook::HttpResponse, "on-response")?;
        self.run(ctx, OnResponse { request, head }).await
    }

    /// Before anything is spent on it: whether the manifest lists the hook.
    fn exported(&self, hook: Hook, function: &'static str) -> Result<(), CallError> {
        if self.has(hook) {
            return Ok(());
        }
        Err(CallError::NoFunction {
            interface: hook.interface().to_owned(),
            function: function.to_owned(),
        })
    }

    fn check_commands(&self, commands: &[Command]) -> Result<(), CallError> {
        let max = self.limits().commands;
        if commands.len() <= max as usize {
            return Ok(());
        }
        Err(CallError::Limit {
            what: "commands",
            is: commands.len() as u64,
            max: max.into(),
        })
    }
}

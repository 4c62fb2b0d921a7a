//! The `auth` hook: grants from the cache, one call for all who ask the same, and the chain.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::call::CallContext;
use crate::chain::{AuthEnd, AuthFold, Deadline};
use crate::contract::{auth, types};
use crate::edits;
use crate::grants::{
    CREDENTIALS_MAX, DENIAL_CACHE_MAX, GrantFacts, GrantKey, Granted, Joined, kept_until,
};
use crate::manifest::{Action, Digest, FilterName, Hook, VersionId};
use crate::stats::Decision;
use crate::table::{Deployed, Table};

use super::ask::{AskError, Question};
use super::calls::{AuthAnswer, AuthCall, Denial, DenialKind};
use super::state::Inner;

/// `authorize`.
pub(super) struct Authorize<'a>(pub(super) &'a AuthCall<'a>);

impl Question for Authorize<'_> {
    const HOOK: Hook = Hook::Auth;
    type Input = auth::Request;
    type Answer = auth::Decision;

    fn input(&self, version: &Deployed) -> auth::Request {
        let Self(call) = self;
        let sights = &version.auth_sights;
        let credentials = call.credentials.iter().take(CREDENTIALS_MAX);
        auth::Request {
            action: match call.action {
                Action::Play => auth::Action::Play,
                Action::Publish => auth::Action::Publish,
                Action::Join => auth::Action::Join,
                Action::Gift => auth::Action::Gift,
                Action::Admin => auth::Action::Admin,
            },
            app: call.app.to_owned(),
            stream: call.stream.to_owned(),
            credentials: credentials
                .map(|credential| auth::Credential {
                    source: credential.source,
                    value: credential.value.to_owned(),
                })
                .collect(),
            query: sights.decoded_parameters(call.query),
            headers: sights.fields(call.headers),
            client: sights.client_info(&call.client, call.headers),
        }
    }

    async fn call(
        version: &Deployed,
        context: &CallContext,
        input: &auth::Request,
    ) -> Result<auth::Decision, AskError> {
        let decision = version.version.authorize(context, input).await?;
        if let auth::Decision::Redirect(to) = &decision {
            edits::location(to).map_err(|error| AskError::Answer(error.to_string()))?;
        }
        if let auth::Decision::Allow(grant) = &decision
            && let Some(accepted) = grant.accepted
            && accepted as usize >= input.credentials.len()
        {
            let count = input.credentials.len();
            let wrong = format!("accepted credential {accepted} of {count}");
            return Err(AskError::Answer(wrong));
        }
        Ok(decision)
    }

    fn decision(answer: &auth::Decision) -> Decision {
        match answer {
            auth::Decision::Allow(_) => Decision::Allow,
            auth::Decision::Deny(_) => Decision::Deny,
            auth::Decision::Redirect(_) => Decision::Redirect,
            auth::Decision::Pass => Decision::Pass,
        }
    }

    fn secrets(&self) -> Vec<String> {
        let values = self.0.credentials.iter();
        let mut values: Vec<_> = values
            .map(|credential| credential.value.to_owned())
            .collect();
        if self.0.action == Action::Publish {
            // It is often the publish key itself.
            values.push(self.0.stream.to_owned());
        }
        values
    }
}

impl Inner {
    pub(super) async fn authorize(
        self: &Arc<Self>,
        table: &Table,
        call: &AuthCall<'_>,
    ) -> AuthAnswer {
        let key = GrantKey::of(table, call);
        if let Some(answer) = self.kept(&key, Instant::now()) {
            return answer;
        }
        if self.grants.is_revoked_already(call) {
            return revoked();
        }
        let deadline = Deadline::new(Instant::now(), self.options.chain_budget);
        let joined = self.grants.flights.join(key);
        let Ok(joined) = tokio::time::timeout_at(deadline.end().into(), joined).await else {
            self.counters.waits_given_up.inc();
            return unavailable(None);
        };
        match joined {
            Joined::Answer(answer) => {
                self.counters.collapsed.inc();
                answer
            }
            Joined::Separate => self.decide(table, key, call, deadline).await.0,
            Joined::Leader(leader) => {
                // The one before may have finished between the look and the lead.
                if let Some(answer) = self.kept(&key, Instant::now()) {
                    leader.answer(Some(answer.clone()));
                    return answer;
                }
                // Whoever waited for a leader that went away has its whole time before it.
                let deadline = Deadline::new(Instant::now(), self.options.chain_budget);
                let (answer, shared) = self.decide(table, key, call, deadline).await;
                leader.answer(shared.then(|| answer.clone()));
                answer
            }
        }
    }

    fn kept(&self, key: &GrantKey, now: Instant) -> Option<AuthAnswer> {
        if let Some(granted) = self.grants.cached(key, now) {
            self.counters.grants_reused.inc();
            return Some(AuthAnswer::Granted(granted));
        }
        let refused = self.grants.refused(key, now)?;
        self.counters.refusals_reused.inc();
        Some(refused)
    }

    /// Asks the chain. Also returns whether the answer is for all who ask the same.
    async fn decide(
        self: &Arc<Self>,
        table: &Table,
        key: GrantKey,
        call: &AuthCall<'_>,
        deadline: Deadline,
    ) -> (AuthAnswer, bool) {
        let revision = self.grants.revision();
        let mut fold = AuthFold::default();
        let mut by = None;
        let mut fallback = false;
        let mut end = None;
        for link in table.routes.auth_chain(call.action, call.info.pin) {
            let Some(result) = self.ask(link, &Authorize(call), &call.info, deadline).await else {
                continue;
            };
            let result = result.map(|answered| {
                by = Some(answered.by.id);
                fallback |= answered.fallback;
                answered.answer
            });
            if let ControlFlow::Break(broken) = fold.next(link.filter, result) {
                end = Some(broken);
                break;
            }
        }
        let end = end.unwrap_or_else(|| fold.end());
        self.conclude(
            end,
            key,
            call,
            &Circumstances {
                revision,
                by,
                fallback,
            },
        )
    }

    /// Makes an answer of the chain's end, and keeps it if it may be kept.
    fn conclude(
        &self,
        end: AuthEnd,
        key: GrantKey,
        call: &AuthCall<'_>,
        circumstances: &Circumstances,
    ) -> (AuthAnswer, bool) {
        let now = Instant::now();
        let answer = match end {
            AuthEnd::Allow(filter, grant) => {
                return self.conclude_grant(filter, *grant, key, call, circumstances);
            }
            AuthEnd::Open => {
                let granted = Arc::new(anonymous(call, circumstances.revision));
                let revoked = self.grants.is_revoked(&granted, call.info.now_unix_ms);
                let answer = if revoked {
                    self::revoked()
                } else {
                    AuthAnswer::Granted(granted)
                };
                return (answer, true);
            }
            AuthEnd::Closed(filter) => return (unavailable(Some(filter)), true),
            AuthEnd::NoFilter => {
                let message = "nothing on this node decides on this";
                let denial = Denial::by_node(DenialKind::NoFilter, message);
                return (AuthAnswer::Denied(Arc::new(denial)), true);
            }
            AuthEnd::NoOpinion => {
                let message = "nothing that was presented opens this";
                AuthAnswer::Denied(Arc::new(Denial::by_node(DenialKind::NoOpinion, message)))
            }
            AuthEnd::Deny(filter, rejection) => AuthAnswer::Denied(Arc::new(Denial {
                kind: DenialKind::Filter,
                code: rejection.code,
                message: rejection.message,
                retry_after_ms: rejection.retry_after_ms,
                filter: Some(filter),
            })),
            AuthEnd::Redirect(_, to) => AuthAnswer::Redirect(to.into()),
        };
        if !circumstances.fallback {
            self.grants
                .keep_refusal(key, answer.clone(), now + DENIAL_CACHE_MAX);
        }
        (answer, true)
    }

    fn conclude_grant(
        &self,
        filter: FilterName,
        grant: auth::Grant,
        key: GrantKey,
        call: &AuthCall<'_>,
        circumstances: &Circumstances,
    ) -> (AuthAnswer, bool) {
        let now_unix_ms = call.info.now_unix_ms;
        if grant
            .expires_at_ms
            .is_some_and(|expires| expires <= now_unix_ms)
        {
            let message = "the permission has ended";
            let denial = Denial {
                filter: Some(filter),
                ..Denial::by_node(DenialKind::Filter, message)
            };
            return (AuthAnswer::Denied(Arc::new(denial)), true);
        }
        // What the version before said holds for this request only: the next may find the
        // new version well.
        let cache_ms = if circumstances.fallback {
            0
        } else {
            grant.cache_ms
        };
        let kept = kept_until(cache_ms, grant.expires_at_ms, Instant::now(), now_unix_ms);
        let accepted = grant.accepted.map(|accepted| accepted as usize);
        let granted = Arc::new(Granted {
            by: circumstances.by.map(|version| (filter, version)),
            user: grant.user,
            stream: grant.stream,
            expires_at_ms: grant.expires_at_ms,
            accepted,
            attrs: grant.attrs,
            facts: GrantFacts {
                asked: call.stream.to_owned(),
                tokens: tokens(call, accepted),
                kept_until: kept,
                asked_at: circumstances.revision,
                checked_at: AtomicU64::new(circumstances.revision),
            },
        });
        if self.grants.is_revoked(&granted, now_unix_ms) {
            return (revoked(), true);
        }
        self.grants.keep(key, &granted);
        (AuthAnswer::Granted(granted), kept.is_some())
    }
}

/// How the chain came to its end.
struct Circumstances {
    /// The revocations before it was asked.
    revision: u64,
    /// Who spoke last.
    by: Option<VersionId>,
    /// Whether a version before had to answer.
    fallback: bool,
}

fn tokens(call: &AuthCall<'_>, accepted: Option<usize>) -> Vec<Digest> {
    let credentials = call.credentials.iter().take(CREDENTIALS_MAX);
    credentials
        .enumerate()
        .filter(|(place, _)| accepted.is_none_or(|accepted| accepted == *place))
        .map(|(_, credential)| Digest::of(credential.value.as_bytes()))
        .collect()
}

/// A grant for nobody in particular.
fn anonymous(call: &AuthCall<'_>, revision: u64) -> Granted {
    Granted {
        user: types::User {
            id: String::new(),
            name: String::new(),
            roles: types::Roles::empty(),
            level: 0,
            attrs: Vec::new(),
        },
        stream: None,
        expires_at_ms: None,
        accepted: None,
        attrs: Vec::new(),
        by: None,
        facts: GrantFacts {
            asked: call.stream.to_owned(),
            tokens: tokens(call, None),
            kept_until: None,
            asked_at: revision,
            checked_at: AtomicU64::new(revision),
        },
    }
}

fn revoked() -> AuthAnswer {
    let message = "this permission has been taken back";
    AuthAnswer::Denied(Arc::new(Denial::by_node(DenialKind::Revoked, message)))
}

fn unavailable(filter: Option<FilterName>) -> AuthAnswer {
    let message = "this cannot be decided right now";
    AuthAnswer::Denied(Arc::new(Denial {
        retry_after_ms: Some(1000),
        filter,
        ..Denial::by_node(DenialKind::Unavailable, message)
    }))
}

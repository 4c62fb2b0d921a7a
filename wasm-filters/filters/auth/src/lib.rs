//! Who may play, publish, join, give and administrate.
//!
//! A question goes through four steps, and each is a file:
//!
//! 1. `rules`: is this address, page or site welcome at all?
//! 2. `credentials`: each in turn, the most trusted first; one that opens the stream is enough.
//!    A JWT (`claims`), a playback token (`playback`), a signed URL (`signed_url`), a publish key.
//! 3. Guests, where the `policy` lets them.
//! 4. Else the answer is no, with the reason of the first credential (`refusal`).
//!
//! Whatever cannot be decided, such as a key that the node does not have, is an error and not an
//! answer: the node then does as the manifest's `failure` says, and that is "closed".

mod claims;
mod credentials;
mod playback;
mod policy;
mod refusal;
mod rules;
mod signed_url;

use std::sync::OnceLock;

use exports::weir::filter::auth::{Action, Decision, Grant, Guest, Request};
use exports::weir::filter::lifecycle;
use weir::filter::types::{Attr, Context, FilterError, Roles, User};

use credentials::{Failure, presented};
use policy::Policy;
use refusal::Refusal;

wit_bindgen::generate!({ path: "../../wit", world: "auth-filter" });

struct Auth;
export!(Auth);

/// An instance is configured once and then asked, perhaps many times.
static POLICY: OnceLock<Policy> = OnceLock::new();

impl lifecycle::Guest for Auth {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(document: String) -> Result<(), String> {
        let policy = Policy::parse(&document)?;
        POLICY
            .set(policy)
            .map_err(|_| "configured twice".to_owned())
    }
}

impl Guest for Auth {
    fn authorize(ctx: Context, request: Request) -> Result<Decision, FilterError> {
        let policy = POLICY
            .get()
            .ok_or_else(|| FilterError::Internal("not configured".to_owned()))?;
        decide(policy, ctx.now_ms, &request)
    }
}

/// What a credential opens, and to whom.
#[derive(Debug)]
struct Opened {
    user: User,
    /// The stream that is published.
    stream: Option<String>,
    expires_at_ms: Option<u64>,
}

fn decide(policy: &Policy, now_ms: u64, request: &Request) -> Result<Decision, FilterError> {
    for rule in &policy.rules {
        if let Err(refusal) = rule.admits(request.action, &request.stream, &request.client) {
            return Ok(Decision::Deny(refusal.into()));
        }
    }
    let (mut first_refusal, mut first_fault) = (None, None);
    for credential in presented(request) {
        match credential.open(policy, request, now_ms) {
            Ok(opened) => {
                let mut grant = grant(policy, request.action, opened);
                grant.accepted = credential.index();
                grant.attrs.extend(credential.cookie());
                return Ok(Decision::Allow(grant));
            }
            Err(Failure::Refused(refusal)) => _ = first_refusal.get_or_insert(refusal),
            Err(Failure::Fault(fault)) => _ = first_fault.get_or_insert(fault),
        }
    }
    if let Some(fault) = first_fault {
        return Err(fault);
    }
    let refusal = first_refusal.unwrap_or(Refusal::MissingToken);
    if !policy.lets_guests(request.action) {
        return Ok(Decision::Deny(refusal.into()));
    }
    let mut grant = grant(policy, request.action, Opened::to(guest("guest")));
    if refusal != Refusal::MissingToken {
        // A page can say why somebody who logged in is a guest now.
        grant.attrs.push(attr("refused", refusal.code()));
    }
    Ok(Decision::Allow(grant))
}

fn grant(policy: &Policy, action: Action, opened: Opened) -> Grant {
    Grant {
        user: opened.user,
        stream: opened.stream,
        expires_at_ms: opened.expires_at_ms,
        // Nobody publishes so often that it pays to remember the answer.
        cache_ms: if action == Action::Publish {
            0
        } else {
            policy.cache_ms
        },
        accepted: None,
        attrs: Vec::new(),
    }
}

impl Opened {
    fn to(user: User) -> Self {
        Self {
            user,
            stream: None,
            expires_at_ms: None,
        }
    }
}

/// Somebody without a name: in a room they listen.
fn guest(id: &str) -> User {
    User {
        id: id.to_owned(),
        name: String::new(),
        roles: Roles::empty(),
        level: 0,
        attrs: Vec::new(),
    }
}

fn attr(key: &str, value: &str) -> Attr {
    Attr {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// The name in the contract, in scopes and in the configuration.
fn action_name(action: Action) -> &'static str {
    match action {
        Action::Play => "play",
        Action::Publish => "publish",
        Action::Join => "join",
        Action::Gift => "gift",
        Action::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::filter::types::ClientInfo;

    pub(crate) fn client(ip: &str) -> ClientInfo {
        ClientInfo {
            ip: ip.to_owned(),
            country: None,
            user_agent: None,
            referer: None,
            origin: None,
            protocol: "h3".to_owned(),
            tls: true,
            attrs: Vec::new(),
        }
    }

    pub(crate) fn request(action: Action) -> Request {
        Request {
            action,
            app: "live".to_owned(),
            stream: "demo".to_owned(),
            credentials: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            client: client("192.0.2.1"),
        }
    }

    fn answer(document: &str, action: Action) -> Result<Grant, String> {
        let policy = Policy::parse(document).expect(document);
        match decide(&policy, 0, &request(action)) {
            Ok(Decision::Allow(grant)) => Ok(grant),
            Ok(Decision::Deny(rejection)) => Err(rejection.code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_credentials() {
        assert_eq!(answer("{}", Action::Play).expect_err("no"), "missing-token");
        let guests = r#"{"guests":["play"],"cache_ms":5}"#;
        assert_eq!(
            answer(guests, Action::Join).expect_err("no"),
            "missing-token"
        );
        let grant = answer(guests, Action::Play).expect("guests may play");
        assert_eq!((grant.user.id.as_str(), grant.cache_ms), ("guest", 5));
    }

    #[test]
    fn rules_come_first() {
        let document = r#"{"guests":["play"],"rules":[{"ip":{"deny":["192.0.2.0/24"]}}]}"#;
        assert_eq!(
            answer(document, Action::Play).expect_err("no"),
            "forbidden-address"
        );
    }
}

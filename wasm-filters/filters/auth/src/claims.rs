//! What a JWT says, once the node has found its signature right.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::policy::{Issuer, Policy, covers};
use crate::refusal::Refusal;
use crate::weir::filter::types::{Roles, User};
use crate::{Action, Opened, Request, action_name};

/// Most rooms of `room_roles`. A token with more is refused and not read in part.
const ROOMS_MAX: usize = 256;

/// The claims that are read; others may be there.
#[derive(Debug, Deserialize)]
struct Claims {
    /// The user's id.
    sub: String,
    /// What others see; `sub`, if there is none.
    name: Option<String>,
    #[serde(default)]
    level: u32,
    #[serde(default)]
    roles: Words,
    /// Roles in rooms, by the name of the stream: `{"demo": ["moderator"]}`. Those of the stream that is
    /// asked about are added to `roles`; no name stands for several.
    #[serde(default)]
    room_roles: BTreeMap<String, Words>,
    /// The streams that are opened: `["demo", "club-*"]`.
    streams: Option<Words>,
    /// Actions on streams: `play:demo publish:demo`. Words that name no action of ours are skipped.
    #[serde(default)]
    scope: Words,
    iss: Option<String>,
    #[serde(default)]
    aud: Words,
    /// Seconds of Unix time, perhaps with a fraction. A token that never ends is refused.
    exp: f64,
}

/// A list, or words in one string: issuers differ.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Line(String),
    List(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Words {
    fn iter(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Line(line) => Box::new(line.split_ascii_whitespace()),
            Self::List(list) => Box::new(list.iter().map(String::as_str)),
        }
    }
}

impl Claims {
    /// Those that they have everywhere, and those of this stream's room.
    fn roles_in(&self, stream: &str) -> impl Iterator<Item = &str> {
        let here = self.room_roles.get(stream);
        self.roles
            .iter()
            .chain(here.into_iter().flat_map(Words::iter))
    }
}

/// Whether the claims open the stream for the action.
pub(crate) fn open(
    policy: &Policy,
    issuer: &Issuer,
    claims: &str,
    request: &Request,
) -> Result<Opened, Refusal> {
    let claims: Claims = serde_json::from_str(claims).map_err(|_| Refusal::Malformed)?;
    let ours = issuer.issuer.is_none() || issuer.issuer == claims.iss;
    let for_us = match &issuer.audience {
        Some(audience) => claims.aud.iter().any(|word| word == audience),
        None => true,
    };
    if !ours || !for_us {
        return Err(Refusal::WrongIssuer);
    }
    if claims.sub.is_empty() || claims.room_roles.len() > ROOMS_MAX {
        return Err(Refusal::Malformed);
    }
    let named = named_by_scope(&claims.scope, request);
    let covered = match (named, &claims.streams) {
        (Some(named), _) => named,
        (None, Some(streams)) => streams.iter().any(|it| covers(it, &request.stream)),
        (None, None) => issuer
            .streams_default
            .iter()
            .any(|it| covers(it, &request.stream)),
    };
    if !covered {
        return Err(Refusal::WrongStream);
    }
    let needed = policy.roles.needed(request.action);
    let has_role = || {
        claims
            .roles_in(&request.stream)
            .any(|role| needed.iter().any(|it| it == role))
    };
    // A scope that names the action stands for the role.
    if named.is_none() && !needed.is_empty() && !has_role() {
        return Err(Refusal::MissingRole);
    }
    let roles = claims.roles_in(&request.stream).filter_map(role);
    Ok(Opened {
        user: User {
            roles: roles.fold(Roles::empty(), Roles::union),
            name: claims.name.unwrap_or_else(|| claims.sub.clone()),
            id: claims.sub,
            level: claims.level,
            attrs: Vec::new(),
        },
        stream: (request.action == Action::Publish).then(|| request.stream.clone()),
        // A negative or absurd number ends up at one of the ends of u64.
        expires_at_ms: Some((claims.exp * 1000.0) as u64),
    })
}

/// Whether the scope names the action on the stream; none when it is not about actions of ours.
fn named_by_scope(scope: &Words, request: &Request) -> Option<bool> {
    let actions = [
        Action::Play,
        Action::Publish,
        Action::Join,
        Action::Gift,
        Action::Admin,
    ];
    let mut named = None;
    for (action, pattern) in scope.iter().filter_map(|word| word.split_once(':')) {
        if actions.into_iter().any(|it| action_name(it) == action) {
            let hit = action == action_name(request.action) && covers(pattern, &request.stream);
            named = Some(named == Some(true) || hit);
        }
    }
    named
}

fn role(name: &str) -> Option<Roles> {
    Some(match name {
        "subscriber" => Roles::SUBSCRIBER,
        "vip" => Roles::VIP,
        "moderator" => Roles::MODERATOR,
        "broadcaster" => Roles::BROADCASTER,
        "staff" => Roles::STAFF,
        "verified" => Roles::VERIFIED,
        "bot" => Roles::BOT,
        "muted" => Roles::MUTED,
        _ => return None,
    })
}

/// Whether the contract knows the role.
pub(crate) fn is_role(name: &str) -> bool {
    role(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::request;

    fn outcome(claims: &str, action: Action) -> Result<Opened, &'static str> {
        let document = r#"{"jwt":[{"key":"a","issuer":"us","audience":"weir"}]}"#;
        let policy = Policy::parse(document).expect("a policy");
        let claims = format!(r#"{{"iss":"us","aud":"weir","exp":100,{claims}}}"#);
        open(&policy, &policy.jwt[0], &claims, &request(action)).map_err(Refusal::code)
    }

    #[test]
    fn streams_and_scopes() {
        use Action::{Admin, Join, Play, Publish};
        for (claims, action, expect) in [
            (r#""sub":"a""#, Play, Err("wrong-stream")),
            (r#""sub":"a","streams":["demo"]"#, Play, Ok(())),
            (r#""sub":"a","streams":"x de*""#, Join, Ok(())),
            (r#""sub":"a","streams":[]"#, Play, Err("wrong-stream")),
            (
                r#""sub":"a","scope":"openid","streams":["demo"]"#,
                Play,
                Ok(()),
            ),
            (r#""sub":"a","scope":"openid play:demo""#, Play, Ok(())),
            (
                r#""sub":"a","scope":"play:demo","streams":["*"]"#,
                Join,
                Err("wrong-stream"),
            ),
            (
                r#""sub":"a","scope":"play:demo""#,
                Publish,
                Err("wrong-stream"),
            ),
            (r#""sub":"a","scope":"publish:demo""#, Publish, Ok(())),
            (
                r#""sub":"a","streams":["demo"]"#,
                Publish,
                Err("missing-role"),
            ),
            (
                r#""sub":"a","streams":["demo"],"roles":["broadcaster"]"#,
                Publish,
                Ok(()),
            ),
            (
                r#""sub":"a","streams":["*"],"roles":["moderator"]"#,
                Admin,
                Err("missing-role"),
            ),
            (r#""sub":"","streams":["*"]"#, Play, Err("malformed-token")),
            (r#""streams":["*"]"#, Play, Err("malformed-token")),
        ] {
            assert_eq!(outcome(claims, action).map(|_| ()), expect, "{claims}");
        }
    }

    /// The tokens of accounts open everything, and those of guests rooms.
    #[test]
    fn who_may_give() {
        use Action::{Gift, Join, Play};
        let account = r#""sub":"u-1","streams":["*"]"#;
        let guest = r#""sub":"guest-1","streams":["*"],"scope":"join:*""#;
        for (claims, action, expect) in [
            (account, Gift, Ok(())),
            (account, Join, Ok(())),
            (account, Play, Ok(())),
            (guest, Join, Ok(())),
            (guest, Gift, Err("wrong-stream")),
            (guest, Play, Err("wrong-stream")),
        ] {
            assert_eq!(outcome(claims, action).map(|_| ()), expect, "{claims}");
        }
    }

    #[test]
    fn roles_of_a_room_count_in_that_room() {
        use Action::{Admin, Publish};
        let with = |rooms: &str| {
            format!(r#""sub":"a","roles":["vip"],"streams":["*"],"room_roles":{rooms}"#)
        };
        // The request is about the stream "demo".
        for (rooms, roles) in [
            (r#"{}"#, Roles::VIP),
            (
                r#"{"demo":["moderator","king"]}"#,
                Roles::VIP | Roles::MODERATOR,
            ),
            (
                r#"{"demo":"muted bot"}"#,
                Roles::VIP | Roles::MUTED | Roles::BOT,
            ),
            (r#"{"demo":[],"other":["moderator"]}"#, Roles::VIP),
            // No patterns.
            (
                r#"{"*":["staff"],"demo*":["staff"],"":["staff"]}"#,
                Roles::VIP,
            ),
        ] {
            let opened = outcome(&with(rooms), Action::Join).expect(rooms);
            assert_eq!(opened.user.roles, roles, "{rooms}");
        }
        for (rooms, action, expect) in [
            (r#"{"demo":["broadcaster"]}"#, Publish, Ok(())),
            (r#"{"other":["broadcaster"]}"#, Publish, Err("missing-role")),
            (r#"{"demo":["moderator"]}"#, Publish, Err("missing-role")),
            (r#"{"other":["staff"]}"#, Admin, Err("missing-role")),
            (r#"["moderator"]"#, Publish, Err("malformed-token")),
            (
                r#"{"demo":{"moderator":true}}"#,
                Publish,
                Err("malformed-token"),
            ),
        ] {
            assert_eq!(outcome(&with(rooms), action).map(|_| ()), expect, "{rooms}");
        }
    }

    #[test]
    fn rooms_are_bounded() {
        let token = |count: usize| {
            let rooms: Vec<String> = (0..count).map(|at| format!(r#""r{at}":["vip"]"#)).collect();
            let rooms = rooms.join(",");
            format!(r#""sub":"a","streams":["*"],"room_roles":{{{rooms}}}"#)
        };
        assert!(outcome(&token(ROOMS_MAX), Action::Play).is_ok());
        let error = outcome(&token(ROOMS_MAX + 1), Action::Play).map(|_| ());
        assert_eq!(error, Err("malformed-token"));
    }

    #[test]
    fn issuer_audience_and_an_end_are_needed() {
        let document =
            r#"{"jwt":[{"key":"a","issuer":"us","audience":"weir","streams_default":["*"]}]}"#;
        let policy = Policy::parse(document).expect("a policy");
        let open = |claims| {
            let request = request(Action::Play);
            open(&policy, &policy.jwt[0], claims, &request)
                .map(|_| ())
                .map_err(Refusal::code)
        };
        assert_eq!(
            open(r#"{"sub":"a","exp":1,"iss":"us","aud":["x","weir"]}"#),
            Ok(())
        );
        assert_eq!(
            open(r#"{"sub":"a","exp":1,"iss":"them","aud":"weir"}"#),
            Err("wrong-issuer")
        );
        assert_eq!(
            open(r#"{"sub":"a","exp":1,"iss":"us","aud":"weird"}"#),
            Err("wrong-issuer")
        );
        assert_eq!(
            open(r#"{"sub":"a","exp":1,"aud":"weir"}"#),
            Err("wrong-issuer")
        );
        assert_eq!(
            open(r#"{"sub":"a","iss":"us","aud":"weir"}"#),
            Err("malformed-token")
        );
    }

    #[test]
    fn the_user() {
        let claims = r#""sub":"u7","name":"Ana","level":3,"roles":["vip","owner"],"streams":["*"]"#;
        let opened = outcome(claims, Action::Play).expect("opens");
        assert_eq!(
            (opened.user.id.as_str(), opened.user.name.as_str()),
            ("u7", "Ana")
        );
        assert_eq!(opened.user.roles, Roles::VIP);
        assert_eq!(
            (opened.user.level, opened.expires_at_ms),
            (3, Some(100_000))
        );
    }
}

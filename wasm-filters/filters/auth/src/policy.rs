//! The operator's policy: the manifest's `config`, read once for each instance.

use serde::Deserialize;

use crate::claims::is_role;
use crate::rules::Rule;
use crate::{Action, action_name};

/// Longest time that a node may keep an answer. A revocation ends it sooner.
const CACHE_MS_MAX: u32 = 600_000;

/// Everything that the filter can be told. An unknown key is refused: a misspelt rule is no rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// What people without a credential that holds may do: "play", "join".
    #[serde(default)]
    pub(crate) guests: Vec<String>,
    /// How long a node may keep an answer, in milliseconds: 0 to 600000.
    #[serde(default = "cache_ms_default")]
    pub(crate) cache_ms: u32,
    /// One of these is needed for an action; empty: none is.
    #[serde(default)]
    pub(crate) roles: Roles,
    /// Who signs our JWTs.
    #[serde(default)]
    pub(crate) jwt: Vec<Issuer>,
    /// Weir's own playback tokens.
    pub(crate) playback_tokens: Option<KeyOf>,
    /// Signed URLs.
    pub(crate) signed_urls: Option<KeyOf>,
    /// What broadcasters type into their encoder.
    #[serde(default)]
    pub(crate) publish_keys: Vec<PublishKey>,
    /// Where people may come from.
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
}

/// Roles by action.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Roles {
    play: Vec<String>,
    publish: Vec<String>,
    join: Vec<String>,
    gift: Vec<String>,
    admin: Vec<String>,
}

/// A key of the node, by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyOf {
    pub(crate) key: String,
}

/// An issuer of JWTs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// Name of the JWK set, or of a secret for HS256.
    pub(crate) key: String,
    /// What `iss` has to be, if given.
    pub(crate) issuer: Option<String>,
    /// What `aud` has to hold, if given.
    pub(crate) audience: Option<String>,
    /// The streams that a token without `streams` and `scope` opens: none, unless said here.
    #[serde(default)]
    pub(crate) streams_default: Vec<String>,
}

/// A publish key. Only its hash is known here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishKey {
    /// The stream that it opens.
    pub(crate) stream: String,
    /// SHA-256 of the key, in lower-case hex: `printf %s "$key" | sha256sum`.
    pub(crate) sha256: String,
    /// The broadcaster's user id; the stream's name, if none is given.
    pub(crate) user: Option<String>,
    /// First second in which it is good, of Unix time.
    pub(crate) not_before_unix: Option<u64>,
    /// First second in which it is no longer good.
    pub(crate) expires_unix: Option<u64>,
}

fn cache_ms_default() -> u32 {
    30_000
}

impl Default for Roles {
    /// To watch or to talk it is enough to be let in; the rest takes more than that.
    fn default() -> Self {
        Self {
            play: Vec::new(),
            publish: vec!["broadcaster".to_owned()],
            join: Vec::new(),
            gift: Vec::new(),
            admin: vec!["staff".to_owned()],
        }
    }
}

impl Roles {
    pub(crate) fn needed(&self, action: Action) -> &[String] {
        match action {
            Action::Play => &self.play,
            Action::Publish => &self.publish,
            Action::Join => &self.join,
            Action::Gift => &self.gift,
            Action::Admin => &self.admin,
        }
    }
}

impl Policy {
    /// Reads and checks the whole of it, so that a mistake is found by whoever makes it.
    pub(crate) fn parse(document: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(document).map_err(|error| error.to_string())?;
        policy.check()?;
        Ok(policy)
    }

    pub(crate) fn lets_guests(&self, action: Action) -> bool {
        self.guests.iter().any(|name| name == action_name(action))
    }

    fn check(&self) -> Result<(), String> {
        if self.cache_ms > CACHE_MS_MAX {
            return Err(format!("cache_ms is at most {CACHE_MS_MAX}"));
        }
        for name in &self.guests {
            if !matches!(name.as_str(), "play" | "join") {
                return Err(format!("guests may play and join, not '{name}'"));
            }
        }
        let roles = &self.roles;
        let all = [
            &roles.play,
            &roles.publish,
            &roles.join,
            &roles.gift,
            &roles.admin,
        ];
        if let Some(name) = all.into_iter().flatten().find(|name| !is_role(name)) {
            return Err(format!("roles: there is no role '{name}'"));
        }
        for key in &self.publish_keys {
            key.check()?;
        }
        self.rules.iter().try_for_each(Rule::check)
    }
}

impl PublishKey {
    fn check(&self) -> Result<(), String> {
        let hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.sha256.len() != 64 || !self.sha256.bytes().all(hex) {
            let stream = &self.stream;
            return Err(format!(
                "publish_keys: sha256 of '{stream}' is not 64 lower-case hex digits"
            ));
        }
        if self.stream.is_empty() {
            return Err("publish_keys: a key without a stream".to_owned());
        }
        Ok(())
    }
}

/// `demo` is that stream, `demo-*` all that begin so, `*` every one.
pub(crate) fn covers(pattern: &str, stream: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => stream.starts_with(prefix),
        None => pattern == stream,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, stream, expect) in [
            ("demo", "demo", true),
            ("demo", "demo2", false),
            ("demo*", "demo2", true),
            ("*", "x", true),
            ("", "x", false),
            ("d*o", "demo", false),
        ] {
            assert_eq!(covers(pattern, stream), expect, "{pattern} {stream}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_with_a_reason() {
        for (document, reason) in [
            ("{", "EOF"),
            (r#"{"gests":[]}"#, "unknown field `gests`"),
            (r#"{"guests":["publish"]}"#, "not 'publish'"),
            (r#"{"cache_ms":600001}"#, "at most 600000"),
            (r#"{"roles":{"play":["king"]}}"#, "no role 'king'"),
            (
                r#"{"publish_keys":[{"stream":"a","sha256":"AB"}]}"#,
                "64 lower-case",
            ),
            (
                r#"{"rules":[{"ip":{"allow":["10.0.0.0/33"]}}]}"#,
                "invalid IP address",
            ),
        ] {
            let error = Policy::parse(document).expect_err(document);
            assert!(error.contains(reason), "{document}: {error}");
        }
    }

    #[test]
    fn nobody_is_let_in_by_an_empty_policy() {
        let policy = Policy::parse("{}").expect("an empty policy is one");
        assert!(!policy.lets_guests(Action::Play));
        assert!(policy.jwt.is_empty() && policy.publish_keys.is_empty());
        assert_eq!(policy.roles.needed(Action::Publish), ["broadcaster"]);
    }
}

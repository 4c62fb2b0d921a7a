//! Where people may come from: addresses, pages that embed the player, sites whose script asks.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use crate::policy::covers;
use crate::refusal::Refusal;
use crate::weir::filter::types::ClientInfo;
use crate::{Action, action_name};

/// In a list of hosts: requests that do not say where they come from.
const NO_HOST: &str = "none";

/// Applies to the actions and streams that it names. All rules that apply have to be content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rule {
    /// "play", "publish", "join", "gift", "admin"; all of them, if none is named.
    actions: Vec<String>,
    streams: Vec<String>,
    ip: Lists<IpNet>,
    referer: Lists<String>,
    origin: Lists<String>,
}

/// What is in `deny` is refused; where `allow` is not empty, so is what is not in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lists<T> {
    allow: Vec<T>,
    deny: Vec<T>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
        }
    }
}

impl<T> Lists<T> {
    fn admits(&self, matches: impl Fn(&T) -> bool) -> bool {
        let allowed = self.allow.is_empty() || self.allow.iter().any(&matches);
        allowed && !self.deny.iter().any(&matches)
    }

    fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            streams: vec!["*".to_owned()],
            ip: Lists::default(),
            referer: Lists::default(),
            origin: Lists::default(),
        }
    }
}

impl Rule {
    pub(crate) fn check(&self) -> Result<(), String> {
        const ACTIONS: [&str; 5] = ["play", "publish", "join", "gift", "admin"];
        let unknown = |action: &&String| !ACTIONS.contains(&action.as_str());
        if let Some(action) = self.actions.iter().find(unknown) {
            return Err(format!("rules: there is no action '{action}'"));
        }
        if self.ip.is_empty() && self.referer.is_empty() && self.origin.is_empty() {
            return Err("rules: a rule with neither ip, referer nor origin".to_owned());
        }
        Ok(())
    }

    pub(crate) fn admits(
        &self,
        action: Action,
        stream: &str,
        client: &ClientInfo,
    ) -> Result<(), Refusal> {
        let about_action =
            self.actions.is_empty() || self.actions.iter().any(|it| it == action_name(action));
        if !about_action || !self.streams.iter().any(|it| covers(it, stream)) {
            return Ok(());
        }
        if !self.ip.is_empty() {
            // Also refuses when the manifest does not list "ip" under `sees`: then it is empty.
            let ip: IpAddr = client.ip.parse().map_err(|_| Refusal::Address)?;
            let ip = ip.to_canonical();
            if !self.ip.admits(|net| net.contains(&ip)) {
                return Err(Refusal::Address);
            }
        }
        let from = |lists: &Lists<String>, url: Option<&str>| {
            lists.is_empty() || lists.admits(|pattern| is_host(pattern, url))
        };
        if !from(&self.referer, client.referer.as_deref()) {
            return Err(Refusal::Referer);
        }
        if !from(&self.origin, client.origin.as_deref()) {
            return Err(Refusal::Origin);
        }
        Ok(())
    }
}

/// `example.com` is that host, `*.example.com` all below it.
fn is_host(pattern: &str, url: Option<&str>) -> bool {
    let Some(url) = url else {
        return pattern == NO_HOST;
    };
    let host = host_of(url);
    match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern != NO_HOST && host == pattern,
    }
}

/// The host of a URL in lower case, without user and port; empty where there is none, as in the
/// `Origin: null` of a sandboxed page.
fn host_of(url: &str) -> String {
    let Some((_, rest)) = url.split_once("://") else {
        return String::new();
    };
    // A browser takes a backslash for a slash.
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.find(']') {
        Some(end) => host.get(..=end).unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::client;

    fn outcome(rule: &str, client: &ClientInfo) -> Result<(), &'static str> {
        let rule: Rule = serde_json::from_str(rule).expect(rule);
        rule.check().expect("a rule");
        rule.admits(Action::Play, "demo", client)
            .map_err(Refusal::code)
    }

    #[test]
    fn addresses() {
        let rule = r#"{"ip":{"allow":["10.0.0.0/8","2001:db8::/32"],"deny":["10.6.6.0/24"]}}"#;
        for (ip, expect) in [
            ("10.1.2.3", Ok(())),
            ("::ffff:10.1.2.3", Ok(())),
            ("2001:db8::1", Ok(())),
            ("10.6.6.6", Err("forbidden-address")),
            ("::ffff:10.6.6.6", Err("forbidden-address")),
            ("192.0.2.1", Err("forbidden-address")),
            ("", Err("forbidden-address")),
        ] {
            assert_eq!(outcome(rule, &client(ip)), expect, "{ip}");
        }
    }

    #[test]
    fn pages() {
        let rule = r#"{"referer":{"allow":["example.com","*.example.com"]}}"#;
        for (referer, expect) in [
            (Some("https://example.com/watch"), Ok(())),
            (Some("https://LIVE.example.com:8443/x?y#z"), Ok(())),
            (
                Some("https://example.com@evil.test/"),
                Err("forbidden-referer"),
            ),
            (
                Some("https://evil.test\\.example.com/"),
                Err("forbidden-referer"),
            ),
            (
                Some("https://evil.test/https://example.com/"),
                Err("forbidden-referer"),
            ),
            (Some("https://badexample.com/"), Err("forbidden-referer")),
            (Some("https://none/"), Err("forbidden-referer")),
            (Some("example.com"), Err("forbidden-referer")),
            (None, Err("forbidden-referer")),
        ] {
            let mut client = client("192.0.2.1");
            client.referer = referer.map(str::to_owned);
            assert_eq!(outcome(rule, &client), expect, "{referer:?}");
        }
        let or_none = r#"{"origin":{"allow":["example.com","none"],"deny":["evil.test"]}}"#;
        let mut client = client("192.0.2.1");
        assert_eq!(outcome(or_none, &client), Ok(()));
        client.origin = Some("null".to_owned());
        assert_eq!(outcome(or_none, &client), Err("forbidden-origin"));
    }

    #[test]
    fn other_actions_and_streams_are_not_its_business() {
        for other in [r#""actions":["publish"]"#, r#""streams":["vip-*"]"#] {
            let rule = format!(r#"{{{other},"ip":{{"deny":["0.0.0.0/0"]}}}}"#);
            assert_eq!(outcome(&rule, &client("192.0.2.1")), Ok(()), "{other}");
        }
    }
}

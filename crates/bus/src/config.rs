//! The table `[rooms.bus]` (origin and edge alike), as typed and as checked.
//!
//! Every key's meaning, unit and range stand in `config/edge.toml` and `config/origin.toml`.

use std::path::PathBuf;

use serde::Deserialize;
use settings::{Invalid, KeyPath, Secret};

use crate::nats::{Credentials, NatsOptions};
use crate::{MESSAGE_BYTES_LIMIT, RoomName};

/// Bytes that a bearer token has at least.
const TOKEN_BYTES_MIN: usize = 16;
/// Largest message over links: a room's whole window and state, as the rooms' decoder takes it.
pub const LINK_MESSAGE_BYTES_MAX: usize = 16 << 20;
const _: () = assert!(LINK_MESSAGE_BYTES_MAX <= MESSAGE_BYTES_LIMIT);

/// What carries rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Links of the edges to the origin.
    #[default]
    Embedded,
    /// A NATS server.
    Nats,
}

/// `[rooms.bus]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// `embedded` or `nats`.
    pub kind: Kind,
    /// Servers of a NATS cluster.
    pub urls: Vec<String>,
    /// First part of all subjects.
    pub prefix: String,
    /// A `.creds` file.
    pub credentials_file: PathBuf,
    /// A file with the seed of an nkey.
    pub nkey_file: PathBuf,
    /// A token.
    pub token: Secret,
    /// A user.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// PEM certificates to trust.
    pub ca_file: PathBuf,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            urls: vec!["nats://127.0.0.1:4222".to_owned()],
            prefix: "weir".to_owned(),
            credentials_file: PathBuf::new(),
            nkey_file: PathBuf::new(),
            token: Secret::default(),
            user: String::new(),
            password: Secret::default(),
            ca_file: PathBuf::new(),
        }
    }
}

/// What carries rooms, checked.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
pub enum BusSettings {
    /// Links of the edges to the origin.
    Embedded,
    /// A NATS server.
    Nats(NatsOptions),
}

impl BusSettings {
    /// The longest window of a room that can be sent in one message with the rest of the room's state,
    /// in bytes.
    pub fn window_bytes_max(&self) -> usize {
        let message = match self {
            Self::Embedded => LINK_MESSAGE_BYTES_MAX,
            Self::Nats(options) => options.message_bytes_max,
        };
        message / 2
    }

    /// What `asked` is here: a window that nobody chose, `default`, is cut to what the bus carries.
    ///
    /// # Errors
    /// One that somebody chose is longer than that.
    pub fn check_window(
        &self,
        asked: usize,
        default: usize,
        key: KeyPath,
    ) -> Result<usize, Invalid> {
        let most = self.window_bytes_max();
        if asked > most && asked != default {
            let reason = format!("has to be at most {most}: half of what this bus carries at once");
            return Err(Invalid::new(key, reason));
        }
        Ok(asked.min(most))
    }
}

impl BusConfig {
    /// Checks it; `at` is where the table stands.
    ///
    /// # Errors
    /// The first value that is outside its range, and what it may be.
    pub fn resolve(self, at: &KeyPath) -> Result<BusSettings, Invalid> {
        if self.kind == Kind::Embedded {
            return Ok(BusSettings::Embedded);
        }
        let at = |key| at.clone().key(key);
        let is_url = |url: &String| url.starts_with("nats://") || url.starts_with("tls://");
        if self.urls.is_empty() {
            return Err(Invalid::new(at("urls"), "needs at least one server"));
        }
        if let Some(index) = self.urls.iter().position(|url| !is_url(url)) {
            return Err(Invalid::new(
                at("urls").index(index),
                "has to be nats://HOST:PORT or tls://HOST:PORT",
            ));
        }
        if RoomName::new(&self.prefix).is_err() {
            return Err(Invalid::new(
                at("prefix"),
                "has to be 1 to 64 of a-z, A-Z, 0-9, \"-\", \"_\"",
            ));
        }
        let named = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
        let ca_file = named(self.ca_file);
        let mut ways = Vec::new();
        ways.extend(named(self.credentials_file).map(Credentials::CredentialsFile));
        ways.extend(named(self.nkey_file).map(Credentials::NkeyFile));
        if !self.token.expose().is_empty() {
            ways.push(Credentials::Token(self.token));
        }
        if !self.user.is_empty() {
            ways.push(Credentials::User {
                user: self.user,
                password: self.password,
            });
        }
        if ways.len() > 1 {
            return Err(Invalid::new(
                at("kind"),
                "has one way to log in at most: credentials_file, nkey_file, token, or user",
            ));
        }
        let mut options = NatsOptions::new(self.urls, ways.pop().unwrap_or_default());
        options.ca_file = ca_file;
        options.prefix = self.prefix;
        Ok(BusSettings::Nats(options))
    }
}

/// Whether a link's token may be one; `at` is where it stands.
///
/// # Errors
/// It is too short, or holds what no field can.
pub fn check_link_token(token: &Secret, at: KeyPath) -> Result<(), Invalid> {
    let token = token.expose();
    let legal = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < TOKEN_BYTES_MIN || !legal {
        return Err(Invalid::new(
            at,
            format!("has to be at least {TOKEN_BYTES_MIN} visible ASCII characters"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(config: BusConfig) -> Result<BusSettings, String> {
        let resolved = config.resolve(&KeyPath::new("rooms").key("bus"));
        resolved.map_err(|invalid| format!("{invalid:?}"))
    }

    #[test]
    fn nats_needs_a_server_and_at_most_one_way_in() {
        let nats = || BusConfig {
            kind: Kind::Nats,
            ..BusConfig::default()
        };
        assert!(matches!(
            resolve(BusConfig::default()),
            Ok(BusSettings::Embedded)
        ));
        assert!(matches!(resolve(nats()), Ok(BusSettings::Nats(_))));
        let wrong = [
            (
                BusConfig {
                    urls: Vec::new(),
                    ..nats()
                },
                "at least one",
            ),
            (
                BusConfig {
                    urls: vec!["http://a".to_owned()],
                    ..nats()
                },
                "nats://",
            ),
            (
                BusConfig {
                    prefix: "a.b".to_owned(),
                    ..nats()
                },
                "prefix",
            ),
            (
                BusConfig {
                    user: "ann".to_owned(),
                    token: Secret::new("t"),
                    ..nats()
                },
                "one way",
            ),
        ];
        for (config, reason) in wrong {
            let error = resolve(config).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }
}

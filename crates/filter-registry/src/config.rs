//! The tables `[filters]` (origin and edge alike) and `[filter_registry]` (origin), as typed and as checked.
//!
//! Every key's meaning, unit and range stand in `config/edge.toml` and `config/origin.toml`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use settings::{Invalid, KeyPath, Secret};

use crate::api::{Role, Token};
use crate::signature::SignaturePolicy;

/// The name under which every node's filters know `playback.token_keys`, the secrets that the tiers
/// share. No key of `[[filters.keys]]` may have it: one of the two would hide the other.
pub const PLAYBACK_KEY: &str = "playback";

/// Bytes that a bearer token has at least.
const TOKEN_BYTES_MIN: usize = 16;
/// Bytes that an HMAC secret has at least: those of SHA-256 (RFC 2104 §3).
const SECRET_BYTES_MIN: usize = 32;
/// Secrets of one key, for rotation.
const SECRETS_MAX: usize = 8;

/// `[filters]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FiltersConfig {
    /// Whether this node runs filters.
    pub enabled: bool,
    /// Base URL of the registry; empty: the node's own.
    pub registry: String,
    /// Bearer token that the registry knows as a node's.
    pub token: Secret,
    /// PEM certificates to trust for an https registry; empty: the system's alone.
    pub ca_file: PathBuf,
    /// Where the node keeps components, compiled code and the last catalogue.
    pub state_dir: PathBuf,
    /// Instances at once.
    pub instances_max: u32,
    /// Memory that any instance may be allowed.
    pub instance_memory_bytes_max: u64,
    /// Bytes of all filters' key-value memory together.
    pub kv_bytes_max: u64,
    /// Bytes of auth filters' answers that are remembered.
    pub grants_bytes_max: u64,
    /// Whether only signed versions run here.
    pub signatures_required: bool,
    /// Who may sign.
    pub public_keys: Vec<PublicKeyConfig>,
    /// What filters see as the tenant.
    pub tenant: String,
    /// Request field that holds the viewer's country; empty: none is trusted.
    pub country_header: String,
    /// MaxMind database file; empty: none.
    pub country_database: PathBuf,
    /// The key ring.
    pub keys: Vec<KeyConfig>,
}

impl Default for FiltersConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            registry: String::new(),
            token: Secret::default(),
            ca_file: PathBuf::new(),
            state_dir: PathBuf::from("filters"),
            instances_max: 1_000,
            instance_memory_bytes_max: 64 << 20,
            kv_bytes_max: 64 << 20,
            grants_bytes_max: 64 << 20,
            signatures_required: false,
            public_keys: Vec::new(),
            tenant: "default".to_owned(),
            country_header: String::new(),
            country_database: PathBuf::new(),
            keys: Vec::new(),
        }
    }
}

/// `[[filters.keys]]`: what filters may name in `crypto`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// Its name.
    pub name: String,
    /// HMAC secrets: the first signs, all verify.
    pub secrets: Vec<Secret>,
    /// A JWK set in a file.
    pub jwks_file: PathBuf,
    /// A JWK set at a URL.
    pub jwks_url: String,
    /// Between two readings of `jwks_url`; 0: 300.
    pub refresh_seconds: u64,
}

/// `[filter_registry]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Whether this origin keeps the registry.
    pub enabled: bool,
    /// Where.
    pub dir: PathBuf,
    /// Whether an upload has to be signed by one of `public_keys`.
    pub signatures_required: bool,
    /// Base64 of raw Ed25519 public keys, with their names.
    pub public_keys: Vec<PublicKeyConfig>,
    /// Who may do what.
    pub tokens: Vec<TokenConfig>,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            dir: PathBuf::from("filter-registry"),
            signatures_required: false,
            public_keys: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

/// `[[filter_registry.public_keys]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublicKeyConfig {
    /// The key id of signatures.
    pub id: String,
    /// Base64 of the 32 bytes.
    pub key: String,
}

/// What a bearer token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// Reads the catalogue and reports.
    #[default]
    Node,
    /// May do everything.
    Operator,
}

/// `[[filter_registry.tokens]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenConfig {
    /// Who: stands in the audit log.
    pub name: String,
    /// The secret.
    pub token: Secret,
    /// `operator` or `node`.
    pub role: TokenRole,
}

/// Where a node learns which filters to run.
#[derive(Clone, Debug)]
pub enum RegistryAddress {
    /// The registry of this process.
    Own,
    /// Another process'.
    Remote {
        /// Base URL, without a slash at the end.
        url: String,
        /// Its bearer token.
        token: Secret,
        /// PEM file to trust.
        ca_file: Option<PathBuf>,
    },
}

/// Where a key's material comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// HMAC secrets.
    Secrets(Vec<Secret>),
    /// A JWK set in a file.
    JwksFile(PathBuf),
    /// A JWK set at a URL, and how often it is read.
    JwksUrl(String, Duration),
}

/// `[filters]`, checked.
#[derive(Clone, Debug)]
pub struct FiltersSettings {
    /// Where from.
    pub registry: RegistryAddress,
    /// Components, compiled code, last catalogue.
    pub state_dir: PathBuf,
    /// See [`FiltersConfig`].
    pub instances_max: u32,
    /// See [`FiltersConfig`].
    pub instance_memory_bytes_max: u64,
    /// See [`FiltersConfig`].
    pub kv_bytes_max: u64,
    /// See [`FiltersConfig`].
    pub grants_bytes_max: u64,
    /// Whose versions run here.
    pub signatures: SignaturePolicy,
    /// See [`FiltersConfig`].
    pub tenant: String,
    /// Lower case.
    pub country_header: Option<http::HeaderName>,
    /// See [`FiltersConfig`].
    pub country_database: Option<PathBuf>,
    /// By name.
    pub keys: Vec<(String, KeySource)>,
}

impl FiltersConfig {
    /// Checks every value; `None` when filters are off. `own_registry`: this process keeps one.
    ///
    /// # Errors
    /// The first value that is outside its range, and what it may be.
    pub fn resolve(self, own_registry: bool) -> Result<Option<FiltersSettings>, Invalid> {
        if !self.enabled {
            return Ok(None);
        }
        let at = |key| KeyPath::new("filters").key(key);
        let registry = self.address(own_registry)?;
        let ranged = |key, value: u64, max: u64| {
            let fits = (1..=max).contains(&value);
            fits.then_some(value)
                .ok_or_else(|| Invalid::new(at(key), format!("has to be from 1 to {max}")))
        };
        ranged("instances_max", u64::from(self.instances_max), 20_000)?;
        let country_header = if self.country_header.is_empty() {
            None
        } else {
            let name = http::HeaderName::try_from(self.country_header.to_ascii_lowercase());
            Some(name.map_err(|_| Invalid::new(at("country_header"), "is no field name"))?)
        };
        if self.state_dir.as_os_str().is_empty() {
            return Err(Invalid::new(at("state_dir"), "has to name a directory"));
        }
        Ok(Some(FiltersSettings {
            registry,
            instances_max: self.instances_max,
            instance_memory_bytes_max: ranged(
                "instance_memory_bytes_max",
                self.instance_memory_bytes_max,
                4 << 30,
            )?,
            kv_bytes_max: ranged("kv_bytes_max", self.kv_bytes_max, 1 << 40)?,
            grants_bytes_max: ranged("grants_bytes_max", self.grants_bytes_max, 1 << 40)?,
            signatures: signatures("filters", self.signatures_required, &self.public_keys)?,
            keys: keys(&self.keys)?,
            state_dir: self.state_dir,
            tenant: self.tenant,
            country_header,
            country_database: some_path(self.country_database),
        }))
    }

    fn address(&self, own_registry: bool) -> Result<RegistryAddress, Invalid> {
        let at = |key| KeyPath::new("filters").key(key);
        if self.registry.is_empty() {
            return if own_registry {
                Ok(RegistryAddress::Own)
            } else {
                Err(Invalid::new(
                    at("registry"),
                    "has to be the URL of the registry, such as \"http://origin:9080\"",
                ))
            };
        }
        let url = self.registry.trim_end_matches('/');
        if !is_http_url(url) {
            return Err(Invalid::new(
                at("registry"),
                "is not http://HOST:PORT or https://HOST:PORT",
            ));
        }
        check_token(&self.token, at("token"))?;
        Ok(RegistryAddress::Remote {
            url: url.to_owned(),
            token: self.token.clone(),
            ca_file: some_path(self.ca_file.clone()),
        })
    }
}

fn keys(keys: &[KeyConfig]) -> Result<Vec<(String, KeySource)>, Invalid> {
    let mut seen = BTreeSet::new();
    keys.iter()
        .enumerate()
        .map(|(index, key)| {
            let at = |field| KeyPath::new("filters").key("keys").index(index).key(field);
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if key.name.is_empty() || key.name.len() > 63 || !key.name.chars().all(legal) {
                return Err(Invalid::new(
                    at("name"),
                    "has to be 1 to 63 of a-z, 0-9 and '-'",
                ));
            }
            if key.name == PLAYBACK_KEY {
                return Err(Invalid::new(
                    at("name"),
                    format!("may not be \"{PLAYBACK_KEY}\": that is playback.token_keys"),
                ));
            }
            if !seen.insert(key.name.clone()) {
                return Err(Invalid::new(at("name"), "is there twice"));
            }
            Ok((key.name.clone(), key.source(at)?))
        })
        .collect()
}

impl KeyConfig {
    fn source(&self, at: impl Fn(&'static str) -> KeyPath) -> Result<KeySource, Invalid> {
        let file = some_path(self.jwks_file.clone());
        match (self.secrets.is_empty(), file, self.jwks_url.as_str()) {
            (false, None, "") => {
                if self.secrets.len() > SECRETS_MAX {
                    let reason = format!("has {}, at most {SECRETS_MAX}", self.secrets.len());
                    return Err(Invalid::new(at("secrets"), reason));
                }
                for (index, secret) in self.secrets.iter().enumerate() {
                    let bytes = secret.expose().len();
                    if bytes < SECRET_BYTES_MIN {
                        let reason =
                            format!("has {bytes} bytes, at least {SECRET_BYTES_MIN} are needed");
                        return Err(Invalid::new(at("secrets").index(index), reason));
                    }
                }
                Ok(KeySource::Secrets(self.secrets.clone()))
            }
            (true, Some(file), "") => Ok(KeySource::JwksFile(file)),
            (true, None, url) if is_http_url(url) => {
                let seconds = if self.refresh_seconds == 0 {
                    300
                } else {
                    self.refresh_seconds
                };
                Ok(KeySource::JwksUrl(
                    url.to_owned(),
                    Duration::from_secs(seconds),
                ))
            }
            (true, None, url) if !url.is_empty() => Err(Invalid::new(
                at("jwks_url"),
                "is no http:// or https:// URL",
            )),
            _ => Err(Invalid::new(
                at("name"),
                "needs exactly one of secrets, jwks_file and jwks_url",
            )),
        }
    }
}

/// Whose signatures count.
fn signatures(
    table: &'static str,
    required: bool,
    keys: &[PublicKeyConfig],
) -> Result<SignaturePolicy, Invalid> {
    let at = KeyPath::new(table).key("public_keys");
    if required && keys.is_empty() {
        return Err(Invalid::new(
            at,
            "is empty, and signatures are required: nothing could be uploaded",
        ));
    }
    let pairs = keys.iter().map(|key| (key.id.as_str(), key.key.as_str()));
    SignaturePolicy::new(required, pairs).map_err(|error| Invalid::new(at, error.to_string()))
}

/// `[filter_registry]`, checked.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Where it keeps everything.
    pub dir: PathBuf,
    /// Whose versions are taken.
    pub signatures: SignaturePolicy,
    /// Who may do what.
    pub tokens: Vec<Token>,
}

impl RegistryConfig {
    /// Checks every value; `None` when there is no registry here.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn resolve(self) -> Result<Option<RegistrySettings>, Invalid> {
        if !self.enabled {
            return Ok(None);
        }
        let at = |key| KeyPath::new("filter_registry").key(key);
        if self.dir.as_os_str().is_empty() {
            return Err(Invalid::new(at("dir"), "has to name a directory"));
        }
        if self.tokens.is_empty() {
            return Err(Invalid::new(
                at("tokens"),
                "needs at least one: nobody could use the registry",
            ));
        }
        let mut names = BTreeSet::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let at = |field| at("tokens").index(index).key(field);
            if token.name.is_empty() || !names.insert(&token.name) {
                return Err(Invalid::new(at("name"), "has to be there, and once only"));
            }
            check_token(&token.token, at("token"))?;
        }
        let tokens = self.tokens.into_iter().map(|token| Token {
            name: token.name,
            secret: token.token,
            role: token.role.into(),
        });
        Ok(Some(RegistrySettings {
            dir: self.dir,
            signatures: signatures(
                "filter_registry",
                self.signatures_required,
                &self.public_keys,
            )?,
            tokens: tokens.collect(),
        }))
    }
}

impl From<TokenRole> for Role {
    fn from(role: TokenRole) -> Self {
        match role {
            TokenRole::Node => Self::Node,
            TokenRole::Operator => Self::Operator,
        }
    }
}

fn check_token(token: &Secret, at: KeyPath) -> Result<(), Invalid> {
    let token = token.expose();
    let legal = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < TOKEN_BYTES_MIN || !legal {
        let reason = format!("has to be at least {TOKEN_BYTES_MIN} visible ASCII characters");
        return Err(Invalid::new(at, reason));
    }
    Ok(())
}

fn is_http_url(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| {
        uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https"))
    })
}

fn some_path(path: PathBuf) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests;

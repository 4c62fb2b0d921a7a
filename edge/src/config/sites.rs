//! `[[sites]]`: as typed, and checked.

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, KeyPath};

use super::resolve::{authorities, millis};
use crate::sites::SiteSettings;
use crate::upstream::UpstreamSettings;
use crate::upstream::choice::Choice;
use crate::upstream::parent::{ConnectSettings, ParentUrl};

/// The most of each bound.
const HOSTS_MAX: usize = 1_000;
const VARIANTS_MAX: usize = 1_000;
const BODY_BYTES_MAX: usize = 1 << 30;
const QUERY_BYTES_MAX: usize = 64 << 10;
const STALE_SECONDS_MAX: u64 = 30 * 24 * 3600;

/// One of `[[sites]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteConfig {
    /// Exact names; `*`: hosts of no other site.
    pub hosts: Vec<String>,
    /// Parents, in order of preference.
    pub urls: Vec<String>,
    /// Further trusted certificates, PEM; empty: the system's alone.
    pub ca_file: PathBuf,
    /// HTTP/2 with prior knowledge to `http://` parents.
    pub h2c: bool,
    /// TCP and TLS handshakes; 0: as `[parents]`.
    pub connect_timeout_ms: u64,
    /// Parent asked to head read; 0: as `[parents]`.
    pub head_timeout_ms: u64,
    /// Silence inside a body; 0: as `[parents]`.
    pub body_timeout_ms: u64,
    /// Responses kept for one URL.
    pub variants_max: usize,
    /// The longest request body.
    pub request_body_bytes_max: usize,
    /// The longest query.
    pub query_bytes_max: usize,
    /// Whether `Cache-Control` of requests counts.
    pub request_directives: bool,
    /// Past freshness, when no parent answers.
    pub stale_seconds: u64,
}

impl Default for SiteConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            urls: Vec::new(),
            ca_file: PathBuf::new(),
            h2c: false,
            connect_timeout_ms: 0,
            head_timeout_ms: 0,
            body_timeout_ms: 0,
            variants_max: 16,
            request_body_bytes_max: 1 << 20,
            query_bytes_max: 4 << 10,
            request_directives: true,
            stale_seconds: 60,
        }
    }
}

/// Checks all sites. `parents`: whose timeouts are the defaults.
pub(super) fn resolve(
    sites: Vec<SiteConfig>,
    parents: &UpstreamSettings,
) -> Result<Vec<SiteSettings>, Invalid> {
    let mut taken = HashSet::new();
    let mut resolved = Vec::new();
    for (index, site) in sites.into_iter().enumerate() {
        let site = site.resolve(index, parents)?;
        let again = site
            .hosts
            .iter()
            .position(|host| !taken.insert(host.clone()));
        if let Some(host) = again {
            let key = KeyPath::new("sites").index(index).key("hosts").index(host);
            return Err(Invalid::new(
                key,
                "another site has this host, or this one has it twice",
            ));
        }
        resolved.push(site);
    }
    Ok(resolved)
}

impl SiteConfig {
    fn resolve(self, index: usize, parents: &UpstreamSettings) -> Result<SiteSettings, Invalid> {
        let at = |key| KeyPath::new("sites").index(index).key(key);
        let range = |key, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(Invalid::new(
                    at(key),
                    format!("has to be from {least} to {most}"),
                ))
            }
        };
        let timeout = |key, value: u64, default: Duration| match value {
            0 => Ok(default),
            value => millis(at(key), value),
        };
        if self.stale_seconds > STALE_SECONDS_MAX {
            let reason = format!("has to be from 0 to {STALE_SECONDS_MAX}");
            return Err(Invalid::new(at("stale_seconds"), reason));
        }
        let connect = ConnectSettings {
            ca_file: authorities(&self.ca_file, at("ca_file"))?,
            connect_timeout: timeout(
                "connect_timeout_ms",
                self.connect_timeout_ms,
                parents.connect.connect_timeout,
            )?,
            h2c: self.h2c,
            ..parents.connect.clone()
        };
        let upstream = UpstreamSettings {
            parents: urls(&self.urls, index)?,
            backups: Vec::new(),
            choice: Choice::First,
            // They are asked on behalf of clients alone.
            probe_interval: Duration::ZERO,
            connect,
            head_timeout: timeout(
                "head_timeout_ms",
                self.head_timeout_ms,
                parents.head_timeout,
            )?,
            body_timeout: timeout(
                "body_timeout_ms",
                self.body_timeout_ms,
                parents.body_timeout,
            )?,
            ..parents.clone()
        };
        Ok(SiteSettings {
            hosts: hosts(&self.hosts, index)?,
            upstream,
            variants_max: range("variants_max", self.variants_max, 1, VARIANTS_MAX)?,
            request_body_bytes_max: range(
                "request_body_bytes_max",
                self.request_body_bytes_max,
                0,
                BODY_BYTES_MAX,
            )?,
            query_bytes_max: range("query_bytes_max", self.query_bytes_max, 0, QUERY_BYTES_MAX)?,
            request_directives: self.request_directives,
            stale_if_disconnected: Duration::from_secs(self.stale_seconds),
        })
    }
}

fn hosts(hosts: &[String], site: usize) -> Result<Vec<String>, Invalid> {
    let at = KeyPath::new("sites").index(site).key("hosts");
    if !(1..=HOSTS_MAX).contains(&hosts.len()) {
        return Err(Invalid::new(
            at,
            format!("needs from 1 to {HOSTS_MAX} hosts"),
        ));
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_address = |host: &str| {
        let inside = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inside.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
    };
    let is_host = |host: &str| {
        host == "*" || (!host.is_empty() && host.bytes().all(is_part)) || is_address(host)
    };
    if let Some(index) = hosts.iter().position(|host| !is_host(host)) {
        let reason = "has to be a host's name without a port, an address, or \"*\"";
        return Err(Invalid::new(at.index(index), reason));
    }
    Ok(hosts.iter().map(|host| host.to_ascii_lowercase()).collect())
}

fn urls(urls: &[String], site: usize) -> Result<Vec<ParentUrl>, Invalid> {
    let at = || KeyPath::new("sites").index(site).key("urls");
    if urls.is_empty() {
        return Err(Invalid::new(at(), "needs at least one parent"));
    }
    let parse = |(index, url): (usize, &String)| {
        ParentUrl::parse(url).map_err(|error| Invalid::new(at().index(index), error.to_string()))
    };
    urls.iter().enumerate().map(parse).collect()
}

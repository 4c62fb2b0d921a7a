//! `[limits]`: as typed, and checked.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use limits::Rate;
use serde::Deserialize;
use settings::{Invalid, KeyPath};

use super::resolve::millis;
use crate::limits::{LimitsSettings, ScopeLimits};

/// Places of each table at most: 32 bytes each.
const KEYS_MAX: usize = 16_777_216;
/// The slowest bandwidth: a piece of an answer (64 KiB) is not held back for longer than a second.
const BYTES_PER_SECOND_MIN: u64 = 65_536;
/// What may be sent at once beside the bandwidth, in seconds of it.
const BYTES_BURST_SECONDS: u64 = 1;
/// Bits of an IPv6 address that are one client, at the least and at the most.
const IPV6_PREFIX: std::ops::RangeInclusive<u8> = 32..=128;

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// HTTP/3 connections.
    pub h3_connections_max: usize,
    /// Concurrent requests on one HTTP/2 or HTTP/3 connection.
    pub requests_per_connection_max: u32,
    /// A viewer who takes nothing for this long is dropped.
    pub write_timeout_ms: u64,
    /// From a request's first byte to the end of its head, and for any HTTP/2 frame that was begun.
    pub head_timeout_ms: u64,
    /// QUIC handshakes in progress from which on clients have to prove their address.
    pub unvalidated_handshakes_max: usize,
    /// Who is not limited.
    pub exempt: Vec<String>,
    /// Bits of an IPv6 address that are one client.
    pub ipv6_prefix: u8,
    /// Addresses, tokens, streams that are remembered, each.
    pub keys_max: usize,
    /// `[limits.ip]`
    pub ip: IpLimitsConfig,
    /// `[limits.token]`
    pub token: ScopeLimitsConfig,
    /// `[limits.stream]`
    pub stream: ScopeLimitsConfig,
    /// `[limits.tenant]`
    pub tenant: ScopeLimitsConfig,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            h3_connections_max: 100_000,
            requests_per_connection_max: 256,
            write_timeout_ms: 30_000,
            head_timeout_ms: 10_000,
            unvalidated_handshakes_max: 1_000,
            exempt: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            ipv6_prefix: 64,
            keys_max: 65_536,
            ip: IpLimitsConfig::default(),
            token: ScopeLimitsConfig::default(),
            stream: ScopeLimitsConfig::default(),
            tenant: ScopeLimitsConfig::default(),
        }
    }
}

/// `[limits.ip]`; 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IpLimitsConfig {
    /// Connections at once.
    pub connections_max: u32,
    /// Requests a second.
    pub requests_per_second: u64,
    /// Requests at once.
    pub requests_burst: u64,
    /// Body bytes a second.
    pub bytes_per_second: u64,
}

/// `[limits.token]`, `[limits.stream]`, `[limits.tenant]`; 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeLimitsConfig {
    /// Requests a second.
    pub requests_per_second: u64,
    /// Requests at once.
    pub requests_burst: u64,
    /// Body bytes a second.
    pub bytes_per_second: u64,
}

impl LimitsConfig {
    pub(super) fn resolve(self) -> Result<LimitsSettings, Invalid> {
        let at = |key| KeyPath::new("limits").key(key);
        for (key, is_zero) in [
            ("h3_connections_max", self.h3_connections_max == 0),
            (
                "requests_per_connection_max",
                self.requests_per_connection_max == 0,
            ),
        ] {
            if is_zero {
                return Err(Invalid::new(at(key), "has to be at least 1"));
            }
        }
        if !(1..=KEYS_MAX).contains(&self.keys_max) {
            let reason = format!("has to be from 1 to {KEYS_MAX}");
            return Err(Invalid::new(at("keys_max"), reason));
        }
        if !IPV6_PREFIX.contains(&self.ipv6_prefix) {
            let (least, most) = (IPV6_PREFIX.start(), IPV6_PREFIX.end());
            let reason = format!("has to be from {least} to {most}");
            return Err(Invalid::new(at("ipv6_prefix"), reason));
        }
        let connections = self.ip.connections_max;
        let ip = ScopeLimitsConfig {
            requests_per_second: self.ip.requests_per_second,
            requests_burst: self.ip.requests_burst,
            bytes_per_second: self.ip.bytes_per_second,
        };
        Ok(LimitsSettings {
            h3_connections_max: self.h3_connections_max,
            requests_per_connection_max: self.requests_per_connection_max,
            head_timeout: millis(at("head_timeout_ms"), self.head_timeout_ms)?,
            unvalidated_handshakes_max: self.unvalidated_handshakes_max,
            exempt: networks(&self.exempt, &at("exempt"))?,
            ipv6_prefix: self.ipv6_prefix,
            keys_max: self.keys_max,
            connections_per_ip_max: (connections > 0).then_some(connections),
            ip: ip.resolve(&at("ip"))?,
            token: self.token.resolve(&at("token"))?,
            stream: self.stream.resolve(&at("stream"))?,
            tenant: self.tenant.resolve(&at("tenant"))?,
        })
    }

    /// How long a viewer may take nothing.
    pub(super) fn write_timeout(&self) -> Result<Duration, Invalid> {
        let key = KeyPath::new("limits").key("write_timeout_ms");
        millis(key, self.write_timeout_ms)
    }
}

impl ScopeLimitsConfig {
    fn resolve(&self, table: &KeyPath) -> Result<ScopeLimits, Invalid> {
        let at = |key| table.clone().key(key);
        let (rate, burst) = (self.requests_per_second, self.requests_burst);
        if rate > 0 && burst == 0 {
            let reason = "has to be at least 1 where requests_per_second is set";
            return Err(Invalid::new(at("requests_burst"), reason));
        }
        if burst > 0 && rate == 0 {
            let reason = "has to be at least 1 where requests_burst is set";
            return Err(Invalid::new(at("requests_per_second"), reason));
        }
        let bytes = self.bytes_per_second;
        if bytes > 0 && bytes < BYTES_PER_SECOND_MIN {
            let reason = format!("has to be 0 or at least {BYTES_PER_SECOND_MIN}");
            return Err(Invalid::new(at("bytes_per_second"), reason));
        }
        Ok(ScopeLimits {
            requests: Rate::new(rate, burst),
            bytes: Rate::new(bytes, bytes.saturating_mul(BYTES_BURST_SECONDS)),
        })
    }
}

/// Networks and single addresses.
pub(super) fn networks(texts: &[String], key: &KeyPath) -> Result<Vec<IpNet>, Invalid> {
    let networks = texts.iter().enumerate().map(|(index, text)| {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(address).ok_or_else(|| {
            let reason = format!("{text:?} is no address or network, such as \"10.0.0.0/8\"");
            Invalid::new(key.clone().index(index), reason)
        })
    });
    networks.collect()
}

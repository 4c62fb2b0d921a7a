//! The parts of a node that the rules use.

use crate::weir::filter::{crypto, kv, log};

/// Longest key that a node takes, in bytes.
const KEY_BYTES_MAX: usize = 512;

pub(crate) trait Node {
    /// None: taken. Some: so many milliseconds to wait.
    fn take_token(
        &mut self,
        key: &str,
        capacity: u32,
        per_minute: u32,
    ) -> Result<Option<u32>, Unkept>;
    fn sha256(&mut self, data: &[u8]) -> Vec<u8>;
    fn warn(&mut self, line: &str);
}

/// The node's memory could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unkept;

/// The node that runs the filter.
#[derive(Debug)]
pub(crate) struct Host;

impl Node for Host {
    fn take_token(
        &mut self,
        key: &str,
        capacity: u32,
        per_minute: u32,
    ) -> Result<Option<u32>, Unkept> {
        kv::take_token(key, capacity, per_minute).map_err(|_| Unkept)
    }

    fn sha256(&mut self, data: &[u8]) -> Vec<u8> {
        crypto::sha256(data)
    }

    fn warn(&mut self, line: &str) {
        log::log(log::Level::Warn, line);
    }
}

/// Takes a token of the user's, or says how many milliseconds to wait. When the node's memory is full
/// or out of order everybody has one: what a gift may cost is decided elsewhere.
pub(crate) fn tap(node: &mut dyn Node, user: &str, burst: u32, per_minute: u32) -> Result<(), u32> {
    let mut key = format!("taps:{user}");
    if key.len() > KEY_BYTES_MAX {
        key = format!("taps-of:{}", digest(node, user.as_bytes()));
    }
    match node.take_token(&key, burst, per_minute) {
        Ok(None) => Ok(()),
        Ok(Some(retry_after_ms)) => Err(retry_after_ms),
        Err(Unkept) => {
            node.warn("the node's memory takes no more: the bound on taps was not applied");
            Ok(())
        }
    }
}

/// Half of the SHA-256, in hex.
pub(crate) fn digest(node: &mut dyn Node, data: &[u8]) -> String {
    use std::fmt::Write;
    node.sha256(data)
        .iter()
        .take(16)
        .fold(String::with_capacity(32), |mut hex, byte| {
            _ = write!(hex, "{byte:02x}");
            hex
        })
}

//! What the rules remember from message to message, in the node's `kv`. Everything goes by itself.
//!
//! When the node's memory is full or out of order a rule that needs it lets the message pass, and
//! says so in the log: chat goes on.

use crate::weir::filter::types::Context;
use crate::weir::filter::{crypto, kv, log};

/// Longest key that a node takes, in bytes.
const KEY_BYTES_MAX: usize = 512;

/// The parts of a node that the rules use.
pub(crate) trait Node {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Unkept>;
    fn compare_and_set(
        &mut self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        ttl_ms: u64,
    ) -> Result<bool, Unkept>;
    fn take_token(
        &mut self,
        key: &str,
        capacity: u32,
        per_minute: u32,
    ) -> Result<Option<u32>, Unkept>;
    fn sha256(&mut self, data: &[u8]) -> Vec<u8>;
    fn warn(&mut self, line: &str);
}

/// The node could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unkept;

/// The node that runs the filter.
#[derive(Debug)]
pub(crate) struct Host;

impl Node for Host {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Unkept> {
        kv::get(key).map_err(|_| Unkept)
    }

    fn compare_and_set(
        &mut self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        ttl_ms: u64,
    ) -> Result<bool, Unkept> {
        kv::compare_and_set(key, expected, new, Some(ttl_ms)).map_err(|_| Unkept)
    }

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

/// A room's part of the memory, during one call.
pub(crate) struct Memory<'a> {
    node: &'a mut dyn Node,
    room: &'a str,
    now_ms: u64,
    warned: bool,
}

/// A slot in slow mode that is free.
#[derive(Debug)]
pub(crate) struct Slot {
    key: String,
    last: Option<Vec<u8>>,
    seconds: u32,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(node: &'a mut dyn Node, ctx: &'a Context) -> Self {
        Self {
            node,
            room: &ctx.room,
            now_ms: ctx.now_ms,
            warned: false,
        }
    }

    /// Takes a token of the user's. So many milliseconds to wait, if there is none.
    pub(crate) fn flood(&mut self, user: &str, burst: u32, per_minute: u32) -> Result<(), u32> {
        let key = self.key("flood", user);
        let taken = self.node.take_token(&key, burst, per_minute);
        self.kept(taken).flatten().map_or(Ok(()), Err)
    }

    /// Whether the user may speak now. The slot is only taken if the message is posted: one that is
    /// refused costs nobody their turn.
    pub(crate) fn slow_mode(&mut self, user: &str, seconds: u32) -> Result<Option<Slot>, u32> {
        let key = self.key("slow", user);
        let read = self.node.get(&key);
        let Some(last) = self.kept(read) else {
            return Ok(None);
        };
        // The time of the last message, and not of the next: the room's seconds may have changed.
        let last_ms = last
            .as_deref()
            .and_then(|it| std::str::from_utf8(it).ok()?.parse::<u64>().ok());
        let free_ms = last_ms.map_or(0, |last_ms| {
            last_ms.saturating_add(u64::from(seconds) * 1000)
        });
        match free_ms.checked_sub(self.now_ms) {
            None | Some(0) => Ok(Some(Slot { key, last, seconds })),
            // Nobody waits longer than the rule says, whatever the clock did.
            Some(wait_ms) => Err(clamp(wait_ms).min(seconds.saturating_mul(1000))),
        }
    }

    /// Takes it, unless another message of the user was quicker.
    pub(crate) fn take(&mut self, slot: &Slot) -> Result<(), u32> {
        let wait_ms = u64::from(slot.seconds) * 1000;
        let now = self.now_ms.to_string();
        let taken = self.node.compare_and_set(
            &slot.key,
            slot.last.as_deref(),
            Some(now.as_bytes()),
            wait_ms,
        );
        match self.kept(taken) {
            Some(false) => Err(clamp(wait_ms)),
            _ => Ok(()),
        }
    }

    /// Whether nobody said this within the window.
    pub(crate) fn is_new(&mut self, gist: &str, window_s: u32) -> Option<String> {
        let digest = self.digest(gist.as_bytes());
        let key = self.key("said", &digest);
        let set = self
            .node
            .compare_and_set(&key, None, Some(b"1"), u64::from(window_s) * 1000);
        match self.kept(set) {
            Some(false) => None,
            _ => Some(key),
        }
    }

    /// It was not said after all.
    pub(crate) fn unsay(&mut self, key: &str) {
        let unset = self.node.compare_and_set(key, Some(b"1"), None, 1);
        self.kept(unset);
    }

    /// No room's keys are another's, whatever rooms and users are called.
    fn key(&mut self, rule: &str, of: &str) -> String {
        let room = self.room;
        let key = format!("{rule}:{}:{room}:{of}", room.len());
        if key.len() <= KEY_BYTES_MAX {
            return key;
        }
        format!("{rule}::{}", self.digest(key.as_bytes()))
    }

    fn digest(&mut self, data: &[u8]) -> String {
        use std::fmt::Write;
        let digest = self.node.sha256(data);
        // Half of it tells messages apart; they are many, and keys are counted by the byte.
        digest
            .iter()
            .take(16)
            .fold(String::with_capacity(32), |mut hex, byte| {
                _ = write!(hex, "{byte:02x}");
                hex
            })
    }

    fn kept<T>(&mut self, result: Result<T, Unkept>) -> Option<T> {
        if result.is_err() && !std::mem::replace(&mut self.warned, true) {
            self.node
                .warn("the node's memory takes no more: a rule was not applied");
        }
        result.ok()
    }
}

fn clamp(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

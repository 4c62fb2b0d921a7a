//! Reads what players say of themselves: Common Media Client Data, CTA-5004 (version 1) and CTA-5004-A
//! (version 2), out of a request's fields and query.
//!
//! It reads what quality of experience is made of, and no more: other keys are skipped. Nothing that comes from
//! outside is trusted, kept or copied; there is no allocation, and every length has a bound.
//!
//! ```
//! let mut report = cmcd::Report::default();
//! report.read(b"bl=(2100;v),mtp=(8200),v=2")?;
//! assert!(report.read_query("_HLS_msn=7&CMCD=bs%2Csid%3D%22a%22")?);
//! assert_eq!((report.buffer_ms, report.throughput_kbps, report.starved), (Some(2100), Some(8200), true));
//! # Ok::<(), cmcd::Malformed>(())
//! ```

mod dictionary;
mod query;

use dictionary::{Member, Value, members};

/// Request fields that carry CMCD, in lower case.
pub const FIELDS: [&str; 4] = ["cmcd-object", "cmcd-request", "cmcd-session", "cmcd-status"];
/// The query parameter that carries it.
pub const PARAMETER: &str = "CMCD";
/// The longest field, or decoded query parameter, in bytes.
pub const TEXT_BYTES_MAX: usize = 2048;
/// The most keys in one field.
pub const KEYS_MAX: usize = 64;
/// The longest session id (`sid`), in bytes.
pub const SESSION_BYTES_MAX: usize = 64;

/// Why a field was left out, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The query parameter is not percent-encoded as it has to be.
    #[error("the percent-encoding is broken")]
    Encoding,
    /// It is no dictionary of structured fields (RFC 8941 section 3.2).
    #[error("it is no dictionary")]
    Syntax,
    /// More than [`TEXT_BYTES_MAX`] bytes or [`KEYS_MAX`] keys.
    #[error("it is too long")]
    TooLong,
}

impl Malformed {
    /// Label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Syntax => "syntax",
            Self::TooLong => "too_long",
        }
    }
}

/// A playback session: a hash of its `sid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Session(u64);

impl Session {
    /// 64 bits, evenly spread.
    #[must_use]
    pub fn hash(self) -> u64 {
        self.0
    }
}

/// What one request said.
///
/// Lists (version 2) are made one number: of bitrates and throughputs the highest, of buffers the shortest, which
/// runs empty first, of starvations the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `br`: bitrate of the object asked for, in kbit/s.
    pub bitrate_kbps: Option<u32>,
    /// `bl`: media in the buffer, in milliseconds.
    pub buffer_ms: Option<u32>,
    /// `ltc` (version 2): behind the origin, in milliseconds.
    pub latency_ms: Option<u32>,
    /// `sid`: whose session it is.
    pub session: Option<Session>,
    /// `msd` (version 2): from "play" to the first picture, in milliseconds; once a session.
    pub start_delay_ms: Option<u32>,
    /// `su`: asked for with an empty buffer, at a start, a seek or after a stall.
    pub startup: bool,
    /// `bs`: the buffer ran empty since the request before.
    pub starved: bool,
    /// `bsd` (version 2): for how long, in milliseconds, all of them together.
    pub starved_ms: Option<u32>,
    /// `mtp`: throughput as the player measured it, in kbit/s.
    pub throughput_kbps: Option<u32>,
    /// `v`; `None`: 1.
    pub version: Option<u32>,
    /// Keys of those above whose value is of another type, negative or out of range. They were left out.
    pub wrong: u32,
    /// Keys that were read, known or not.
    pub keys: u32,
}

impl Report {
    /// Whether anything was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Reads one field, whichever of the four. What it says is laid over what was read before.
    ///
    /// # Errors
    /// [`Malformed`]; the report is then as it was.
    pub fn read(&mut self, text: &[u8]) -> Result<(), Malformed> {
        let mut read = *self;
        for member in members(text)? {
            read.take(&member?);
        }
        *self = read;
        Ok(())
    }

    /// Reads the parameter `CMCD` of a query, the first if there are several. Whether there is one.
    ///
    /// # Errors
    /// [`Malformed`]; the report is then as it was.
    pub fn read_query(&mut self, query: &str) -> Result<bool, Malformed> {
        let Some(value) = query::parameter(query) else {
            return Ok(false);
        };
        let mut room = [0; TEXT_BYTES_MAX];
        self.read(query::decode(value, &mut room)?)?;
        Ok(true)
    }

    fn take(&mut self, member: &Member<'_>) {
        self.keys = self.keys.saturating_add(1);
        let value = &member.value;
        let understood = match member.key {
            b"bl" => set(&mut self.buffer_ms, value.least()),
            b"br" => set(&mut self.bitrate_kbps, value.most()),
            b"bs" => flag(&mut self.starved, value),
            b"bsd" => set(&mut self.starved_ms, value.sum()),
            b"ltc" => set(&mut self.latency_ms, value.most()),
            b"msd" => set(&mut self.start_delay_ms, value.most()),
            b"mtp" => set(&mut self.throughput_kbps, value.most()),
            b"sid" => session(&mut self.session, value),
            b"su" => flag(&mut self.startup, value),
            b"v" => set(&mut self.version, value.most()),
            _ => true,
        };
        if !understood {
            self.wrong = self.wrong.saturating_add(1);
        }
    }
}

fn set(place: &mut Option<u32>, number: Option<u32>) -> bool {
    if number.is_some() {
        *place = number;
    }
    number.is_some()
}

fn flag(place: &mut bool, value: &Value<'_>) -> bool {
    if let Value::Bool(said) = value {
        *place = *said;
        return true;
    }
    false
}

fn session(place: &mut Option<Session>, value: &Value<'_>) -> bool {
    match value {
        Value::Text(text) if (1..=SESSION_BYTES_MAX).contains(&text.len()) => {
            *place = Some(Session(spread(text)));
            true
        }
        _ => false,
    }
}

/// FNV-1a, and MurmurHash3's finalizer, because FNV's high bits hardly differ between short texts.
fn spread(text: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;

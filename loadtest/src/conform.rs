//! A black-box prober of Low-Latency HLS servers: watches a running live stream, asks what clients
//! ask and what they should not, and says which rules the answers break.
//!
//! The rules are those of draft-pantos-hls-rfc8216bis-22 for servers, above all section 6.2 and
//! appendix B.1, and of Apple's HLS Authoring Specification, section 14 ("Apple" in reports); a
//! section without a name is the draft's. The id of a check is `B1-`, a line of this list, and a
//! word:
//!
//! 00 syntax · 01 PART-INF and what stays constant · 02 hold-backs · 03 durations of parts · 04 round
//! trips · 05 parts and their segments · 06 order of tags · 07 when parts and segments come · 08 what
//! leaves, and when · 09 sequence numbers · 10 discontinuities and dates · 11 gaps · 12 dates · 13 hints ·
//! 14 rendition reports · 15 renditions in step · 16 versions · 17 live and ended · 18 blocking · 19 parts
//! behind a segment · 20 the past · 21 nonsense · 22 the far future · 23 bounds · 24 after the end · 25
//! delta updates · 26 order of directives · 27 hinted parts · 28 protocols and priorities · 29 one server ·
//! 30 gzip · 31 caches · 32 lifetimes · 33 what pages need · 34 asking ahead
//!
//! [`run`] records what it observes in a [`record::Record`]; [`check`] judges that, purely.

mod ask;
pub mod check;
mod date;
pub mod media;
pub mod multivariant;
pub mod playlist;
mod probe;
pub mod record;
mod report;
#[cfg(test)]
#[path = "../tests/conform/stream.rs"]
mod stream;
mod watch;

pub use probe::{Plan, run};
pub use report::{Check, Finding, Level, Report, Verdict, Wrong};

/// The site that requests say they come from.
const ORIGIN: &str = "https://conform.example";

/// A field that they say they would send: players ask for pieces of media with it.
const REQUESTED_FIELD: &str = "range";

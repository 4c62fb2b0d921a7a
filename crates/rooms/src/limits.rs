//! Every bound that is not a setting, with the reason for its value.

/// Length of ids of users, messages, gifts, edges, and of clients' message ids.
pub const ID_BYTES_MAX: usize = 128;

/// Length of display names, kinds, and keys of attributes.
pub const NAME_BYTES_MAX: usize = 128;

/// Length of a message, a note or a reason. Amazon IVS allows 500 code points, four bytes each.
pub const TEXT_BYTES_MAX: usize = 2_000;

/// Length of an attribute's value.
pub const ATTR_BYTES_MAX: usize = 512;

/// Attributes of one message, and of a room's settings.
pub const ATTRS_MAX: usize = 16;

/// Length of the JSON that a filter adds to a notice or an animation.
pub const PAYLOAD_BYTES_MAX: usize = 4_096;

/// Longest timeout: four weeks. Who is to stay away longer is banned.
pub const TIMEOUT_SECONDS_MAX: u32 = 28 * 24 * 3600;

/// Longest slow mode: an hour.
pub const SLOW_MODE_MS_MAX: u32 = 3_600_000;

/// Sanctions of a room. One takes about 250 bytes, at the hub and at each edge.
pub const SANCTIONS_MAX: usize = 10_000;

/// Open reviews of a room: more than moderators look through before they are stale.
pub const REVIEWS_MAX: usize = 200;

/// Weight of the open reviews, see [`crate::Window`]: [`REVIEWS_MAX`] of usual length, and eight of
/// the greatest. All of them are in the welcome of each moderator.
pub const REVIEWS_BYTES_MAX: usize = 128 * 1024;

/// Users of one `notify`: a message of 128 KiB at most.
pub const RELAY_USERS_MAX: usize = 1_000;

/// Messages that an edge remembers to have shown to their authors alone, per room. One takes about
/// 300 bytes.
pub const ECHOES_MAX: usize = 1_024;

/// Edges that report to one hub.
pub const EDGES_MAX: usize = 1_024;

/// Events in one frame: a hub closes it early when it is full, so that no tick makes a frame that
/// a small reader cannot take.
pub const FRAME_EVENTS_MAX: usize = 512;

/// Weight of one frame, see [`crate::Window`]; with one event more, of the greatest size, a
/// frame still passes a WebSocket of 1 MiB, as JSON with everything escaped.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Frames that wait at an edge for one that is missing. More are dropped, and asked for later.
pub const FRAMES_AHEAD_MAX: usize = 64;

/// Likes that one call counts: a page sends several times a second what was tapped since.
pub const LIKES_PER_CALL_MAX: u32 = 100;

/// Longest time that a reader may be held back.
pub const HOLD_MS_MAX: u32 = 60_000;

/// So long a client that knows a later epoch than its edge waits for the edge to hear of it.
pub(crate) const EPOCH_WAIT_MS: u64 = 5_000;

/// Series of gifts that go on at once in a room: one takes about 400 bytes.
pub const COMBOS_MAX: usize = 4_096;

/// Longest time within which the next gift of a series has to come.
pub const COMBO_WINDOW_MS_MAX: u32 = 60_000;

/// Users whose points are kept; beyond it the least goes, so the first ten are right in practice.
pub const SCORES_MAX: usize = 1_000;

/// Lines of the leaderboard that are published.
pub const LEADERBOARD_MAX: usize = 10;

/// Longest message that the binary decoder reads.
pub const DECODE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Items of one list that the binary decoder reads; above [`SANCTIONS_MAX`].
pub const DECODE_ITEMS_MAX: usize = 16_384;

/// Greatest `seq` and version of STATE: what JavaScript counts exactly. A million events a second
/// reach it after 285 years.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Connections with which a tick lasts twice as long: each tick costs a write per connection.
pub(crate) const CROWD: u64 = 1_000;

/// In a crowd, so many ms from a message to the last one who is told: a tick is what the writes leave.
pub(crate) const TOLD_WITHIN_MS: u64 = 230;

/// What a write to a connection takes, in us: with 10,000 of them on the two cores of a small machine.
pub(crate) const WRITE_US: u64 = 8;

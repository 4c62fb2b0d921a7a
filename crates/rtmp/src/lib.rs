//! The ingest side of RTMP as a sans-IO state machine, and the FLV tags that it carries.
//!
//! It opens no socket, reads no clock and draws no random number: bytes go in, events and bytes
//! come out. It cannot play: a client that asks to is refused.
//!
//! **Nothing that a peer sends can panic it or make it hold more than [`limits`] allow.**
//!
//! # Run loop
//!
//! 1. Feed what the socket gave to [`ServerSession::handle_input`], in reads of a few KiB.
//! 2. Drain [`ServerSession::poll_event`]. On [`Event::Publish`] check the key, then call
//!    [`ServerSession::accept`] or [`ServerSession::reject`]; until then no further input is parsed.
//! 3. Drain [`ServerSession::poll_output`] into the socket.
//! 4. On an error do step 3 once more (the peer is told where the protocol allows it) and close.
//!
//! ```text
//!  socket --> handle_input --> handshake --> chunk::ChunkReader --> commands --> Event::Publish
//!                                                  |                    |
//!                                                  +--> flv bodies -----+--> Event::{Video, Audio}
//!  socket <-- poll_output  <-- replies, acknowledgements
//! ```
//!
//! "Spec" in the comments is Adobe's RTMP Specification 1.0, "E-RTMP" is Veovera's Enhanced RTMP.

pub mod amf0;
pub mod chunk;
mod error;
pub mod flv;
mod handshake;
mod key;
pub mod limits;
mod metadata;
mod session;
mod timestamp;
mod wire;

pub use error::{Blame, ProtocolError};
pub use key::StreamKey;
pub use metadata::Metadata;
pub use session::{Event, ServerSession};
pub use timestamp::TimestampUnwrapper;

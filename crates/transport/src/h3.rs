//! HTTP/3 on the server's side: the `h3` crate's framing and QPACK over quinn, with an adapter of
//! our own between them.
//!
//! `h3` does SETTINGS, QPACK, HEADERS and GOAWAY. DATA frames bypass it, so that N viewers share
//! the bytes of one cached part ([`ResponseWriter::queue_data`] copies nothing), and quinn's
//! stream stays in our hand for resets, priorities and the notice that a client went away.
//!
//! **Invariant: a response that was not finished on purpose ends with a RESET_STREAM.** quinn
//! sends a FIN when a stream is dropped, which a client would take for the end of the body. Every
//! stream that this module accepts is owned by something whose `Drop` resets it.
//!
//! Use: [`Server::handshake`], then [`Server::accept`] in a loop (it drives the connection's
//! control streams, so keep it polled), [`Incoming::resolve`] in a task of its own per request.

mod adapter;
mod control;
mod request;
mod response;
mod server;
mod state;

use bytes::Bytes;

pub use request::{BodyError, Incoming, Refusal, Request, RequestBody};
pub use response::{Delivery, ResponseWriter, WriteError};
pub use server::{Limits, Server};

pub use ::h3::error::{Code, ConnectionError};

type RequestSend = ::h3::server::RequestStream<adapter::SendHandle, Bytes>;
type RequestRecv = ::h3::server::RequestStream<adapter::RecvHandle, Bytes>;

/// quinn's form of an HTTP/3 error code.
fn var_int(code: u64) -> quinn::VarInt {
    quinn::VarInt::from_u64(code).unwrap_or(quinn::VarInt::MAX)
}

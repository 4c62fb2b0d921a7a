//! Taking a connection out of pingora's hands.
//!
//! An upgraded connection lives for hours and is quiet for most of them: pingora would keep the
//! request, its context and its buffers for as long. After the 101 there is only the stream.

use std::io::Cursor;

use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_error::{Error, ErrorType, Result};
use pingora_proxy::Session;

/// Takes the stream of an HTTP/1.1 session whose 101 has been written. What is left in `session`
/// reads and writes nothing.
///
/// # Errors
/// It is no HTTP/1.1 session.
pub fn take_stream(session: &mut Session) -> Result<Stream> {
    let nothing: Stream = Box::new(Cursor::new(Vec::<u8>::new()));
    let left = ServerSession::new_http1(nothing);
    match std::mem::replace(session.as_downstream_mut(), left) {
        ServerSession::H1(taken) => Ok(taken.into_inner()),
        other => {
            *session.as_downstream_mut() = other;
            Error::e_explain(ErrorType::InternalError, "only HTTP/1.1 can be upgraded")
        }
    }
}

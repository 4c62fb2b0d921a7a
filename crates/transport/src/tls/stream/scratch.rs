//! The buffer that all TLS streams of a thread read into and encrypt into.
//!
//! Nothing stays in it between two polls: what a stream must keep it copies out.

use std::cell::Cell;

use super::session::{INCOMING_MAX, RECORD_PLAINTEXT_MAX, SEALED_MAX};

/// Room for what one write encrypts, and for one record that is gathered from slices.
pub(super) const SCRATCH_LEN: usize = SEALED_MAX + RECORD_PLAINTEXT_MAX;

// A read puts new bytes behind those that were held.
const _: () = assert!(SCRATCH_LEN >= INCOMING_MAX + 16 * 1024);

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's buffer, [`SCRATCH_LEN`] bytes of any content.
///
/// A stream over another stream borrows while the outer one does: it gets memory of its own.
pub(super) fn with<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    if buffer.len() < SCRATCH_LEN {
        buffer = vec![0; SCRATCH_LEN];
    }
    let result = work(&mut buffer);
    // An error says that the thread is ending: then the buffer ends here.
    let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    result
}

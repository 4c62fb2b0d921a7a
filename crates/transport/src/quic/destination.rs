//! Whose a datagram is: the connection id in its first packet. Pure.

/// Bytes of the ids that this server issues. Not eight: that is the length of most ids that clients
/// make up.
pub const ID_BYTES: usize = 9;
/// The longest id of any version that is known (RFC 9000 section 17.2).
pub const OTHER_ID_BYTES_MAX: usize = 20;

/// The destination connection id of a datagram's first packet (RFC 8999 section 5), where short
/// headers have ids of [`ID_BYTES`]. `None`: it has none, or one that is too long to be anybody's.
#[must_use]
pub fn destination(datagram: &[u8]) -> Option<&[u8]> {
    let (first, rest) = datagram.split_first()?;
    if first & 0x80 == 0 {
        return rest.get(..ID_BYTES);
    }
    let (_version, rest) = rest.split_at_checked(4)?;
    let (length, rest) = rest.split_first()?;
    let length = usize::from(*length);
    rest.get(..length).filter(|_| length <= OTHER_ID_BYTES_MAX)
}

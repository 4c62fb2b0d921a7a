//! HTTP/1.1 that two readers may read differently: the stuff of request smuggling.
//!
//! The parser refuses most of it: folded fields, a space before a colon, Content-Lengths that differ,
//! a final coding that is not chunked. What it lets pass, as RFC 9112 allows, is refused here. No byte
//! of a request is passed on as it came, so nothing could be smuggled through this edge alone; but
//! there may be a proxy in front of it that read something else.

use pingora_proxy::Session;

/// What is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A line that ends with LF alone, or a CR within a line (RFC 9112 section 2.2).
    LineEnd,
    /// A field of more than one line (RFC 9112 section 5.2).
    Folded,
    /// A Transfer-Encoding other than one `chunked` (RFC 9112 section 6.1).
    Coding,
    /// Both Transfer-Encoding and Content-Length (RFC 9112 section 6.3).
    TwoLengths,
    /// More than one Content-Length (RFC 9112 section 6.3).
    Lengths,
}

impl Fault {
    /// Label in metrics and logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::LineEnd => "h1_line_end",
            Self::Folded => "h1_folded",
            Self::Coding => "h1_transfer_coding",
            Self::TwoLengths => "h1_two_lengths",
            Self::Lengths => "h1_lengths",
        }
    }

    /// For the client.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::LineEnd => "a line has to end with CR LF",
            Self::Folded => "a field has to be one line",
            Self::Coding => "the only transfer coding here is one chunked",
            Self::TwoLengths => "a body is either chunked or of a known length",
            Self::Lengths => "a body has one length",
        }
    }
}

/// What is wrong with the head of a request, if it came over HTTP/1.1.
pub(super) fn fault(session: &Session) -> Option<Fault> {
    let http1 = session.as_downstream().as_http1()?;
    of_head(&http1.get_headers_raw_bytes())
}

fn of_head(head: &[u8]) -> Option<Fault> {
    let (mut begin, mut codings, mut lengths) = (0, 0, 0);
    for end in memchr::memchr_iter(b'\n', head) {
        let line = head.get(begin..end).unwrap_or_default();
        let is_first = begin == 0;
        begin = end + 1;
        let Some(line) = line.strip_suffix(b"\r") else {
            return Some(Fault::LineEnd);
        };
        if memchr::memchr(b'\r', line).is_some() {
            return Some(Fault::LineEnd);
        }
        if is_first {
            continue;
        }
        if line
            .first()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
        {
            return Some(Fault::Folded);
        }
        if let Some(value) = value_of(line, b"transfer-encoding:") {
            codings += 1;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Some(Fault::Coding);
            }
        }
        lengths += usize::from(value_of(line, b"content-length:").is_some());
    }
    match (codings, lengths) {
        (0, 0 | 1) | (1, 0) => None,
        (0, _) => Some(Fault::Lengths),
        (1, _) => Some(Fault::TwoLengths),
        _ => Some(Fault::Coding),
    }
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (begin, value) = line.split_at_checked(name.len())?;
    begin.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str) -> Option<Fault> {
        of_head(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
    }

    #[test]
    fn what_everybody_reads_alike_passes() {
        for fields in [
            "",
            "Content-Length: 5\r\n",
            "transfer-encoding:  Chunked \r\n",
            "X-Content-Length: 5\r\nContent-Length: 5\r\n",
            "Cookie: a=b\r\nTE: trailers\r\n",
        ] {
            assert_eq!(of(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn what_two_readers_may_read_differently_does_not() {
        for (fields, fault) in [
            ("Content-Length: 5\n", Fault::LineEnd),
            ("A: b\rContent-Length: 5\r\n", Fault::LineEnd),
            ("A: b\r\n c\r\n", Fault::Folded),
            ("A: b\r\n\tc\r\n", Fault::Folded),
            ("Transfer-Encoding: gzip, chunked\r\n", Fault::Coding),
            ("Transfer-Encoding: identity\r\n", Fault::Coding),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Fault::Coding,
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                Fault::TwoLengths,
            ),
            (
                "content-length: 5\r\ntransfer-encoding: chunked\r\n",
                Fault::TwoLengths,
            ),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Fault::Lengths),
        ] {
            assert_eq!(of(fields), Some(fault), "{fields:?}");
        }
        assert_eq!(
            of_head(b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
            Some(Fault::LineEnd)
        );
    }
}

//! The header of the PROXY protocol, versions 1 and 2, with which a load balancer says for whom it
//! connects (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! A pure parser: no I/O. Whom to believe is the caller's business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a header. Version 1 ends within 107 (section 2.1); version 2 may say 65,551, of which
/// balancers use some hundred.
pub const HEADER_BYTES_MAX: usize = 4096;

const V1_SIGNATURE: &[u8] = b"PROXY ";
const V1_BYTES_MAX: usize = 107;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length (section 2.2).
const V2_HEAD_LEN: usize = 16;
/// A TLV with the checksum of the header (section 2.2.3).
const PP2_TYPE_CRC32C: u8 = 0x03;

/// A header, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its bytes; what follows them is the client's.
    pub len: usize,
    /// For whom the connection was made. `None`: for nobody (a health check), or for somebody
    /// without an address of TCP.
    pub client: Option<SocketAddr>,
}

/// Bytes that are not a header's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(&'static str);

/// Reads a header at the beginning of `bytes`; `None`: it goes on behind them.
///
/// # Errors
/// Whatever follows, this is no header.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if begins(bytes, V2_SIGNATURE) {
        return parse_v2(bytes);
    }
    if begins(bytes, V1_SIGNATURE) {
        return parse_v1(bytes);
    }
    Err(Malformed("neither version's signature"))
}

/// Whether one is the beginning of the other.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(a, b)| a == b)
}

fn parse_v1(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let head = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        return match head.len() {
            V1_BYTES_MAX => Err(Malformed("a line of version 1 that does not end")),
            _ => Ok(None),
        };
    };
    let line = head.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.ok_or(Malformed("a line of version 1 without CRLF"))?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed("version 1 in no ASCII"))?;
    let mut words = line.split(' ').skip(1);
    let client = match words.next() {
        // Whatever follows it is ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(v1_client(words, |ip| ip.parse().ok().map(IpAddr::V4))?),
        Some("TCP6") => Some(v1_client(words, |ip| ip.parse().ok().map(IpAddr::V6))?),
        _ => return Err(Malformed("an unknown protocol of version 1")),
    };
    Ok(Some(Header {
        len: end + 1,
        client,
    }))
}

fn v1_client<'a>(
    words: impl Iterator<Item = &'a str>,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Result<SocketAddr, Malformed> {
    let words: Vec<&str> = words.take(5).collect();
    let [source, target, source_port, target_port] = words[..] else {
        return Err(Malformed("version 1 has two addresses and two ports"));
    };
    let malformed = || Malformed("an address or a port of version 1");
    let port = |text: &str| -> Option<u16> {
        let port: u16 = text.parse().ok()?;
        (port.to_string() == text).then_some(port)
    };
    address(target).ok_or_else(malformed)?;
    port(target_port).ok_or_else(malformed)?;
    let ip = address(source).ok_or_else(malformed)?;
    let port = port(source_port).ok_or_else(malformed)?;
    Ok(SocketAddr::new(ip.to_canonical(), port))
}

fn parse_v2(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some(rest) = bytes.get(V2_SIGNATURE.len()..) else {
        return Ok(None);
    };
    let is_local = match rest.first() {
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(Malformed("an unknown version or command")),
        None => return Ok(None),
    };
    let &[_, family, high, low, ref body @ ..] = rest else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let len = V2_HEAD_LEN + length;
    if len > HEADER_BYTES_MAX {
        return Err(Malformed("a header of more than 4096 bytes"));
    }
    let (Some(body), Some(whole)) = (body.get(..length), bytes.get(..len)) else {
        return Ok(None);
    };
    let client = match is_local {
        // A check of the balancer's own: its addresses are to be skipped (section 2.2).
        true => None,
        false => v2_client(family, body, whole)?,
    };
    Ok(Some(Header { len, client }))
}

fn v2_client(family: u8, body: &[u8], whole: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let short = Malformed("addresses that are cut off");
    let addresses = match family {
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(Malformed("an unknown family or transport")),
    };
    let (addresses, tlvs) = body.split_at_checked(addresses).ok_or(short)?;
    // Behind UNSPEC may be anything.
    if family != 0x00 {
        check_tlvs(tlvs, whole)?;
    }
    Ok(match (family, addresses) {
        (0x11, &[a, b, c, d, _, _, _, _, high, low, ..]) => {
            let port = u16::from_be_bytes([high, low]);
            Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))
        }
        (0x21, _) => {
            let (ip, rest) = addresses.split_first_chunk::<16>().ok_or(short)?;
            let (_, ports) = rest.split_first_chunk::<16>().ok_or(short)?;
            let port = ports.first_chunk::<2>().ok_or(short)?;
            let ip = IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical();
            Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
        }
        // Of UDP or of a UNIX socket: nobody's that can come here.
        _ => None,
    })
}

/// What follows the addresses is whole, and the checksum is right if there is one.
fn check_tlvs(mut tlvs: &[u8], whole: &[u8]) -> Result<(), Malformed> {
    while !tlvs.is_empty() {
        let cut_off = Malformed("a TLV that is cut off");
        let &[kind, high, low, ref rest @ ..] = tlvs else {
            return Err(cut_off);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(cut_off)?;
        if kind == PP2_TYPE_CRC32C {
            let wrong = Malformed("a wrong checksum");
            let given: [u8; 4] = value.try_into().map_err(|_| wrong)?;
            let end = whole.len() - rest.len();
            // It is computed with itself as zeros.
            let field = end - given.len()..end;
            let zeroed =
                whole.iter().enumerate().map(
                    |(place, byte)| {
                        if field.contains(&place) { 0 } else { *byte }
                    },
                );
            if crc32c(zeroed) != u32::from_be_bytes(given) {
                return Err(wrong);
            }
        }
        tlvs = rest;
    }
    Ok(())
}

/// CRC-32C (RFC 9260 appendix A).
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, body].concat()
    }

    const TCP4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb];

    fn client(bytes: &[u8]) -> Result<Option<String>, Malformed> {
        let header = parse(bytes)?.expect("a whole header");
        assert_eq!(header.len, bytes.len());
        // The verdict is the same however the bytes come.
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{end}");
        }
        let more = [bytes, b"\x16\x03\x01"].concat();
        assert_eq!(parse(&more), Ok(Some(header)));
        Ok(header.client.map(|client| client.to_string()))
    }

    #[test]
    fn version_1() {
        for (line, expect) in [
            (
                "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n",
                Some("192.0.2.7:12345"),
            ),
            (
                "PROXY TCP6 2001:db8::7 ::1 1 2\r\n",
                Some("[2001:db8::7]:1"),
            ),
            (
                "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n",
                Some("192.0.2.7:1"),
            ),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN what ever\r\n", None),
        ] {
            assert_eq!(
                client(line.as_bytes()),
                Ok(expect.map(str::to_owned)),
                "{line}"
            );
        }
        for line in [
            "PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443 1\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 012 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +12 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY UNKNOWN\n",
            "PROXY\r\n",
            "GET / HTTP/1.1\r\n",
            "\x16\x03\x01\x02\x00\x01",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
        let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
        assert_eq!(parse(&endless[..106]), Ok(None));
        assert!(parse(&endless[..107]).is_err());
    }

    #[test]
    fn version_2() {
        let mut tcp6 = [0; 36];
        tcp6[..2].copy_from_slice(&[0x20, 0x01]);
        tcp6[32..34].copy_from_slice(&[0, 80]);
        let text = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(client(&v2(0x21, 0x11, &TCP4)), text("192.0.2.7:12345"));
        assert_eq!(client(&v2(0x21, 0x21, &tcp6)), text("[2001::]:80"));
        let with_tlv = [&TCP4[..], &[0x04, 0, 1, 9]].concat();
        assert_eq!(client(&v2(0x21, 0x11, &with_tlv)), text("192.0.2.7:12345"));
        for (command, family, body) in [
            (0x20, 0x00, &[][..]),
            (0x20, 0x11, &TCP4),
            (0x20, 0xff, b"skipped"),
            (0x21, 0x00, b"what ever"),
            (0x21, 0x12, &TCP4),
            (0x21, 0x31, &[1; 216]),
        ] {
            assert_eq!(
                client(&v2(command, family, body)),
                Ok(None),
                "{command} {family}"
            );
        }
        for (command, family, body) in [
            (0x11, 0x11, &TCP4[..]),
            (0x22, 0x11, &TCP4),
            (0x21, 0x13, &TCP4),
            (0x21, 0x41, &TCP4),
            (0x21, 0x11, &TCP4[..11]),
            (0x21, 0x21, &TCP4),
            (0x21, 0x11, &with_tlv[..15]),
            (0x21, 0x11, &with_tlv[..14]),
        ] {
            assert!(
                parse(&v2(command, family, body)).is_err(),
                "{command} {family}"
            );
        }
        assert!(parse(&v2(0x20, 0, &[0; 4081])).is_err());
        assert!(parse(&v2(0x20, 0, &[0; 4080])).is_ok());
    }

    #[test]
    fn a_checksum_is_checked() {
        // RFC 9260 has no vector; this one is of RFC 3720 appendix B.4.
        assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
        let body = [&TCP4[..], &[PP2_TYPE_CRC32C, 0, 4, 0, 0, 0, 0]].concat();
        let mut header = v2(0x21, 0x11, &body);
        let sum = crc32c(header.iter().copied());
        let end = header.len();
        header[end - 4..].copy_from_slice(&sum.to_be_bytes());
        assert!(client(&header).is_ok());
        for place in V2_HEAD_LEN..end {
            let mut wrong = header.clone();
            wrong[place] ^= 1;
            assert!(
                parse(&wrong).is_err() || place >= V2_HEAD_LEN + 12,
                "{place}"
            );
        }
        header[end - 1] ^= 1;
        assert!(parse(&header).is_err());
    }
}

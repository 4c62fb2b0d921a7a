//! Where webhooks may lead: to public addresses, unless the operator allows others.
//!
//! A name is looked up for each connection and only what is public of it is connected to, so that a name
//! which changes between check and use changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why a URL is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    #[error("the address is private: control.webhooks.allow_private is false")]
    Private,
    #[error("https is needed")]
    Scheme,
    #[error("this is not https://HOST/PATH, without a name or password")]
    Url,
}

/// Checks a URL, as far as it can be without looking names up.
pub(super) fn check(text: &str, allow_private: bool) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| AddressError::Url)?;
    let host = url.host_str().ok_or(AddressError::Url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Url);
    }
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err(AddressError::Scheme),
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if !allow_private && !is_public(address) => Err(AddressError::Private),
        _ => Ok(url),
    }
}

/// Looks names up; gives what is public.
#[derive(Clone, Copy, Debug)]
pub(super) struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|it| is_public(it.ip())).collect();
            if public.is_empty() {
                return Err(AddressError::Private.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is of the public network (the special-purpose registries of RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        // NAT64 and 6to4 lead to what is in them.
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => is_public_v4(v4(g, h)),
        (0x2002, _) => is_public_v4(v4(b, c)),
        // Teredo, documentation, and the like.
        (0x2001, 0..0x200 | 0xdb8) | (0x3fff, 0..0x1000) => false,
        // Of the rest only 2000::/3 is given out.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn urls_are_checked() {
        use AddressError::{Private, Scheme, Url};
        for (url, expected) in [
            ("https://example.org/hook", Ok(())),
            ("https://example.org:8443/hook?x=1", Ok(())),
            ("http://example.org/", Err(Scheme)),
            ("ftp://example.org/", Err(Scheme)),
            ("https://ana:secret@example.org/", Err(Url)),
            ("https://127.0.0.1/", Err(Private)),
            ("https://0x7f.1/", Err(Private)),
            ("https://2130706433/", Err(Private)),
            ("https://[::1]/", Err(Private)),
            ("https://[::ffff:10.0.0.1]/", Err(Private)),
            ("example.org", Err(Url)),
            ("https://", Err(Url)),
        ] {
            assert_eq!(check(url, false).map(drop), expected, "{url}");
        }
        assert!(check("http://127.0.0.1:9/", true).is_ok());
        assert_eq!(check("file:///etc/passwd", true), Err(Url));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_looked_up() {
        let found = Public.resolve("localhost".parse().unwrap()).await;
        assert!(found.is_err());
    }
}

//! The server a URL names: scheme, host, port. Knows nothing of paths beyond splitting them off.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

/// Why a URL cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadTarget {
    /// Not a URL.
    #[error("'{0}' is not a URL")]
    Syntax(String),
    /// Neither http nor https.
    #[error("'{0}' is neither an http nor an https URL")]
    Scheme(String),
}

/// Scheme, host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    tls: bool,
    host: String,
    port: u16,
}

impl Target {
    /// Reads scheme, host and port; path and query are ignored.
    pub fn parse(url: &str) -> Result<Self, BadTarget> {
        let uri: Uri = url.parse().map_err(|_| BadTarget::Syntax(url.to_owned()))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(BadTarget::Scheme(url.to_owned())),
        };
        let host = uri
            .host()
            .ok_or_else(|| BadTarget::Syntax(url.to_owned()))?;
        let default_port = if tls { 443 } else { 80 };
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(default_port),
        })
    }

    /// Splits a URL into its server and its path with query.
    pub fn split(url: &str) -> Result<(Self, String), BadTarget> {
        let target = Self::parse(url)?;
        let uri: Uri = url.parse().map_err(|_| BadTarget::Syntax(url.to_owned()))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok((target, path.to_owned()))
    }

    /// Whether the connection is encrypted.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The absolute URL of `path` (which starts with a slash) on this server.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.authority())
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Looks the host up. `localhost` is 127.0.0.1, whatever the resolver thinks: a server that
    /// listens on one family only would otherwise be reached or missed by chance.
    pub async fn resolve(&self) -> std::io::Result<SocketAddr> {
        if self.host == "localhost" {
            return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
        }
        tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .next()
            .ok_or_else(|| std::io::Error::other(format!("{} has no address", self.host)))
    }

    /// An unused local address to send from.
    pub(super) fn local_for(remote: SocketAddr) -> SocketAddr {
        let ip: IpAddr = match remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        SocketAddr::new(ip, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_url_into_server_and_path() {
        let (target, path) = Target::split("https://[::1]:8443/live/a.m3u8?_HLS_msn=3").unwrap();
        assert!(target.tls());
        assert_eq!(target.authority(), "[::1]:8443");
        assert_eq!(path, "/live/a.m3u8?_HLS_msn=3");
        assert_eq!(target.url("/x"), "https://[::1]:8443/x");
    }

    #[test]
    fn fills_in_the_port_of_the_scheme() {
        assert_eq!(Target::parse("http://a/").unwrap().authority(), "a:80");
        assert_eq!(Target::parse("https://a").unwrap().authority(), "a:443");
    }

    #[test]
    fn refuses_other_schemes() {
        assert!(matches!(
            Target::parse("rtmp://a/live"),
            Err(BadTarget::Scheme(_))
        ));
        assert!(Target::parse("::::").is_err());
    }
}

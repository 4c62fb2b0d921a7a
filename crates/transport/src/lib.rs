//! Weir's transports: TLS identities, QUIC endpoints and the HTTP/3 adapter over them.
//!
//! Knows nothing of HLS, caching or pingora: the edge's frontend, the origin's RTMPS listener
//! and the load tester build on the same modules.

pub mod h3;
pub mod memcpy;
pub mod proxy_protocol;
pub mod quic;
pub mod tcp;
pub mod tls;

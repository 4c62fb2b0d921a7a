//! Who asks: bearer tokens and their roles.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::hmac;
use ring::rand::SystemRandom;

use super::problem::ApiError;
use super::{Api, Role, Token};
use crate::catalogue::Actor;

/// The tokens, as keyed hashes: comparing two takes the same time wherever they differ.
#[derive(Debug)]
pub(super) struct Tokens {
    /// None: the system gave no random bytes, and no token is good.
    key: Option<hmac::Key>,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    name: String,
    role: Role,
    tag: hmac::Tag,
}

impl Tokens {
    pub(super) fn new(tokens: &[Token]) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let Ok(key) = key else {
            tracing::error!("no random bytes: the registry's API lets nobody in");
            return Self {
                key: None,
                known: Vec::new(),
            };
        };
        let usable = tokens
            .iter()
            .filter(|token| !token.secret.expose().is_empty());
        let known = usable.map(|token| Known {
            name: token.name.clone(),
            role: token.role,
            tag: hmac::sign(&key, token.secret.expose().as_bytes()),
        });
        Self {
            known: known.collect(),
            key: Some(key),
        }
    }

    /// Whose token it is. Every known one is compared, whichever fits.
    fn find(&self, presented: &str) -> Option<(&str, Role)> {
        let key = self.key.as_ref()?;
        let mut found = None;
        for known in &self.known {
            let same = hmac::verify(key, presented.as_bytes(), known.tag.as_ref()).is_ok();
            if same {
                found = found.or(Some((known.name.as_str(), known.role)));
            }
        }
        found
    }
}

/// The bearer token of a request (RFC 6750 §2.1); the scheme's case does not matter.
fn presented(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_ascii())
}

/// Lets a request through whose token opens the route, and says who it is.
pub(super) async fn admit(
    State((api, needed)): State<(Arc<Api>, Option<Role>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(needed) = needed else {
        return next.run(request).await;
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|info| info.0.to_string());
    let path = request.uri().path();
    let Some((name, role)) = presented(&request).and_then(|token| api.tokens.find(token)) else {
        tracing::warn!(path, peer, "a request to the registry without a good token");
        return ApiError::Unauthorized.into_response();
    };
    if role < needed {
        tracing::warn!(path, peer, token = name, "a token does not open this");
        return ApiError::Forbidden {
            token: name.to_owned(),
            needed,
        }
        .into_response();
    }
    let name = name.to_owned();
    request.extensions_mut().insert(Actor { name, peer });
    next.run(request).await
}

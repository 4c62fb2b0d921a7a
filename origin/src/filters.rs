//! What the auth filters of this origin say: who may publish what, and who may play.
//!
//! It knows no filter: it asks the chain of the node's [`Host`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use filter_registry::node::Viewpoint;
use hls::RenditionName;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Uri};
use playback_token::{Presented, presented};
use wasm_filters::contract::auth::CredentialSource;
use wasm_filters::country::CountryCode;
use wasm_filters::host::{
    AuthAnswer, AuthCall, CallInfo, Client, Credential, Denial, DenialKind, Host,
};
use wasm_filters::manifest::Action;
use wasm_filters::rollout::RequestPin;

use crate::clock::unix_ms;
use crate::publish::ClaimError;
use crate::serve::ServeError;

/// The application in playback URLs: `/live/{stream}`.
const PLAYBACK_APP: &str = "live";

/// A broadcaster at the door.
#[derive(Clone, Copy, Debug)]
pub struct PublishAsk<'a> {
    /// The first part of the URL's path.
    pub app: &'a str,
    /// The rest of it: a publish key, or a stream's name with `?key=` or `?token=`.
    pub key: &'a str,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// RTMPS.
    pub tls: bool,
}

/// The node's filters, as the origin asks them.
#[derive(Clone)]
pub struct Filters {
    host: Host,
    viewpoint: Arc<Viewpoint>,
}

impl std::fmt::Debug for Filters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filters").finish_non_exhaustive()
    }
}

impl Filters {
    /// Asks `host`, and tells it what `viewpoint` knows.
    pub fn new(host: Host, viewpoint: Arc<Viewpoint>) -> Self {
        Self { host, viewpoint }
    }

    /// The name of the stream that somebody may publish.
    ///
    /// # Errors
    /// Why not, in words for the broadcaster.
    pub async fn may_publish(&self, ask: &PublishAsk<'_>) -> Result<String, ClaimError> {
        let (stream, query) = ask.key.split_once('?').unwrap_or((ask.key, ""));
        let credentials: Vec<Credential<'_>> = publish_credentials(stream, query)
            .map(|value| Credential {
                source: CredentialSource::PublishKey,
                value,
            })
            .collect();
        let headers = HeaderMap::new();
        let request_id = self.viewpoint.request_id();
        let (ip, country) = self.whence(ask.peer, &headers);
        let answer = self
            .ask(AuthCall {
                info: self.info(&request_id, "", ask.peer),
                action: Action::Publish,
                app: ask.app,
                stream,
                credentials: &credentials,
                // Its parameters are credentials.
                query: "",
                headers: &headers,
                client: Client {
                    ip,
                    country: country.as_ref().map(CountryCode::as_str),
                    protocol: "rtmp",
                    tls: ask.tls,
                },
            })
            .await;
        match answer {
            AuthAnswer::Granted(granted) => {
                let name = granted.stream.clone().unwrap_or_else(|| stream.to_owned());
                // It becomes a part of URLs.
                if RenditionName::new(&name).is_err() {
                    tracing::warn!(filter = ?granted.by, "an auth filter named no legal stream");
                    return Err(ClaimError::Unavailable);
                }
                tracing::info!(stream = name, user = granted.user.id, "publish granted");
                Ok(name)
            }
            AuthAnswer::Redirect(_) => Err(ClaimError::Denied {
                code: "redirect".to_owned(),
                message: "publish somewhere else".to_owned(),
            }),
            AuthAnswer::Denied(denial) => {
                log_denial(&denial, "publish", &request_id);
                Err(match denial.kind {
                    DenialKind::NoFilter | DenialKind::Unavailable => ClaimError::Unavailable,
                    _ => ClaimError::Denied {
                        code: denial.code.clone(),
                        message: denial.message.clone(),
                    },
                })
            }
        }
    }

    /// Lets a viewer of `stream` pass, or not.
    ///
    /// # Errors
    /// 401 without a credential, 403 with none that is good, 503 when the filters could not say.
    pub async fn may_play(
        &self,
        stream: &str,
        uri: &Uri,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> Result<(), ServeError> {
        let text = |name| {
            let values = headers.get_all(name).iter();
            values.filter_map(|value| value.to_str().ok())
        };
        let found: Vec<Presented<'_>> =
            presented(uri.query(), text(AUTHORIZATION), text(COOKIE)).collect();
        let credentials: Vec<Credential<'_>> = found
            .iter()
            .map(|presented| Credential {
                source: match presented {
                    Presented::Cookie(_) => CredentialSource::Cookie,
                    Presented::Header(_) => CredentialSource::Bearer,
                    Presented::Query(_) => CredentialSource::Query,
                },
                value: presented.token(),
            })
            .collect();
        let request_id = self.viewpoint.request_id();
        let (ip, country) = self.whence(peer, headers);
        let answer = self
            .ask(AuthCall {
                info: self.info(&request_id, stream, peer),
                action: Action::Play,
                app: PLAYBACK_APP,
                stream,
                credentials: &credentials,
                query: uri.query().unwrap_or_default(),
                headers,
                client: Client {
                    ip,
                    country: country.as_ref().map(CountryCode::as_str),
                    protocol: "h2",
                    tls: false,
                },
            })
            .await;
        match answer {
            AuthAnswer::Granted(_) => Ok(()),
            // Players belong to edges, which do redirect.
            AuthAnswer::Redirect(_) => Err(ServeError::Forbidden),
            AuthAnswer::Denied(denial) => {
                log_denial(&denial, "play", &request_id);
                Err(match denial.kind {
                    DenialKind::NoFilter | DenialKind::Unavailable => ServeError::AuthUnavailable,
                    _ if credentials.is_empty() => ServeError::Token,
                    _ => ServeError::Forbidden,
                })
            }
        }
    }

    async fn ask(&self, call: AuthCall<'_>) -> AuthAnswer {
        let table = self.host.snapshot();
        self.host.authorize(&table, call).await
    }

    fn info<'a>(&'a self, request_id: &'a str, room: &'a str, peer: SocketAddr) -> CallInfo<'a> {
        CallInfo {
            request_id,
            tenant: self.viewpoint.tenant(),
            room,
            now_unix_ms: unix_ms(),
            pin: RequestPin::of(peer.ip().to_string().as_bytes()),
            attrs: &[],
        }
    }

    fn whence(&self, peer: SocketAddr, headers: &HeaderMap) -> (IpAddr, Option<CountryCode>) {
        let ip = peer.ip().to_canonical();
        (ip, self.viewpoint.country(ip, headers))
    }
}

/// What may hold the key: the parameters `key` and `token`, then the name itself.
fn publish_credentials<'a>(stream: &'a str, query: &'a str) -> impl Iterator<Item = &'a str> {
    let parameters = query.split('&').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        (matches!(name, "key" | "token") && !value.is_empty()).then_some(value)
    });
    parameters.chain((!stream.is_empty()).then_some(stream))
}

fn log_denial(denial: &Denial, action: &str, request_id: &str) {
    let filter = denial.filter.as_ref().map(tracing::field::display);
    match denial.kind {
        DenialKind::NoFilter | DenialKind::Unavailable => {
            tracing::warn!(
                action,
                code = denial.code,
                filter,
                request_id,
                "auth could not be decided"
            );
        }
        _ => tracing::debug!(
            action,
            code = denial.code,
            filter,
            request_id,
            "auth denied"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_key_may_stand_in_the_path_or_the_query() {
        let found = |stream, query| publish_credentials(stream, query).collect::<Vec<_>>();
        assert_eq!(found("secret", ""), ["secret"]);
        assert_eq!(found("demo", "key=secret"), ["secret", "demo"]);
        assert_eq!(found("demo", "a=b&token=secret&key="), ["secret", "demo"]);
        assert!(found("", "").is_empty());
    }
}

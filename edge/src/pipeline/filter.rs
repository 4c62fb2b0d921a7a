//! The filters' part in a request: what they are shown of it, and what they change of its head and
//! of the answer's.
//!
//! **A request keeps one table and one pin from its start to its end**, so that every hook of it
//! meets the same versions, whatever is pushed meanwhile. Nobody's request pays for filters that
//! are not there: without any, this costs one look at the table.
//!
//! Media never crosses into a filter, and whether a viewer may watch is decided in `admit`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use filter_registry::node::{FilterNode, Viewpoint};
use http::{HeaderMap, StatusCode, Uri, header};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use wasm_filters::contract::types::Attr;
use wasm_filters::country::CountryCode;
use wasm_filters::host::{
    CallInfo, Client, FieldEdits, Host, HttpCall, Reply, RequestAnswer, RequestEdits,
    ResponseAnswer, ResponseCall,
};
use wasm_filters::manifest::Hook;
use wasm_filters::rollout::RequestPin;
use wasm_filters::table::Table;

use super::admit::Credentials;
use super::log::Context;
use super::route::Route;
use super::{EdgeProxy, respond};
use crate::clock;
use crate::config::PlaybackAuth;
use crate::frontend::protocol;
use crate::problem::Problem;

/// What the pipeline needs to call filters.
#[derive(Clone, Debug)]
pub struct Filters {
    host: Host,
    viewpoint: Arc<Viewpoint>,
}

impl Filters {
    /// Calls the filters of a node.
    pub fn new(node: &FilterNode) -> Self {
        Self {
            host: node.host.clone(),
            viewpoint: Arc::clone(&node.viewpoint),
        }
    }

    /// Whose streams are served.
    pub(crate) fn tenant(&self) -> &str {
        self.viewpoint.tenant()
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// An id for what is no request of its own: a message in a room.
    pub(crate) fn request_id(&self) -> String {
        self.viewpoint.request_id()
    }

    /// What filters are told of a call about `room`, made for `user`.
    pub(crate) fn room_info<'a>(
        &'a self,
        request_id: &'a str,
        room: &'a str,
        user: &str,
        attrs: &'a [Attr],
    ) -> CallInfo<'a> {
        CallInfo {
            request_id,
            tenant: self.viewpoint.tenant(),
            room,
            now_unix_ms: clock::unix_ms(),
            pin: RequestPin::of(user.as_bytes()),
            attrs,
        }
    }
}

/// What a request keeps while filters are called for it.
#[derive(Debug)]
pub(super) struct Filtering {
    pub(super) table: Arc<Table>,
    /// The same in the log and in what filters are told.
    pub(super) id: String,
    pin: RequestPin,
    now_unix_ms: u64,
    ip: IpAddr,
    country: Option<CountryCode>,
    protocol: &'static str,
    pub(super) tls: bool,
}

impl Filtering {
    /// Which request it is, for a call about `stream`.
    pub(super) fn info<'a>(
        &'a self,
        filters: &'a Filters,
        stream: Option<&'a str>,
    ) -> CallInfo<'a> {
        CallInfo {
            request_id: &self.id,
            tenant: filters.viewpoint.tenant(),
            room: stream.unwrap_or_default(),
            now_unix_ms: self.now_unix_ms,
            pin: self.pin,
            attrs: &[],
        }
    }

    /// Who asks.
    pub(super) fn client(&self) -> Client<'_> {
        Client {
            ip: self.ip,
            country: self.country.as_ref().map(CountryCode::as_str),
            protocol: self.protocol,
            tls: self.tls,
        }
    }

    fn call<'a>(
        &'a self,
        filters: &'a Filters,
        stream: Option<&'a str>,
        request: &'a RequestHeader,
    ) -> HttpCall<'a> {
        HttpCall {
            info: self.info(filters, stream),
            method: request.method.as_str(),
            host: host_of(&request.uri, &request.headers),
            path: request.uri.path(),
            query: request.uri.query().unwrap_or_default(),
            headers: &request.headers,
            client: self.client(),
        }
    }
}

/// What filters mean for a request.
pub(super) enum Begun {
    /// None is called for it.
    Unfiltered,
    /// Another tier asks for its viewers, and has called them already.
    Tier,
    /// They are called.
    Filtered(Filtering),
}

/// What becomes of a request after the `http.request` chain.
pub(super) enum AfterRequest {
    /// It goes on, as it is now.
    On,
    /// Its path or its query has changed: it has to be routed again.
    Rerouted,
    /// This is the answer.
    Answered(Arc<Reply>),
    /// The chain made something that is no request.
    Broken(Problem),
}

/// Whether the client showed a certificate, which only the tiers' listener asks for.
fn has_shown_certificate(session: &Session) -> bool {
    let digest = session.as_downstream().digest();
    let tls = digest.and_then(|digest| digest.ssl_digest.as_ref());
    tls.is_some_and(|tls| !tls.cert_digest.is_empty())
}

impl EdgeProxy {
    /// Takes the table for a request, once.
    pub(super) fn begin(&self, session: &Session, route: &Route) -> Begun {
        let Some(filters) = &self.filters else {
            return Begun::Unfiltered;
        };
        let table = filters.host.snapshot();
        let changes = table.has(Hook::HttpRequest) || table.has(Hook::HttpResponse);
        let asks =
            self.playback.auth == PlaybackAuth::Filters || matches!(route, Route::Room { .. });
        if !changes && !asks {
            return Begun::Unfiltered;
        }
        let request = session.req_header();
        let may_be_tier = !self.tiers_show_certificates || has_shown_certificate(session);
        if may_be_tier && self.is_tier(&request.headers, route) {
            return Begun::Tier;
        }
        let downstream = session.as_downstream();
        let ip = downstream
            .client_addr()
            .and_then(|address| address.as_inet())
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
                address.ip().to_canonical()
            });
        let credentials = Credentials::of(request);
        // A viewer's token stays with the viewer from the URL to the cookie.
        let pin = match credentials.first() {
            Some(credential) => RequestPin::of(credential.value.as_bytes()),
            None => pin_of(ip),
        };
        Begun::Filtered(Filtering {
            country: filters.viewpoint.country(ip, &request.headers),
            table,
            id: filters.viewpoint.request_id(),
            pin,
            now_unix_ms: clock::unix_ms(),
            ip,
            protocol: protocol(downstream),
            tls: respond::is_secure(session),
        })
    }

    /// The `http.request` chain: changes the request in place, or answers it.
    pub(super) async fn filter_request(
        &self,
        session: &mut Session,
        context: &Context,
    ) -> Result<AfterRequest> {
        let (Some(filters), Some(filtering)) = (&self.filters, &context.filtering) else {
            return Ok(AfterRequest::On);
        };
        if !filtering.table.has(Hook::HttpRequest) {
            return Ok(AfterRequest::On);
        }
        let request = session.req_header();
        let call = filtering.call(filters, context.stream.as_deref(), request);
        match filters.host.on_request(&filtering.table, call).await {
            RequestAnswer::Next => Ok(AfterRequest::On),
            RequestAnswer::Respond(reply) => Ok(AfterRequest::Answered(reply)),
            RequestAnswer::Edited(edits) => {
                let request = session.as_downstream_mut().req_header_mut();
                edit_request(request, &edits)
            }
        }
    }

    /// The `http.response` chain, over the head as it would be sent. Gives what has to be sent
    /// instead, if a filter failed that fails closed.
    pub(super) async fn filter_response(
        &self,
        filtering: &Filtering,
        context: &Context,
        request: &RequestHeader,
        response: &mut ResponseHeader,
    ) -> Result<Option<Arc<Reply>>> {
        let Some(filters) = &self.filters else {
            return Ok(None);
        };
        if !filtering.table.has(Hook::HttpResponse) {
            return Ok(None);
        }
        let call = ResponseCall {
            request: filtering.call(filters, context.stream.as_deref(), request),
            status: response.status,
            headers: &response.headers,
        };
        match filters.host.on_response(&filtering.table, call).await {
            ResponseAnswer::Edits(edits) => {
                for edit in edits.iter() {
                    edit_response(response, edit)?;
                }
                Ok(None)
            }
            ResponseAnswer::Respond(reply) => Ok(Some(reply)),
        }
    }
}

fn edit_request(request: &mut RequestHeader, edits: &RequestEdits) -> Result<AfterRequest> {
    for name in edits.fields.cleared() {
        request.remove_header(name);
    }
    for (name, value) in &edits.fields.set {
        request.append_header(name.clone(), value.clone())?;
    }
    if edits.path.is_none() && edits.query.is_none() {
        return Ok(AfterRequest::On);
    }
    let path = edits.path.as_deref().unwrap_or_else(|| request.uri.path());
    let query = edits.query.as_deref().or_else(|| request.uri.query());
    let Some(uri) = target(&request.uri, path, query.unwrap_or_default()) else {
        tracing::warn!(
            path,
            "a filter made a path or a query that no request can have"
        );
        return Ok(AfterRequest::Broken(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "a filter of this edge made a request that cannot be",
        )));
    };
    request.set_uri(uri);
    Ok(AfterRequest::Rerouted)
}

fn edit_response(response: &mut ResponseHeader, edit: &FieldEdits) -> Result<()> {
    for name in edit.cleared() {
        response.remove_header(name);
    }
    for (name, value) in &edit.set {
        response.append_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// `uri` with another path and query.
fn target(uri: &Uri, path: &str, query: &str) -> Option<Uri> {
    if !path.starts_with('/') {
        return None;
    }
    let text = if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Whom the viewer asked: `:authority`, or `Host`.
pub(super) fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    uri.authority().map_or_else(
        || {
            let host = headers.get(header::HOST);
            host.and_then(|host| host.to_str().ok()).unwrap_or_default()
        },
        |authority| authority.as_str(),
    )
}

fn pin_of(ip: IpAddr) -> RequestPin {
    match ip {
        IpAddr::V4(ip) => RequestPin::of(&ip.octets()),
        IpAddr::V6(ip) => RequestPin::of(&ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str) -> RequestHeader {
        RequestHeader::build("GET", target.as_bytes(), None).unwrap()
    }

    fn edited(target: &str, edits: &RequestEdits) -> Option<String> {
        let mut request = request(target);
        match edit_request(&mut request, edits).unwrap() {
            AfterRequest::On => Some("on".to_owned()),
            AfterRequest::Rerouted => Some(request.uri.to_string()),
            _ => None,
        }
    }

    #[test]
    fn a_request_gets_another_path_or_query() {
        let some = |text: &str| Some(text.to_owned());
        for (path, query, expect) in [
            (None, None, some("on")),
            (some("/c"), None, some("/c?d=1")),
            (None, some("e=2"), some("/a/b?e=2")),
            (None, some(""), some("/a/b")),
            (some("/c"), some("e"), some("/c?e")),
            (some("c"), None, None),
            (some("/c d"), None, None),
        ] {
            let edits = RequestEdits {
                path,
                query,
                ..RequestEdits::default()
            };
            assert_eq!(edited("/a/b?d=1", &edits), expect, "{edits:?}");
        }
    }

    #[test]
    fn header_fields_are_taken_away_and_then_set() {
        let mut response = ResponseHeader::build_no_case(StatusCode::OK, None).unwrap();
        response.append_header("vary", "a").unwrap();
        response.append_header("vary", "b").unwrap();
        response.append_header("server", "x").unwrap();
        let edit = FieldEdits {
            remove: vec![header::SERVER],
            set: vec![
                (header::VARY, "c".parse().unwrap()),
                (header::VARY, "d".parse().unwrap()),
            ],
        };
        edit_response(&mut response, &edit).unwrap();
        let vary: Vec<_> = response.headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["c", "d"]);
        assert!(!response.headers.contains_key(header::SERVER));
    }

    #[test]
    fn the_authority_comes_before_the_field() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "field".parse().unwrap());
        let with = Uri::from_static("https://authority:8443/a");
        assert_eq!(host_of(&with, &headers), "authority:8443");
        assert_eq!(host_of(&Uri::from_static("/a"), &headers), "field");
        assert_eq!(host_of(&Uri::from_static("/a"), &HeaderMap::new()), "");
    }
}

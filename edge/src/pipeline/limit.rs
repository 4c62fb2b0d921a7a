//! Whether a client, a token, a stream, a tenant may have one more answer now.
//!
//! Asked before filters, the cache and the parents: a refusal is a few hashes and a fixed body.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::EdgeProxy;
use super::admit::Credentials;
use super::log::Context;
use super::strict::Fault;
use crate::limits::{Asked, Refused, Scope};
use crate::problem::Problem;

const TOO_MANY: &[u8] = br#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"this is more than one client may ask for: come again after Retry-After","code":"limited"}"#;
const TOO_MUCH: &[u8] = br#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"as much of this is being sent as may be: come again after Retry-After","code":"limited"}"#;

impl EdgeProxy {
    /// The limit that a request is over. What is let in keeps its permit.
    pub(super) fn limit(
        &self,
        session: &Session,
        context: &mut Context,
        tenant: &str,
    ) -> Option<Refused> {
        if !self.limits.is_on() {
            return None;
        }
        let address = session.as_downstream().client_addr();
        let request = session.req_header();
        let credentials = Credentials::of(request);
        let asked = Asked {
            ip: address.and_then(|it| it.as_inet()).map(|it| it.ip()),
            token: credentials.first().map(|credential| credential.value),
            stream: context.stream.as_deref(),
            tenant,
        };
        match self.limits.request(&asked) {
            Ok(permit) => {
                context.permit = permit;
                None
            }
            Err(refused) => Some(refused),
        }
    }

    /// 429, or 503 where it is not this client's doing.
    pub(super) async fn respond_limited(
        &self,
        session: &mut Session,
        context: &mut Context,
        refused: Refused,
    ) -> Result<()> {
        context.refused = Some(refused.as_str());
        let is_shared = matches!(refused.scope, Scope::Stream | Scope::Tenant);
        let (status, body) = if refused.is_bandwidth && is_shared {
            (StatusCode::SERVICE_UNAVAILABLE, TOO_MUCH)
        } else {
            (StatusCode::TOO_MANY_REQUESTS, TOO_MANY)
        };
        let mut response = ResponseHeader::build_no_case(status, Some(8))?;
        for (name, value) in [
            (header::CONTENT_TYPE, crate::problem::CONTENT_TYPE),
            (header::CACHE_CONTROL, "no-store"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ] {
            response.insert_header(name, HeaderValue::from_static(value))?;
        }
        let seconds = refused.retry_after.as_millis().div_ceil(1000).max(1);
        response.insert_header(header::RETRY_AFTER, seconds.to_string())?;
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        self.write_whole(session, context, response, Bytes::from_static(body))
            .await
    }

    /// 400, and the end of the connection: nobody knows where the next request begins.
    pub(super) async fn respond_fault(
        &self,
        session: &mut Session,
        context: &mut Context,
        fault: Fault,
    ) -> Result<()> {
        self.limits.attacked(fault.as_str());
        context.refused = Some(fault.as_str());
        session.as_downstream_mut().set_keepalive(None);
        let problem = Problem::new(StatusCode::BAD_REQUEST, fault.detail());
        self.respond_problem(session, context, problem).await
    }
}

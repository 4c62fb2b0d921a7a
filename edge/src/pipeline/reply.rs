//! Writes the answers that filters decide: refusals, redirects, and replies in place of an object.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use wasm_filters::host::Reply;

use super::EdgeProxy;
use super::admit::{Refusal, label_of};
use super::log::Context;
use crate::problem;

/// Fields of an answer beyond those that a filter gave.
const OWN_FIELDS: usize = 8;

impl EdgeProxy {
    /// Why the viewer may not watch: `application/problem+json` with the code.
    pub(super) async fn respond_refusal(
        &self,
        session: &mut Session,
        context: &mut Context,
        refusal: &Refusal,
    ) -> Result<()> {
        let denial = &refusal.denial;
        self.count_refusal(context, label_of(&denial.code));
        let body = problem::body(refusal.status, &denial.message, Some(&denial.code));
        let mut fields = HeaderMap::new();
        if let Some(after_ms) = denial.retry_after_ms {
            fields.insert(header::RETRY_AFTER, after_ms.div_ceil(1000).max(1).into());
        }
        self.write_problem(session, context, refusal.status, body, fields)
            .await
    }

    /// The viewer has to ask elsewhere first, at a login page perhaps.
    pub(super) async fn respond_redirect(
        &self,
        session: &mut Session,
        context: &mut Context,
        to: &str,
    ) -> Result<()> {
        self.count_refusal(context, "redirected");
        let Ok(location) = HeaderValue::from_str(to) else {
            tracing::warn!("an auth filter redirects to what is no URL");
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let detail = "this cannot be decided right now";
            let body = problem::body(status, detail, Some("filter-unavailable"));
            return self
                .write_problem(session, context, status, body, HeaderMap::new())
                .await;
        };
        let mut fields = HeaderMap::new();
        fields.insert(header::LOCATION, location);
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        self.write_reply(session, context, StatusCode::FOUND, &fields, Bytes::new())
            .await
    }

    /// An answer out of the `http.request` chain.
    pub(super) async fn respond_reply(
        &self,
        session: &mut Session,
        context: &Context,
        reply: &Reply,
    ) -> Result<()> {
        let bodiless = matches!(
            reply.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        let body = if bodiless {
            Bytes::new()
        } else {
            reply.body.clone()
        };
        self.write_reply(session, context, reply.status, &reply.headers, body)
            .await
    }

    async fn write_reply(
        &self,
        session: &mut Session,
        context: &Context,
        status: StatusCode,
        fields: &HeaderMap,
        body: Bytes,
    ) -> Result<()> {
        let response = self.reply_head(session, status, fields, &body)?;
        self.write_whole(session, context, response, body).await
    }

    /// The head of an answer that a filter gave: its fields, and those of this hop.
    pub(super) fn reply_head(
        &self,
        session: &Session,
        status: StatusCode,
        fields: &HeaderMap,
        body: &Bytes,
    ) -> Result<ResponseHeader> {
        let room = fields.len() + OWN_FIELDS;
        let mut response = ResponseHeader::build_no_case(status, Some(room))?;
        for (name, value) in fields {
            response.append_header(name, value)?;
        }
        if let Some(alt_svc) = self.alt_svc(session) {
            response.insert_header(header::ALT_SVC, alt_svc)?;
        }
        // Neither has a body, and 204 no length either (RFC 9110 section 8.6).
        if !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            response.insert_header(header::CONTENT_LENGTH, body.len())?;
        }
        Ok(response)
    }

    fn count_refusal(&self, context: &mut Context, code: &'static str) {
        context.refused = Some(code);
        self.metrics.auth_refused.with_label_values(&[code]).inc();
    }
}

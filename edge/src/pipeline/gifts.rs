//! What can be given in a room, and giving it.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use wasm_filters::manifest::Action;

use super::EdgeProxy;
use super::control::allow_origin;
use super::log::Context;
use super::room::read_body;
use crate::control::Answer;
use crate::problem::Problem;
use crate::rooms::{GIFT_BYTES_MAX, Rooms};

impl EdgeProxy {
    /// `GET`: the catalogue; `POST`: a gift.
    pub(super) async fn respond_gifts(
        &self,
        session: &mut Session,
        context: &mut Context,
        rooms: &Rooms,
        room: &str,
    ) -> Result<()> {
        let gives = session.req_header().method == Method::POST;
        // Who looks may look without a name; who gives may not.
        let action = if gives { Action::Gift } else { Action::Join };
        let who = self.may(session, context, rooms, (action, room)).await?;
        let Some((granted, entrance)) = who else {
            return Ok(());
        };
        if !gives {
            let answer = Answer {
                status: StatusCode::OK,
                body: entrance.catalogue(Some(&granted)).await,
                content_type: HeaderValue::from_static("application/json"),
                retry_after: None,
            };
            return self.respond_answer(session, context, answer).await;
        }
        let body = match read_body(session, GIFT_BYTES_MAX).await? {
            Ok(body) => body,
            Err(problem) => return self.respond_problem(session, context, problem).await,
        };
        // Paid or not, whoever gave may have gone: what was begun is ended.
        let giving = tokio::spawn(async move { entrance.give(&granted, &body).await });
        let answer = match giving.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a gift was broken off");
                let detail = "this edge failed; the same gift may be sent again";
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
                return self.respond_problem(session, context, problem).await;
            }
        };
        self.respond_answer(session, context, answer).await
    }

    /// An answer of the control API's, or in its manner.
    pub(super) async fn respond_answer(
        &self,
        session: &mut Session,
        context: &Context,
        answer: Answer,
    ) -> Result<()> {
        let mut response = ResponseHeader::build_no_case(answer.status, Some(8))?;
        response.insert_header(header::CONTENT_TYPE, answer.content_type)?;
        response.insert_header(header::CACHE_CONTROL, "no-store")?;
        response.insert_header(header::CONTENT_LENGTH, answer.body.len())?;
        allow_origin(session, &mut response)?;
        if let Some(seconds) = answer.retry_after {
            response.insert_header(header::RETRY_AFTER, seconds)?;
        }
        let body: Bytes = answer.body;
        self.write_whole(session, context, response, body).await
    }
}

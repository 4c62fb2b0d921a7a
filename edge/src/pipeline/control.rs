//! Requests to the control API, which an origin answers: accounts, sessions, wallets, leaderboards, staff.
//!
//! Pages of other sites may not ask: browsers would let them use a viewer's cookie. `rooms.origins`
//! lists the sites that may.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::EdgeProxy;
use super::log::Context;
use super::respond::{Sent, is_secure};
use super::room::{CROSS_ORIGIN, is_own_site, read_body};
use crate::control::{Answer, Asker, Growing, NoAnswer, RETURNED};
use crate::frontend::protocol;
use crate::problem::Problem;

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 32 << 10;
/// `Access-Control-Max-Age` of a preflight, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// Where pages ask whether there are accounts.
const OFFER: &str = "/api/accounts";
/// What stands below `/api/` and is the control API's.
const TREES: [&str; 8] = [
    "accounts",
    "admin",
    "leaderboard",
    "me",
    "openapi.json",
    "payments",
    "session",
    "wallet",
];
/// What stands below `/api/rooms/{room}/` and is.
const OF_ROOMS: [&str; 4] = ["earnings", "gifts/latest", "goal", "leaderboard"];

/// The same, and all below it.
const STUDIO: &str = "studio";

/// Whether a path below `/api/` is the control API's.
pub(super) fn is_control(rest: &str) -> bool {
    let tree = rest.split_once('/').map_or(rest, |(tree, _)| tree);
    TREES.contains(&tree)
}

/// Whether a path below a room is.
pub(super) fn is_control_of_room(last: &str) -> bool {
    let tree = last.split_once('/').map_or(last, |(tree, _)| tree);
    OF_ROOMS.contains(&last) || tree == STUDIO
}

impl EdgeProxy {
    /// Passes a request on, and the answer back.
    pub(super) async fn respond_control(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<()> {
        let request = session.req_header();
        let asks_offer = request.method == Method::GET && request.uri.path() == OFFER;
        let Some(rooms) = &self.rooms else {
            if asks_offer {
                return self.respond_nothing_offered(session, context).await;
            }
            let problem = Problem::new(StatusCode::NOT_FOUND, "there are no accounts on this edge");
            return self.respond_problem(session, context, problem).await;
        };
        let allowed = &rooms.settings().origins;
        let is_secure = is_secure(session);
        if !is_own_site(session.req_header(), is_secure, allowed) {
            context.refused = Some("cross_origin");
            let problem = Problem::new(CROSS_ORIGIN.0, CROSS_ORIGIN.1);
            return self.respond_problem(session, context, problem).await;
        }
        let request = session.req_header();
        let method = request.method.clone();
        let body = match method {
            Method::GET | Method::HEAD => Ok(Bytes::new()),
            _ => read_body(session, REQUEST_BYTES_MAX).await?,
        };
        let body = match body {
            Ok(body) => body,
            Err(problem) => return self.respond_problem(session, context, problem).await,
        };
        let request = session.req_header();
        let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
        // Only paths below /api/ come here.
        let path = path.strip_prefix("/api/").unwrap_or_default();
        let asker = Asker {
            headers: &request.headers,
            address: address_of(session),
            is_secure,
        };
        let path = format!("/v1/{path}");
        let passed = rooms.control().pass_on(method, &path, asker, body).await;
        let growing = match passed {
            Ok(growing) => growing,
            Err(no_answer) => {
                let problem = why_none(no_answer);
                return self.respond_problem(session, context, problem).await;
            }
        };
        if asks_offer && growing.head.status == StatusCode::NOT_FOUND {
            return self.respond_nothing_offered(session, context).await;
        }
        self.pass_back(session, context, growing).await
    }

    /// Pages ask before they show that one could sign in. That one cannot is no error.
    async fn respond_nothing_offered(
        &self,
        session: &mut Session,
        context: &Context,
    ) -> Result<()> {
        let answer = Answer {
            status: StatusCode::OK,
            body: Bytes::from_static(b"{\"enabled\":false}"),
            content_type: HeaderValue::from_static("application/json"),
            retry_after: None,
        };
        self.respond_answer(session, context, answer).await
    }

    /// An answer of the control API's, as it comes.
    async fn pass_back(
        &self,
        session: &mut Session,
        context: &Context,
        mut growing: Growing,
    ) -> Result<()> {
        let head = &growing.head;
        let mut response = ResponseHeader::build_no_case(head.status, Some(12))?;
        for name in &RETURNED {
            for value in head.headers.get_all(name) {
                response.append_header(name, value)?;
            }
        }
        allow_origin(session, &mut response)?;
        let has_length = response.headers.contains_key(header::CONTENT_LENGTH);
        if !has_length && protocol(session.as_downstream()) == "h1" {
            response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        let sent = self.write_head(session, context, response, false).await?;
        if sent == Sent::Instead {
            return Ok(());
        }
        loop {
            match growing.chunk().await {
                Ok(Some(chunk)) => session.write_response_body(Some(chunk), false).await?,
                Ok(None) => return session.write_response_body(None, true).await,
                Err(error) => {
                    let mut error = Error::because(ErrorType::ReadError, "control API", error);
                    error.esource = ErrorSource::Upstream;
                    return Err(error);
                }
            }
        }
    }

    /// A CORS preflight for what sites of `rooms.origins` may ask.
    pub(super) async fn respond_control_preflight(
        &self,
        session: &mut Session,
        context: &Context,
    ) -> Result<()> {
        let allowed = self.rooms.as_ref().map(|rooms| &rooms.settings().origins);
        let is_secure = is_secure(session);
        let may =
            allowed.is_some_and(|allowed| is_own_site(session.req_header(), is_secure, allowed));
        let mut response = ResponseHeader::build_no_case(StatusCode::NO_CONTENT, Some(8))?;
        if may {
            allow_origin(session, &mut response)?;
            response.insert_header(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                "GET, HEAD, POST, PUT, PATCH, DELETE",
            )?;
            response.insert_header(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, Content-Type, Idempotency-Key",
            )?;
            response.insert_header(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS)?;
        }
        self.write_bodiless(session, context, response).await
    }
}

fn why_none(no_answer: NoAnswer) -> Problem {
    let (status, detail) = match no_answer {
        NoAnswer::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "as many ask the control API as may: try again",
        ),
        NoAnswer::Malformed => (
            StatusCode::BAD_REQUEST,
            "the path has dot segments or characters that do not belong there",
        ),
        NoAnswer::Unreachable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the control API does not answer right now; try again",
        ),
    };
    Problem::new(status, detail)
}

/// A page that may ask may read the answer. Who it is was checked before.
pub(super) fn allow_origin(session: &Session, response: &mut ResponseHeader) -> Result<()> {
    if let Some(origin) = session.req_header().headers.get(header::ORIGIN) {
        response.insert_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)?;
        response.insert_header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")?;
        response.insert_header(header::VARY, "Origin")?;
    }
    Ok(())
}

fn address_of(session: &Session) -> IpAddr {
    let address = session.as_downstream().client_addr();
    let address = address.and_then(|address| address.as_inet());
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
        address.ip().to_canonical()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_only() {
        for path in [
            "me",
            "me/export",
            "session",
            "admin/users/u-1",
            "wallet/history",
        ] {
            assert!(is_control(path), "{path}");
        }
        for path in ["", "mean", "streams", "rooms/demo/goal", "guests", "/me"] {
            assert!(!is_control(path), "{path}");
        }
        for path in ["studio", "studio/keys", "studio/keys/key-1"] {
            assert!(is_control_of_room(path), "{path}");
        }
        assert!(!is_control_of_room("studios"));
        assert!(is_control_of_room("gifts/latest"));
        assert!(!is_control_of_room("gifts"));
    }
}

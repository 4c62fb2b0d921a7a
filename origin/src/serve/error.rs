//! Why a request is refused, and the one place where that becomes an answer.

use axum::response::{IntoResponse, Response};
use hls::Rejection;
use http::header::{ALLOW, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::problem::Problem;

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's.
    Downstream,
    /// This process's.
    Internal,
    /// The publisher's: it delivers nothing.
    Upstream,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The auth filters could not say.
    #[error("playback cannot be authorised at the moment")]
    AuthUnavailable,
    /// The auth filters said no to what was presented.
    #[error("what you present does not open this stream")]
    Forbidden,
    /// This process is about to end; another one goes on with the stream.
    #[error("this origin is shutting down")]
    Leaving,
    /// What a live relay is to carry.
    #[error("{0}")]
    Interest(#[from] live_relay::InterestError),
    /// A method other than GET, HEAD and OPTIONS.
    #[error("only GET, HEAD and OPTIONS are answered")]
    Method,
    /// The token is missing or not good for this stream.
    #[error("a valid playback token for this stream is needed")]
    Token,
    /// No such page.
    #[error("there is no such page")]
    UnknownPage,
    /// Not live, or never was.
    #[error("this stream is not live")]
    UnknownStream,
    /// The stream has no such rendition.
    #[error("this stream has no such rendition")]
    UnknownRendition,
    /// The object has gone, or is not expected soon.
    #[error("this object is gone, or not expected soon")]
    UnknownObject,
    /// The playlist's state forbids it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The part did not come in time.
    #[error("the media did not come in time")]
    HeldTooLong,
    /// The setting `http.held_requests_max`.
    #[error("too many requests are held")]
    TooManyHeld,
    /// The setting `http.relays_max`.
    #[error("too many edges are relayed to")]
    TooManyRelays,
}

impl ServeError {
    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::Forbidden
            | Self::Interest(_)
            | Self::Method
            | Self::Token
            | Self::UnknownPage
            | Self::UnknownStream
            | Self::UnknownRendition
            | Self::UnknownObject => Fault::Downstream,
            Self::Rejected(Rejection::BlockedTooLong) | Self::HeldTooLong => Fault::Upstream,
            Self::Rejected(_) => Fault::Downstream,
            Self::AuthUnavailable | Self::Leaving | Self::TooManyHeld | Self::TooManyRelays => {
                Fault::Internal
            }
        }
    }

    /// Stable, for programs.
    fn code(self) -> &'static str {
        match self {
            Self::AuthUnavailable => "auth-unavailable",
            Self::Forbidden => "forbidden",
            Self::Interest(_) => "interest",
            Self::Leaving => "leaving",
            Self::Method => "method",
            Self::Token => "token",
            Self::UnknownPage => "unknown-page",
            Self::UnknownStream => "unknown-stream",
            Self::UnknownRendition => "unknown-rendition",
            Self::UnknownObject => "unknown-object",
            Self::Rejected(_) => "rejected",
            Self::HeldTooLong => "held-too-long",
            Self::TooManyHeld => "too-many-held",
            Self::TooManyRelays => "too-many-relays",
        }
    }

    /// The status to answer with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Interest(_) => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::UnknownPage
            | Self::UnknownStream
            | Self::UnknownRendition
            | Self::UnknownObject => StatusCode::NOT_FOUND,
            Self::Rejected(rejection) => StatusCode::from_u16(rejection.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Self::AuthUnavailable
            | Self::HeldTooLong
            | Self::Leaving
            | Self::TooManyHeld
            | Self::TooManyRelays => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for ServeError {
    fn into_response(self) -> Response {
        let mut problem = Problem::new(self.status(), self.code(), self.to_string());
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            problem = problem.after_ms(1_000);
        }
        let mut response = problem.into_response();
        let headers = response.headers_mut();
        // Short: a cached 404 must not outlive the appearance of the part.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            }
            Self::Token => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            Self::AuthUnavailable | Self::Forbidden => {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn blame_and_status_agree() {
        for (error, status, fault) in [
            (ServeError::UnknownStream, 404, Fault::Downstream),
            (Rejection::MsnTooFar.into(), 400, Fault::Downstream),
            (Rejection::BlockedTooLong.into(), 503, Fault::Upstream),
            (ServeError::TooManyHeld, 503, Fault::Internal),
            (ServeError::Token, 401, Fault::Downstream),
        ] {
            assert_eq!((error.status().as_u16(), error.fault()), (status, fault));
            let response = error.into_response();
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503);
        }
    }
}

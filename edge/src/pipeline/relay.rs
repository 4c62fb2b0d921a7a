//! Handing a stream on to an edge below, as it is made.

use bytes::Bytes;
use http::{StatusCode, header};
use live_relay::{Frame, Interest, InterestError, MEDIA_TYPE};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::EdgeProxy;
use super::log::Context;
use super::respond::{Sent, unless_gone, write_body};
use crate::config::PlaybackAuth;
use crate::frontend::protocol;
use crate::problem::Problem;
use crate::relay::NoFeed;

impl EdgeProxy {
    /// `GET /relay/v1/{stream}?renditions=...`: for tiers, where viewers are told apart from them.
    pub(super) async fn respond_relay(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<()> {
        if self.playback.auth != PlaybackAuth::Open && !context.tier {
            context.refused = Some("missing-token");
            let problem = Problem::new(
                StatusCode::FORBIDDEN,
                "streams are handed on to edges, not to viewers",
            );
            return self.respond_problem(session, context, problem).await;
        }
        let query = session.req_header().uri.query().unwrap_or_default();
        let interest = match Interest::parse(query) {
            Ok(interest) => interest,
            Err(error) => {
                return self
                    .respond_problem(session, context, no_interest(error))
                    .await;
            }
        };
        let stream = context.stream.clone().unwrap_or_default();
        let opening = self.relay.feed(&stream, &interest);
        let mut feed = match unless_gone(session, opening).await? {
            Ok(feed) => feed,
            Err(why) => return self.respond_problem(session, context, no_feed(why)).await,
        };
        let mut response = ResponseHeader::build_no_case(StatusCode::OK, Some(8))?;
        response.insert_header(header::CONTENT_TYPE, MEDIA_TYPE)?;
        response.insert_header(header::CACHE_CONTROL, "no-store")?;
        if protocol(session.as_downstream()) == "h1" {
            response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        let sent = self.write_head(session, context, response, false).await?;
        if sent == Sent::Instead {
            return Ok(());
        }
        while let Some(frame) = unless_gone(session, feed.next()).await? {
            for piece in pieces(&frame) {
                write_body(session, context, piece, false).await?;
            }
        }
        session.write_response_body(None, true).await
    }
}

fn pieces(frame: &Frame) -> impl Iterator<Item = Bytes> {
    let pieces = frame.encode().into_iter();
    pieces.filter(|piece| !piece.is_empty())
}

fn no_interest(error: InterestError) -> Problem {
    let detail = match error {
        InterestError::Missing => "?renditions=NAME[:MSN.PART],... is missing",
        InterestError::TooMany => "too many renditions",
        _ => "a rendition is not NAME or NAME:MSN.PART, or is there twice",
    };
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn no_feed(why: NoFeed) -> Problem {
    match why {
        NoFeed::NotFollowed => Problem::new(
            StatusCode::NOT_FOUND,
            "this edge is not told of the stream itself: ask for its objects",
        ),
        NoFeed::TooMany => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "this edge hands streams on to as many edges as it may: ask for their objects",
        ),
    }
}

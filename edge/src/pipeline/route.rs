//! What a request asks for, from its method and URL alone.
//!
//! Only the names that Weir serves get past here, so that no invented path ever costs a parent a
//! request or the cache a key.

use cache_policy::CacheKey;
use hls::{DeliveryDirectives, ObjectName, PLAYLIST_NAME, RenditionName};
use http::{Method, StatusCode};

use super::control::{is_control, is_control_of_room};
use crate::problem::Problem;

/// The kinds of objects the edge serves; a label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Accounts, wallets, staff: what the control API answers.
    Control,
    /// Pictures to seek by.
    Image,
    /// A media initialization section.
    Init,
    /// The Multivariant Playlist.
    Multivariant,
    /// A page or one of its assets.
    Page,
    /// A Partial Segment.
    Part,
    /// A Media Playlist, or one of I-frames or images.
    Playlist,
    /// Anything refused.
    Refused,
    /// A stream handed on to an edge below.
    Relay,
    /// A room: a socket, an event stream, what is said there, or a guest's identity.
    Room,
    /// A segment.
    Segment,
    /// Something of a foreign origin.
    Site,
    /// The list of live streams.
    Streams,
}

impl Kind {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Image => "image",
            Self::Init => "init",
            Self::Multivariant => "multivariant",
            Self::Page => "page",
            Self::Part => "part",
            Self::Playlist => "playlist",
            Self::Refused => "refused",
            Self::Relay => "relay",
            Self::Room => "room",
            Self::Segment => "segment",
            Self::Site => "site",
            Self::Streams => "streams",
        }
    }

    /// RFC 9218 urgency of an answer that brings none from the origin, by RFC 8216bis Appendix B.1:
    /// playlists 1, media from 2 to 6, all rungs alike. Pages go before pictures: nothing plays
    /// before they are there. What is refused for its URL goes with playlists: it is short, and most
    /// of it answers a player's reload. What is left has the RFC's default.
    pub fn priority(self) -> &'static str {
        match self {
            Self::Multivariant | Self::Playlist | Self::Refused => "u=1",
            Self::Init | Self::Page => "u=2",
            Self::Part | Self::Segment => "u=3",
            Self::Image => "u=6",
            Self::Control | Self::Relay | Self::Room | Self::Site | Self::Streams => "u=3",
        }
    }
}

/// The doors of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Server-sent events.
    Events,
    /// What can be given, and giving it.
    Gifts,
    /// Identities, of no room in particular.
    Guests,
    /// Whether there is such a room.
    Look,
    /// What is said by those who listen to events.
    Messages,
    /// A WebSocket.
    Socket,
}

impl Door {
    /// The door at the end of a path, if the method opens it.
    fn of(method: &Method, last: &str) -> Result<Self, Problem> {
        match (last, method) {
            // CONNECT is how HTTP/2 asks for a WebSocket (RFC 8441 section 4).
            ("socket", &Method::GET | &Method::CONNECT) => Ok(Self::Socket),
            ("events", &Method::GET) => Ok(Self::Events),
            ("gifts", &Method::GET | &Method::POST) => Ok(Self::Gifts),
            ("messages", &Method::POST) => Ok(Self::Messages),
            ("socket" | "events", _) => Err(Problem::method("GET", "only GET is served here")),
            ("gifts", _) => Err(Problem::method(
                "GET, POST",
                "only GET and POST are served here",
            )),
            ("messages", _) => Err(Problem::method("POST", "only POST is served here")),
            _ => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "there is nothing of this name",
            )),
        }
    }
}

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// An object that comes from the parents.
    Object {
        /// Its kind.
        kind: Kind,
        /// The stream it belongs to, for those who decide who may watch.
        stream: Option<String>,
        /// What the parent is asked for, and what the answer is kept under.
        key: CacheKey,
    },
    /// Something for the control API.
    Control,
    /// A CORS preflight for it.
    ControlPreflight,
    /// A page or asset of the edge's own.
    Page,
    /// A CORS preflight.
    Preflight,
    /// A stream to be handed on to an edge below.
    Relay {
        /// Which.
        stream: String,
    },
    /// A door of a room.
    Room {
        /// The room; empty for [`Door::Guests`].
        room: String,
        /// Which door.
        door: Door,
    },
    /// Refused.
    Refused(Problem),
}

impl Route {
    /// Understands a request.
    pub fn of(method: &Method, path: &str, query: Option<&str>) -> Self {
        if is_for_control(path) {
            return match *method {
                Method::OPTIONS => Self::ControlPreflight,
                _ => Self::Control,
            };
        }
        if let Some(rest) = path.strip_prefix("/api/rooms/") {
            if *method == Method::OPTIONS {
                return Self::ControlPreflight;
            }
            return room(method, rest);
        }
        if path == "/api/guests" && *method != Method::OPTIONS {
            return if *method == Method::POST {
                Self::Room {
                    room: String::new(),
                    door: Door::Guests,
                }
            } else {
                Self::Refused(Problem::method("POST", "only POST is served here"))
            };
        }
        match *method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Self::Preflight,
            _ => {
                return Self::Refused(Problem::method(
                    "GET, HEAD, OPTIONS",
                    "only GET, HEAD and OPTIONS are served here",
                ));
            }
        }
        if path == "/api/streams" {
            return object(Kind::Streams, None, path, None);
        }
        if let Some(stream) = path.strip_prefix(live_relay::PATH_PREFIX) {
            return match RenditionName::new(stream) {
                Ok(_) if *method == Method::GET => Self::Relay {
                    stream: stream.to_owned(),
                },
                _ => unknown(),
            };
        }
        match path.strip_prefix("/live/") {
            Some(rest) => live(path, rest, query.unwrap_or_default()),
            None => Self::Page,
        }
    }

    /// The name of the stream.
    pub fn stream(&self) -> Option<&str> {
        match self {
            Self::Object { stream, .. } => stream.as_deref(),
            _ => None,
        }
    }

    /// Takes the name of the stream out.
    pub fn take_stream(&mut self) -> Option<String> {
        match self {
            Self::Object { stream, .. } => stream.take(),
            Self::Relay { stream } => Some(std::mem::take(stream)),
            _ => None,
        }
    }
}

fn is_for_control(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/") else {
        return false;
    };
    let of_room = || {
        let (room, last) = rest.strip_prefix("rooms/")?.split_once('/')?;
        Some(RenditionName::new(room).is_ok() && is_control_of_room(last))
    };
    is_control(rest) || of_room() == Some(true)
}

fn live(path: &str, rest: &str, query: &str) -> Route {
    let plain = |name: &str| RenditionName::new(name).is_ok();
    let mut names = rest.splitn(3, '/');
    let (stream, second, third) = (names.next(), names.next(), names.next());
    let (Some(stream), Some(second)) = (stream.filter(|name| plain(name)), second) else {
        return unknown();
    };
    let Some(file) = third else {
        return if second == PLAYLIST_NAME {
            object(Kind::Multivariant, Some(stream), path, None)
        } else {
            unknown()
        };
    };
    if !plain(second) {
        return unknown();
    }
    let kind = match ObjectName::parse(file) {
        None => return unknown(),
        Some(ObjectName::Init(_)) => Kind::Init,
        Some(ObjectName::Segment(_)) => Kind::Segment,
        Some(ObjectName::Part(..)) => Kind::Part,
        Some(ObjectName::Image(..)) => Kind::Image,
        // Nobody is held for these, so that directives are nothing to them.
        Some(ObjectName::IFrames | ObjectName::Images) => Kind::Playlist,
        Some(ObjectName::Playlist) => match DeliveryDirectives::parse(query) {
            Ok(_) => return object(Kind::Playlist, Some(stream), path, Some(query)),
            Err(error) => {
                return Route::Refused(Problem::new(
                    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                    "the delivery directives (_HLS_msn, _HLS_part, _HLS_skip) are malformed",
                ));
            }
        },
    };
    object(kind, Some(stream), path, None)
}

fn room(method: &Method, rest: &str) -> Route {
    let Some((room, last)) = rest.split_once('/') else {
        return match RenditionName::new(rest) {
            Ok(_) if *method == Method::GET => Route::Room {
                room: rest.to_owned(),
                door: Door::Look,
            },
            _ => unknown(),
        };
    };
    if RenditionName::new(room).is_err() {
        return unknown();
    }
    match Door::of(method, last) {
        Ok(door) => Route::Room {
            room: room.to_owned(),
            door,
        },
        Err(problem) => Route::Refused(problem),
    }
}

fn object(kind: Kind, stream: Option<&str>, path: &str, query: Option<&str>) -> Route {
    match CacheKey::new(path, query) {
        Ok(key) => Route::Object {
            kind,
            stream: stream.map(str::to_owned),
            key,
        },
        Err(error) => Route::Refused(Problem::new(
            error.status(),
            "the path or the delivery directives are malformed",
        )),
    }
}

fn unknown() -> Route {
    Route::Refused(Problem::new(
        StatusCode::NOT_FOUND,
        "there is nothing of this name",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<(Kind, String), u16> {
        let (path, query) = url
            .split_once('?')
            .map_or((url, None), |(p, q)| (p, Some(q)));
        match Route::of(&Method::GET, path, query) {
            Route::Object { kind, key, .. } => Ok((kind, key.to_string())),
            Route::Refused(problem) => Err(problem.status.as_u16()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn objects_and_their_one_spelling() {
        for (url, kind, expect) in [
            (
                "/live/a/index.m3u8",
                Kind::Multivariant,
                "/live/a/index.m3u8",
            ),
            (
                "/live/a/index.m3u8?token=x",
                Kind::Multivariant,
                "/live/a/index.m3u8",
            ),
            (
                "/live/a/720p/index.m3u8?x=1",
                Kind::Playlist,
                "/live/a/720p/index.m3u8",
            ),
            (
                "/live/a/720p/index.m3u8?token=x&_HLS_part=2&_HLS_msn=7",
                Kind::Playlist,
                "/live/a/720p/index.m3u8?_HLS_msn=7&_HLS_part=2",
            ),
            (
                "/live/a/720p/7.m4s?cmcd=1",
                Kind::Segment,
                "/live/a/720p/7.m4s",
            ),
            ("/live/a/720p/7.2.m4s", Kind::Part, "/live/a/720p/7.2.m4s"),
            (
                "/live/a/360p/iframes.m3u8?_HLS_msn=7",
                Kind::Playlist,
                "/live/a/360p/iframes.m3u8",
            ),
            (
                "/live/a/360p/images.m3u8?t=1",
                Kind::Playlist,
                "/live/a/360p/images.m3u8",
            ),
            ("/live/a/360p/7.6.jpg", Kind::Image, "/live/a/360p/7.6.jpg"),
            (
                "/live/a/audio/init-7.mp4",
                Kind::Init,
                "/live/a/audio/init-7.mp4",
            ),
            ("/api/streams?now", Kind::Streams, "/api/streams"),
        ] {
            assert_eq!(target(url), Ok((kind, expect.to_owned())), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused_here() {
        for (url, status) in [
            ("/live/", 404),
            ("/live/a", 404),
            ("/live/a/other.m3u8", 404),
            ("/live/../a/index.m3u8", 404),
            ("/live/a%2f/index.m3u8", 404),
            ("/live/a/720p/07.m4s", 404),
            ("/live/a/720p/x/7.m4s", 404),
            ("/live/a/720p/index.m3u8?_HLS_part=1", 400),
            ("/live/a/720p/index.m3u8?_HLS_msn=-1", 400),
            ("/live/a/720p/index.m3u8?_HLS_msn=1&_HLS_msn=2", 400),
        ] {
            assert_eq!(target(url), Err(status), "{url}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        for (method, path, allow) in [
            (Method::POST, "/live/a/index.m3u8", "GET, HEAD, OPTIONS"),
            (Method::POST, "/api/rooms/a/socket", "GET"),
            (Method::PUT, "/api/rooms/a/events", "GET"),
            (Method::GET, "/api/rooms/a/messages", "POST"),
            (Method::GET, "/api/guests", "POST"),
        ] {
            let Route::Refused(problem) = Route::of(&method, path, None) else {
                panic!("{method} {path}");
            };
            assert_eq!(problem.status, 405, "{method} {path}");
            assert_eq!(problem.allow, Some(allow), "{method} {path}");
        }
    }
}

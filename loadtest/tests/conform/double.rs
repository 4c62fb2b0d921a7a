//! A small server of the canned stream, over HTTP/1.1 and HTTP/2 without TLS. It can be told to
//! break one rule.

mod fault;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::stream::{self, FIRST, PARTS};
use fault::spoil;

pub(crate) use fault::Fault;

/// What a part lasts.
const PART: Duration = Duration::from_millis(250);

/// Parts there from the beginning: as many as make the window full.
const BEGIN: u64 = 60;

/// Advance Part Limit: 3 / PART-TARGET.
const LIMIT: u64 = 12;

/// The server.
pub(crate) struct Double {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Double {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/live/m.m3u8", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            fault,
            began: Instant::now(),
        });
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, task }
    }
}

struct Shared {
    fault: Fault,
    began: Instant,
}

impl Shared {
    /// How many parts are there.
    fn published(&self) -> u64 {
        BEGIN + u64::try_from(self.began.elapsed().as_millis() / PART.as_millis()).unwrap()
    }

    /// Until so many parts are there.
    async fn wait(&self, parts: u64) {
        let ahead = u32::try_from(parts.saturating_sub(BEGIN)).unwrap();
        tokio::time::sleep_until(self.began + PART * ahead).await;
    }
}

struct Reply {
    status: u16,
    body: Vec<u8>,
    max_age: u64,
}

fn reply(status: u16, body: Vec<u8>, max_age: u64) -> Reply {
    Reply {
        status,
        body,
        max_age,
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let fault = shared.fault;
    if request.method() == Method::OPTIONS {
        return Ok(preflight(fault));
    }
    let range = request.headers().get("range").map(bounds);
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or("").to_owned();
    let gzip = request
        .headers()
        .get("accept-encoding")
        .is_some_and(|it| it == "gzip");
    let is_playlist = path.ends_with(".m3u8");
    let (rendition, name) = path
        .trim_start_matches("/live/")
        .split_once('/')
        .unwrap_or(("", ""));
    let mut reply = match (path.as_str(), is_playlist) {
        ("/live/m.m3u8", _) => reply(200, stream::MULTIVARIANT.into(), 60),
        (_, true) => playlist(&shared, rendition, &query).await,
        _ => media(&shared, name, range).await,
    };
    let gzip = gzip && is_playlist && fault != Fault::NoGzip;
    if gzip {
        reply.body = stored(&reply.body);
    }
    let urgency = match (is_playlist, rendition) {
        (true, _) => "u=1",
        (_, "hi") if fault == Fault::Urgent => "u=2",
        _ => "u=3",
    };
    let kind = if is_playlist {
        "application/vnd.apple.mpegurl"
    } else {
        "video/mp4"
    };
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status.try_into().unwrap();
    let mut field = |name, value: &str| {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_str(value).unwrap());
    };
    field("cache-control", &format!("max-age={}", reply.max_age));
    field("content-type", kind);
    field("priority", urgency);
    field("vary", "accept-encoding");
    if gzip {
        field("content-encoding", "gzip");
    }
    if let Some((first, last)) = range.filter(|_| reply.status == 206) {
        field("content-range", &format!("bytes {first}-{last}/*"));
    }
    if reply.status < 400 || fault != Fault::NoCors {
        field("access-control-allow-origin", "*");
        field("access-control-expose-headers", "age");
    }
    Ok(response)
}

/// Leave to ask from another site, with any field.
fn preflight(fault: Fault) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let any = HeaderValue::from_static("*");
    let fields = response.headers_mut();
    fields.insert("access-control-allow-origin", any.clone());
    if fault != Fault::NoPreflight {
        fields.insert("access-control-allow-headers", any);
    }
    response
}

/// First and last byte of a `Range`.
fn bounds(field: &HeaderValue) -> (usize, usize) {
    let range = field.to_str().unwrap().strip_prefix("bytes=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().unwrap())
}

/// RFC 1952 and 1951: one stored block, no checksum that anybody asks for.
fn stored(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(body);
    gzip.extend([0; 4]);
    gzip.extend(u32::from(length).to_le_bytes());
    gzip
}

async fn playlist(shared: &Shared, rendition: &str, query: &str) -> Reply {
    let fault = shared.fault;
    let directive = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let (msn, part) = (directive("_HLS_msn"), directive("_HLS_part"));
    let refused = || reply(400, Vec::new(), 1);
    let number = |text: &Option<String>| text.as_ref().map(|text| text.parse::<u64>()).transpose();
    let (Ok(msn), Ok(part)) = (number(&msn), number(&part)) else {
        return refused();
    };
    if msn.is_none() && part.is_some() && fault != Fault::PartAlone {
        return refused();
    }
    let (mut max_age, mut most) = (0, u64::MAX);
    if let Some(msn) = msn {
        max_age = if fault == Fault::ShortLived { 1 } else { 6 };
        let whole = msn.saturating_sub(FIRST) * PARTS;
        let published = shared.published();
        if fault == Fault::PastIsMissing && whole + 12 * PARTS < published {
            return reply(404, Vec::new(), 1);
        }
        let parts = match part {
            Some(part) if msn >= FIRST => whole + part + 1,
            None if msn >= FIRST => whole + PARTS,
            _ => 0,
        };
        let far = parts > published + LIMIT;
        // What is behind a whole segment is another rule, and so is the past.
        let is_early = fault == Fault::PartDoesNotBlock
            && part.is_some_and(|part| part < PARTS)
            && parts + 2 > published
            && !far;
        most = if is_early { parts - 1 } else { u64::MAX };
        let blocks = match part {
            _ if far => fault != Fault::FarIsAnswered,
            Some(_) => !is_early,
            None => fault != Fault::MsnDoesNotBlock,
        };
        if blocks && far {
            return refused();
        } else if blocks {
            shared.wait(parts).await;
        }
    }
    let skip = match directive("_HLS_skip").as_deref() {
        Some("v2") => !matches!(fault, Fault::NoSkip | Fault::NoSkipV2),
        skip => skip.is_some() && fault != Fault::NoSkip,
    };
    let text = stream::playlist(shared.published().min(most), rendition, skip);
    reply(
        200,
        spoil(fault, text, rendition, skip).into_bytes(),
        max_age,
    )
}

async fn media(shared: &Shared, name: &str, range: Option<(usize, usize)>) -> Reply {
    let fault = shared.fault;
    let missing = || reply(404, Vec::new(), 1);
    if name == "init.mp4" {
        return reply(200, stream::init(), 60);
    }
    let Some(name) = name
        .strip_prefix('s')
        .and_then(|name| name.strip_suffix(".m4s"))
    else {
        return missing();
    };
    let (msn, part) = name.split_once('.').unwrap_or((name, ""));
    let published = shared.published();
    let first = (msn.parse::<u64>().unwrap() - FIRST) * PARTS;
    let Ok(part) = part.parse::<u64>() else {
        let msn = if fault == Fault::OtherBytes {
            first / PARTS - 1
        } else {
            first / PARTS
        };
        let segment = stream::segment(FIRST + msn);
        return match range {
            Some((from, to)) if fault == Fault::ByteRanges => {
                let parts = to / stream::part(0).len() + 1;
                shared.wait(first + u64::try_from(parts).unwrap()).await;
                reply(206, segment.get(from..=to).unwrap_or_default().to_vec(), 60)
            }
            _ => reply(200, segment, 60),
        };
    };
    let number = first + part;
    if number >= published && fault == Fault::HintIsMissing || number > published + LIMIT {
        return missing();
    }
    // Three parts after they left the playlist. The prober asks for one that left a second and a half before, or
    // earlier: later deaths it would not always see.
    let last = number - number % PARTS + PARTS - 1;
    if fault == Fault::PartsDie && last + 4 * PARTS < published {
        return missing();
    }
    shared.wait(number + 1).await;
    let hole = fault == Fault::Hole && part == 2;
    reply(
        200,
        stream::part_at(number, number * 250 + u64::from(hole)),
        60,
    )
}

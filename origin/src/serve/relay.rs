//! The live relay: a stream handed to an edge as it is made, see [`live_relay`].
//!
//! Nothing is queued for an edge. What it has not been told yet is looked up in the window when it can
//! take more, so that a slow one holds nothing back for the others and costs no memory: it is told of
//! fewer playlists, and of the newest Parts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use content_coding::Coding;
use futures::StreamExt;
use hls::{Msn, ObjectName, PartIndex};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Uri};
use live_relay::{CodedText, End, Frame, Interest, PartFrame, PlaylistFrame, Wanted};
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::listener::Peer;
use super::playlist::{BLOCKING_SECONDS, PLAIN_SECONDS};
use super::{Counted, ServeError, Site, cors, media, playlist, priority};
use crate::metrics::RequestKind;
use crate::window::{LiveStream, News, PlaylistText, Told};

/// Pieces that are ready to be sent to an edge: those of two frames.
const PIECES: usize = 8;
/// An edge that takes nothing for so long is left.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long without news an edge is told that this is all.
const PING_EVERY: Duration = Duration::from_secs(1);

/// The places for live relays.
#[derive(Clone, Debug)]
pub(super) struct Places {
    places: Arc<Semaphore>,
    gauge: IntGauge,
}

/// One relay's place; it is freed when dropped.
#[derive(Debug)]
struct Place {
    gauge: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(places: usize, gauge: IntGauge) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            gauge,
        }
    }

    fn take(&self) -> Result<Place, ServeError> {
        let permit = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ServeError::TooManyRelays)?;
        self.gauge.inc();
        Ok(Place {
            gauge: self.gauge.clone(),
            _permit: permit,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// `/relay/v1/{stream}?renditions=...`.
pub(super) async fn subscribe(
    State(site): State<Arc<Site>>,
    Path(stream): Path<String>,
    Extension(Peer(peer)): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> Counted {
    let answer = async {
        let interest = Interest::parse(uri.query().unwrap_or_default())?;
        site.gate.admit(&stream, &uri, &headers, peer).await?;
        let live = site.stream(&stream)?;
        if live.is_cut() || live.is_ended() {
            return Err(ServeError::UnknownStream);
        }
        if live.is_left() {
            return Err(ServeError::Leaving);
        }
        let relay = Relay {
            renditions: renditions(&site, &live, &interest)?,
            place: site.relays.take()?,
            site: Arc::clone(&site),
            live,
        };
        Ok(relay.begin())
    };
    Counted::new(RequestKind::Relay, answer.await)
}

/// Those that the stream has. Others may have been there before the broadcaster came back with another
/// ladder: they keep nothing from those that are.
fn renditions(
    site: &Site,
    live: &LiveStream,
    interest: &Interest,
) -> Result<Vec<Rendition>, ServeError> {
    let wanted = interest.wanted().iter();
    let known: Vec<_> = wanted
        .filter_map(|wanted| Rendition::new(site, live, wanted).ok())
        .collect();
    if known.is_empty() {
        return Err(ServeError::UnknownRendition);
    }
    Ok(known)
}

/// One edge, and one stream.
struct Relay {
    site: Arc<Site>,
    live: Arc<LiveStream>,
    renditions: Vec<Rendition>,
    place: Place,
}

/// A rendition that the edge wants.
struct Rendition {
    index: usize,
    name: hls::RenditionName,
    told: Told,
    of_parts: HeaderMap,
    of_playlists: HeaderMap,
}

/// Why a relay ends.
enum Ending {
    /// The edge was told.
    Told(End),
    /// The edge took nothing for too long.
    Slow,
    /// The edge has gone.
    Closed,
}

impl Rendition {
    fn new(site: &Site, live: &LiveStream, wanted: &Wanted) -> Result<Self, ServeError> {
        let index = live.rendition(wanted.rendition.as_str());
        let index = index.ok_or(ServeError::UnknownRendition)?;
        let any_part = ObjectName::Part(Msn::new(0), PartIndex::ZERO);
        let (mut of_parts, mut of_playlists) = (HeaderMap::new(), HeaderMap::new());
        media::fields(site, live, index, any_part, &mut of_parts)?;
        playlist::fields(&mut of_playlists);
        let urgency = HeaderValue::from_static(priority::PLAYLIST);
        priority::set(&mut of_playlists, urgency);
        for fields in [&mut of_parts, &mut of_playlists] {
            cors::fields(fields);
        }
        Ok(Self {
            index,
            name: wanted.rendition.clone(),
            told: Told::before(wanted.from),
            of_parts,
            of_playlists,
        })
    }

    /// Frames for what is new.
    fn frames(&self, site: &Site, news: News) -> Vec<Frame> {
        let coded = |text: &PlaylistText| {
            let (bytes, coding) =
                text.coded(Coding::Zstd, || site.metrics.compressed(Coding::Zstd));
            let zstd = coding == Coding::Zstd;
            CodedText { zstd, bytes }
        };
        let parts = news.parts.into_iter().map(|(msn, part, body)| {
            Frame::Part(PartFrame {
                rendition: self.name.clone(),
                msn,
                part,
                fields: self.of_parts.clone(),
                body,
            })
        });
        let playlist = news.playlist.map(|new| {
            let skips = new.full.plain() != new.delta.plain();
            Frame::Playlist(PlaylistFrame {
                rendition: self.name.clone(),
                position: new.position,
                fields: self.of_playlists.clone(),
                blocking_seconds: BLOCKING_SECONDS,
                plain_seconds: PLAIN_SECONDS,
                full: coded(&new.full),
                delta: skips.then(|| coded(&new.delta)),
            })
        });
        parts.chain(playlist).collect()
    }
}

impl Relay {
    fn begin(self) -> Response {
        let (to_edge, pieces) = mpsc::channel(PIECES);
        tokio::spawn(self.run(to_edge));
        let pieces = ReceiverStream::new(pieces).map(Ok::<_, Infallible>);
        let mut response = Response::new(Body::from_stream(pieces));
        let fields = response.headers_mut();
        fields.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(live_relay::MEDIA_TYPE),
        );
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn run(mut self, to_edge: mpsc::Sender<Bytes>) {
        let ending = self.tell(&to_edge).await;
        let reason = match &ending {
            Ending::Told(end) => end.as_str(),
            Ending::Slow => "slow",
            Ending::Closed => "closed",
        };
        self.site.metrics.relay_ended(reason);
        tracing::debug!(stream = self.live.name(), reason, "a live relay ended");
        drop(self.place);
    }

    async fn tell(&mut self, to_edge: &mpsc::Sender<Bytes>) -> Ending {
        let mut batches = self.live.subscribe_all();
        loop {
            batches.mark_unchanged();
            let end = self.end();
            let mut frames = Vec::new();
            for rendition in &mut self.renditions {
                let news = self.live.news(rendition.index, &mut rendition.told);
                let news = news.filter(|_| end != Some(End::Gone));
                frames.extend(
                    news.into_iter()
                        .flat_map(|news| rendition.frames(&self.site, news)),
                );
            }
            frames.extend(end.map(Frame::End));
            for frame in &frames {
                if let Err(ending) = self.send(frame, to_edge).await {
                    return ending;
                }
            }
            if let Some(end) = end {
                return Ending::Told(end);
            }
            tokio::select! {
                changed = timeout(PING_EVERY, batches.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Ending::Closed,
                    Err(_) => if let Err(ending) = self.send(&Frame::Ping, to_edge).await {
                        return ending;
                    },
                },
                () = to_edge.closed() => return Ending::Closed,
            }
        }
    }

    fn end(&self) -> Option<End> {
        if self.live.is_cut() {
            Some(End::Gone)
        } else if self.live.is_ended() {
            Some(End::Ended)
        } else {
            self.live.is_left().then_some(End::Leaving)
        }
    }

    async fn send(&self, frame: &Frame, to_edge: &mpsc::Sender<Bytes>) -> Result<(), Ending> {
        let pieces = frame.encode();
        let bytes = pieces.iter().map(Bytes::len).sum();
        match frame {
            Frame::Part(_) => self.site.metrics.relayed("part", bytes),
            Frame::Playlist(_) => self.site.metrics.relayed("playlist", bytes),
            Frame::Ping | Frame::End(_) => {}
        }
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            match timeout(PATIENCE, to_edge.send(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Ending::Closed),
                Err(_) => return Err(Ending::Slow),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Following one stream: subscribing, reading, and subscribing again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_policy::CacheKey;
use content_coding::decode_zstd;
use http::{HeaderValue, StatusCode, header};
use live_relay::{CodedText, Decoder, End, Frame, MEDIA_TYPE, PATH_PREFIX};
use live_relay::{Interest, PartFrame, PlaylistFrame};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::stream::{Settled, Stream};
use super::{Inner, answers};
use crate::cache::flight::FillError;
use crate::clock;
use crate::upstream::parents::Answer as ParentsAnswer;
use crate::upstream::{Asking, authorization};

/// A parent that says nothing for so long is lost. It says something every second.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Between looks at who waits for too long, and at what is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// At least so long from one subscription to the next: whoever asks for one rendition after the other
/// does not cost a subscription each.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// At most so long, after failures.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// After a parent said that it hands nothing on.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// Pieces of the parent's answer that are read ahead.
const PIECES: usize = 8;
/// A playlist that is longer than this is not believed. Five minutes are 50 KiB.
const PLAYLIST_BYTES_MAX: usize = 4 << 20;

/// Why a subscription ended.
enum Ending {
    /// Other renditions are wanted.
    Changed,
    /// The parent said so.
    Told(End),
    /// It broke off, or the parent fell silent.
    Lost,
    /// What came are no frames.
    Malformed,
    /// The parent has no relay, or no such stream.
    Refused,
    /// No parent answered.
    Unanswered,
}

impl Ending {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Told(end) => end.as_str(),
            Self::Lost => "lost",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Follows a stream until nobody wants it.
pub(super) async fn follow(inner: Arc<Inner>, stream: Arc<Stream>) {
    let mut pause = PAUSE_MIN;
    loop {
        let idle = inner.settings.idle;
        let Some(interest) = stream.begin(Instant::now(), idle) else {
            inner.settle_all(stream.end(None));
            if inner.forget(&stream) {
                inner.metrics.ended("idle");
                return;
            }
            continue;
        };
        let began = Instant::now();
        let ending = inner.follow_once(&stream, &interest).await;
        inner.metrics.ended(ending.as_str());
        if !matches!(ending, Ending::Changed) {
            tracing::debug!(
                stream = stream.name(),
                reason = ending.as_str(),
                "no live relay"
            );
            let told = match ending {
                Ending::Told(end) => Some(end),
                _ => None,
            };
            if told == Some(End::Gone) {
                let purged = inner.purge(stream.name());
                tracing::info!(stream = stream.name(), purged, "the stream was taken away");
            }
            inner.settle_all(stream.end(told));
        }
        pause = match ending {
            // At once, unless the last one was a moment ago: those who play the other renditions wait.
            Ending::Changed => PAUSE_MIN.saturating_sub(began.elapsed()),
            Ending::Refused | Ending::Told(End::Ended | End::Gone) => REFUSED_PAUSE,
            _ if began.elapsed() > SILENCE_MAX => PAUSE_MIN,
            _ => (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX),
        };
        sleep(pause).await;
    }
}

impl Inner {
    async fn follow_once(self: &Arc<Self>, stream: &Stream, interest: &Interest) -> Ending {
        let target = format!("{PATH_PREFIX}{}?{interest}", stream.name());
        let asking = Asking {
            authorization: self
                .tiers
                .as_ref()
                .and_then(|tiers| authorization(tiers, Some(stream.name()), clock::unix_seconds())),
            request_id: None,
            trace: None,
        };
        let Some(answer) = self.ask(stream, target, asking).await else {
            return Ending::Unanswered;
        };
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        if answer.head.status != StatusCode::OK
            || answer.head.headers.get(header::CONTENT_TYPE) != Some(&media_type)
        {
            answer.end().await;
            return Ending::Refused;
        }
        self.metrics.subscriptions.inc();
        let ending = self.read(stream, answer).await;
        self.metrics.subscriptions.dec();
        ending
    }

    /// Asks the parents, and looks after those who wait meanwhile.
    async fn ask(
        self: &Arc<Self>,
        stream: &Stream,
        target: String,
        asking: Asking,
    ) -> Option<ParentsAnswer> {
        let upstream = self.upstream.clone();
        let asked = async move { upstream.ask(&target, &asking).await };
        let mut asked = std::pin::pin!(asked);
        let mut looks = looks();
        loop {
            tokio::select! {
                answer = &mut asked => return answer.ok(),
                _ = looks.tick() => self.settle_all(stream.overdue(Instant::now())),
            }
        }
    }

    async fn read(self: &Arc<Self>, stream: &Stream, answer: ParentsAnswer) -> Ending {
        let (pieces_in, mut pieces) = mpsc::channel(PIECES);
        self.runtime
            .spawn(read_pieces(Arc::clone(self), answer, pieces_in));
        let mut decoder = Decoder::default();
        let mut looks = looks();
        loop {
            tokio::select! {
                piece = pieces.recv() => {
                    let Some(piece) = piece else {
                        return Ending::Lost;
                    };
                    self.metrics.bytes.inc_by(piece.len() as u64);
                    let frames = match decoder.decode(piece) {
                        Ok(frames) => frames,
                        Err(error) => {
                            tracing::warn!(stream = stream.name(), %error, "a live relay");
                            return Ending::Malformed;
                        }
                    };
                    for frame in frames {
                        if let Some(ending) = self.take(stream, frame) {
                            return ending;
                        }
                    }
                }
                () = stream.interest.notified() => {
                    if stream.has_changed(Instant::now(), self.settings.idle) {
                        return Ending::Changed;
                    }
                }
                _ = looks.tick() => {
                    let now = Instant::now();
                    self.settle_all(stream.overdue(now));
                    if stream.has_changed(now, self.settings.idle) {
                        return Ending::Changed;
                    }
                }
            }
        }
    }

    fn take(self: &Arc<Self>, stream: &Stream, frame: Frame) -> Option<Ending> {
        let now = Instant::now();
        match frame {
            Frame::Part(part) => {
                self.metrics.frame("part");
                self.take_part(stream, &Arc::new(part), now);
            }
            Frame::Playlist(playlist) => {
                self.metrics.frame("playlist");
                let Some(texts) = texts(&playlist) else {
                    return Some(Ending::Malformed);
                };
                self.take_playlist(stream, &Arc::new(playlist), texts, now);
            }
            Frame::Ping => {
                self.metrics.frame("ping");
                stream.ping(now);
            }
            Frame::End(end) => {
                self.metrics.frame("end");
                return Some(Ending::Told(end));
            }
        }
        None
    }

    fn take_part(self: &Arc<Self>, stream: &Stream, part: &Arc<PartFrame>, now: Instant) {
        let path = format!(
            "/live/{}/{}/{}.{}.m4s",
            stream.name(),
            part.rendition,
            part.msn,
            part.part
        );
        // Before those who wait are answered, so that no request falls between the two.
        if let Ok(key) = CacheKey::new(&path, None) {
            self.cache.keep(key, answers::part(part));
        }
        self.settle_all(stream.part(part, now));
    }

    fn take_playlist(
        self: &Arc<Self>,
        stream: &Stream,
        frame: &Arc<PlaylistFrame>,
        texts: (Bytes, Option<Bytes>),
        now: Instant,
    ) {
        self.settle_all(stream.playlist(frame, texts, now));
    }

    fn settle_all(self: &Arc<Self>, settled: Settled) {
        for (held, answer) in settled {
            self.settle(held, answer);
        }
    }

    /// Forgets all objects of a stream.
    fn purge(&self, stream: &str) -> u64 {
        let prefix = format!("/live/{stream}/");
        self.cache.purge(|key| key.path().starts_with(&prefix))
    }
}

/// When to look after those who wait.
fn looks() -> Interval {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// Reads the parent's answer to its end. In a task of its own: a read that is given up half way would
/// lose what it had.
async fn read_pieces(inner: Arc<Inner>, mut answer: ParentsAnswer, pieces: mpsc::Sender<Bytes>) {
    loop {
        let read = tokio::select! {
            read = answer.read(SILENCE_MAX) => read,
            () = pieces.closed() => break,
        };
        let piece = match read {
            Ok(Some(piece)) => piece,
            Ok(None) => return answer.finish().await,
            Err(FillError::Silent) => {
                tracing::info!(parent = %answer.parent().url, "a live relay fell silent");
                break;
            }
            Err(_) => break,
        };
        inner.upstream.heard(answer.parent());
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    answer.end().await;
}

/// The texts of a playlist.
fn texts(frame: &PlaylistFrame) -> Option<(Bytes, Option<Bytes>)> {
    let plain = |text: &CodedText| match text.zstd {
        true => decode_zstd(&text.bytes, PLAYLIST_BYTES_MAX),
        false => Some(text.bytes.clone()),
    };
    let delta = match &frame.delta {
        Some(delta) => Some(plain(delta)?),
        None => None,
    };
    Some((plain(&frame.full)?, delta))
}

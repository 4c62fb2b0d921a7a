//! The live window of one stream: its playlists and its media, in memory, behind one lock.
//!
//! The packager writes in batches ([`LiveStream::update`]), so that a player never sees one
//! rendition ahead of another within a batch; requests read and, when told to wait, subscribe to
//! their rendition. Nothing here waits or speaks HTTP.

mod catalog;
#[cfg(test)]
pub(crate) mod example;
mod images;
mod relayed;
mod store;
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hls::media::RenditionReport;
use hls::{
    Decision, LivePlaylist, Msn, ObjectName, ObjectState, PartIndex, ProgramDateTime, Rejection,
    RenderRequest, RenditionName, Skip,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

pub use catalog::Catalog;
pub use images::Keyframe;
pub use relayed::{NewPlaylist, News, Told};
pub use store::MediaStore;
pub use text::PlaylistText;

use images::Images;

/// What a rendition carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenditionKind {
    /// AAC.
    Audio,
    /// H.264.
    Video,
}

/// What is said about a stream beside its playlists.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// The name in URLs.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// When its first picture arrived.
    pub started_at: SystemTime,
    /// What is published at present, or was last.
    pub source: SourceInfo,
}

/// What is said about a stream's source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceInfo {
    /// The source picture.
    pub width: u32,
    /// The source picture.
    pub height: u32,
    /// The source's frames per second.
    pub frames_per_second: f64,
    /// Whether a rendition is the source itself.
    pub passthrough: bool,
}

/// One stream: see the module's documentation.
#[derive(Debug)]
pub struct LiveStream {
    name: String,
    title: Option<String>,
    started_at: SystemTime,
    source: Mutex<SourceInfo>,
    names: Vec<(RenditionName, RenditionKind)>,
    inner: Mutex<Inner>,
    /// One per rendition, bumped after each batch that touched it.
    changes: Vec<watch::Sender<u64>>,
    /// Bumped after each batch.
    batches: watch::Sender<u64>,
    /// See [`Self::cut`].
    is_cut: AtomicBool,
    /// See [`Self::leave`].
    is_left: AtomicBool,
    /// The stream that had this name before, as long as its media may be asked for.
    former: Mutex<Option<Arc<Self>>>,
}

#[derive(Debug)]
struct Inner {
    renditions: Vec<Rendition>,
    multivariant: Option<Arc<PlaylistText>>,
    /// Texts rendered since the last batch: a playlist is a function of the pushes.
    rendered: HashMap<(usize, Option<Skip>), Arc<PlaylistText>>,
    /// The I-frame playlists, and what they were made of. They change with segments, not with parts.
    i_frames: HashMap<usize, (Listed, Arc<PlaylistText>)>,
    /// Pictures to seek by.
    images: Images,
}

/// What an I-frame playlist depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listed {
    since: Option<ProgramDateTime>,
    until: Option<Msn>,
    ended: bool,
}

/// One rendition's playlist and media.
#[derive(Debug)]
pub struct Rendition {
    /// What is listed.
    pub playlist: LivePlaylist,
    /// What is kept.
    pub store: MediaStore,
    /// When the last source frame of the newest part arrived here.
    pub newest_part_arrival: Option<Instant>,
}

/// The renditions of one batch.
#[derive(Debug)]
pub struct Update<'a> {
    inner: parking_lot::MutexGuard<'a, Inner>,
    changes: &'a [watch::Sender<u64>],
    batches: &'a watch::Sender<u64>,
    touched: Vec<bool>,
}

/// The answer to a playlist request.
#[derive(Clone, Debug)]
pub enum PlaylistAnswer {
    /// Refuse it.
    Reject(Rejection),
    /// Send it.
    Ready {
        /// The playlist.
        text: Arc<PlaylistText>,
        /// Whether directives made it one that can be cached for long.
        blocking: bool,
        /// When the last source frame of the newest part arrived.
        newest_part_arrival: Option<Instant>,
    },
    /// Hold it until the rendition changes.
    Wait,
}

/// The answer to a media request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaAnswer {
    /// Hold it until the rendition changes.
    Hold,
    /// There is none and will be none.
    NotFound,
    /// Send these one after the other.
    Ready(Vec<Bytes>),
}

impl LiveStream {
    /// A stream before its first part. The renditions are named as their playlists are.
    pub fn new(info: StreamInfo, renditions: Vec<(LivePlaylist, RenditionKind)>) -> Self {
        let names = renditions
            .iter()
            .map(|(playlist, kind)| (playlist.config().rendition.clone(), *kind))
            .collect();
        let changes = renditions.iter().map(|_| watch::channel(0).0).collect();
        let renditions = renditions
            .into_iter()
            .map(|(playlist, _)| Rendition {
                playlist,
                store: MediaStore::default(),
                newest_part_arrival: None,
            })
            .collect();
        Self {
            name: info.name,
            title: info.title,
            started_at: info.started_at,
            source: Mutex::new(info.source),
            names,
            inner: Mutex::new(Inner {
                renditions,
                multivariant: None,
                rendered: HashMap::new(),
                i_frames: HashMap::new(),
                images: Images::default(),
            }),
            changes,
            batches: watch::channel(0).0,
            is_cut: AtomicBool::new(false),
            is_left: AtomicBool::new(false),
            former: Mutex::new(None),
        }
    }

    /// Takes the stream away from its viewers: nothing of it is given out any more, and whoever waits
    /// for something is told at once.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Whether it was taken away.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// This process is about to end, and another one may go on with the stream: whoever waits is told to
    /// come again.
    pub fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Whether what is not there yet will not come from here any more.
    pub fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Acquire)
    }

    /// The name in URLs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For people.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// When its first picture arrived.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// What is published at present, or was last.
    pub fn source(&self) -> SourceInfo {
        *self.source.lock()
    }

    /// Another source goes on with it.
    pub fn set_source(&self, source: SourceInfo) {
        *self.source.lock() = source;
    }

    /// The stream takes the place of another, which has ended and whose media stays downloadable.
    pub(crate) fn succeed(&self, former: Arc<Self>) {
        former.forget_former();
        *self.former.lock() = Some(former);
    }

    /// The media of the stream before is no longer needed.
    pub(crate) fn forget_former(&self) {
        self.former.lock().take();
    }

    /// Names and kinds, best video first.
    pub fn renditions(&self) -> &[(RenditionName, RenditionKind)] {
        &self.names
    }

    /// The index of a rendition.
    pub fn rendition(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|(own, _)| own.as_str() == name)
    }

    /// Wakes whoever waits for a rendition's next change. Subscribe before asking.
    pub fn subscribe(&self, rendition: usize) -> Option<watch::Receiver<u64>> {
        self.changes.get(rendition).map(watch::Sender::subscribe)
    }

    /// Wakes after each batch, whatever it touched. Subscribe before asking.
    pub fn subscribe_all(&self) -> watch::Receiver<u64> {
        self.batches.subscribe()
    }

    /// Begins a batch. Nobody sees anything of it before it is dropped.
    pub fn update(&self) -> Update<'_> {
        Update {
            inner: self.inner.lock(),
            changes: &self.changes,
            batches: &self.batches,
            touched: vec![false; self.changes.len()],
        }
    }

    /// Sets the Multivariant Playlist, once every rendition's configuration is known.
    pub fn set_multivariant(&self, text: String) {
        self.inner.lock().multivariant = Some(Arc::new(PlaylistText::new(text)));
        self.wake_all();
    }

    fn wake_all(&self) {
        for change in self.changes.iter().chain([&self.batches]) {
            change.send_modify(|version| *version += 1);
        }
    }

    /// The Multivariant Playlist, once there is one and a first segment to play.
    pub fn multivariant(&self) -> Option<Arc<PlaylistText>> {
        self.inner.lock().multivariant.clone()
    }

    /// Whether EXT-X-ENDLIST is set.
    pub fn is_ended(&self) -> bool {
        let inner = self.inner.lock();
        inner
            .renditions
            .iter()
            .all(|rendition| rendition.playlist.is_ended())
    }

    /// The first Media Sequence Number that no rendition has used.
    pub fn next_msn(&self) -> Msn {
        let inner = self.inner.lock();
        let next = |rendition: &Rendition| rendition.playlist.next_part().0.next();
        inner.renditions.iter().map(next).max().unwrap_or_default()
    }

    /// EXT-X-DISCONTINUITY-SEQUENCE that no rendition has reached.
    pub fn next_discontinuity_sequence(&self) -> u64 {
        let inner = self.inner.lock();
        let last = |rendition: &Rendition| rendition.playlist.last_discontinuity_sequence();
        let last = inner.renditions.iter().map(last).max();
        last.map_or(0, |last| last.saturating_add(1))
    }

    /// Wall-clock time of a rendition's next part.
    pub fn next_time(&self, rendition: usize) -> Option<ProgramDateTime> {
        let inner = self.inner.lock();
        let own = inner.renditions.get(rendition);
        own.map(|own| own.playlist.next_time())
    }

    /// How long a request may be held.
    pub fn blocked_max(&self) -> Duration {
        let inner = self.inner.lock();
        let blocked_max = |rendition: &Rendition| rendition.playlist.blocked_max();
        inner.renditions.first().map_or(Duration::ZERO, blocked_max)
    }

    /// Answers a Media Playlist request with this query string.
    pub fn playlist(&self, rendition: usize, query: &str) -> PlaylistAnswer {
        let mut inner = self.inner.lock();
        let Some(own) = inner.renditions.get(rendition) else {
            return PlaylistAnswer::Wait;
        };
        let (decision, directives) = own.playlist.decide_query(query);
        match decision {
            Decision::Reject(rejection) => PlaylistAnswer::Reject(rejection),
            Decision::Wait => PlaylistAnswer::Wait,
            Decision::Ready => PlaylistAnswer::Ready {
                newest_part_arrival: own.newest_part_arrival,
                blocking: directives.block_until().is_some(),
                text: inner.render(rendition, directives.skip()),
            },
        }
    }

    /// The I-frame playlist of a video rendition, once there is a first segment.
    pub fn i_frames(&self, rendition: usize) -> Option<Arc<PlaylistText>> {
        let mut inner = self.inner.lock();
        let (_, kind) = self.names.get(rendition)?;
        let started = inner.renditions.get(rendition)?.playlist.last_complete();
        if *kind != RenditionKind::Video || started.is_none() {
            return None;
        }
        inner.render_i_frames(rendition)
    }

    /// Answers a request for an Initialization Section, a Segment, a Part or an image; those of the stream that had
    /// the name before too.
    pub fn media(&self, rendition: usize, object: ObjectName) -> MediaAnswer {
        match self.own_media(rendition, object) {
            MediaAnswer::NotFound => self.former_media(rendition, object),
            answer => answer,
        }
    }

    fn former_media(&self, rendition: usize, object: ObjectName) -> MediaAnswer {
        let former = self.former.lock().clone();
        let (Some(former), Some((name, _))) = (former, self.names.get(rendition)) else {
            return MediaAnswer::NotFound;
        };
        let rendition = former.rendition(name.as_str());
        rendition.map_or(MediaAnswer::NotFound, |rendition| {
            former.own_media(rendition, object)
        })
    }

    fn own_media(&self, rendition: usize, object: ObjectName) -> MediaAnswer {
        let inner = self.inner.lock();
        if let ObjectName::Image(..) = object {
            let image = inner.images.get(rendition, object);
            return image.map_or(MediaAnswer::NotFound, |jpeg| MediaAnswer::Ready(vec![jpeg]));
        }
        let Some(own) = inner.renditions.get(rendition) else {
            return MediaAnswer::NotFound;
        };
        match own.playlist.object_state(object) {
            ObjectState::Hold => MediaAnswer::Hold,
            ObjectState::NotFound => MediaAnswer::NotFound,
            ObjectState::Available => own
                .store
                .object(object)
                .map_or(MediaAnswer::NotFound, MediaAnswer::Ready),
        }
    }
}

impl Inner {
    fn render(&mut self, rendition: usize, skip: Option<Skip>) -> Arc<PlaylistText> {
        if let Some(text) = self.rendered.get(&(rendition, skip)) {
            return Arc::clone(text);
        }
        let reports: Vec<RenditionReport> = self
            .renditions
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != rendition)
            .filter_map(|(_, other)| other.playlist.report())
            .collect();
        let request = RenderRequest {
            skip,
            reports: &reports,
        };
        let text = self
            .renditions
            .get(rendition)
            .map(|own| own.playlist.render(&request))
            .unwrap_or_default();
        let text = Arc::new(PlaylistText::new(text));
        self.rendered.insert((rendition, skip), Arc::clone(&text));
        text
    }

    fn render_i_frames(&mut self, rendition: usize) -> Option<Arc<PlaylistText>> {
        let own = self.renditions.get(rendition)?;
        let now = Listed {
            since: own.playlist.listed_since(),
            until: own.playlist.last_complete(),
            ended: own.playlist.is_ended(),
        };
        let known = self.i_frames.get(&rendition);
        if let Some((_, text)) = known.filter(|(made_of, _)| *made_of == now) {
            return Some(Arc::clone(text));
        }
        let text = Arc::new(PlaylistText::new(own.playlist.render_i_frames()));
        self.i_frames.insert(rendition, (now, Arc::clone(&text)));
        Some(text)
    }
}

impl Update<'_> {
    /// A rendition, to be changed.
    pub fn rendition(&mut self, rendition: usize) -> Option<&mut Rendition> {
        let touched = self.touched.get_mut(rendition)?;
        *touched = true;
        self.inner.rendered.clear();
        self.inner.renditions.get_mut(rendition)
    }

    /// All renditions, to be changed.
    pub fn renditions(&mut self) -> impl Iterator<Item = &mut Rendition> {
        self.touched.fill(true);
        self.inner.rendered.clear();
        self.inner.renditions.iter_mut()
    }

    /// Media bytes held in all renditions, images included.
    pub fn stored_bytes(&self) -> usize {
        let renditions = self.inner.renditions.iter();
        let media: usize = renditions.map(|rendition| rendition.store.bytes()).sum();
        media + self.inner.images.bytes()
    }
}

impl Drop for Update<'_> {
    fn drop(&mut self) {
        // A waiter that wakes now waits for the lock, which falls right after.
        for (change, touched) in self.changes.iter().zip(&self.touched) {
            if *touched {
                change.send_modify(|version| *version += 1);
            }
        }
        self.batches.send_modify(|version| *version += 1);
    }
}

impl Rendition {
    /// Stores a part and lists it.
    pub fn push_part(
        &mut self,
        part: hls::NewPart,
        media: Bytes,
    ) -> Result<hls::PartAdded, hls::PushError> {
        let (msn, index): (Msn, PartIndex) = self.playlist.next_part();
        self.store.insert_part(msn, index, media);
        let added = self.playlist.push_part(part);
        if added.is_err() {
            self.store.remove_part(msn, index);
        }
        self.store.trim(&self.playlist.retention());
        added
    }

    /// Lets go of everything below `msn`, listed or not: there is no room for it.
    pub fn withdraw(&mut self, msn: Msn) {
        self.playlist.withdraw(msn);
        self.store.trim(&self.playlist.retention());
    }
}

#[cfg(test)]
mod tests;

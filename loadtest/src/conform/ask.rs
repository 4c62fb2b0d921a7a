//! Single requests beside the watching: what clients ask now and then, and what they should not.

use std::time::Duration;

use futures::future::join_all;

use super::multivariant::{Listed, resolve};
use super::playlist::Playlist;
use super::probe::{Prober, with_query};
use super::record::{Answer, Asked, Delta, Load, Watch, Why};
use super::watch;

/// How often what happens once a part is asked for.
const ROUNDS: usize = 3;

/// Identical requests at once.
const TOGETHER: usize = 5;

/// After it, an answer out of a cache has an Age of a second.
const A_SECOND: Duration = Duration::from_millis(1_200);

/// A place in the stream.
type Place = (u64, usize);

/// What was asked.
#[derive(Debug, Default)]
pub(super) struct Questions {
    pub(super) asked: Vec<Asked>,
    pub(super) deltas: Vec<Delta>,
}

/// Asks all there is to ask.
pub(super) async fn all(prober: &Prober, listed: &Listed, tell: fn(&str)) -> Questions {
    let ask = Ask {
        prober,
        path: &listed.path,
    };
    tell("directives");
    let (held, (refused, (deltas, (hinted, media)))) = tokio::join!(ask.held(), async {
        let refused = ask.at_once().await;
        tell("delta updates");
        let deltas = ask.deltas().await;
        tell("hinted parts");
        let hinted = ask.hinted().await;
        tell("codings, ranges and ages");
        (refused, (deltas, (hinted, ask.again().await)))
    });
    Questions {
        asked: [held, refused, hinted, media].concat(),
        deltas,
    }
}

/// Asks for what left the playlist a moment ago.
pub(super) async fn removed(prober: &Prober, watch: &Watch) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut want = Vec::new();
    let pairs = watch.loads.windows(2).rev();
    for pair in pairs {
        let [before, after] = pair else { continue };
        let (old, new) = (&before.playlist, &after.playlist);
        for segment in &old.segments {
            let place = (segment.msn, 0);
            let now = new.segment(segment.msn);
            let uri = match now {
                None if segment.msn < new.media_sequence => {
                    Some((Why::RemovedSegment, &segment.uri))
                }
                Some(now) if now.parts.is_empty() => segment
                    .parts
                    .last()
                    .map(|part| (Why::RemovedPart, &part.uri)),
                _ => None,
            };
            if let Some((why, uri)) =
                uri.filter(|(why, _)| !want.iter().any(|(it, _, _)| it == why))
            {
                want.push((why, place, resolve(&watch.listed.path, uri)));
            }
        }
    }
    for (why, place, path) in want {
        let answer = prober.get(&path, &[]).await;
        asked.push(of(why, place, answer));
    }
    asked
}

fn of(why: Why, place: Place, answer: Answer) -> Asked {
    let is_text = answer.good() && answer.body.starts_with(b"#EXTM3U");
    let playlist = if is_text {
        Playlist::parse(&answer.text())
    } else {
        Playlist::default()
    };
    Asked {
        why,
        place,
        answer,
        playlist,
    }
}

struct Ask<'a> {
    prober: &'a Prober,
    path: &'a str,
}

impl Ask<'_> {
    async fn now(&self) -> Playlist {
        self.prober.playlist(self.path, "").await.1
    }

    async fn one(&self, why: Why, place: Place, query: &str) -> Asked {
        let path = with_query(self.path, query);
        of(why, place, self.prober.get(&path, &[]).await)
    }

    /// Requests that are held for long.
    async fn held(&self) -> Vec<Asked> {
        let now = self.now().await;
        let (open, _) = now.next();
        let (next, after) = (format!("_HLS_msn={open}"), format!("_HLS_msn={}", open + 1));
        let (alone, ahead) = tokio::join!(
            self.one(Why::SegmentAlone, (open, 0), &next),
            self.one(Why::Ahead, (open + 1, 0), &after)
        );
        vec![alone, ahead]
    }

    /// Requests that are answered at once.
    async fn at_once(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        let now = self.now().await;
        let (open, next) = now.next();
        let last = now.last().unwrap_or_default();
        for query in [
            format!("_HLS_msn={}", now.media_sequence),
            format!(
                "_HLS_msn={}&_HLS_part=0",
                now.media_sequence.saturating_sub(1)
            ),
        ] {
            asked.push(self.one(Why::Past, last, &query).await);
        }
        let malformed = [
            "_HLS_msn=x".to_owned(),
            "_HLS_msn=-1".to_owned(),
            "_HLS_msn=1.5".to_owned(),
        ];
        for query in malformed
            .into_iter()
            .chain([format!("_HLS_msn={open}&_HLS_part=x")])
        {
            asked.push(self.one(Why::Malformed, last, &query).await);
        }
        asked.push(self.one(Why::PartAlone, last, "_HLS_part=0").await);
        let far = format!("_HLS_msn={}", open + 100);
        asked.push(self.one(Why::FarSegment, last, &far).await);
        let far = format!("_HLS_msn={open}&_HLS_part={}", next + 1_000);
        asked.push(self.one(Why::FarPart, last, &far).await);
        if let Some(whole) = now.segments.last().filter(|it| !it.parts.is_empty()) {
            let (msn, part) = (whole.msn, whole.parts.len());
            let query = format!("_HLS_msn={msn}&_HLS_part={part}");
            asked.push(self.one(Why::PartTooMany, (msn, part), &query).await);
        }
        let (msn, part) = self.now().await.next();
        let query = format!("_HLS_part={part}&_HLS_msn={msn}");
        asked.push(self.one(Why::Reversed, (msn, part), &query).await);
        let (msn, part) = self.now().await.next();
        let query = format!("_HLS_msn={msn}&_HLS_part={part}");
        let same = (0..TOGETHER).map(|_| self.one(Why::Together, (msn, part), &query));
        asked.extend(join_all(same).await);
        asked
    }

    /// A playlist, and an update of the same moment.
    async fn deltas(&self) -> Vec<Delta> {
        let mut deltas = Vec::new();
        for _ in 0..ROUNDS {
            let (msn, part) = self.now().await.next();
            let query = format!("_HLS_msn={msn}&_HLS_part={part}");
            let skip = format!("{query}&_HLS_skip=YES");
            let (full, update) = tokio::join!(
                self.prober.playlist(self.path, &query),
                self.prober.playlist(self.path, &skip)
            );
            let load = |(answer, playlist): (Answer, Playlist)| Load {
                wanted: Some((msn, part)),
                answer,
                playlist,
            };
            deltas.push(Delta {
                full: load(full),
                update: load(update),
            });
        }
        deltas
    }

    /// Hinted parts, as soon as they are hinted, and once more when they are there.
    async fn hinted(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for _ in 0..ROUNDS {
            let now = self.now().await;
            let mut hints = now.hints.iter().filter(|it| it.get("TYPE") == Some("PART"));
            let Some(uri) = hints.next().and_then(|it| it.get("URI")) else {
                continue;
            };
            let path = resolve(self.path, uri);
            let answer = self.prober.get(&path, &[]).await;
            asked.push(of(Why::Hinted, now.next(), answer));
            let later = self.prober.get(&path, &[]).await;
            asked.push(of(Why::HintedAgain, now.next(), later));
        }
        asked
    }

    /// What is there, in other ways.
    async fn again(&self) -> Vec<Asked> {
        let now = self.now().await;
        let mut asked = Vec::new();
        let gzip = [("accept-encoding", "gzip")];
        let (msn, part) = now.next();
        for query in [String::new(), format!("_HLS_msn={msn}&_HLS_part={part}")] {
            let path = with_query(self.path, &query);
            let answer = self.prober.get(&path, &gzip).await;
            asked.push(of(Why::Gzip, (msn, part), answer));
        }
        let never = resolve(self.path, "never-was.0.m4s");
        asked.push(of(
            Why::Unknown,
            (msn, part),
            self.prober.get(&never, &[]).await,
        ));
        if let Some((place, listed)) = now.last().and_then(|at| now.part(at).map(|it| (at, it))) {
            let path = resolve(self.path, &listed.uri);
            let range = self.prober.get(&path, &[("range", "bytes=0-63")]).await;
            asked.push(of(Why::Range, place, range));
            for _ in 0..2 {
                let answer = watch::part(self.prober, self.path, listed).await;
                asked.push(of(Why::Again, place, answer));
                tokio::time::sleep(A_SECOND).await;
            }
        }
        asked
    }
}

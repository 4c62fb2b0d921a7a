//! Single requests beside the watching: what clients ask now and then, and what they should not.

use std::time::Duration;

use futures::future::join_all;

use super::multivariant::{Listed, resolve};
use super::playlist::{ByteRange, Playlist};
use super::probe::{Prober, with_query};
use super::record::{Answer, Asked, Delta, Load, Watch, Why};
use super::watch;

/// How often what happens once a part is asked for.
const ROUNDS: usize = 3;

/// Pairs of a playlist and an update, of one moment, that are looked for.
const PAIRS: usize = 2;

/// After so many pairs that is enough: on a busy machine one of two requests comes late.
const PAIRS_MAX: usize = 6;

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

/// Asks for what left the playlist: the part that left it first of those that still have to be
/// there, and the segment that left it last.
pub(super) async fn removed(prober: &Prober, watch: &Watch) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (why, place, path) in gone(watch, prober.now()) {
        let answer = prober.get(&path, &[]).await;
        asked.push(of(why, place, answer));
    }
    asked
}

/// Asks for the Media Initialization Section that was hinted last.
pub(super) async fn hinted_map(prober: &Prober, watch: &Watch) -> Option<Asked> {
    let mut loads = watch.loads.iter().rev();
    let (load, hint) = loads.find_map(|load| Some((load, load.playlist.hint("MAP")?)))?;
    let path = resolve(&watch.listed.path, hint.get("URI")?);
    let answer = prober.get(&path, &[]).await;
    Some(of(Why::HintedMap, load.playlist.next(), answer))
}

/// What [`removed`] asks for at `now`.
fn gone(watch: &Watch, now: Duration) -> Vec<(Why, Place, String)> {
    let (mut part, mut segment) = (None, None);
    let path = |uri: &str| resolve(&watch.listed.path, uri);
    for (before, after) in watch.pairs() {
        let (old, new) = (&before.playlist, &after.playlist);
        // Asking takes time, too.
        let must_live = 3.0 * new.target_duration.unwrap_or(0.0) - 0.5;
        let gone_for = now.saturating_sub(after.answer.arrived()).as_secs_f64();
        let is_young = gone_for < must_live;
        for it in &old.segments {
            let trimmed = new.segment(it.msn).is_none_or(|now| now.parts.is_empty());
            // What is a gap need never have been there (section 4.4.4.7).
            let last = it.parts.last().filter(|last| !last.gap);
            if let Some(last) = last.filter(|_| trimmed && is_young && part.is_none()) {
                part = Some((
                    Why::RemovedPart,
                    (it.msn, it.parts.len() - 1),
                    path(&last.uri),
                ));
            }
            if it.msn < new.media_sequence && gone_for < old.length() && !it.gap {
                segment = Some((Why::RemovedSegment, (it.msn, 0), path(&it.uri)));
            }
        }
    }
    part.into_iter().chain(segment).collect()
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
        asked.push(self.one(Why::FarPart, (open, next), &far).await);
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

    /// Playlists, and updates of both kinds of the same moment.
    async fn deltas(&self) -> Vec<Delta> {
        let mut deltas = Vec::new();
        for v2 in [false, true] {
            let (mut tried, mut same) = (0, 0);
            while same < PAIRS && tried < PAIRS_MAX {
                let pair = self.pair(v2).await;
                tried += 1;
                same += usize::from(pair.is_of_one_moment());
                deltas.push(pair);
            }
        }
        deltas
    }

    async fn pair(&self, v2: bool) -> Delta {
        // The next segment: both are held until it begins, also where a cache is behind or one of
        // them comes late. What is there already has other versions under other directives.
        let wanted = (self.now().await.open.msn + 1, 0);
        let query = format!("_HLS_msn={}&_HLS_part={}", wanted.0, wanted.1);
        let skip = format!("{query}&_HLS_skip={}", if v2 { "v2" } else { "YES" });
        let (full, update) = tokio::join!(
            self.prober.playlist(self.path, &query),
            self.prober.playlist(self.path, &skip)
        );
        let load = |(answer, playlist): (Answer, Playlist)| Load {
            wanted: Some(wanted),
            answer,
            playlist,
        };
        Delta {
            v2,
            full: load(full),
            update: load(update),
        }
    }

    /// Hinted parts, as soon as they are hinted, and once more when they are there.
    async fn hinted(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for _ in 0..ROUNDS {
            let now = self.now().await;
            let Some(hint) = now.hint("PART") else {
                continue;
            };
            let path = resolve(self.path, hint.get("URI").unwrap_or_default());
            let range = match (
                hint.get("BYTERANGE-START"),
                hint.integer("BYTERANGE-LENGTH"),
            ) {
                (None, None) => None,
                (_, Some(length)) => Some(ByteRange {
                    first: hint.integer("BYTERANGE-START").unwrap_or(0),
                    length,
                }),
                // What is open at its end is as long as what comes, of which this is a piece.
                (Some(_), None) => continue,
            };
            let range = range.map(ByteRange::field);
            let fields: Vec<_> = range.iter().map(|it| ("range", it.as_str())).collect();
            let answer = self.prober.get(&path, &fields).await;
            asked.push(of(Why::Hinted, now.next(), answer));
            let later = self.prober.get(&path, &fields).await;
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
        asked.push(of(
            Why::Preflight,
            (msn, part),
            self.prober.preflight(self.path).await,
        ));
        let never = resolve(self.path, "never-was.0.m4s");
        asked.push(of(
            Why::Unknown,
            (msn, part),
            self.prober.get(&never, &[]).await,
        ));
        let listed = now.last().and_then(|at| now.part(at).map(|it| (at, it)));
        if let Some((place, listed)) = listed.filter(|(_, part)| !part.gap) {
            let path = resolve(self.path, &listed.uri);
            asked.push(of(
                Why::Preflight,
                place,
                self.prober.preflight(&path).await,
            ));
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

#[cfg(test)]
mod tests {
    use super::super::stream::playlist;
    use super::*;

    #[test]
    fn what_has_left_and_must_still_be_there() {
        let paths = gone_of(|text| text);
        // In seconds: the parts of 113 left at 17.25, those of 114 at 18.25; 106 left at 19.
        assert_eq!(
            paths,
            [
                (Why::RemovedPart, "/live/hi/s114.3.m4s".to_owned()),
                (Why::RemovedSegment, "/live/hi/s106.m4s".to_owned())
            ]
        );
    }

    #[test]
    fn gaps_that_have_left_need_not_be_there() {
        let paths = gone_of(|text| {
            text.replace("\ns106.m4s", "\n#EXT-X-GAP\ns106.m4s")
                .replace("s114.3.m4s\"", "s114.3.m4s\",GAP=YES")
        });
        assert_eq!(
            paths,
            [
                (Why::RemovedPart, "/live/hi/s115.3.m4s".to_owned()),
                (Why::RemovedSegment, "/live/hi/s105.m4s".to_owned())
            ]
        );
    }

    /// Of the canned stream, with other texts of its playlists.
    fn gone_of(edit: impl Fn(String) -> String) -> Vec<(Why, String)> {
        let listed = Listed {
            path: "/live/hi/index.m3u8".to_owned(),
            uri: String::new(),
            bandwidth: None,
        };
        let load = |published: u64| Load {
            wanted: None,
            answer: Answer {
                asked: Duration::from_millis(250) * u32::try_from(published).unwrap(),
                ..Answer::default()
            },
            playlist: Playlist::parse(&edit(playlist(published, "hi", false))),
        };
        let watch = Watch {
            listed,
            loads: (60..80).map(load).collect(),
            failed: Vec::new(),
            media: Vec::new(),
        };
        let gone = gone(&watch, Duration::from_secs(20));
        gone.into_iter().map(|(why, _, path)| (why, path)).collect()
    }
}

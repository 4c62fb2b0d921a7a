//! The driver: watches all Media Playlists at once and asks beside it, and records what comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::join_all;
use http::Method;

use crate::client::{Client, Protocol, RequestError, Target};
use crate::play;

use super::ask::{self, Questions};
use super::multivariant::{Listed, listed};
use super::playlist::Playlist;
use super::record::{Answer, Asked, Record, Watch, Why};
use super::report::Report;
use super::{ORIGIN, REQUESTED_FIELD, check, watch};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// The most Media Playlists that are watched.
const WATCHED_MAX: usize = 16;

/// What to probe, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The Multivariant Playlist, and how it is watched.
    pub stream: play::Plan,
    /// Which Media Playlist single requests are about: a piece of its URI. The first variant
    /// without it.
    pub rendition: Option<String>,
    /// What lateness is this machine's.
    pub slack: Duration,
    /// Told what is going on.
    pub tell: fn(&str),
}

/// Watches, asks, and judges.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let stream = &plan.stream;
    let (target, path) = Target::split(&stream.url)?;
    let client = stream.connect().await?;
    let prober = Prober {
        client,
        began: Instant::now(),
    };
    let multivariant = prober.get(&path, &[]).await;
    ensure!(
        multivariant.good(),
        "{} answered {} {}",
        stream.url,
        multivariant.status,
        multivariant.error.as_deref().unwrap_or("")
    );
    let text = multivariant.text();
    ensure!(
        text.contains("#EXT-X-STREAM-INF"),
        "{} is no Multivariant Playlist",
        stream.url
    );
    let mut playlists = listed(&path, &text);
    ensure!(
        !playlists.is_empty(),
        "{} lists no Media Playlist",
        stream.url
    );
    playlists.truncate(WATCHED_MAX);
    let main = main_of(&playlists, plan.rendition.as_deref())?;
    playlists.swap(0, main);
    let modern = modern(stream, &path).await;
    let (watches, questions) = observe(plan, &prober, playlists).await;
    let mut asked = vec![Asked {
        why: Why::Multivariant,
        place: (0, 0),
        playlist: Playlist::default(),
        answer: multivariant,
    }];
    asked.extend(questions.asked);
    let record = Record {
        protocol: stream.protocol,
        server: target.url(""),
        modern,
        watches,
        asked,
        deltas: questions.deltas,
        slack: plan.slack,
    };
    Ok(Report::new(
        stream.url.clone(),
        &record,
        check::all(&record),
    ))
}

/// The place of the Media Playlist that single requests are about.
fn main_of(playlists: &[Listed], wanted: Option<&str>) -> anyhow::Result<usize> {
    match wanted {
        Some(wanted) => playlists
            .iter()
            .position(|it| it.uri.contains(wanted))
            .with_context(|| format!("no Media Playlist is called '{wanted}'")),
        None => Ok(playlists
            .iter()
            .position(|it| it.bandwidth.is_some())
            .unwrap_or(0)),
    }
}

/// Watches for as long as the plan says, and until all is asked; then fetches media.
async fn observe(plan: &Plan, prober: &Prober, playlists: Vec<Listed>) -> (Vec<Watch>, Questions) {
    let seconds = plan.stream.duration.as_secs_f64();
    (plan.tell)(&format!("{} Media Playlists, {seconds} s", playlists.len()));
    let asking = AtomicBool::new(true);
    let until = Instant::now() + plan.stream.duration;
    let going = || asking.load(Ordering::Relaxed) || Instant::now() < until;
    let first = playlists.first().cloned();
    let questions = async {
        let mut questions = Questions::default();
        if let Some(main) = &first {
            questions = ask::all(prober, main, plan.tell).await;
        }
        (plan.tell)("all is asked; watching on");
        asking.store(false, Ordering::Relaxed);
        questions
    };
    let watching = join_all(
        playlists
            .into_iter()
            .map(|it| watch::follow(prober, it, going)),
    );
    let (mut watches, mut questions) = tokio::join!(watching, questions);
    (plan.tell)("fetching parts and segments");
    if let Some(main) = watches.first() {
        questions.asked.extend(ask::removed(prober, main).await);
        questions.asked.extend(ask::hinted_map(prober, main).await);
    }
    for watch in &mut watches {
        watch.media = watch::media(prober, watch).await;
    }
    (watches, questions)
}

/// Whether the server speaks HTTP/2 or HTTP/3.
async fn modern(stream: &play::Plan, path: &str) -> Result<(), String> {
    if stream.protocol != Protocol::H1 {
        return Ok(());
    }
    let mut why = Vec::new();
    for protocol in [Protocol::H2, Protocol::H3] {
        match Client::connect(&stream.url, protocol, &stream.trust).await {
            Ok(client) => match client.fetch(path, &[]).await {
                Ok(_) => return Ok(()),
                Err(error) => why.push(format!("{protocol}: {error}")),
            },
            Err(error) => why.push(format!("{protocol}: {error}")),
        }
    }
    Err(why.join("; "))
}

/// A client that notes when.
#[derive(Debug)]
pub(super) struct Prober {
    client: Client,
    began: Instant,
}

impl Prober {
    /// The time, since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Asks for `path`, with these fields.
    pub(super) async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, fields).await
    }

    /// Asks for leave to ask for `path`, as browsers do before a request with a field of its own.
    pub(super) async fn preflight(&self, path: &str) -> Answer {
        let fields = [
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", REQUESTED_FIELD),
        ];
        self.ask(Method::OPTIONS, path, &fields).await
    }

    async fn ask(&self, method: Method, path: &str, fields: &[(&str, &str)]) -> Answer {
        let asked = self.began.elapsed();
        let fields = [&[("origin", ORIGIN)], fields].concat();
        let fetched = async {
            let response = self.client.request(method, path, &fields).await?;
            Ok::<_, RequestError>(response.collect().await)
        };
        let fetched = tokio::time::timeout(PATIENCE, fetched).await;
        let mut answer = Answer {
            path: path.to_owned(),
            asked,
            took: self.began.elapsed().saturating_sub(asked),
            ..Answer::default()
        };
        match fetched {
            Ok(Ok(fetched)) => {
                answer.status = fetched.status.as_u16();
                answer.error = fetched.broken.as_ref().map(ToString::to_string);
                if let (Some(first), Some(last)) =
                    (fetched.arrivals.first(), fetched.arrivals.last())
                {
                    answer.spread = last.after.saturating_sub(first.after);
                }
                answer.headers = fetched.headers;
                answer.body = fetched.body;
            }
            Ok(Err(error)) => answer.error = Some(error.to_string()),
            Err(_) => answer.error = Some(format!("no answer within {PATIENCE:?}")),
        }
        answer
    }

    /// Asks for a playlist with these directives.
    pub(super) async fn playlist(&self, path: &str, query: &str) -> (Answer, Playlist) {
        let answer = self.get(&with_query(path, query), &[]).await;
        let playlist = if answer.good() {
            Playlist::parse(&answer.text())
        } else {
            Playlist::default()
        };
        (answer, playlist)
    }
}

/// `path` with more of a query.
pub(super) fn with_query(path: &str, query: &str) -> String {
    match (query.is_empty(), path.contains('?')) {
        (true, _) => path.to_owned(),
        (false, true) => format!("{path}&{query}"),
        (false, false) => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variant_or_the_one_named() {
        let text = "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=2\nhi.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlo.m3u8\n";
        let playlists = listed("/m.m3u8", text);
        assert_eq!(main_of(&playlists, None).unwrap(), 1);
        assert_eq!(main_of(&playlists, Some("lo")).unwrap(), 2);
        assert!(main_of(&playlists, Some("x")).is_err());
    }

    #[test]
    fn queries_are_joined() {
        assert_eq!(with_query("/a", ""), "/a");
        assert_eq!(with_query("/a", "b=1"), "/a?b=1");
        assert_eq!(with_query("/a?t=0", "b=1"), "/a?t=0&b=1");
    }
}

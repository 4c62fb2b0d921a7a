use http_body_util::BodyExt;
use live_relay::Decoder;
use prometheus::Registry;
use telemetry::traces::Traces;

use super::*;
use crate::metrics::Metrics;
use crate::rooms::Counts;
use crate::serve::{Gate, hold::Holds};
use crate::window::Catalog;
use crate::window::example::{self, push_second};

fn site(places: usize) -> Arc<Site> {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    Arc::new(Site {
        catalog: Catalog::default(),
        counts: Counts::default(),
        holds: Holds::new(1, metrics.held_requests.clone()),
        relays: Places::new(places, metrics.relays.clone()),
        metrics,
        traces: Traces::off(),
        gate: Gate::Open,
        media_seconds: 60,
    })
}

fn relay(site: &Arc<Site>, live: &Arc<LiveStream>, query: &str) -> Response {
    let interest = Interest::parse(query).unwrap();
    Relay {
        renditions: renditions(site, live, &interest).unwrap(),
        place: site.relays.take().unwrap(),
        site: Arc::clone(site),
        live: Arc::clone(live),
    }
    .begin()
}

/// Reads frames until `enough` are there, Pings aside.
async fn read(body: &mut Body, decoder: &mut Decoder, enough: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while frames.len() < enough
        && let Some(piece) = body.frame().await
    {
        let arrived = decoder.decode(piece.unwrap().into_data().unwrap()).unwrap();
        frames.extend(arrived.into_iter().filter(|frame| *frame != Frame::Ping));
    }
    frames
}

fn told(frames: &[Frame]) -> Vec<String> {
    let one = |frame: &Frame| match frame {
        Frame::Part(part) => format!("{} {}.{}", part.rendition, part.msn, part.part),
        Frame::Playlist(list) => {
            let position = list.position;
            format!(
                "{} list {}.{}",
                list.rendition, position.open, position.open_parts
            )
        }
        Frame::End(end) => end.as_str().to_owned(),
        Frame::Ping => "ping".to_owned(),
    };
    frames.iter().map(one).collect()
}

#[tokio::test]
async fn an_edge_is_told_what_is_made_until_the_end() {
    let (site, live) = (site(1), Arc::new(example::stream(7)));
    for second in 0..3 {
        push_second(&live, second % 2 == 1);
    }
    let response = relay(&site, &live, "renditions=360p:8.0,audio");
    assert_eq!(response.headers()[CONTENT_TYPE], live_relay::MEDIA_TYPE);
    let (mut body, mut decoder) = (response.into_body(), Decoder::default());
    let first = read(&mut body, &mut decoder, 3).await;
    assert_eq!(
        told(&first),
        ["360p 8.0", "360p list 8.1", "audio list 8.1"]
    );
    push_second(&live, true);
    let next = read(&mut body, &mut decoder, 4).await;
    assert_eq!(
        told(&next),
        ["360p 8.1", "360p list 9.0", "audio 8.1", "audio list 9.0"]
    );
    let Some(Frame::Part(part)) = next.first() else {
        panic!("{next:?}")
    };
    assert_eq!(part.body, "part");
    assert_eq!(part.fields[CONTENT_TYPE], "video/mp4");
    assert_eq!(part.fields[CACHE_CONTROL], "max-age=60, immutable");
    let Some(Frame::Playlist(list)) = next.get(1) else {
        panic!("{next:?}")
    };
    let text = content_coding::decode_zstd(&list.full.bytes, 1 << 20).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("8.1.m4s"));
    for rendition in live.update().renditions() {
        rendition.playlist.end();
    }
    let last = read(&mut body, &mut decoder, 9).await;
    assert_eq!(told(&last).last().unwrap(), "ended");
    assert_eq!(site.metrics.relays.get(), 0);
}

#[tokio::test]
async fn what_is_taken_away_is_not_told_any_more() {
    for (end, reason) in [
        (LiveStream::cut as fn(&LiveStream), "gone"),
        (LiveStream::leave, "leaving"),
    ] {
        let (site, live) = (site(1), Arc::new(example::stream(7)));
        let (mut body, mut decoder) = (
            relay(&site, &live, "renditions=audio").into_body(),
            Decoder::default(),
        );
        read(&mut body, &mut decoder, 1).await;
        end(&live);
        assert_eq!(told(&read(&mut body, &mut decoder, 9).await), [reason]);
    }
}

#[tokio::test]
async fn beyond_the_places_there_is_none_until_one_leaves() {
    let (site, live) = (site(1), Arc::new(example::stream(7)));
    let first = relay(&site, &live, "renditions=audio");
    assert_eq!(site.relays.take().unwrap_err(), ServeError::TooManyRelays);
    drop(first);
    let freed = async {
        while site.metrics.relays.get() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), freed).await.unwrap();
    site.relays.take().unwrap();
}

/// One that reads nothing keeps nothing back, and is told of the newest when it reads again.
#[tokio::test(start_paused = true)]
async fn a_slow_edge_costs_nothing_and_is_left_in_the_end() {
    let (site, live) = (site(1), Arc::new(example::stream(7)));
    let (mut body, mut decoder) = (
        relay(&site, &live, "renditions=360p").into_body(),
        Decoder::default(),
    );
    read(&mut body, &mut decoder, 1).await;
    for second in 0..40 {
        push_second(&live, second % 2 == 1);
        tokio::task::yield_now().await;
    }
    let newest = "360p list 27.0".to_owned();
    let mut news = Vec::new();
    while !news.contains(&newest) {
        news.extend(told(&read(&mut body, &mut decoder, 1).await));
    }
    let lists = news.iter().filter(|told| told.contains("list"));
    assert!(lists.count() <= 4, "{news:?}");
    assert!(news.contains(&"360p 26.1".to_owned()), "{news:?}");
    let left = async {
        loop {
            push_second(&live, true);
            tokio::time::sleep(Duration::from_secs(1)).await;
            if site.metrics.relays.get() == 0 {
                break;
            }
        }
    };
    timeout(Duration::from_secs(60), left).await.unwrap();
}

#[tokio::test]
async fn a_rendition_that_is_not_there_keeps_nothing_from_the_others() {
    let (site, live) = (site(1), Arc::new(example::stream(7)));
    let response = relay(&site, &live, "renditions=1080p,audio");
    let (mut body, mut decoder) = (response.into_body(), Decoder::default());
    let first = read(&mut body, &mut decoder, 1).await;
    assert_eq!(told(&first), ["audio list 7.0"]);
    let nothing = Interest::parse("renditions=1080p").unwrap();
    let refused = renditions(&site, &live, &nothing).err();
    assert_eq!(refused, Some(ServeError::UnknownRendition));
}

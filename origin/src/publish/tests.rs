use rtmp::flv::VideoBody;

use super::tag::QUEUED_BYTES_MAX;
use super::*;

fn ask(key: &str) -> PublishAsk<'_> {
    PublishAsk {
        app: "live",
        key,
        peer: (std::net::Ipv4Addr::LOCALHOST, 1).into(),
        tls: false,
    }
}

fn streams() -> (Streams, Arc<Mutex<Vec<Claim>>>) {
    let claims = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::clone(&claims);
    let settings = StreamSettings {
        name: "demo".to_owned(),
        publish_key: Secret::new("demo-key"),
        title: None,
    };
    let start = Box::new(move |claim| started.lock().push(claim));
    (Streams::new(&[settings], None, start), claims)
}

#[tokio::test]
async fn a_key_opens_its_stream_once() {
    let (streams, claims) = streams();
    assert_eq!(
        streams.claim(&ask("other")).await.unwrap_err(),
        ClaimError::WrongKey
    );
    let publication = streams.claim(&ask("demo-key")).await.unwrap();
    assert_eq!(publication.stream(), "demo");
    assert_eq!(
        streams.claim(&ask("demo-key")).await.unwrap_err(),
        ClaimError::InUse
    );
    drop(publication);
    assert!(
        streams.claim(&ask("demo-key")).await.is_ok(),
        "freed with its publication"
    );
    assert!(!format!("{streams:?} {:?}", claims.lock()).contains("demo-key"));
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes() {
    let (streams, claims) = streams();
    let mut publication = streams.claim(&ask("demo-key")).await.unwrap();
    let tag = || PublishedTag {
        timestamp_ms: 0,
        arrival: Instant::now(),
        body: PublishedBody::Video(VideoBody::Frame {
            codec: rtmp::flv::VideoCodec::Avc,
            keyframe: true,
            composition_ms: 0,
            data: bytes::Bytes::from(vec![0; QUEUED_BYTES_MAX as usize / 2]),
        }),
    };
    for _ in 0..2 {
        publication.send(tag()).await.unwrap();
    }
    assert_eq!(publication.tags.bytes_left(), 0);
    let mut claim = claims.lock().pop().unwrap();
    assert!(claim.tags.recv().await.is_some());
    publication.send(tag()).await.unwrap();
    assert_eq!(publication.tags.bytes_left(), 0);
}

#[tokio::test]
async fn a_cut_says_why_and_lasts_until_the_publisher_has_gone() {
    let (streams, claims) = streams();
    assert!(!streams.cut("demo", "enough"), "nobody publishes");
    let mut publication = streams.claim(&ask("demo-key")).await.unwrap();
    assert!(!claims.lock()[0].is_cut());
    assert!(streams.cut("demo", "enough"));
    let reason = EndReason::Stopped("enough".to_owned());
    assert_eq!(publication.ended().await, reason);
    assert!(claims.lock()[0].is_cut());
    streams.drain();
    assert_eq!(publication.ended().await, reason, "it stays cut");
}

#[tokio::test]
async fn a_drain_ends_and_refuses() {
    let (streams, _claims) = streams();
    let mut publication = streams.claim(&ask("demo-key")).await.unwrap();
    streams.drain();
    assert_eq!(publication.ended().await, EndReason::Draining);
    assert_eq!(
        streams.claim(&ask("demo-key")).await.unwrap_err(),
        ClaimError::Draining
    );
}

use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};

use super::*;

fn head(content_length: Option<u64>) -> ObjectHead {
    ObjectHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        content_length,
        age_at_receipt: Duration::ZERO,
        received_at: Instant::now(),
        fresh_for: Duration::from_secs(1),
        own_error: false,
    }
}

#[tokio::test]
async fn readers_before_during_and_after_see_the_same_bytes() {
    let (mut writer, flight) = flight(1000);
    let mut early = flight.reader();
    let early = tokio::spawn(async move {
        early.head().await.unwrap();
        read_all(&mut early).await
    });
    writer.head(head(Some(6)));
    writer.push(Bytes::from_static(b"abc")).unwrap();
    let mut middle = flight.reader();
    assert_eq!(middle.chunk().await.unwrap().unwrap(), "abc");
    writer.push(Bytes::from_static(b"def")).unwrap();
    let object = writer.complete().unwrap();
    assert_eq!(object.body, "abcdef");
    assert_eq!(read_all(&mut middle).await.unwrap(), "def");
    assert_eq!(early.await.unwrap().unwrap(), "abcdef");
    assert_eq!(read_all(&mut flight.reader()).await.unwrap(), "abcdef");
    let shared = flight.reader().whole().await.unwrap();
    assert!(Arc::ptr_eq(&shared, &object), "one for all");
}

#[tokio::test]
async fn a_dropped_writer_is_an_error_for_every_reader_never_an_end() {
    let (mut writer, flight) = flight(1000);
    writer.head(head(None));
    writer.push(Bytes::from_static(b"half")).unwrap();
    let mut before = flight.reader();
    drop(writer);
    for reader in [&mut before, &mut flight.reader()] {
        assert_eq!(reader.chunk().await.unwrap().unwrap(), "half");
        assert_eq!(reader.chunk().await, Err(FillError::Abandoned));
        assert_eq!(reader.whole().await.unwrap_err(), FillError::Abandoned);
    }
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_not_whole() {
    let (mut writer, flight) = flight(1000);
    writer.head(head(Some(10)));
    writer.push(Bytes::from_static(b"short")).unwrap();
    assert!(writer.complete().is_none());
    assert_eq!(read_all(&mut flight.reader()).await, Err(FillError::Broken));
}

#[tokio::test]
async fn the_bound_aborts() {
    let (mut writer, flight) = flight(4);
    writer.head(head(None));
    assert_eq!(
        writer.push(Bytes::from_static(b"12345")),
        Err(FillError::TooLarge)
    );
    assert_eq!(flight.reader().chunk().await, Err(FillError::TooLarge));
}

#[tokio::test]
async fn a_flight_that_dies_before_its_head_says_why() {
    let (writer, flight) = flight(4);
    let mut reader = flight.reader();
    writer.abort(FillError::Silent);
    assert_eq!(reader.head().await.unwrap_err(), FillError::Silent);
}

async fn read_all(reader: &mut FlightReader) -> Result<Bytes, FillError> {
    let mut pieces = Vec::new();
    while let Some(chunk) = reader.chunk().await? {
        pieces.push(chunk);
    }
    Ok(join(&mut pieces))
}

#[tokio::test]
async fn nobody_has_everything_before_it_is_kept() {
    use futures::FutureExt as _;

    let (mut writer, flight) = flight(1000);
    writer.withhold_end();
    writer.head(head(Some(6)));
    writer.push(Bytes::from_static(b"abc")).unwrap();
    writer.push(Bytes::from_static(b"def")).unwrap();
    let mut reader = flight.reader();
    assert_eq!(reader.chunk().await.unwrap().unwrap(), "abc");
    let kept = writer.complete_kept(|object| {
        assert_eq!(object.body, "abcdef");
        assert!(reader.chunk().now_or_never().is_none());
        assert!(flight.reader().whole().now_or_never().is_none());
    });
    assert!(kept.is_some());
    assert_eq!(read_all(&mut reader).await.unwrap(), "def");
    assert_eq!(flight.reader().whole().await.unwrap().body, "abcdef");
}

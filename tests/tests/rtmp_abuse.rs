//! What anybody may send to the RTMP port: the connection ends, with a reason in the log, and the
//! origin is none the worse.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use loadtest::client::Protocol;
use loadtest::cpu;
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// `rtmp.handshake_timeout_ms` and `rtmp.publish_timeout_ms` of these tests.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(1500);

/// By then, every abuser has been sent away.
const ENDED_WITHIN: Duration = Duration::from_secs(8);

/// How much more memory the origin may hold after all of it.
const GROWTH_BYTES_MAX: u64 = 24 << 20;

/// C0 and C1 of the simple handshake (Adobe's RTMP specification 5.2): version 3, then 1536 bytes.
const HANDSHAKE_BYTES: usize = 1536;

async fn origin() -> anyhow::Result<Origin> {
    let timeout = i64::try_from(HANDSHAKE_TIMEOUT.as_millis())?;
    let settings = Settings::default()
        .set("rtmp", "handshake_timeout_ms", timeout)
        .set("rtmp", "publish_timeout_ms", timeout);
    Origin::start_with(&settings).await
}

async fn connect(origin: &Origin) -> anyhow::Result<TcpStream> {
    Ok(TcpStream::connect(origin.rtmp_address()).await?)
}

/// Connects and completes the handshake.
async fn shake_hands(origin: &Origin) -> anyhow::Result<TcpStream> {
    let mut stream = connect(origin).await?;
    let mut c0c1 = vec![3];
    c0c1.resize(1 + HANDSHAKE_BYTES, 0);
    stream.write_all(&c0c1).await?;
    let mut s0s1s2 = vec![0; 1 + 2 * HANDSHAKE_BYTES];
    timeout(ENDED_WITHIN, stream.read_exact(&mut s0s1s2)).await??;
    let s1 = s0s1s2.get(1..=HANDSHAKE_BYTES).context("no S1")?;
    stream.write_all(s1).await?;
    Ok(stream)
}

/// A type 0 chunk header (5.3.1.2.1): timestamp 0, stream 0.
fn chunk_header(chunk_stream: u8, message_bytes: u32, kind: u8) -> Vec<u8> {
    let [_, a, b, c] = message_bytes.to_be_bytes();
    vec![chunk_stream, 0, 0, 0, a, b, c, kind, 0, 0, 0, 0]
}

/// Reads until the origin closes.
async fn is_closed(stream: &mut TcpStream, case: &str) -> anyhow::Result<()> {
    let mut sink = vec![0; 4096];
    let until_closed = async {
        // A reset is as good an end as a FIN.
        while stream.read(&mut sink).await.unwrap_or(0) > 0 {}
    };
    timeout(ENDED_WITHIN, until_closed)
        .await
        .with_context(|| format!("{case}: the connection stays open"))
}

async fn garbage(origin: &Origin) -> anyhow::Result<()> {
    for byte in [0_u8, 3, b'G', 0xff] {
        let mut stream = connect(origin).await?;
        // The origin may close before it has all of it.
        let _ = stream.write_all(&vec![byte; 64 * 1024]).await;
        is_closed(&mut stream, &format!("garbage {byte:#x}")).await?;
    }
    let mut stream = shake_hands(origin).await?;
    let _ = stream.write_all(&[0xff; 64 * 1024]).await;
    is_closed(&mut stream, "garbage after the handshake").await
}

async fn half_open(origin: &Origin) -> anyhow::Result<()> {
    let mut silent = connect(origin).await?;
    let mut half = connect(origin).await?;
    half.write_all(&[3; 700]).await?;
    let mut shaken = shake_hands(origin).await?;
    is_closed(&mut silent, "a client that says nothing").await?;
    is_closed(&mut half, "half a handshake").await?;
    is_closed(&mut shaken, "a handshake and nothing more").await
}

/// One byte at a time, each in time, but never done in time.
async fn slow_handshake(origin: &Origin) -> anyhow::Result<()> {
    let stream = connect(origin).await?;
    let (mut reading, mut writing) = stream.into_split();
    let began = Instant::now();
    let drip = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while writing.write_all(&[3]).await.is_ok() {
            tick.tick().await;
        }
    });
    let mut sink = [0; 64];
    let closed = timeout(ENDED_WITHIN, reading.read(&mut sink)).await;
    drip.abort();
    ensure!(closed.is_ok(), "a dripping handshake stays open");
    ensure!(began.elapsed() >= HANDSHAKE_TIMEOUT / 2, "closed too early");
    Ok(())
}

/// Set Chunk Size (5.4.1) to 2 GiB - 1, then a message that claims the largest length there is.
async fn huge_chunk_size(origin: &Origin) -> anyhow::Result<()> {
    let mut stream = shake_hands(origin).await?;
    let mut bytes = chunk_header(2, 4, 1);
    bytes.extend_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    bytes.extend_from_slice(&chunk_header(3, 0xff_ffff, 9));
    bytes.extend_from_slice(&[0; 8192]);
    let _ = stream.write_all(&bytes).await;
    is_closed(&mut stream, "a 2 GiB chunk size").await
}

/// The first chunk of a 16 MB message on each of 60 chunk streams, over and over.
async fn interleaved_chunks(origin: &Origin) -> anyhow::Result<()> {
    let mut stream = shake_hands(origin).await?;
    let mut bytes = Vec::new();
    for chunk_stream in 3..63 {
        bytes.extend_from_slice(&chunk_header(chunk_stream, 0xff_ffff, 9));
        bytes.extend_from_slice(&[0; 128]);
    }
    for _ in 0..20 {
        for chunk_stream in 3..63 {
            // Type 3: the next chunk of the same message.
            bytes.push(0xc0 | chunk_stream);
            bytes.extend_from_slice(&[0; 128]);
        }
    }
    let _ = stream.write_all(&bytes).await;
    is_closed(&mut stream, "interleaved 16 MB messages").await
}

#[tokio::test]
async fn abuse_ends_the_connection_and_harms_nobody() -> anyhow::Result<()> {
    let mut origin = origin().await?;
    // Once for what is allocated only once.
    garbage(&origin).await?;
    half_open(&origin).await?;
    let pid = origin.process()?.pid();
    let resident = cpu::resident_bytes(pid)?;

    for _ in 0..5 {
        garbage(&origin).await?;
        tokio::try_join!(
            half_open(&origin),
            slow_handshake(&origin),
            huge_chunk_size(&origin),
            interleaved_chunks(&origin),
        )?;
    }

    let grown = cpu::resident_bytes(pid)?.saturating_sub(resident);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more");
    idles(pid).await?;
    assert!(origin.process_mut()?.is_running());
    let log = origin.log();
    assert!(!log.contains("panicked"), "{log}");
    for reason in ["handshake", "chunk"] {
        assert!(log.contains(reason), "no reason names '{reason}':\n{log}");
    }

    // And it still takes a stream.
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let client = origin.client(Protocol::H1).await?;
    playlist::playing(&client, "360p").await?;
    Ok(())
}

/// A process with nothing to do uses less than a twentieth of a core.
async fn idles(pid: u32) -> anyhow::Result<()> {
    wait::until("the origin idles", Duration::from_secs(10), async || {
        let before = cpu::time_of_tree(pid)?;
        let window = Duration::from_secs(1);
        tokio::time::sleep(window).await;
        let used = cpu::time_of_tree(pid)? - before;
        ensure!(used <= window / 20, "{used:?} of CPU in {window:?}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn a_wrong_publish_key_is_refused_before_media() -> anyhow::Result<()> {
    let origin = origin().await?;
    let mut publisher = Publisher::start(&origin.publish_url("not-the-key-at-all"))?;
    let status = publisher.process().exited(Duration::from_secs(20)).await?;
    assert!(!status.success(), "ffmpeg was let in: {status}");
    let taken = origin.metric("origin_ingest_bytes_total", &[]).await?;
    assert_eq!(taken, 0.0, "media was taken");
    assert_eq!(origin.metric("origin_streams", &[]).await?, 0.0);
    assert!(
        !origin.log().contains("not-the-key-at-all"),
        "the key is logged"
    );
    Ok(())
}

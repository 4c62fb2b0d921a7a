//! Another implementation on the other end: `openssl s_client`, where it is installed.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use transport::tls::accept;

use crate::wire::server_config;

/// Serves an echo to one `openssl s_client` that is told `lines`, one after another.
///
/// Returns what it printed, and what the server read. None without openssl.
async fn talk(options: &[&str], lines: &[&str]) -> Option<(Output, Vec<u8>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &listener.local_addr().unwrap().to_string(),
        ])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let (socket, _) = listener.accept().await.unwrap();
    let serve = async {
        let mut stream = accept(server_config(), socket).await.unwrap();
        let mut said = client.stdin.take().unwrap();
        let mut all = Vec::new();
        for line in lines {
            said.write_all(line.as_bytes()).await.unwrap();
            said.flush().await.unwrap();
            let mut buffer = [0; 1_000];
            // A command of s_client is not sent: it shows in the next line.
            let wait = Duration::from_millis(300);
            let read = tokio::time::timeout(wait, stream.read(&mut buffer)).await;
            let Ok(Ok(count)) = read else { continue };
            all.extend_from_slice(&buffer[..count]);
            stream.write_all(&buffer[..count]).await.unwrap();
            stream.flush().await.unwrap();
        }
        said.write_all(b"Q\n").await.unwrap();
        let _ = stream.read(&mut [0; 10]).await;
        let _ = stream.shutdown().await;
        all
    };
    let all = tokio::time::timeout(Duration::from_secs(20), serve)
        .await
        .unwrap();
    let output = client.wait_with_output().await.unwrap();
    Some((output, all))
}

#[tokio::test]
async fn openssl_talks_tls12_and_tls13() {
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let lines = ["first line\n", "second line\n"];
        let Some((output, all)) = talk(&[option], &lines).await else {
            return;
        };
        assert_eq!(all, b"first line\nsecond line\n");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains(version), "{printed}");
        assert!(printed.contains("second line"), "{printed}");
    }
}

#[tokio::test]
async fn openssl_asks_for_new_keys() {
    // `K` asks for a KeyUpdate in return.
    let lines = ["before\n", "K\n", "after\n", "K\n", "end\n"];
    let Some((output, all)) = talk(&["-tls1_3"], &lines).await else {
        return;
    };
    assert_eq!(all, b"before\nafter\nend\n");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("end"), "{printed}");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.contains("KEYUPDATE"), "{complaints}");
}

/// RFC 5246 section 7.2.2: `no_renegotiation`.
#[tokio::test]
async fn openssl_is_refused_a_renegotiation() {
    let Some((output, all)) = talk(&["-tls1_2"], &["before\n", "R\n"]).await else {
        return;
    };
    assert_eq!(all, b"before\n");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.contains("no renegotiation"), "{complaints}");
}

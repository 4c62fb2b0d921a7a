//! Another implementation on the other end: `openssl s_client`, where it is installed.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use transport::tls::accept;

use crate::wire::server_config;

/// What one `openssl s_client` printed.
struct Printed {
    out: String,
    err: String,
}

/// Serves an echo to one `openssl s_client` that is told `lines`, one after another.
///
/// A command of s_client comes with what it prints as it obeys; nothing is echoed for it.
/// None without openssl.
async fn talk(option: &str, lines: &[(&str, Option<&str>)]) -> Option<Printed> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Command::new("openssl")
        .args(["s_client", option, "-connect"])
        .arg(listener.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut said = client.stdin.take().unwrap();
    let mut complaints = client.stderr.take().unwrap();
    let mut err = Vec::new();
    let serve = async {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = accept(server_config(), socket).await.unwrap();
        for (line, obeyed) in lines {
            said.write_all(line.as_bytes()).await.unwrap();
            if let Some(word) = obeyed {
                while !String::from_utf8_lossy(&err).contains(word) {
                    assert_ne!(complaints.read_buf(&mut err).await.unwrap(), 0);
                }
                err.clear();
                continue;
            }
            let mut echo = vec![0; line.len()];
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(echo, line.as_bytes());
            stream.write_all(&echo).await.unwrap();
            stream.flush().await.unwrap();
        }
        // It may have left already.
        let _ = said.write_all(b"Q\n").await;
        let _ = stream.read(&mut [0; 10]).await;
        let _ = stream.shutdown().await;
        drop(stream);
        complaints.read_to_end(&mut err).await.unwrap();
        client.wait_with_output().await.unwrap()
    };
    let limit = Duration::from_secs(60);
    let output = tokio::time::timeout(limit, serve).await.unwrap();
    Some(Printed {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&err).into_owned(),
    })
}

#[tokio::test]
async fn openssl_talks_tls12_and_tls13() {
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let lines = [("first line\n", None), ("second line\n", None)];
        let Some(printed) = talk(option, &lines).await else {
            return;
        };
        assert!(printed.out.contains(version), "{}", printed.out);
        assert!(printed.out.contains("second line"), "{}", printed.out);
    }
}

#[tokio::test]
async fn openssl_asks_for_new_keys() {
    // `K` asks for a KeyUpdate in return.
    let ask = ("K\n", Some("KEYUPDATE"));
    let lines = [
        ("before\n", None),
        ask,
        ("after\n", None),
        ask,
        ("end\n", None),
    ];
    let Some(printed) = talk("-tls1_3", &lines).await else {
        return;
    };
    assert!(printed.out.contains("end"), "{}", printed.out);
}

/// RFC 5246 section 7.2.2: `no_renegotiation`.
#[tokio::test]
async fn openssl_is_refused_a_renegotiation() {
    let lines = [("before\n", None), ("R\n", Some("RENEGOTIATING"))];
    let Some(printed) = talk("-tls1_2", &lines).await else {
        return;
    };
    assert!(printed.err.contains("no renegotiation"), "{}", printed.err);
}

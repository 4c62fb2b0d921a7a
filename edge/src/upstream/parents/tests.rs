use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use telemetry::{BuildInfo, metrics};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use super::*;
use crate::upstream::parent::{ConnectSettings, ParentUrl};
use crate::upstream::standing::DOWN_MIN;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a parent does with a request.
#[derive(Clone)]
enum Does {
    Answers(u16),
    HangsUp,
    /// After all others have met it here, twice: when it was asked, and when it may go on.
    HangsUpAfter(Arc<Barrier>),
}

struct Server {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(does: Does) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, does.clone(), Arc::clone(&counter)));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, does: Does, asked: Arc<AtomicUsize>) {
    let mut read = Vec::new();
    loop {
        while !read.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        read.clear();
        asked.fetch_add(1, Ordering::SeqCst);
        match &does {
            Does::Answers(status) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
            }
            Does::HangsUp => return,
            Does::HangsUpAfter(met) => {
                met.wait().await;
                met.wait().await;
                return;
            }
        }
    }
}

fn parents(servers: &[&Server]) -> Parents {
    let build = BuildInfo {
        binary: "test",
        version: "0",
    };
    let registry = metrics::registry(build).unwrap();
    let url = |server: &&Server| ParentUrl {
        tls: false,
        host: "127.0.0.1".to_owned(),
        port: server.port,
    };
    let settings = UpstreamSettings {
        parents: servers.iter().map(url).collect(),
        backups: Vec::new(),
        choice: Choice::First,
        probe_interval: Duration::ZERO,
        connect: ConnectSettings {
            ca_file: None,
            connect_timeout: PATIENCE,
            streams_per_connection_max: 1,
            h2c: false,
            ping_interval: PATIENCE,
            requests_max: 1,
        },
        head_timeout: PATIENCE,
        body_timeout: PATIENCE,
        error_memo: Duration::ZERO,
    };
    Parents::new(&settings, None, Metrics::new(&registry).unwrap())
}

/// It fell a while ago: somebody may try it.
fn on_trial(parent: &Parent) {
    let long_ago = Instant::now().checked_sub(2 * DOWN_MIN).unwrap();
    assert!(parent.failed(Failure::Unreachable, long_ago));
    assert_eq!(parent.availability(Instant::now()), Availability::Trial);
}

async fn ask(parents: &Parents, method: Method) -> Result<(StatusCode, u16), NoAnswer> {
    let request = Request {
        method: &method,
        target: "/live/demo/index.m3u8",
        authority: None,
        headers: &HeaderMap::new(),
        body: Bytes::new(),
        trace: None,
    };
    let mut answer = parents.ask(&request).await?;
    let (status, port) = (answer.head.status, answer.parent().url.port);
    while answer.read(PATIENCE).await.unwrap().is_some() {}
    answer.finish().await;
    Ok((status, port))
}

#[tokio::test]
async fn one_that_has_no_place_for_a_request_is_not_tried_by_it() {
    let full = Server::start(Does::Answers(200)).await;
    let well = Server::start(Does::Answers(200)).await;
    let parents = parents(&[&full, &well]);
    on_trial(&parents.list[0]);
    let place = parents.list[0].place().unwrap();

    let answered = ask(&parents, Method::GET).await.unwrap();
    assert_eq!(answered, (StatusCode::OK, well.port));
    drop(place);
    let answered = ask(&parents, Method::GET).await.unwrap();
    assert_eq!(answered, (StatusCode::OK, full.port), "the next one tries");
}

#[tokio::test]
async fn one_request_at_a_time_tries() {
    let met = Arc::new(Barrier::new(2));
    let first = Server::start(Does::HangsUpAfter(Arc::clone(&met))).await;
    let tried = Server::start(Does::Answers(200)).await;
    let last = Server::start(Does::Answers(200)).await;
    let parents = Arc::new(parents(&[&first, &tried, &last]));
    on_trial(&parents.list[1]);
    parents.list[2].failed(Failure::Unreachable, Instant::now());

    let asking = Arc::clone(&parents);
    let asking = tokio::spawn(async move { ask(&asking, Method::GET).await });
    met.wait().await;
    // Another request comes first.
    assert!(parents.list[1].tries(Instant::now()));
    met.wait().await;
    let answered = asking.await.unwrap().unwrap();
    assert_eq!(answered, (StatusCode::OK, last.port));
    assert_eq!(tried.asked(), 0);
}

#[tokio::test]
async fn who_is_tried_by_another_is_asked_where_there_is_nobody_else() {
    let tried = Server::start(Does::Answers(200)).await;
    let parents = parents(&[&tried]);
    on_trial(&parents.list[0]);
    assert!(parents.list[0].tries(Instant::now()));
    let answered = ask(&parents, Method::GET).await.unwrap();
    assert_eq!(answered, (StatusCode::OK, tried.port));
    let standing = parents.list[0].availability(Instant::now());
    assert_eq!(standing, Availability::Up);
}

#[tokio::test]
async fn only_what_does_no_harm_twice_is_asked_of_another() {
    for (first, ended) in [
        (Does::HangsUp, Err(NoAnswer::Closed)),
        (Does::Answers(502), Ok(StatusCode::BAD_GATEWAY)),
        (Does::Answers(504), Ok(StatusCode::GATEWAY_TIMEOUT)),
    ] {
        let first = Server::start(first).await;
        let second = Server::start(Does::Answers(200)).await;
        let parents = parents(&[&first, &second]);
        let posted = ask(&parents, Method::POST).await;
        assert_eq!(posted.map(|(status, _)| status), ended);
        assert_eq!((first.asked(), second.asked()), (1, 0));
        for method in [Method::GET, Method::PUT] {
            let answered = ask(&parents, method).await.unwrap();
            assert_eq!(answered, (StatusCode::OK, second.port));
        }
        // Three failures in a row, also those that are answers.
        let standing = parents.list[0].availability(Instant::now());
        assert_eq!(standing, Availability::Down);
    }
}

//! With a virtual clock: hours of refreshing take no time.

use std::cell::{Cell, RefCell};

use super::*;

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A token of a key that the set does not have; its signature is never looked at.
const STRANGE: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImIifQ.e30.AAAA";

const EVERY: Duration = Duration::from_secs(300);
const MAX_STALE: Duration = Duration::from_secs(1_000);

/// A server that notes when it was asked, in whole seconds since the start.
struct Server {
    start: Instant,
    asked: RefCell<Vec<u64>>,
    busy: Cell<bool>,
    answer: RefCell<Result<&'static str, &'static str>>,
    takes: Cell<Duration>,
}

/// Over when the fetch is answered, or given up.
struct Busy<'a>(&'a Cell<bool>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Server {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            asked: RefCell::default(),
            busy: Cell::new(false),
            answer: RefCell::new(Ok(KEYS)),
            takes: Cell::new(Duration::ZERO),
        }
    }

    async fn fetch(&self) -> Result<Bytes, &'static str> {
        assert!(!self.busy.replace(true), "two fetches at a time");
        self.asked.borrow_mut().push(self.start.elapsed().as_secs());
        let _busy = Busy(&self.busy);
        tokio::time::sleep(self.takes.get()).await;
        self.answer
            .borrow()
            .map(|text| Bytes::from_static(text.as_bytes()))
    }

    /// Runs the driver until `script` ends, and says when the server was asked.
    async fn run(&self, source: &Arc<JwksSource>, script: impl Future<Output = ()>) -> Vec<u64> {
        let options = RefreshOptions::new(EVERY, MAX_STALE).unwrap();
        tokio::select! {
            () = refresh_jwks(Arc::clone(source), options, || self.fetch()) => {
                unreachable!("it never ends")
            }
            () = script => {}
        }
        self.asked.take()
    }
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

#[test]
fn options_are_checked() {
    let new =
        |every, stale| RefreshOptions::new(Duration::from_secs(every), Duration::from_secs(stale));
    assert_eq!(new(9, 100), Err(RefreshOptionsError::TooOften));
    assert_eq!(new(10, 19), Err(RefreshOptionsError::MaxStale));
    assert!(new(10, 20).is_ok());
    let default = RefreshOptions::default();
    assert_eq!(new(300, 86_400), Ok(default));
}

#[tokio::test(start_paused = true)]
async fn a_set_is_fetched_at_the_start_and_then_regularly() {
    let (server, source) = (Server::new(), Arc::new(JwksSource::new()));
    let asked = server.run(&source, seconds(901)).await;
    assert_eq!(asked, [0, 300, 600, 900]);
    let status = source.status();
    assert_eq!((status.keys, status.refreshes, status.failures), (1, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_strange_tokens_costs_a_fetch_in_ten_seconds() {
    let (server, source) = (Server::new(), Arc::new(JwksSource::new()));
    let script = async {
        seconds(1).await;
        for _ in 0..10_000 {
            assert!(source.verify_jwt(STRANGE, 0).is_err());
        }
        seconds(33).await;
        assert_eq!(*server.asked.borrow(), [0, 10], "once for all of them");
        for _ in 0..395 {
            assert!(source.verify_jwt(STRANGE, 0).is_err());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let asked = server.run(&source, script).await;
    assert_eq!(asked, [0, 10, 34, 44, 54, 64]);
}

#[tokio::test(start_paused = true)]
async fn while_fetches_fail_the_last_good_set_serves_until_it_is_too_old() {
    let (server, source) = (Server::new(), Arc::new(JwksSource::new()));
    let script = async {
        seconds(1).await;
        *server.answer.borrow_mut() = Err("no route");
        seconds(998).await;
        assert_eq!(source.status().keys, 1);
        seconds(2).await;
        assert_eq!(source.status().keys, 0, "1001 s after the last good fetch");
        assert_eq!(source.status().last_error.as_deref(), Some("no route"));
        *server.answer.borrow_mut() = Ok(KEYS);
        seconds(60).await;
        assert_eq!(source.status().keys, 1);
    };
    let asked = server.run(&source, script).await;
    assert_eq!(asked[..9], [0, 300, 301, 303, 307, 315, 331, 363, 423]);
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 300));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_at_the_start_is_asked_again_soon() {
    let (server, source) = (Server::new(), Arc::new(JwksSource::new()));
    *server.answer.borrow_mut() = Err("refused");
    let script = async {
        seconds(2).await;
        *server.answer.borrow_mut() = Ok(KEYS);
        seconds(2).await;
        assert_eq!(source.status().keys, 1);
    };
    assert_eq!(server.run(&source, script).await, [0, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_is_given_up() {
    let (server, source) = (Server::new(), Arc::new(JwksSource::new()));
    server.takes.set(Duration::from_secs(3_600));
    let asked = server.run(&source, seconds(12)).await;
    assert_eq!(
        asked,
        [0, 10],
        "after ten seconds; a second was due long before"
    );
    let error = source.status().last_error.unwrap();
    assert_eq!(error, "no answer within 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_refused_counts_as_a_failure() {
    let (server, source) = (Server::new(), Arc::new(JwksSource::new()));
    let script = async {
        seconds(299).await;
        *server.answer.borrow_mut() = Ok(r#"{"keys":[]}"#);
        seconds(3).await;
    };
    assert_eq!(server.run(&source, script).await, [0, 300, 301]);
    let status = source.status();
    assert_eq!((status.keys, status.refreshes, status.failures), (1, 1, 2));
}

//! What only NATS has: the ways to say who one is, and its TLS.

use std::time::Duration;

use bus::nats::{self, Credentials, NatsOptions, StoreOptions};
use bus::{BusError, EdgeEvent, HubBus, RoomName};
use prometheus::Registry;
use settings::Secret;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::kits::{Server, until};

const SOON: Duration = Duration::from_secs(20);
/// An example of NATS' documentation, with its public key.
const NKEY_SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const NKEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

async fn comes_up(options: NatsOptions) {
    let (hub, _inbox) = nats::hub(options.clone(), &Registry::new()).unwrap();
    let up = async |hub: &HubBus| timeout(SOON, until(|| hub.is_up())).await;
    up(&hub).await.expect("the hub comes up");
    let (edge, mut events) = nats::edge(options, "a".parse().unwrap(), &Registry::new()).unwrap();
    assert_eq!(timeout(SOON, events.recv()).await.unwrap(), EdgeEvent::Up);
    assert!(edge.is_up());
}

#[tokio::test]
async fn a_user_with_a_password() {
    let server = Server::with(&["--user", "weir", "--pass", "secret"]).await;
    let credentials = Credentials::User {
        user: "weir".to_owned(),
        password: Secret::new("secret"),
    };
    let url = format!("nats://localhost:{}", server.port);
    comes_up(NatsOptions::new(vec![url], credentials)).await;
}

#[tokio::test]
async fn an_nkey_over_tls() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("seed"), format!("{NKEY_SEED}\n")).unwrap();
    let config = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}\n\
         authorization {{ users: [ {{ nkey: {NKEY} }} ] }}\n",
        path("cert.pem"),
        path("key.pem"),
    );
    std::fs::write(path("nats.conf"), config).unwrap();
    let server = Server::with(&["-c", path("nats.conf").to_str().unwrap()]).await;
    let url = format!("tls://localhost:{}", server.port);
    let mut options = NatsOptions::new(vec![url], Credentials::NkeyFile(path("seed")));
    options.ca_file = Some(path("cert.pem"));
    comes_up(options.clone()).await;
    let store = nats::store(options, StoreOptions::default()).unwrap();
    let room = RoomName::new("one").unwrap();
    store.save(&room, "a".into()).await.unwrap();
    assert_eq!(store.load(&room).await.unwrap().unwrap(), "a");
}

#[tokio::test]
async fn options_are_checked() {
    let options = |url: &str| NatsOptions::new(vec![url.to_owned()], Credentials::None);
    let check = |options: NatsOptions| nats::hub(options, &Registry::new()).err();
    for url in [
        "",
        "localhost",
        "http://a",
        "nats://user:secret@a",
        "ws://a",
    ] {
        let error = check(options(url)).expect(url);
        assert!(matches!(error, BusError::Options(_)), "{url}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    let mut bad = options("nats://a");
    bad.prefix = "a.b".to_owned();
    assert!(check(bad).is_some());
    let mut bad = options("nats://a");
    bad.credentials = Credentials::CredentialsFile("/no/such".into());
    assert!(matches!(check(bad), Some(BusError::File { .. })));
    let store = StoreOptions {
        replicas: 2,
        ..StoreOptions::default()
    };
    assert!(nats::store(options("nats://a"), store).is_err());
}

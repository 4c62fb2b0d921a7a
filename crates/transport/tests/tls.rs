//! Identities: made once, kept, replaced when they must be; configurations that shake hands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::NamedGroup;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::tls::{self, ALPN_H2, ALPN_HTTP1, Identity, LoadIdentityError};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_self_made_identity_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/on/the/way");
    let first = Identity::self_signed(&dir, &[]).unwrap();
    let second = Identity::self_signed(&dir, &[]).unwrap();
    assert_eq!(first.spki_sha256_base64(), second.spki_sha256_base64());
    assert_eq!(first.spki_sha256_base64().len(), 44);
    assert_eq!(mode(&dir.join("identity.pem")), 0o600);
    assert_eq!(first.authority_path(), Some(&*dir.join("ca.pem")));
    assert!(
        !fs::read_to_string(dir.join("ca.pem"))
            .unwrap()
            .contains("PRIVATE")
    );
}

#[test]
fn a_new_name_a_damage_and_a_lost_authority_are_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let spki = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Identity::self_signed(dir, &names)
            .unwrap()
            .spki_sha256_base64()
    };
    let first = spki(&[]);
    let named = spki(&["edge.example", "192.0.2.7"]);
    assert_ne!(first, named);
    assert_eq!(named, spki(&["edge.example"]));

    fs::remove_file(dir.join("ca.pem")).unwrap();
    assert_eq!(named, spki(&[]));
    assert!(dir.join("ca.pem").exists());

    let pem = fs::read_to_string(dir.join("identity.pem")).unwrap();
    fs::write(dir.join("identity.pem"), &pem[..pem.len() / 2]).unwrap();
    assert_ne!(named, spki(&[]));
}

#[test]
fn starts_at_the_same_time_agree() {
    let dir = tempfile::tempdir().unwrap();
    let spki = || {
        Identity::self_signed(dir.path(), &[])
            .unwrap()
            .spki_sha256_base64()
    };
    let all: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(spki)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
}

#[test]
fn loading_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    Identity::self_signed(&a, &[]).unwrap();
    Identity::self_signed(&b, &[]).unwrap();
    let (a, b) = (a.join("identity.pem"), b.join("identity.pem"));
    assert!(Identity::load(&a, &a).is_ok());

    let load = |chain: &Path, key: &Path| Identity::load(chain, key).unwrap_err();
    let empty = dir.path().join("empty");
    fs::write(&empty, "").unwrap();
    let absent = dir.path().join("absent");
    assert!(matches!(load(&a, &b), LoadIdentityError::Key { .. }));
    assert!(matches!(
        load(&empty, &a),
        LoadIdentityError::NoCertificate { .. }
    ));
    assert!(matches!(load(&absent, &a), LoadIdentityError::Read { .. }));
    assert!(matches!(load(&a, &empty), LoadIdentityError::Read { .. }));
    assert!(load(&a, &absent).to_string().contains("absent"));
}

/// A client that trusts `ca.pem` shakes hands under every name, and resumes on the other
/// configuration of the identity (the ticket keys are shared).
#[tokio::test]
async fn configurations_shake_hands_and_share_tickets() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::self_signed(dir.path(), &["edge.example".into()]).unwrap();
    let client = tls::client_config(&[ALPN_H2, ALPN_HTTP1], identity.authority_path()).unwrap();
    let names = ["localhost", "localhost", "127.0.0.1", "::1", "edge.example"];
    for (round, name) in names.into_iter().enumerate() {
        let server = identity.server_config(&[ALPN_HTTP1]).unwrap();
        let (near, far) = tokio::io::duplex(64 << 10);
        let serve = async {
            let acceptor = tokio_rustls::TlsAcceptor::from(server);
            let mut stream = acceptor.accept(far).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            stream.shutdown().await.unwrap();
            stream
        };
        let ask = async {
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&client));
            let name = ServerName::try_from(name).unwrap();
            let mut stream = connector.connect(name, near).await.unwrap();
            // Tickets come after the handshake: read to the end.
            let mut body = Vec::new();
            stream.read_to_end(&mut body).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(session.alpn_protocol(), Some(ALPN_HTTP1));
            session.handshake_kind().unwrap()
        };
        let (_, kind) = tokio::join!(serve, ask);
        let resumed = kind == rustls::HandshakeKind::Resumed;
        assert_eq!(resumed, round == 1, "round {round}: {kind:?}");
    }
}

/// The first of the client's that the server has is taken; our clients begin with the best.
#[tokio::test]
async fn keys_are_agreed_on_with_what_the_client_prefers() {
    let ours = tls::crypto_provider().kx_groups;
    assert_eq!(ours[0].name(), NamedGroup::X25519MLKEM768);
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::self_signed(dir.path(), &[]).unwrap();
    let (pq, x25519) = (NamedGroup::X25519MLKEM768, NamedGroup::X25519);
    let (p256, p384) = (NamedGroup::secp256r1, NamedGroup::secp384r1);
    for (version, offered, taken) in [
        (&TLS13, &[pq, x25519, p256][..], pq),
        (&TLS13, &[pq], pq),
        (&TLS13, &[x25519, pq], x25519),
        (&TLS13, &[p256, x25519], p256),
        (&TLS13, &[p384], p384),
        (&TLS12, &[pq, x25519, p256], x25519),
    ] {
        let mut provider = tls::crypto_provider();
        let best = provider.kx_groups;
        let find = |name| *best.iter().find(|group| group.name() == name).unwrap();
        provider.kx_groups = offered.iter().map(|&name| find(name)).collect();
        let authority = identity.authority_path().unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(authority).unwrap())
            .unwrap();
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = tokio::io::duplex(64 << 10);
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("localhost").unwrap();
        let server = identity.server_config(&[ALPN_HTTP1]).unwrap();
        let (stream, _) = tokio::join!(tls::accept(server, far), connector.connect(name, near));
        let group = stream.unwrap().key_exchange_group();
        assert_eq!(group, Some(taken), "{offered:?}");
    }
}

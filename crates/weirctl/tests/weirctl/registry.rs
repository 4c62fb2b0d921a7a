//! `weirctl` as a process against a registry on a real socket.

use std::time::Duration;

use crate::harness::{NODE, World, weirctl};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn push_activate_and_roll_back() {
    let world = World::new().await;
    world.node().await;
    let text = world.push("1.0", &["--activate"]).await.ok();
    for line in [
        "checked greeter 1.0",
        "pushed greeter v1",
        "activated v1 for 100 %",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.ends_with("greeter v1 is active on 1 node\n"), "{text}");

    let text = world.push("1.1", &[]).await.ok();
    assert!(text.ends_with("greeter v2 is ready on 1 node\n"), "{text}");
    let text = world
        .weirctl(&["filter", "activate", "greeter", "v2", "--bake", "0"])
        .await
        .ok();
    assert!(text.ends_with("active on 1 node\n"), "{text}");
    let list = world.weirctl(&["filter", "list"]).await.ok();
    let row = list.lines().nth(1).unwrap();
    assert!(
        row.starts_with("greeter  v2") && row.contains("1/1"),
        "{list}"
    );

    let reason = ["filter", "rollback", "greeter", "--reason", "too loud"];
    let text = world.weirctl(&reason).await.ok();
    assert!(text.ends_with("active on 1 node\n"), "{text}");
    let overview = json(&world.weirctl(&["filter", "list", "--json"]).await.ok());
    let filter = &overview["filters"]["greeter"];
    assert_eq!(filter["desired"]["active"], filter["versions"][1]["id"]);
    let audit = world.weirctl(&["filter", "audit"]).await.ok();
    assert!(audit.contains("alice"), "{audit}");
    assert!(
        audit.contains("rolled greeter back from v2 to v1: too loud"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_output_is_one_document() {
    let world = World::new().await;
    world.node().await;
    let pushed = world.push("1.0", &["--activate", "--json"]).await.ok();
    let pushed = json(&pushed);
    assert_eq!(pushed["pushed"]["number"], 1);
    assert_eq!(pushed["nodes"]["edge-1"]["state"], "done");
    let disabled = world
        .weirctl(&["filter", "disable", "greeter", "--json"])
        .await
        .ok();
    assert_eq!(json(&disabled)["changed"], true);
    let revoked = world
        .weirctl(&["filter", "revoke", "user", "u1", "--json"])
        .await
        .ok();
    assert_eq!(json(&revoked)["changed"], true);
    let status = world
        .weirctl(&["filter", "status", "greeter", "--json"])
        .await
        .ok();
    assert_eq!(
        json(&status)["filters"]["greeter"]["desired"]["enabled"],
        false
    );
    let text = world.weirctl(&["filter", "status", "greeter"]).await.ok();
    assert!(text.starts_with("greeter  disabled, active v1"), "{text}");
    let status = world.weirctl(&["status"]).await.ok();
    assert!(status.contains("edge-1"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_would_refuse_is_refused_here() {
    let world = World::new().await;
    let (_, manifest) = world.filter("1.0");
    let wrong = world.file("core.wasm", b"\0asm\x01\0\0\0");
    let (wrong, manifest) = (wrong.display().to_string(), manifest.display().to_string());
    let push = [
        "filter",
        "push",
        "--component",
        &wrong,
        "--manifest",
        &manifest,
    ];
    let reason = world.weirctl(&push).await.refused();
    assert!(
        reason.contains("a core module, not a component"),
        "{reason}"
    );
    let list = world.weirctl(&["filter", "list"]).await.ok();
    assert!(list.contains("no filter was pushed"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registrys_reason_is_passed_on() {
    let world = World::new().await;
    world.refuse();
    let reason = world.push("1.0", &[]).await.refused();
    assert!(reason.contains("the moon is wrong"), "{reason}");
    let reason = world
        .weirctl(&["filter", "activate", "greeter", "1"])
        .await
        .refused();
    assert_eq!(reason, "there is no filter greeter");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once() {
    let world = World::new().await;
    world.node().await;
    world.push("1.0", &["--activate"]).await.ok();
    world.push("1.1", &[]).await.ok();
    let late = ["filter", "activate", "greeter", "2", "--if-generation", "1"];
    let reason = world.weirctl(&late).await.refused();
    assert!(reason.contains("somebody was faster: alice"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_and_none() {
    let world = World::new().await;
    let registry = format!("http://{}", world.address);
    let home = world.directory.path();
    let list = |token: &'static str| {
        let arguments = ["--registry", &registry, "--token", token, "filter", "list"];
        let arguments = arguments.map(str::to_owned);
        async move {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            weirctl(home, &arguments).await
        }
    };
    let reason = list("wrong-token-0123456789").await.refused();
    assert!(reason.contains("token"), "{reason}");
    let without = weirctl(home, &["--registry", &registry, "filter", "list"]).await;
    assert_eq!(without.code, 64, "{without:?}");
    let node = [
        "--registry",
        &registry,
        "--token",
        NODE,
        "filter",
        "revoke",
        "all",
    ];
    let reason = weirctl(home, &node).await.refused();
    assert!(!reason.is_empty() && !reason.contains(NODE), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_or_hangs_up() {
    let world = World::new().await;
    let home = world.directory.path();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Takes the beginning of a request, answers half, and is gone.
    let cut = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut some = [0; 64];
            if socket.read(&mut some).await.is_ok() {
                drop(
                    socket
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
                        .await,
                );
            }
        }
    });
    let registry = format!("http://{address}");
    let base = ["--registry", &registry, "--token", "0123456789abcdef"];
    let list: Vec<_> = base.into_iter().chain(["filter", "list"]).collect();
    let reason = weirctl(home, &list).await.refused();
    assert!(reason.contains("cannot be reached"), "{reason}");
    let (component, manifest) = world.filter("1.0");
    let (component, manifest) = (
        component.display().to_string(),
        manifest.display().to_string(),
    );
    let files = [
        "filter",
        "push",
        "--component",
        &component,
        "--manifest",
        &manifest,
    ];
    let push: Vec<_> = base.into_iter().chain(files).collect();
    weirctl(home, &push).await.refused();
    cut.abort();
    drop(cut.await);
    let reason = weirctl(home, &list).await.refused();
    assert!(reason.contains("cannot be reached"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_late_is_named() {
    let world = World::new().await;
    world.node().await;
    world.push("1.0", &["--activate"]).await.ok();
    // A second node reports once, and does nothing.
    let client = world.client();
    let idle = filter_registry::wire::NodeReport::default();
    client
        .report(&"edge-2".parse().unwrap(), &idle)
        .await
        .unwrap();
    let late = world.push("1.1", &["--activate", "--wait", "1"]).await;
    let reason = late.refused();
    assert_eq!(reason, "after 1 s greeter is not active on edge-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_made_and_kept_apart() {
    let world = World::new().await;
    let key = world.directory.path().join("ci.pem").display().to_string();
    let text = world.weirctl(&["filter", "keygen", &key]).await.ok();
    assert!(
        text.contains("[[filter_registry.public_keys]]\nid = \"ci\""),
        "{text}"
    );
    let (component, manifest) = world.filter("1.0");
    let files = [
        component.display().to_string(),
        manifest.display().to_string(),
    ];
    let sign = [
        "filter",
        "sign",
        "--component",
        &files[0],
        "--manifest",
        &files[1],
        "--sign-key",
        &key,
        "--json",
    ];
    let signed = world.weirctl(&sign).await.ok();
    assert_eq!(json(&signed)["signature"]["key_id"], "ci");
    let signature = world.file("signature.json", &signed).display().to_string();
    // This registry knows no such key; that it says so means that the signature came along.
    let reason = world
        .push("1.0", &["--signature", &signature])
        .await
        .refused();
    assert!(reason.contains("no public key \"ci\""), "{reason}");
    let other = world.push("1.1", &["--signature", &signature]).await;
    assert_eq!(other.code, 64, "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_until_interrupted() {
    let world = World::new().await;
    world.node().await;
    world.push("1.0", &["--activate"]).await.ok();
    let client = world.client();
    let line = filter_registry::wire::LogLine {
        seq: 1,
        at_unix_ms: 1_767_225_600_000,
        level: "warn".to_owned(),
        version: None,
        message: "too loud".to_owned(),
    };
    let filter = filter_registry::wire::FilterReport {
        logs: vec![line],
        ..Default::default()
    };
    let report = filter_registry::wire::NodeReport {
        filters: [("greeter".parse().unwrap(), filter)].into(),
        ..Default::default()
    };
    client
        .report(&"edge-2".parse().unwrap(), &report)
        .await
        .unwrap();
    let registry = format!("http://{}", world.address);
    let mut command = crate::harness::command(world.directory.path());
    command
        .args(["--registry", &registry, "--token", crate::harness::OPERATOR])
        .args(["filter", "logs", "greeter", "--follow", "--node", "edge-2"])
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut read = String::new();
    let mut stdout = child.stdout.take().unwrap();
    let first = async {
        let mut some = [0; 256];
        while !read.ends_with('\n') {
            let count = stdout.read(&mut some).await.unwrap();
            assert!(count > 0, "it ended");
            read.push_str(std::str::from_utf8(&some[..count]).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), first)
        .await
        .unwrap();
    assert_eq!(
        read,
        "2026-01-01T00:00:00.000Z  edge-2  -  warn   too loud\n"
    );
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    child.kill().await.unwrap();
}

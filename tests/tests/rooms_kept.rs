//! What is kept of rooms: stored chat with its export and erasure, and rooms over NATS.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rooms::schema::{Outcome, RefusalCode, ServerMessage};
use serde_json::json;
use tests::disk::SmallDisk;
use tests::filters;
use tests::node::{self, Settings};
use tests::origin::STREAM;
use tests::rooms::{Broker, Club, Person};
use tests::wait;
use toml::{Table, Value};

const WITHIN: Duration = Duration::from_secs(30);

fn accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { seq: Some(_), .. })
}

/// All lines that are stored by a user.
async fn exported(club: &Club, user: &str) -> anyhow::Result<String> {
    let url = format!("{}/v1/users/{user}/chat", club.origin.admin_url());
    let authorization = format!("Authorization: Bearer {}", filters::ADMIN_TOKEN);
    tests::edge::curl(&["-H", &authorization, &url]).await
}

#[tokio::test]
async fn stored_chat_is_exported_and_erased() -> anyhow::Result<()> {
    let directory = node::directory("archive")?;
    let keys = directory.join("keys");
    std::fs::write(
        &keys,
        "first MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n",
    )?;
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600))?;
    let stored = directory.join("stored");
    let archive = Table::from_iter([
        ("enabled".to_owned(), true.into()),
        ("directory".to_owned(), stored.display().to_string().into()),
        ("keys_file".to_owned(), keys.display().to_string().into()),
    ]);
    let club_state = directory.join("rooms");
    // Edges have no such table.
    let settings = Settings::default()
        .set("rooms", "archive", Value::Table(archive))
        .set("rooms", "state_dir", club_state.display().to_string());
    let mut club = Club::start_apart(1, &settings, &Settings::default()).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let mut bob = club.enter(0, Some(&club.guest("Bob").await?)).await?;
    assert!(accepted(&ann.say("a secret of Ann").await?));
    assert!(accepted(&bob.say("a word of Bob").await?));
    let id = ann.user.id.clone();
    // What is pinned is kept with the room.
    let mut judge = club
        .enter(0, Some(&club.person("Judge", &["moderator"]).await?))
        .await?;
    let said = judge.hears("a secret of Ann").await?;
    assert!(accepted(
        &judge.act(json!({ "type": "pin", "id": said })).await?
    ));
    let kept_somewhere = |text: &str| -> anyhow::Result<bool> {
        let state = club_state.join("state");
        let all = files(&state)?.into_iter().map(std::fs::read);
        let all = all.collect::<Result<Vec<_>, _>>()?;
        Ok(all
            .iter()
            .any(|bytes| String::from_utf8_lossy(bytes).contains(text)))
    };
    assert!(kept_somewhere("a secret of Ann")?);
    let lines = wait::until("it is stored", WITHIN, async || {
        let lines = exported(&club, &id).await?;
        Ok(lines.contains("a secret of Ann").then_some(lines))
    })
    .await?;
    assert!(!lines.contains("a word of Bob"), "{lines}");
    // On disk nobody reads it.
    for file in files(&stored)? {
        let bytes = std::fs::read(&file)?;
        let holds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(!holds("secret") && !holds(&id), "{}", file.display());
    }
    // Over a restart, then erased: out of the room and out of what is stored.
    club.origin.kill()?;
    club.origin.start_again().await?;
    assert!(exported(&club, &id).await?.contains("a secret of Ann"));
    let path = format!("/v1/users/{id}/chat");
    let (status, erased) = club.manage("DELETE", &path, None).await?;
    assert_eq!(status, 200, "{erased}");
    // What was said, and the act that pinned it.
    assert_eq!(erased.pointer("/records"), Some(&json!(2)), "{erased}");
    assert!(!exported(&club, &id).await?.contains("secret"));
    assert!(!kept_somewhere("secret")?);
    assert!(
        exported(&club, &bob.user.id)
            .await?
            .contains("a word of Bob")
    );
    Ok(())
}

/// A disk without room costs nobody their chat: people talk, moderators are heard, and what could not be
/// stored is stored when there is room.
#[tokio::test]
async fn a_full_disk_keeps_nobody_quiet() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::mount("rooms-disk", 4)? else {
        // Only root mounts; continuous integration is root.
        return Ok(());
    };
    let keys = node::directory("full-disk-keys")?.join("keys");
    std::fs::write(
        &keys,
        "first MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n",
    )?;
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600))?;
    let at = |name: &str| disk.path().join(name).display().to_string();
    let archive = Table::from_iter([
        ("enabled".to_owned(), true.into()),
        ("directory".to_owned(), at("stored").into()),
        ("keys_file".to_owned(), keys.display().to_string().into()),
    ]);
    let settings = Settings::default()
        .set("rooms", "state_dir", at("rooms"))
        .set("rooms", "archive", Value::Table(archive));
    let club = Club::start_apart(1, &settings, &Settings::default()).await?;
    let judge = club.person("Judge", &["moderator"]).await?;
    let mut judge = club.enter(0, Some(&judge)).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    assert!(accepted(&ann.say("before").await?));
    let id = ann.user.id.clone();
    wait::until("it is stored", WITHIN, async || {
        Ok(exported(&club, &id).await?.contains("before").then_some(()))
    })
    .await?;

    disk.fill()?;
    // More than the blocks that files have begun have room for.
    for number in 0..12 {
        let words = format!("{number}: {}", "while it is full ".repeat(25));
        assert!(accepted(&ann.say(words.trim()).await?), "{number}");
    }
    assert!(accepted(&ann.say("the last while it is full").await?));
    let timeout = json!({ "type": "timeout", "user": id, "seconds": 600 });
    assert!(accepted(&judge.act(timeout).await?));
    let outcome = ann.say("hello?").await?;
    assert!(
        matches!(
            outcome,
            Outcome::Refused {
                code: RefusalCode::TimedOut,
                ..
            }
        ),
        "{outcome:?}"
    );
    wait::until("the archive says that it cannot", WITHIN, async || {
        let name = "weir_room_archive_failed_total";
        Ok((club.origin.metric(name, &[]).await? >= 1.0).then_some(()))
    })
    .await?;

    disk.empty()?;
    wait::until("nothing is missing", WITHIN, async || {
        let lines = exported(&club, &id).await?;
        Ok(lines.contains("the last while it is full").then_some(()))
    })
    .await?;
    let name = "weir_room_archive_lost_total";
    assert_eq!(club.origin.metric(name, &[]).await?, 0.0);
    Ok(())
}

fn files(directory: &std::path::Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn rooms_over_nats_survive_its_restart_and_the_hubs() -> anyhow::Result<()> {
    let mut broker = Broker::start().await?;
    let mut club = Club::start_with(2, &broker.settings()).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let token = club.guest("Bob").await?;
    let mut bob = club.enter(1, Some(&token)).await?;
    let judge = club.person("Judge", &["moderator"]).await?;
    let mut judge = club.enter(1, Some(&judge)).await?;
    assert!(accepted(&ann.say("over NATS").await?));
    bob.hears("over NATS").await?;
    let ban = json!({ "type": "ban", "user": "troll" });
    assert!(accepted(&judge.act(ban).await?));

    broker.kill()?;
    let outcome = ann.say("into the dark").await?;
    let Outcome::Refused { code, .. } = outcome else {
        anyhow::bail!("{outcome:?}");
    };
    assert_eq!(code, RefusalCode::Unavailable);
    broker.start_again().await?;
    wait::until("it goes on", WITHIN, async || {
        let outcome = ann.say("and on").await?;
        Ok(accepted(&outcome).then_some(()))
    })
    .await?;
    bob.hears("and on").await?;

    // The hub's state is in JetStream: another process on another machine would have it, too.
    club.origin.kill()?;
    std::fs::remove_dir_all(club.origin.directory().join("rooms").join("state")).ok();
    club.origin.start_again().await?;
    let look = format!("/v1/rooms/{STREAM}");
    wait::until("the room is back", WITHIN, async || {
        let (_, room) = club.manage("GET", &look, None).await?;
        Ok((room.pointer("/sanctions") == Some(&json!(1))).then_some(()))
    })
    .await?;
    // An edge hears of the new hub when that speaks; whoever is there is welcomed anew then.
    let before = ann.welcome.epoch;
    let mut bob = Person::enter(club.edge(0)?, Some(&token), Some(bob.position())).await?;
    if bob.welcome.epoch == before {
        bob.until("a new welcome", |message| match message {
            ServerMessage::Welcome(welcome) if welcome.epoch > before => Some(()),
            _ => None,
        })
        .await?;
    }
    Ok(())
}

//! Rooms: people on two edges talk, moderators are heard by everybody, nothing accepted is lost.

use std::time::Duration;

use anyhow::Context as _;
use loadtest::process::Signal;
use rooms::schema::{
    Act, Body, ClientMessage, CloseCode, Outcome, Recovery, RefusalCode, Roles, ServerMessage,
};
use serde_json::json;
use tests::node::Settings;
use tests::origin::STREAM;
use tests::rooms::{Club, Person, ask, auth, chat, connect, guest, text_at, viewers};
use tests::wait;

const WITHIN: Duration = Duration::from_secs(30);

fn accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { seq: Some(_), .. })
}

fn rejection(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected { code, .. } => code,
        _ => panic!("{outcome:?}"),
    }
}

fn refusal(outcome: &Outcome) -> RefusalCode {
    match outcome {
        Outcome::Refused { code, .. } => *code,
        _ => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn people_on_two_edges_talk_and_moderators_are_heard() -> anyhow::Result<()> {
    let club = Club::start(2).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let mut bob = club.enter(1, Some(&club.guest("Bob").await?)).await?;
    let mut listener = club.enter(1, None).await?;
    let mut judge = club
        .enter(0, Some(&club.person("Judge", &["moderator"]).await?))
        .await?;
    assert_eq!(ann.user.name, "Ann");
    assert_eq!(judge.user.roles, Roles::MODERATOR);

    // What is said is text, whatever it looks like, and comes to everybody once.
    let nasty = "<img src=x onerror=alert(1)> & \"quotes\"";
    assert!(accepted(&ann.say(nasty).await?));
    let id = bob.hears(nasty).await?;
    assert_eq!(listener.hears(nasty).await?, id);
    assert_eq!(ann.hears(nasty).await?, id);

    // A listener has no voice, a viewer no gavel.
    let outcome = listener.say("hello?").await?;
    assert_eq!(refusal(&outcome), RefusalCode::Forbidden);
    let outcome = bob.act(json!({ "type": "clear" })).await?;
    assert_eq!(refusal(&outcome), RefusalCode::Forbidden);

    // Moderation is heard by everybody, without who did it.
    let delete = json!({ "type": "delete_message", "id": id });
    assert!(accepted(&judge.act(delete).await?));
    for person in [&mut ann, &mut bob, &mut listener] {
        let actor = person
            .event("the deletion", |event| match &event.body {
                Body::Moderation(moderation) => Some(moderation.actor.clone()),
                _ => None,
            })
            .await?;
        assert_eq!(actor, "");
    }
    let asked = [("protocol", "h1"), ("kind", "room"), ("status", "101")];
    assert!(club.edge(0)?.metric("edge_requests_total", &asked).await? >= 2.0);
    // Who comes now does not see it.
    let mut late = club.enter(1, None).await?;
    assert!(accepted(&judge.say("after").await?));
    late.hears("after").await?;
    assert!(!late.has_heard(nasty));

    // Banned on one edge is banned on both.
    let ban = json!({ "type": "ban", "user": bob.user.id });
    assert!(accepted(&judge.act(ban).await?));
    assert_eq!(refusal(&bob.say("me?").await?), RefusalCode::Banned);
    // And after a reconnect.
    bob.vanish();
    viewers(&club, 4).await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_obeyed_is_not_said_to_be_done() -> anyhow::Result<()> {
    let club = Club::start(1).await?;
    let judge = club.person("Judge", &["moderator"]).await?;
    let mut judge = club.enter(0, Some(&judge)).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let host = club.person("Host", &["broadcaster"]).await?;
    let mut host = club.enter(0, Some(&host)).await?;
    let ban = format!("/ban {} because", host.user.id);
    assert_eq!(rejection(&judge.say(&ban).await?), "not-allowed");
    assert!(accepted(&host.say("it is my room").await?));
    let report = "/report nothing-of-this-name spam";
    assert_eq!(rejection(&ann.say(report).await?), "unknown-message");
    let audit = format!("/v1/rooms/{STREAM}/audit");
    let (_, audit) = club.manage("GET", &audit, None).await?;
    let lines = audit.pointer("/lines").and_then(|lines| lines.as_array());
    let lines = lines.into_iter().flatten().map(ToString::to_string);
    let about = lines.filter(|line| line.contains(&host.user.id));
    // That an operator named them so.
    assert_eq!(about.count(), 1, "{audit}");
    Ok(())
}

#[tokio::test]
async fn commands_are_typed_and_settings_change_live() -> anyhow::Result<()> {
    let club = Club::start(2).await?;
    let mut judge = club
        .enter(0, Some(&club.person("Judge", &["moderator"]).await?))
        .await?;
    let mut ann = club.enter(1, Some(&club.guest("Ann").await?)).await?;

    assert_eq!(rejection(&judge.say("/slow 30").await?), "done");
    ann.event("slow mode", |event| match &event.body {
        Body::Moderation(moderation) => match &moderation.act {
            Act::Settings { patch } => patch.slow_mode_ms.filter(|ms| *ms == 30_000),
            _ => None,
        },
        _ => None,
    })
    .await?;
    assert!(accepted(&ann.say("one").await?));
    let outcome = ann.say("two").await?;
    assert_eq!(rejection(&outcome), "slow-mode");
    let Outcome::Rejected { retry_after_ms, .. } = outcome else {
        unreachable!()
    };
    assert!(
        retry_after_ms.is_some_and(|ms| ms > 20_000),
        "{retry_after_ms:?}"
    );

    assert_eq!(rejection(&judge.say("/slow off").await?), "done");
    assert_eq!(rejection(&judge.say("/emoteonly").await?), "done");
    ann.event("emotes only", |event| match &event.body {
        Body::Moderation(moderation) => match &moderation.act {
            Act::Settings { patch } if !patch.attrs.is_empty() => Some(()),
            _ => None,
        },
        _ => None,
    })
    .await?;
    assert_eq!(rejection(&ann.say("words").await?), "emote-only");
    assert_eq!(rejection(&judge.say("/emoteonly off").await?), "done");

    // A command of moderators is nobody else's, and is never posted.
    let ban = format!("/ban {}", judge.user.id);
    assert_eq!(rejection(&ann.say(&ban).await?), "not-allowed");
    // A moderator does not ban the broadcaster.
    let owner = club.person("Owner", &["broadcaster"]).await?;
    let owner = club.enter(0, Some(&owner)).await?;
    let ban = json!({ "type": "ban", "user": owner.user.id });
    assert_eq!(refusal(&judge.act(ban).await?), RefusalCode::Forbidden);

    assert!(accepted(&judge.say("/pin Be kind").await?));
    ann.event("the pin", |event| match &event.body {
        Body::Moderation(moderation) => match &moderation.act {
            Act::Pin { message, .. } => message.as_ref().map(|it| it.text.clone()),
            _ => None,
        },
        _ => None,
    })
    .await
    .map(|pinned| assert_eq!(pinned, "Be kind"))?;
    let late = club.enter(1, None).await?;
    let pinned = late.welcome.snapshot.and_then(|snapshot| snapshot.pinned);
    assert_eq!(pinned.context("nothing is pinned")?.text, "Be kind");

    // Every act is in the log, by ids alone.
    let path = format!("/v1/rooms/{STREAM}/audit");
    let (_, log) = club.manage("GET", &path, None).await?;
    let log = log.to_string();
    for part in ["slow_mode_ms", "\"pin\"", &judge.user.id, "slow"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    for part in ["Judge", "Be kind", "127.0.0.1"] {
        assert!(!log.contains(part), "{part}: {log}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_held_waits_for_a_moderator() -> anyhow::Result<()> {
    let club = Club::without_filters(1, &Settings::default()).await?;
    club.deploy(&auth()?).await?;
    club.deploy(&chat(&json!({ "held_words": ["perhaps"] }))?)
        .await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let mut bob = club.enter(0, Some(&club.guest("Bob").await?)).await?;
    let judge = club.person("Judge", &["moderator"]).await?;
    let mut judge = club.enter(0, Some(&judge)).await?;

    assert_eq!(ann.say("perhaps so").await?, Outcome::Held);
    assert_eq!(ann.say("perhaps not").await?, Outcome::Held);
    let reviews = async |person: &mut Person, text: &str| {
        person
            .event(text, |event| match &event.body {
                Body::Review(review) if review.message.text == text => Some(review.id.clone()),
                _ => None,
            })
            .await
    };
    let yes = reviews(&mut judge, "perhaps so").await?;
    let no = reviews(&mut judge, "perhaps not").await?;
    assert!(accepted(
        &judge.act(json!({ "type": "dismiss", "id": no })).await?
    ));
    assert!(accepted(
        &judge.act(json!({ "type": "approve", "id": yes })).await?
    ));
    bob.hears("perhaps so").await?;
    assert!(!bob.has_heard("perhaps not"));
    assert!(
        !bob.events()
            .any(|event| matches!(event.body, Body::Review(_))),
        "reviews are for moderators"
    );
    // Somebody reports what was said.
    let id = bob.hears("perhaps so").await?;
    assert_eq!(
        rejection(&bob.say(&format!("/report {id} rude")).await?),
        "done"
    );
    judge
        .event("the report", |event| match &event.body {
            Body::Review(review) if review.reason == "rude" => Some(()),
            _ => None,
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn who_comes_back_misses_nothing() -> anyhow::Result<()> {
    let club = Club::start(2).await?;
    let token = club.guest("Ann").await?;
    let mut ann = club.enter(0, Some(&token)).await?;
    let mut bob = club.enter(1, Some(&club.guest("Bob").await?)).await?;
    assert!(accepted(&bob.say("first").await?));
    ann.hears("first").await?;
    let position = ann.position();
    ann.vanish();
    for number in 0..20 {
        assert!(accepted(&bob.say(&format!("missed {number}")).await?));
    }
    // On the other edge.
    let mut ann = Person::enter(club.edge(1)?, Some(&token), Some(position)).await?;
    assert_eq!(ann.welcome.recovery, Recovery::Complete);
    ann.hears("missed 19").await?;
    let expected: Vec<String> = (0..20).map(|number| format!("missed {number}")).collect();
    assert_eq!(ann.texts(), expected);

    // The same message again, after a reconnect: accepted once, although the filter has a rule
    // against repetitions and slow mode is on.
    let judge = club.person("Judge", &["moderator"]).await?;
    let mut judge = club.enter(0, Some(&judge)).await?;
    judge.say("/slow 60").await?;
    judge.say("/unique").await?;
    ann.event("the rules", |event| match &event.body {
        Body::Moderation(moderation) => match &moderation.act {
            Act::Settings { patch } if !patch.attrs.is_empty() => Some(()),
            _ => None,
        },
        _ => None,
    })
    .await?;
    let first = ann.say_as("mine", "said once").await?;
    assert!(accepted(&first));
    let again = ann.say_as("mine", "said once").await;
    // What was heard before is the first answer; another one came.
    let _ = again?;
    ann.vanish();
    let mut ann = Person::enter(club.edge(1)?, Some(&token), None).await?;
    let third = ann.say_as("mine", "said once").await?;
    assert_eq!(third, first);
    bob.hears("said once").await?;
    let times = bob
        .texts()
        .iter()
        .filter(|text| *text == "said once")
        .count();
    assert_eq!(times, 1);
    Ok(())
}

#[tokio::test]
async fn a_hub_that_is_killed_remembers_its_moderators() -> anyhow::Result<()> {
    let mut club = Club::start(2).await?;
    let mallory = club.guest("Mallory").await?;
    let mut bad = club.enter(1, Some(&mallory)).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let judge_token = club.person("Judge", &["moderator"]).await?;
    let mut judge = club.enter(0, Some(&judge_token)).await?;
    let before = judge.welcome.epoch;
    assert!(accepted(&judge.say("/pin Rule one").await?));
    // A burst of bans; the kill comes right after the last answer.
    for number in 0..50 {
        let ban = json!({ "type": "ban", "user": format!("troll-{number}") });
        assert!(accepted(&judge.act(ban).await?));
    }
    let ban = json!({ "type": "ban", "user": bad.user.id });
    assert!(accepted(&judge.act(ban).await?));
    club.origin.kill()?;
    // Nothing is accepted while the hub is away, and nobody is told that it was.
    let outcome = ann.say("into the dark").await?;
    assert_eq!(refusal(&outcome), RefusalCode::Unavailable);
    club.origin.start_again().await?;

    // The same connections go on: told that they begin anew, with the state.
    let welcome = ann
        .until("a new welcome", |message| match message {
            ServerMessage::Welcome(welcome) if welcome.epoch > before => Some(welcome.clone()),
            _ => None,
        })
        .await?;
    assert_eq!(welcome.recovery, Recovery::NotRecovered);
    let snapshot = welcome.snapshot.context("no snapshot")?;
    assert_eq!(snapshot.pinned.context("no pin")?.text, "Rule one");
    let welcome = judge
        .until("a new welcome", |message| match message {
            ServerMessage::Welcome(welcome) if welcome.epoch > before => Some(welcome.clone()),
            _ => None,
        })
        .await?;
    let sanctions = welcome.snapshot.context("no snapshot")?.sanctions;
    assert_eq!(sanctions.len(), 51);
    let outcome = wait::until("the ban holds", WITHIN, async || {
        let outcome = bad.say("still here?").await?;
        Ok((refusal(&outcome) != RefusalCode::Unavailable).then_some(outcome))
    })
    .await?;
    assert_eq!(refusal(&outcome), RefusalCode::Banned);
    assert!(accepted(&ann.say("and on").await?));
    judge.hears("and on").await?;
    Ok(())
}

#[tokio::test]
async fn names_and_identities() -> anyhow::Result<()> {
    let club = Club::start(1).await?;
    let edge = club.edge(0)?;
    let (status, ann) = guest(edge, "Ann Lee", None).await?;
    assert_eq!(status, 201);
    let token = text_at(&ann, "/token")?;
    let id = text_at(&ann, "/user/id")?;
    // Cyrillic А; the house; HTML.
    for (name, status, code) in [
        ("Аnn Lee", 409, "name-taken"),
        ("Moderator", 409, "name-taken"),
        ("<b>x</b>", 400, "bad-name"),
    ] {
        let (is, problem) = guest(edge, name, None).await?;
        assert_eq!(is, status, "{name}");
        assert_eq!(text_at(&problem, "/code")?, code, "{name}");
    }
    // Who changes the name stays who it is.
    let (status, renamed) = guest(edge, "Annabel", Some(&token)).await?;
    assert_eq!((status, text_at(&renamed, "/user/id")?), (201, id));
    // Nobody asks for ever, and not without an edge.
    let mut statuses = Vec::new();
    for number in 0..6 {
        statuses.push(guest(edge, &format!("Many {number}"), None).await?.0);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    let direct = format!("{}/v1/guests", club.origin.http_url());
    let (status, _) = ask("POST", &direct, &[], Some(&json!({ "name": "x" }))).await?;
    assert_eq!(status, 401);
    // Forged, and of another key: one listens, as without a token.
    let (head, _) = token.rsplit_once('.').context("no signature")?;
    let forged = format!("{head}.AAAA");
    let person = club.enter(0, Some(&forged)).await?;
    assert_eq!(person.user.name, "");
    Ok(())
}

#[tokio::test]
async fn doors_that_stay_shut() -> anyhow::Result<()> {
    let club = Club::start(1).await?;
    let edge = club.edge(0)?;
    let token = club.guest("Ann").await?;
    let refused = async |room: &str, headers: &[(&'static str, &str)]| match connect(
        edge,
        room,
        Some(&token),
        headers,
    )
    .await
    {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert!(refused("nothing", &[]).await.starts_with("404"));
    let evil = [("origin", "https://evil.example")];
    assert!(refused(STREAM, &evil).await.starts_with("403"));
    let own = edge.http_url();
    let own = [("origin", own.as_str())];
    assert_eq!(refused(STREAM, &own).await, "");
    let other = [("sec-websocket-protocol", "mqtt")];
    assert!(refused(STREAM, &other).await.starts_with("400"));
    // Without an upgrade.
    let url = format!("{}/api/rooms/{STREAM}/socket", edge.http_url());
    let (status, _) = ask("GET", &url, &[], None).await?;
    assert_eq!(status, 426);
    // Nobody says nothing for long, and the first word is `hello`.
    let mut person = club.enter(0, Some(&token)).await?;
    person.send(&ClientMessage::Ping { nonce: 7 }).await?;
    person
        .until("a pong", |message| match message {
            ServerMessage::Pong { nonce: 7, .. } => Some(()),
            _ => None,
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn server_sent_events_and_posts() -> anyhow::Result<()> {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let club = Club::start(1).await?;
    let edge = club.edge(0)?;
    let token = club.guest("Ann").await?;
    let authority = edge.http_url().replacen("http://", "", 1);
    let stream = tokio::net::TcpStream::connect(&authority).await?;
    let (read, mut write) = stream.into_split();
    let head = format!(
        "GET /api/rooms/{STREAM}/events?token={token} HTTP/1.1\r\nhost: {authority}\r\n\r\n"
    );
    write.write_all(head.as_bytes()).await?;
    let mut lines = BufReader::new(read).lines();
    let mut next = async |what: &str| -> anyhow::Result<ServerMessage> {
        let reading = async {
            loop {
                let line = lines.next_line().await?.context("the stream ended")?;
                if let Some(data) = line.strip_prefix("data: ") {
                    return anyhow::Ok(ServerMessage::from_json(data.as_bytes())?);
                }
            }
        };
        tokio::time::timeout(WITHIN, reading)
            .await
            .context(what.to_owned())?
    };
    let ServerMessage::You { session, .. } = next("you").await? else {
        anyhow::bail!("the first message is not `you`");
    };
    let session = session.context("no session")?;
    assert!(matches!(next("welcome").await?, ServerMessage::Welcome(_)));
    let url = format!(
        "{}/api/rooms/{STREAM}/messages?session={session}",
        edge.http_url()
    );
    let said = json!({ "type": "publish", "client_id": "1", "kind": "text", "text": "by post" });
    let (status, _) = ask("POST", &url, &[], Some(&said)).await?;
    assert_eq!(status, 202);
    let (mut has_answer, mut has_message) = (false, false);
    while !(has_answer && has_message) {
        match next("the message and its answer").await? {
            ServerMessage::Ack { outcome, .. } => has_answer = accepted(&outcome),
            ServerMessage::Events(frame) => {
                has_message |= frame
                    .events
                    .iter()
                    .any(|event| matches!(&event.body, Body::Message(it) if it.text == "by post"));
            }
            _ => {}
        }
    }
    let (status, _) = ask("POST", &url, &[], Some(&json!({ "type": "dance" }))).await?;
    assert_eq!(status, 400);
    let large =
        json!({ "type": "publish", "client_id": "2", "kind": "text", "text": "x".repeat(20_000) });
    let (status, _) = ask("POST", &url, &[], Some(&large)).await?;
    assert_eq!(status, 413);
    let other = format!("{}/api/rooms/{STREAM}/messages?session=x", edge.http_url());
    let (status, _) = ask("POST", &other, &[], Some(&said)).await?;
    assert_eq!(status, 404);
    viewers(&club, 1).await?;
    drop(write);
    drop(lines);
    viewers(&club, 0).await?;
    Ok(())
}

#[tokio::test]
async fn a_drain_sends_people_away_at_moments_of_their_own() -> anyhow::Result<()> {
    let mut club = Club::start(2).await?;
    let mut people = Vec::new();
    for _ in 0..10 {
        people.push(club.enter(0, None).await?);
    }
    let edge = club.edges.first_mut().context("an edge")?;
    edge.process()?.signal(Signal::Terminate)?;
    let mut moments = Vec::new();
    for person in &mut people {
        let close = person.closed().await?;
        let (code, _) = close.context("no close frame")?;
        assert_eq!(code, CloseCode::Draining.websocket());
        let retry = person.heard.iter().find_map(|message| match message {
            ServerMessage::Close { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        });
        moments.push(retry.context("no moment to come again")?);
    }
    moments.dedup();
    assert!(moments.len() > 5, "{moments:?}");
    Ok(())
}

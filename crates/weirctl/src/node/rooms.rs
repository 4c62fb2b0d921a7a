//! `weirctl room`: rooms, at the origin that keeps their hubs.

use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Ask, NodeClient, segment as escaped};
use crate::args::{RoomAct, RoomAudit, RoomCommand, RoomErase, RoomExport, RoomToken};
use crate::config::Target;
use crate::failure::Failure;
use crate::input;
use crate::output::{Cell, Output, Sink, Style, Table, count, instant, printable};

/// `GET /v1/rooms`.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    rooms: Vec<Room>,
}

/// A room; fields that a later origin adds are left out.
#[derive(Debug, Serialize, Deserialize)]
struct Room {
    name: String,
    users: u64,
    connections: u64,
    likes: u64,
    edges: u64,
    sanctions: u64,
    reviews: u64,
    settings: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinned: Option<Value>,
}

/// `POST /v1/rooms/{room}/tokens`.
#[derive(Debug, Serialize, Deserialize)]
struct Given {
    token: String,
    user: Value,
    expires_at_ms: u64,
}

/// `GET /v1/rooms/{room}/audit`.
#[derive(Debug, Serialize, Deserialize)]
struct Audit {
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at_ms: u64,
    actor: String,
    act: Value,
    #[serde(default)]
    reason: String,
}

/// `weirctl room`
///
/// # Errors
/// The origin refused, keeps no rooms, or cannot be reached.
pub(crate) async fn run(
    target: &Target,
    output: Output,
    command: &RoomCommand,
) -> Result<(), Failure> {
    let client = NodeClient::new(target)?;
    let origin = &target.registry;
    match command {
        RoomCommand::List => {
            let list = client.get::<List>(origin, "/v1/rooms").await?;
            output.show(&list.ok_or_else(|| no_rooms(origin))?, render)
        }
        RoomCommand::Show { room } => {
            let path = format!("/v1/rooms/{}", segment(room)?);
            let room = client.get::<Room>(origin, &path).await?;
            output.show(&room.ok_or_else(|| no_rooms(origin))?, render_one)
        }
        RoomCommand::Token(wanted) => token(&client, origin, output, wanted).await,
        RoomCommand::Act(wanted) => act(&client, origin, output, wanted).await,
        RoomCommand::Audit(wanted) => audit(&client, origin, output, wanted).await,
        RoomCommand::Export(wanted) => export(&client, origin, wanted).await,
        RoomCommand::Erase(wanted) => erase(&client, origin, output, wanted).await,
    }
}

async fn token(
    client: &NodeClient,
    origin: &Url,
    output: Output,
    wanted: &RoomToken,
) -> Result<(), Failure> {
    let room = segment(&wanted.room)?;
    let name = wanted
        .name
        .clone()
        .or_else(|| wanted.roles.first().cloned());
    let mut body = json!({
        "name": name.unwrap_or_else(|| "viewer".to_owned()),
        "roles": wanted.roles,
        "seconds": wanted.hours * 3600,
    });
    if let (Some(user), Some(fields)) = (&wanted.user, body.as_object_mut()) {
        fields.insert("user".to_owned(), user.as_str().into());
    }
    let path = format!("/v1/rooms/{room}/tokens");
    let given = client.post::<Given>(origin, &path, &body).await?;
    let given = given.ok_or_else(|| no_rooms(origin))?;
    let page = if wanted.roles.iter().any(|role| role == "broadcaster") {
        "studio"
    } else {
        "watch"
    };
    output.show(&given, |given, _| {
        format!(
            "{}\n\nOpen https://EDGE/{page}/{room}#token={}\n",
            given.token, given.token
        )
    })
}

async fn act(
    client: &NodeClient,
    origin: &Url,
    output: Output,
    wanted: &RoomAct,
) -> Result<(), Failure> {
    let path = format!("/v1/rooms/{}/acts", segment(&wanted.room)?);
    let body = json!({ "act": wanted.act, "reason": wanted.reason });
    let outcome = client.post::<Value>(origin, &path, &body).await?;
    output.show(&outcome.ok_or_else(|| no_rooms(origin))?, |_, _| {
        "done\n".to_owned()
    })
}

async fn audit(
    client: &NodeClient,
    origin: &Url,
    output: Output,
    wanted: &RoomAudit,
) -> Result<(), Failure> {
    let room = segment(&wanted.room)?;
    let path = format!("/v1/rooms/{room}/audit?limit={}", wanted.limit);
    let audit = client.get::<Audit>(origin, &path).await?;
    output.show(&audit.ok_or_else(|| no_rooms(origin))?, render_audit)
}

async fn export(client: &NodeClient, origin: &Url, wanted: &RoomExport) -> Result<(), Failure> {
    let mut sink = Sink::new(&wanted.saving)?;
    let path = format!("/v1/users/{}/chat", escaped(&wanted.user));
    let stream = client.stream(origin, &path).await?;
    let mut stream = stream.ok_or_else(|| no_rooms(origin))?;
    while let Some(chunk) = stream.chunk().await? {
        sink.write(&chunk)?;
    }
    sink.finish()
}

async fn erase(
    client: &NodeClient,
    origin: &Url,
    output: Output,
    wanted: &RoomErase,
) -> Result<(), Failure> {
    let user = &wanted.user;
    let what = format!("erasing what {} wrote", printable(user));
    input::confirm(wanted.sure.yes, &what, user).await?;
    let path = format!("/v1/users/{}/chat", escaped(user));
    // It goes through every room.
    let ask = Ask::new(Method::DELETE, &path).patient();
    let erased = client.send(origin, ask).await?.read::<Value>()?;
    output.show(&erased.ok_or_else(|| no_rooms(origin))?, |_, _| {
        format!("what {} wrote is erased\n", printable(user))
    })
}

fn render(list: &List, style: Style) -> String {
    let columns = [
        "ROOM",
        "PEOPLE",
        "CONNECTIONS",
        "LIKES",
        "EDGES",
        "SANCTIONS",
        "REVIEWS",
    ];
    let mut table = Table::new(columns);
    for room in &list.rooms {
        table.row([
            Cell::from(room.name.as_str()),
            count(room.users).into(),
            count(room.connections).into(),
            count(room.likes).into(),
            count(room.edges).into(),
            count(room.sanctions).into(),
            count(room.reviews).into(),
        ]);
    }
    if table.is_empty() {
        return "no room is open: nobody has asked for one\n".to_owned();
    }
    table.render(style)
}

fn render_one(room: &Room, _: Style) -> String {
    let pinned = room.pinned.as_ref().and_then(|it| it.get("text")?.as_str());
    format!(
        "{}\n  people       {} ({} connections on {} edges)\n  likes        {}\n  sanctions    {}\n  \
         reviews      {}\n  settings     {}\n  pinned       {}\n",
        room.name,
        count(room.users),
        count(room.connections),
        count(room.edges),
        count(room.likes),
        count(room.sanctions),
        count(room.reviews),
        room.settings,
        pinned.map_or_else(|| "nothing".to_owned(), printable),
    )
}

fn render_audit(audit: &Audit, style: Style) -> String {
    let mut table = Table::new(["WHEN", "WHO", "WHAT", "WHY"]);
    for line in &audit.lines {
        table.row([
            Cell::from(instant(line.at_ms).as_str()),
            printable(&line.actor).into(),
            printable(&line.act.to_string()).into(),
            printable(&line.reason).into(),
        ]);
    }
    if table.is_empty() {
        return "nothing was done\n".to_owned();
    }
    table.render(style)
}

fn no_rooms(origin: &Url) -> Failure {
    Failure::failed(format!(
        "{origin} keeps no rooms: is it the admin listener of an origin with rooms.enabled?"
    ))
}

/// A room's name, which is a part of a path.
fn segment(room: &str) -> Result<&str, Failure> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=64).contains(&room.len()) && room.bytes().all(legal) {
        Ok(room)
    } else {
        Err(Failure::usage(format!(
            "{room:?} is no room: 1 to 64 of a-z, A-Z, 0-9, \"-\", \"_\""
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_have_names_of_streams() {
        assert_eq!(segment("demo").ok(), Some("demo"));
        for wrong in ["", "a/b", "..", "a b", &"x".repeat(65)] {
            assert!(segment(wrong).is_err(), "{wrong}");
        }
    }
}

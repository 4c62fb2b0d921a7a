//! Rooms under test: an origin that keeps hubs, edges with doors, and people who talk.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use loadtest::process::Process;
use rooms::schema::{Body, ClientMessage, Event, Outcome, Position, ServerMessage, Welcome};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use toml::{Table, Value};

use crate::edge::Edge;
use crate::filters::{self, Filter, Operator};
use crate::node::{self, Settings};
use crate::origin::{Origin, STREAM};
use crate::wait;

/// Bearer token of the edges' links.
pub const LINK_TOKEN: &str = "link-token-for-tests";

/// Nothing here takes longer, on a machine that compiles meanwhile.
const WITHIN: Duration = Duration::from_secs(30);

/// An origin with hubs and a registry, and edges.
#[derive(Debug)]
pub struct Club {
    /// Keeps the hubs.
    pub origin: Origin,
    /// Where people come in.
    pub edges: Vec<Edge>,
    /// At the registry of filters.
    pub operator: Operator,
}

impl Club {
    /// Starts as many edges, with the shipped filters `auth` and `chat`.
    pub async fn start(edges: usize) -> anyhow::Result<Self> {
        Self::start_with(edges, &Settings::default()).await
    }

    /// The same, with `settings` laid over on all nodes.
    pub async fn start_with(edges: usize, settings: &Settings) -> anyhow::Result<Self> {
        Self::start_apart(edges, settings, settings).await
    }

    /// The same, with settings of the origin and of the edges laid over.
    pub async fn start_apart(
        edges: usize,
        origin: &Settings,
        doors: &Settings,
    ) -> anyhow::Result<Self> {
        let club = Self::bare(edges, origin, doors).await?;
        club.deploy(&auth()?).await?;
        club.deploy(&chat(&json!({}))?).await?;
        Ok(club)
    }

    /// Nobody comes in before there is an auth filter.
    pub async fn without_filters(edges: usize, settings: &Settings) -> anyhow::Result<Self> {
        Self::bare(edges, settings, settings).await
    }

    /// Without any filter yet, with settings of the origin and of the edges laid over.
    pub async fn start_bare(
        edges: usize,
        origin: &Settings,
        doors: &Settings,
    ) -> anyhow::Result<Self> {
        Self::bare(edges, origin, doors).await
    }

    async fn bare(edges: usize, over: &Settings, below: &Settings) -> anyhow::Result<Self> {
        let links = Value::Array(vec![LINK_TOKEN.into()]);
        let hubs = filters::origin_settings()
            .set("rooms", "enabled", true)
            .set("rooms", "link_tokens", links)
            .set("admin", "token", filters::ADMIN_TOKEN);
        let origin = Origin::start_with(&hubs.overlaid(over)).await?;
        let key = Table::from_iter([
            ("name".to_owned(), "identity".into()),
            (
                "jwks_url".to_owned(),
                format!("{}/.well-known/jwks.json", origin.http_url()).into(),
            ),
        ]);
        let doors = filters::edge_settings(&origin.admin_url())
            .set("filters", "keys", Value::Array(vec![Value::Table(key)]))
            .set("rooms", "enabled", true)
            .set("rooms", "origin", origin.http_url())
            .set("rooms", "token", LINK_TOKEN)
            .overlaid(below);
        let names: Vec<String> = (1..=edges).map(|number| format!("door-{number}")).collect();
        let urls = [origin.http_url()];
        let starting = names
            .iter()
            .map(|name| Edge::start_with(name, &urls, &doors));
        let edges = futures::future::try_join_all(starting).await?;
        Ok(Self {
            operator: Operator::of(&origin)?,
            origin,
            edges,
        })
    }

    /// Deploys a filter to all edges.
    pub async fn deploy(&self, filter: &Filter) -> anyhow::Result<()> {
        // The origin runs filters, too.
        self.operator.deploy(filter, self.edges.len() + 1).await?;
        Ok(())
    }

    /// An edge by its number.
    pub fn edge(&self, number: usize) -> anyhow::Result<&Edge> {
        self.edges.get(number).context("no such edge")
    }

    /// An identity for a guest.
    pub async fn guest(&self, name: &str) -> anyhow::Result<String> {
        let (status, answer) = guest(self.edge(0)?, name, None).await?;
        ensure!(status == 201, "{name}: {status} {answer}");
        text_at(&answer, "/token")
    }

    /// An identity with roles in [`STREAM`]'s room.
    pub async fn person(&self, name: &str, roles: &[&str]) -> anyhow::Result<String> {
        let body = json!({ "name": name, "roles": roles });
        let path = format!("/v1/rooms/{STREAM}/tokens");
        let (status, answer) = self.manage("POST", &path, Some(&body)).await?;
        ensure!(status == 201, "{name}: {status} {answer}");
        text_at(&answer, "/token")
    }

    /// The operators' API of rooms.
    pub async fn manage(
        &self,
        method: &str,
        path: &str,
        body: Option<&Json>,
    ) -> anyhow::Result<(u16, Json)> {
        let url = format!("{}{path}", self.origin.admin_url());
        let token = filters::ADMIN_TOKEN;
        ask(
            method,
            &url,
            &[("authorization", &format!("Bearer {token}"))],
            body,
        )
        .await
    }

    /// Somebody with this identity, in the room, at an edge; [`Person::welcome`] has been read.
    pub async fn enter(&self, edge: usize, token: Option<&str>) -> anyhow::Result<Person> {
        Person::enter(self.edge(edge)?, token, None).await
    }
}

/// The shipped auth filter: guests listen, identities of the origin speak.
pub fn auth() -> anyhow::Result<Filter> {
    let mut filter = Filter::shipped("auth")?.configured(json!({
        "guests": ["play", "join"],
        "jwt": [{ "key": "identity", "issuer": "weir-origin" }],
    }));
    filter.manifest.keys = vec!["identity".parse()?];
    patient(&mut filter);
    Ok(filter)
}

/// The shipped chat filter, with `config` laid over a flood control that lets tests talk.
pub fn chat(config: &Json) -> anyhow::Result<Filter> {
    let mut whole = json!({ "flood": { "burst": 1000, "per_minute": 0 } });
    if let (Some(whole), Some(config)) = (whole.as_object_mut(), config.as_object()) {
        whole.extend(config.clone());
    }
    let mut filter = Filter::shipped("chat")?.configured(whole);
    patient(&mut filter);
    Ok(filter)
}

/// Room for a machine that compiles meanwhile: a filter that is late is passed over.
fn patient(filter: &mut Filter) {
    filter.manifest.limits.deadline_ms = 1_000;
    filter.manifest.limits.cpu_ms = 100;
}

/// Asks an edge for a guest's identity.
pub async fn guest(edge: &Edge, name: &str, had: Option<&str>) -> anyhow::Result<(u16, Json)> {
    let url = format!("{}/api/guests", edge.http_url());
    let bearer = had.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer
        .iter()
        .map(|bearer| ("authorization", bearer.as_str()))
        .collect();
    ask("POST", &url, &headers, Some(&json!({ "name": name }))).await
}

/// One request; an empty answer is null.
pub async fn ask(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&Json>,
) -> anyhow::Result<(u16, Json)> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map(ToString::to_string).unwrap_or_default();
    let request = request.body(Full::new(Bytes::from(body)))?;
    let asking = async {
        let answer = client.request(request).await?;
        let status = answer.status().as_u16();
        anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
    };
    let (status, body) = tokio::time::timeout(WITHIN, asking)
        .await
        .context("no answer")??;
    let json = if body.is_empty() {
        Json::Null
    } else {
        serde_json::from_slice(&body)
            .with_context(|| format!("{url}: {}", String::from_utf8_lossy(&body)))?
    };
    Ok((status, json))
}

/// A string in JSON.
pub fn text_at(json: &Json, pointer: &str) -> anyhow::Result<String> {
    let text = json.pointer(pointer).and_then(Json::as_str);
    text.map(str::to_owned)
        .with_context(|| format!("no {pointer} in {json}"))
}

/// Somebody in a room.
#[derive(Debug)]
pub struct Person {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What came and was not asked for yet.
    pub heard: Vec<ServerMessage>,
    said: u32,
    /// The first welcome.
    pub welcome: Welcome,
    /// Who it is.
    pub user: rooms::schema::User,
}

impl Person {
    /// Comes in at an edge's plain port.
    pub async fn enter(
        edge: &Edge,
        token: Option<&str>,
        resume: Option<Position>,
    ) -> anyhow::Result<Self> {
        let mut socket = connect(edge, STREAM, token, &[]).await?;
        let hello = ClientMessage::Hello { resume, hold_ms: 0 };
        say(&mut socket, &hello).await?;
        let ServerMessage::You { user, .. } = next(&mut socket).await? else {
            bail!("the first message is not `you`");
        };
        let ServerMessage::Welcome(welcome) = next(&mut socket).await? else {
            bail!("the second message is not `welcome`");
        };
        Ok(Self {
            socket,
            heard: Vec::new(),
            said: 0,
            welcome: *welcome,
            user,
        })
    }

    /// Says something, and waits for what became of it.
    pub async fn say(&mut self, text: &str) -> anyhow::Result<Outcome> {
        self.said += 1;
        let id = format!("{}-{}", self.welcome.epoch, self.said);
        self.say_as(&id, text).await
    }

    /// The same, with a message id of the client's own.
    pub async fn say_as(&mut self, client_id: &str, text: &str) -> anyhow::Result<Outcome> {
        let publish = ClientMessage::Publish {
            client_id: client_id.to_owned(),
            kind: "text".to_owned(),
            text: text.to_owned(),
            reply_to: None,
            media_ms: None,
        };
        self.send(&publish).await?;
        self.answer(client_id).await
    }

    /// Moderates, and waits for what became of it.
    pub async fn act(&mut self, act: Json) -> anyhow::Result<Outcome> {
        self.said += 1;
        let client_id = format!("{}-{}", self.welcome.epoch, self.said);
        let message = json!({ "type": "act", "client_id": client_id, "act": act });
        self.send(&serde_json::from_value(message)?).await?;
        self.answer(&client_id).await
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &ClientMessage) -> anyhow::Result<()> {
        say(&mut self.socket, message).await
    }

    /// Waits for the answer to a publish or an act.
    pub async fn answer(&mut self, id: &str) -> anyhow::Result<Outcome> {
        self.until(&format!("the answer to {id}"), |message| match message {
            ServerMessage::Ack { client_id, outcome } if client_id == id => Some(outcome.clone()),
            _ => None,
        })
        .await
    }

    /// Reads until `wanted` finds something, in what was heard before as well. Everything is kept.
    pub async fn until<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&ServerMessage) -> Option<T>,
    ) -> anyhow::Result<T> {
        if let Some(found) = self.heard.iter().find_map(&wanted) {
            return Ok(found);
        }
        let reading = async {
            loop {
                let message = next(&mut self.socket).await?;
                let found = wanted(&message);
                self.heard.push(message);
                if let Some(found) = found {
                    return anyhow::Ok(found);
                }
            }
        };
        let read = tokio::time::timeout(WITHIN, reading).await;
        read.with_context(|| format!("{what} does not come: {:?}", self.heard))?
            .with_context(|| what.to_owned())
    }

    /// Waits until more than `count` messages have come.
    pub async fn more(&mut self, count: usize) -> anyhow::Result<()> {
        while self.heard.len() <= count {
            let message = next(&mut self.socket).await?;
            self.heard.push(message);
        }
        Ok(())
    }

    /// Waits for an event that is like this.
    pub async fn event<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> anyhow::Result<T> {
        self.until(what, |message| match message {
            ServerMessage::Events(frame) => frame.events.iter().find_map(|event| wanted(event)),
            _ => None,
        })
        .await
    }

    /// Waits for a message with this text; gives its id.
    pub async fn hears(&mut self, text: &str) -> anyhow::Result<String> {
        self.event(text, |event| match &event.body {
            Body::Message(message) if message.text == text => Some(message.id.clone()),
            _ => None,
        })
        .await
    }

    /// Whether a message with this text has come so far.
    pub fn has_heard(&self, text: &str) -> bool {
        self.texts().iter().any(|heard| heard == text)
    }

    /// The texts of all messages so far, in order.
    pub fn texts(&self) -> Vec<String> {
        self.events()
            .filter_map(|event| match &event.body {
                Body::Message(message) => Some(message.text.clone()),
                _ => None,
            })
            .collect()
    }

    /// All events so far, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.heard.iter().flat_map(|message| match message {
            ServerMessage::Events(frame) => frame.events.iter().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        })
    }

    /// How far it has come.
    pub fn position(&self) -> Position {
        let mut position = Position {
            epoch: self.welcome.epoch,
            seq: self.welcome.next - 1,
        };
        for message in &self.heard {
            match message {
                ServerMessage::Events(frame) => position.seq = frame.last,
                ServerMessage::Gap(gap) => position.seq = gap.to,
                ServerMessage::Welcome(welcome) => {
                    position = Position {
                        epoch: welcome.epoch,
                        seq: welcome.next - 1,
                    };
                }
                _ => {}
            }
        }
        position
    }

    /// Reads to the end of the connection; gives how it was closed.
    pub async fn closed(&mut self) -> anyhow::Result<Option<(u16, String)>> {
        closed(&mut self.socket, Some(&mut self.heard)).await
    }

    /// Goes without a word.
    pub fn vanish(self) {
        drop(self.socket);
    }
}

/// A socket to a room, without a hello.
pub async fn connect(
    edge: &Edge,
    room: &str,
    token: Option<&str>,
    headers: &[(&'static str, &str)],
) -> anyhow::Result<WebSocketStream<MaybeTlsStream<TcpStream>>> {
    let authority = edge.http_url().replacen("http://", "", 1);
    let mut url = format!("ws://{authority}/api/rooms/{room}/socket");
    if let Some(token) = token {
        url.push_str("?token=");
        url.push_str(token);
    }
    let mut request = url.into_client_request()?;
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(*name, HeaderValue::from_str(value)?);
    }
    let stream = TcpStream::connect(&authority).await?;
    let stream = MaybeTlsStream::Plain(stream);
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            bail!("{}: {}", answer.status(), String::from_utf8_lossy(&body))
        }
        Err(error) => Err(error.into()),
    }
}

async fn say(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    message: &ClientMessage,
) -> anyhow::Result<()> {
    let text = String::from_utf8(message.to_json().to_vec())?;
    socket.send(Message::text(text)).await?;
    Ok(())
}

async fn next(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
) -> anyhow::Result<ServerMessage> {
    let reading = async {
        loop {
            match socket.next().await.context("the connection ended")?? {
                Message::Text(text) => return Ok(ServerMessage::from_json(text.as_bytes())?),
                Message::Close(close) => bail!("closed: {close:?}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(WITHIN, reading)
        .await
        .context("nothing comes")?
}

/// Reads to the end of a connection; gives how it was closed. What comes before goes to `heard`.
pub async fn closed(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    mut heard: Option<&mut Vec<ServerMessage>>,
) -> anyhow::Result<Option<(u16, String)>> {
    let reading = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(close))) => {
                    return Ok(close
                        .map(|CloseFrame { code, reason }| (u16::from(code), reason.to_string())));
                }
                Some(Ok(Message::Text(text))) => {
                    if let Some(heard) = heard.as_deref_mut() {
                        heard.push(ServerMessage::from_json(text.as_bytes())?);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return anyhow::Ok(None),
            }
        }
    };
    tokio::time::timeout(WITHIN, reading)
        .await
        .context("the connection stays")?
}

/// Waits until the origin's list of streams, or its API, says how many are in the room.
pub async fn viewers(club: &Club, count: u64) -> anyhow::Result<()> {
    let what = format!("{count} in the room");
    wait::until(&what, WITHIN, async || {
        let path = format!("/v1/rooms/{STREAM}");
        let (_, room) = club.manage("GET", &path, None).await?;
        let is = room.pointer("/connections").and_then(Json::as_u64);
        Ok((is == Some(count)).then_some(()))
    })
    .await
}

/// Debian's nats-server, with JetStream.
#[derive(Debug)]
pub struct Broker {
    process: Option<Process>,
    port: u16,
    directory: std::path::PathBuf,
    starts: u32,
}

impl Broker {
    /// Starts one on a free port.
    pub async fn start() -> anyhow::Result<Self> {
        let mut broker = Self {
            process: None,
            port: node::free_port()?,
            directory: node::directory("nats")?,
            starts: 0,
        };
        broker.start_again().await?;
        Ok(broker)
    }

    /// Starts it again, with what it had on disk.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.starts += 1;
        let mut command = std::process::Command::new("nats-server");
        command
            .args([
                "-a",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-js",
                "-sd",
            ])
            .arg(&self.directory);
        let log = self.directory.join(format!("log.{}", self.starts));
        let mut process = Process::spawn("nats-server", &mut command, &log)?;
        let address = format!("127.0.0.1:{}", self.port);
        process.listening(&address, WITHIN).await?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("it does not run")?.kill()
    }

    /// Settings of nodes that use it.
    pub fn settings(&self) -> Settings {
        let url = Value::Array(vec![format!("nats://127.0.0.1:{}", self.port).into()]);
        let bus = Table::from_iter([("kind".to_owned(), "nats".into()), ("urls".to_owned(), url)]);
        Settings::default().set("rooms", "bus", Value::Table(bus))
    }
}

//! The hub, the edges, and what befalls them.

mod people;

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};
use rooms::{
    Codec, Config, EdgeOutput, EdgeRoom, FRAME_BYTES_MAX, FRAME_EVENTS_MAX, FRAMES_AHEAD_MAX, Hub,
    HubOutput, REVIEWS_MAX, SANCTIONS_MAX, Saved,
    schema::{Audience, FromEdge, Position, Publish, Roles, ToEdge, User},
};

use crate::{
    client::Client,
    coverage::Coverage,
    network::{Network, Packet},
    truth::Truth,
};

const START_MS: u64 = 1_795_000_000_000;
const STEP_MS: u64 = 20;
const BUSY_MS: u64 = 10_000;
/// Enough for everything to time out that can.
const QUIET_MS: u64 = 5_000;

struct Edge {
    room: EdgeRoom,
    /// Likes that its clients gave, in this life.
    likes: u64,
}

pub(crate) struct World {
    rng: StdRng,
    now_ms: u64,
    config: Config,
    hub: Option<Hub>,
    /// What the next hub begins with, and when.
    down: Option<(u64, Saved)>,
    epoch: u64,
    edges: Vec<Edge>,
    clients: Vec<Client>,
    network: Network,
    truth: Truth,
    next_id: u64,
    /// What was said, to be said again.
    said: Vec<(usize, Publish)>,
    /// Ids of messages.
    ids: Vec<String>,
    /// Of edges that live no more some may be lost.
    likes_lost: bool,
    likes: u64,
    is_busy: bool,
    /// An edge that nobody hears of again.
    gone: Option<usize>,
    /// Epoch and `seq` of what the hub had written down.
    written: BTreeSet<(u64, u64)>,
    /// Ids of reviews that are, or were, open.
    reviews: Vec<String>,
    audits: u64,
    removed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = Config {
            tick_ms: [40, 100][rng.random_range(0..2)],
            state_tick_ms: 200,
            window_events: [16, 60, 400][rng.random_range(0..3)],
            window_bytes: [16 * 1024, 64 * 1024, 1024 * 1024][rng.random_range(0..3)],
            history_events: rng.random_range(0..30),
            dedup_entries: [256, 8_192][rng.random_range(0..2)],
            lag_bytes_max: 4 * 1024,
            control_lag_bytes_max: 4 * 1024,
            direct_bytes_max: [1_024, 16 * 1024][rng.random_range(0..2)],
            publish_timeout_ms: 2_000,
            report_ms: 400,
            linger_ms: [0, 600][rng.random_range(0..2)],
            presence_exact_max: [5, 10, 100][rng.random_range(0..3)],
            presence_top: 3,
            ..Config::default()
        };
        let network = Network::new(&mut rng);
        let mut world = Self {
            now_ms: START_MS,
            hub: None,
            down: Some((START_MS, Saved::default())),
            epoch: START_MS,
            edges: Vec::new(),
            clients: Vec::new(),
            network,
            truth: Truth::default(),
            next_id: 0,
            said: Vec::new(),
            ids: Vec::new(),
            likes_lost: false,
            likes: 0,
            is_busy: true,
            gone: None,
            written: BTreeSet::new(),
            reviews: Vec::new(),
            audits: 0,
            removed: 0,
            config,
            rng,
        };
        for edge in 0..world.rng.random_range(1..=3) {
            let room = world.edge_room(edge);
            world.edges.push(Edge { room, likes: 0 });
        }
        for at in 0..world.rng.random_range(6..16_u32) {
            let client = world.client(at);
            world.clients.push(client);
        }
        world
    }

    pub(crate) fn run(mut self, coverage: &mut Coverage) {
        while self.now_ms < START_MS + BUSY_MS {
            self.befall(coverage);
            self.step(coverage);
        }
        self.is_busy = false;
        self.network.calm();
        if self.edges.len() > 1 && self.rng.random_bool(0.3) {
            self.lose_last_edge();
        }
        for edge in &mut self.edges {
            edge.room.link_up(self.now_ms);
        }
        for client in &mut self.clients {
            client.takes = usize::MAX;
        }
        while self.now_ms < START_MS + BUSY_MS + QUIET_MS {
            self.step(coverage);
        }
        self.check_quiet(coverage);
    }

    fn edge_room(&mut self, edge: usize) -> EdgeRoom {
        let name = format!("edge-{edge}");
        let seed = self.rng.random();
        EdgeRoom::new(&self.config, name, self.now_ms, self.now_ms, seed).unwrap()
    }

    fn client(&mut self, at: u32) -> Client {
        // Some people have several connections.
        let person = if self.rng.random_bool(0.2) {
            at / 2
        } else {
            at
        };
        let roles = match person {
            0 => Roles::BROADCASTER,
            1 => Roles::MODERATOR,
            2 => Roles::SUBSCRIBER,
            _ => Roles::NONE,
        };
        let user = User {
            id: format!("user-{person}"),
            name: format!("User {person}"),
            roles,
            level: person,
        };
        let codec = [Codec::Json, Codec::Binary][self.rng.random_range(0..2)];
        let hold_ms = [0, 0, 1_500][self.rng.random_range(0..3)];
        Client::new(user, codec, hold_ms)
    }

    fn step(&mut self, coverage: &mut Coverage) {
        self.now_ms += STEP_MS;
        if let Some((_, saved)) = self.down.take_if(|(until, _)| *until <= self.now_ms) {
            self.epoch = self.now_ms;
            self.truth.begin(self.epoch, saved.room().clone());
            let seed = self.rng.random();
            self.hub = Hub::new(&self.config, self.epoch, saved, self.now_ms, seed).ok();
        }
        for edge in self.network.restored(self.now_ms) {
            self.edges[edge].room.link_up(self.now_ms);
        }
        while let Some(packet) = self.network.due(self.now_ms) {
            match packet {
                Packet::Up(message) => {
                    if let Some(hub) = &mut self.hub {
                        hub.handle(self.now_ms, message);
                    }
                }
                Packet::Down(edge, message) => self.edges[edge].room.handle(self.now_ms, message),
            }
            self.flush();
        }
        if let Some(hub) = &mut self.hub
            && hub.deadline() <= self.now_ms
        {
            hub.tick(self.now_ms);
        }
        for edge in &mut self.edges {
            if edge.room.deadline() <= self.now_ms {
                edge.room.tick(self.now_ms);
            }
        }
        self.flush();
        self.poll_clients(coverage);
        if self.now_ms.is_multiple_of(100) {
            self.check_bounds();
        }
    }

    /// Carries outputs away.
    fn flush(&mut self) {
        while let Some(output) = self.hub.as_mut().and_then(Hub::poll_output) {
            match output {
                HubOutput::All(message) => {
                    if let ToEdge::Frame(frame) = &message {
                        self.truth.record(frame);
                    }
                    for edge in 0..self.edges.len() {
                        self.down(edge, &message);
                    }
                }
                HubOutput::One { edge, message } => {
                    let edge = edge.trim_start_matches("edge-").parse().unwrap();
                    self.down(edge, &message);
                }
                HubOutput::Acted { seq, .. } | HubOutput::Reviewed { seq, .. } => {
                    let is_new = self.written.insert((self.epoch, seq));
                    assert!(is_new, "written down twice: {seq}");
                }
                HubOutput::Audit { edge, .. } => {
                    assert!(edge.starts_with("edge-"));
                    self.audits += 1;
                }
            }
        }
        for at in 0..self.edges.len() {
            while let Some(output) = self.edges[at].room.poll_output() {
                match output {
                    EdgeOutput::Changed => {}
                    EdgeOutput::Disconnect { connections, .. } => {
                        for connection in connections {
                            self.remove(connection);
                        }
                    }
                    EdgeOutput::Roles { connections, .. } => assert!(!connections.is_empty()),
                    EdgeOutput::NoRoom => panic!("nobody said so"),
                    EdgeOutput::ToHub(message) => self.up(at, message),
                    EdgeOutput::Direct {
                        connection,
                        message,
                    } => {
                        let timeline = self.edges[at].room.timeline();
                        let mut connections = self.clients.iter_mut();
                        let reader = connections
                            .find_map(|client| {
                                let known = client.connection.as_mut()?;
                                (known.id == connection).then_some(&mut known.reader)
                            })
                            .expect("a connection that is there");
                        // Full: the next poll closes it.
                        let _ = reader.push_direct(timeline, &message);
                    }
                }
            }
        }
    }

    /// Some of what is sent goes through a codec, to be the same afterwards.
    fn down(&mut self, edge: usize, message: &ToEdge) {
        let message = match self.rng.random_range(0..20) {
            0 => ToEdge::from_json(&message.to_json()).expect("our own JSON"),
            1 | 2 => ToEdge::from_binary(&message.to_binary()).expect("our own bytes"),
            _ => message.clone(),
        };
        self.network.send(
            &mut self.rng,
            self.now_ms,
            edge,
            &Packet::Down(edge, message),
        );
    }

    fn up(&mut self, edge: usize, message: FromEdge) {
        let message = match self.rng.random_range(0..20) {
            0 => FromEdge::from_json(&message.to_json()).expect("our own JSON"),
            1 | 2 => FromEdge::from_binary(&message.to_binary()).expect("our own bytes"),
            _ => message,
        };
        self.network
            .send(&mut self.rng, self.now_ms, edge, &Packet::Up(message));
    }

    fn poll_clients(&mut self, coverage: &mut Coverage) {
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            let Some(connection) = &client.connection else {
                if client.next_connect_ms <= self.now_ms {
                    self.connect(at);
                }
                continue;
            };
            // A slow reader is not there all the time.
            if client.takes < 10 && self.rng.random_bool(0.7) {
                continue;
            }
            let timeline = self.edges[connection.edge].room.timeline();
            if !client.poll(timeline, &self.truth, self.now_ms, coverage) {
                self.disconnect(at);
            }
        }
    }

    fn connect(&mut self, at: usize) {
        let edges = self.gone.unwrap_or(self.edges.len());
        let edge = self.rng.random_range(0..edges);
        let forgets = self.is_busy && self.rng.random_bool(0.1);
        let client = &mut self.clients[at];
        self.next_id += 1;
        let room = &mut self.edges[edge].room;
        room.join(self.now_ms, self.next_id, &client.user).unwrap();
        client.connect(edge, self.next_id, forgets);
        client.takes = match self.rng.random_range(0..4) {
            0 if self.is_busy => self.rng.random_range(0..3),
            _ => usize::MAX,
        };
    }

    fn disconnect(&mut self, at: usize) {
        let wait_ms = self.rng.random_range(0..1_000);
        let client = &mut self.clients[at];
        client.next_connect_ms = self.now_ms + wait_ms;
        if let Some(connection) = client.connection.take() {
            let room = &mut self.edges[connection.edge].room;
            room.leave(self.now_ms, connection.id);
        }
    }

    /// Says at once that it is gone, as the driver's close does.
    fn remove(&mut self, connection: u64) {
        let is_it = |client: &Client| {
            let known = client.connection.as_ref();
            known.is_some_and(|known| known.id == connection)
        };
        let at = self.clients.iter().position(is_it);
        self.disconnect(at.expect("a connection that is there"));
        self.removed += 1;
    }

    fn befall(&mut self, coverage: &mut Coverage) {
        if self.rng.random_bool(0.002) {
            let edge = self.rng.random_range(0..self.edges.len());
            let until = self.now_ms + self.rng.random_range(100..4_000);
            self.network.cut(edge, until);
        }
        if self.rng.random_bool(0.001)
            && let Some(hub) = self.hub.take()
        {
            coverage.hub_restarts += 1;
            self.note_hub(&hub, coverage);
            let until = self.now_ms + self.rng.random_range(20..1_500);
            self.down = Some((until, hub.saved().clone()));
        }
        if self.rng.random_bool(0.001) {
            coverage.edge_restarts += 1;
            let at = self.rng.random_range(0..self.edges.len());
            self.restart_edge(at, coverage);
        }
        if self.rng.random_bool(0.01) {
            let at = self.rng.random_range(0..self.clients.len());
            self.disconnect(at);
        }
        for _ in 0..[0, 0, 1, 3][self.rng.random_range(0..4)] {
            self.speak();
        }
        if self.rng.random_bool(0.06) {
            self.moderate();
        }
        // A burst of what no reader may miss.
        if self.rng.random_bool(0.002) {
            for _ in 0..12 {
                self.moderate();
            }
        }
        if self.rng.random_bool(0.03) {
            self.say_from_elsewhere();
        }
        if self.rng.random_bool(0.03) {
            self.ask();
        }
        if self.rng.random_bool(0.02) {
            self.relay();
        }
        if self.rng.random_bool(0.2) {
            self.like();
        }
    }

    fn restart_edge(&mut self, at: usize, coverage: &mut Coverage) {
        let figures = self.edges[at].room.figures();
        coverage.edge_resets += figures.resets;
        coverage.fills += figures.fills_wanted;
        coverage.timeouts += figures.timeouts;
        for client in &mut self.clients {
            if client
                .connection
                .as_ref()
                .is_some_and(|known| known.edge == at)
            {
                client.connection = None;
                client.next_connect_ms = self.now_ms + 100;
            }
        }
        self.likes_lost |= self.edges[at].likes > 0;
        let room = self.edge_room(at);
        self.edges[at] = Edge { room, likes: 0 };
    }

    fn lose_last_edge(&mut self) {
        let last = self.edges.len() - 1;
        for at in 0..self.clients.len() {
            let connection = &self.clients[at].connection;
            if connection.as_ref().is_some_and(|known| known.edge == last) {
                self.disconnect(at);
            }
        }
        self.network.cut(last, u64::MAX);
        self.likes_lost |= self.edges[last].likes > 0;
        self.gone = Some(last);
    }

    fn note_hub(&self, hub: &Hub, coverage: &mut Coverage) {
        let figures = hub.figures();
        coverage.duplicates += figures.duplicates;
        coverage.sampled += figures.sampled;
        coverage.shadowed += figures.shadowed;
    }

    fn check_bounds(&self) {
        if let Some(hub) = &self.hub {
            let figures = hub.figures();
            assert!(figures.window_events <= self.config.window_events + FRAME_EVENTS_MAX);
            assert!(figures.window_bytes <= self.config.window_bytes + 2 * FRAME_BYTES_MAX);
            // Of people, and of the driver.
            assert!(figures.dedup_entries <= 2 * self.config.dedup_entries);
            assert!(figures.sanctions <= SANCTIONS_MAX);
            assert!(figures.reviews <= REVIEWS_MAX);
            let listed = self.config.presence_exact_max.max(self.config.presence_top);
            assert!(figures.members <= listed * (self.edges.len() + 2));
        }
        for edge in &self.edges {
            let figures = edge.room.figures();
            assert!(figures.window_events <= self.config.window_events + FRAME_EVENTS_MAX);
            assert!(figures.window_bytes <= self.config.window_bytes + 2 * FRAME_BYTES_MAX);
            assert!(figures.frames_ahead <= FRAMES_AHEAD_MAX);
            assert!(figures.pending <= self.config.pending_max);
        }
    }

    fn check_quiet(&self, coverage: &mut Coverage) {
        let hub = self.hub.as_ref().expect("back by now");
        self.note_hub(hub, coverage);
        coverage.lost_packets += self.network.lost;
        coverage.approved += self.truth.approved;
        coverage.audits += self.audits;
        coverage.removed += self.removed;
        self.truth.check_written(&self.written);
        let figures = hub.figures();
        let mut by_edge: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        let mut connections = 0;
        for client in &self.clients {
            let connection = client.connection.as_ref().expect("connected by now");
            by_edge
                .entry(connection.edge)
                .or_default()
                .push(&client.user.id);
            connections += 1;
            let position = Position {
                epoch: self.epoch,
                seq: figures.head,
            };
            client.check_quiet(&self.truth, position, hub.room(), hub.state());
        }
        let mut everybody: Vec<&str> = by_edge.values().flatten().copied().collect();
        everybody.sort_unstable();
        everybody.dedup();
        let mut sum = 0;
        for users in by_edge.values_mut() {
            users.sort_unstable();
            users.dedup();
            sum += users.len();
        }
        assert_eq!(figures.connections, connections);
        let users = figures.users as usize;
        match &hub.state().audience {
            Audience::Everybody { members } => {
                coverage.lists += 1;
                let listed: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
                assert_eq!(listed, everybody);
                assert_eq!(users, everybody.len());
            }
            Audience::Crowd { top } => {
                coverage.crowds += 1;
                assert_eq!(users, sum);
                assert!(sum > self.config.presence_exact_max * 9 / 10);
                assert_eq!(top.len(), self.config.presence_top.min(everybody.len()));
            }
        }
        if self.likes_lost {
            assert!(figures.likes <= self.likes);
        } else {
            assert_eq!(figures.likes, self.likes);
        }
        for edge in &self.edges {
            let figures = edge.room.figures();
            coverage.edge_resets += figures.resets;
            coverage.fills += figures.fills_wanted;
            coverage.timeouts += figures.timeouts;
        }
    }
}

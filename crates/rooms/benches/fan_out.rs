//! What a message, a tick and a connection cost.
//!
//! `fan_out` is per tick of all connections: divide by their number.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rooms::{
    Codec, Config, EdgeRoom, Hub, HubOutput, Next, Reader, RoomState, Saved, Timeline,
    schema::{
        Body, Event, EventFrame, Message, Publish, Roles, ServerMessage, StateWhole, ToEdge, User,
        View,
    },
};

const START_MS: u64 = 1_795_000_000_000;
const MESSAGES_PER_TICK: u64 = 20;
const CONNECTIONS: usize = 10_000;

fn message(at: u64) -> Message {
    Message {
        id: format!("edge-1.{at}"),
        author: User {
            id: format!("user-{}", at % 1_000),
            name: "Somebody".to_owned(),
            roles: Roles::SUBSCRIBER,
            level: 3,
        },
        kind: "text".to_owned(),
        text: "a line of chat that is about as long as they are".to_owned(),
        reply_to: None,
        attrs: Vec::new(),
    }
}

fn publish(at: u64) -> Publish {
    let message = message(at);
    Publish {
        author: message.author.id.clone(),
        client_id: format!("c-{at}"),
        media_ms: Some(START_MS - 3_000),
        body: Body::Message(message),
    }
}

fn hub() -> Hub {
    Hub::new(&Config::default(), 1, Saved::default(), START_MS, 1).expect("correct settings")
}

fn frame(first: u64) -> Arc<EventFrame> {
    let last = first + MESSAGES_PER_TICK - 1;
    let event = |seq| {
        Arc::new(Event {
            seq,
            at_ms: START_MS,
            media_ms: Some(START_MS - 3_000),
            body: Body::Message(message(seq)),
        })
    };
    Arc::new(EventFrame {
        epoch: 1,
        at_ms: START_MS,
        first,
        last,
        dropped: 0,
        events: (first..=last).map(event).collect(),
    })
}

fn accept(criterion: &mut Criterion) {
    let mut hub = hub();
    let mut at = 0;
    // So that the window of duplicates is full.
    for _ in 0..10_000 {
        at += 1;
        hub.publish(START_MS, publish(at));
    }
    while hub.poll_output().is_some() {}
    let mut group = criterion.benchmark_group("hub");
    group.throughput(Throughput::Elements(1));
    group.bench_function("accept", |bench| {
        bench.iter_batched(
            || {
                at += 1;
                publish(at)
            },
            |publish| {
                let outcome = hub.publish(START_MS, publish);
                while let Some(output) = hub.poll_output() {
                    black_box(&output);
                }
                outcome
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick_of_20");
    let mut hub = hub();
    let mut at = 0;
    let mut now_ms = START_MS;
    group.bench_function("hub", |bench| {
        bench.iter(|| {
            for _ in 0..MESSAGES_PER_TICK {
                at += 1;
                hub.publish(now_ms, publish(at));
            }
            now_ms += 100;
            hub.tick(now_ms);
            while let Some(output) = hub.poll_output() {
                black_box(&output);
            }
        });
    });
    let message = ServerMessage::Events((*frame(1)).clone());
    for (name, codec) in [("json", Codec::Json), ("binary", Codec::Binary)] {
        group.bench_function(format!("encode_{name}"), |bench| {
            bench.iter(|| codec.encode(black_box(&message)));
        });
        let bytes = codec.encode(&message);
        group.bench_function(format!("decode_{name}"), |bench| {
            bench.iter(|| codec.decode_server(black_box(&bytes)));
        });
        println!("tick_of_20 in {name}: {} bytes", bytes.len());
    }
    let config = Config::default();
    let mut edge = EdgeRoom::new(&config, "edge".to_owned(), 1, START_MS, 1).expect("correct");
    let mut hub = self::hub();
    edge.handle(START_MS, reset());
    let mut at = 0;
    group.bench_function("edge", |bench| {
        bench.iter_batched(
            || {
                for _ in 0..MESSAGES_PER_TICK {
                    at += 1;
                    hub.publish(START_MS, publish(at));
                }
                now_ms += 100;
                hub.tick(now_ms);
                std::iter::from_fn(|| hub.poll_output()).collect::<Vec<_>>()
            },
            |outputs| {
                for output in outputs {
                    if let HubOutput::All(message) = output {
                        edge.handle(START_MS, message);
                    }
                }
                while edge.poll_output().is_some() {}
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn reset() -> ToEdge {
    ToEdge::Reset {
        standing: rooms::schema::Standing {
            epoch: 1,
            head: 0,
            state_version: 0,
        },
        room: Arc::new(RoomState::default()),
        frames: Vec::new(),
        state: StateWhole::default(),
    }
}

/// Everybody takes the frame of a tick: what the driver does besides writing.
fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan_out_to_10000");
    group.throughput(Throughput::Elements(CONNECTIONS as u64));
    for (name, hold_ms) in [("live", 0), ("held", 5_000)] {
        let mut timeline = Timeline::new(&Config::default());
        timeline.reset(
            1,
            0,
            RoomState::default(),
            Vec::new(),
            StateWhole::default(),
        );
        let codecs = [Codec::Json, Codec::Binary].into_iter().cycle();
        let mut readers: Vec<Reader> = codecs
            .take(CONNECTIONS)
            .map(|codec| {
                let mut reader = Reader::new(codec, View::Public, None, None);
                reader.hold(hold_ms);
                while reader.poll(&timeline, START_MS).is_some() {}
                reader
            })
            .collect();
        let now_ms = START_MS + u64::from(hold_ms);
        let mut first = 1;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                timeline.append(frame(first));
                first += MESSAGES_PER_TICK;
                for reader in &mut readers {
                    // The frame, and that there is nothing more.
                    while let Some(next) = reader.poll(&timeline, now_ms) {
                        match next {
                            Next::Send(bytes) => drop(black_box(bytes)),
                            Next::Close(..) => panic!("a reader that takes everything was slow"),
                        }
                    }
                }
            });
        });
    }
    group.finish();
    println!("a reader: {} bytes", size_of::<Reader>());
}

/// All resume at once, each with a fill of the last ten ticks.
fn resume(criterion: &mut Criterion) {
    let mut timeline = Timeline::new(&Config::default());
    timeline.reset(
        1,
        0,
        RoomState::default(),
        Vec::new(),
        StateWhole::default(),
    );
    for tick in 0..50 {
        timeline.append(frame(tick * MESSAGES_PER_TICK + 1));
    }
    let resume = Some(rooms::schema::Position {
        epoch: 1,
        seq: 40 * MESSAGES_PER_TICK,
    });
    criterion.bench_function("resume_of_10_ticks", |bench| {
        bench.iter(|| {
            let mut reader = Reader::new(Codec::Binary, View::Public, None, resume);
            let mut count = 0;
            while reader.poll(&timeline, START_MS).is_some() {
                count += 1;
            }
            count
        });
    });
}

criterion_group!(benches, accept, tick, fan_out, resume);
criterion_main!(benches);

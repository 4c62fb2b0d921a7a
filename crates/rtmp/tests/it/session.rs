//! A publisher's life, as ffmpeg and OBS lead it.

use bytes::Bytes;
use rtmp::amf0::{Value, decode_all};
use rtmp::chunk::{ChunkLimits, ChunkReader, Message, message_type};
use rtmp::flv::{AudioBody, AudioCodec, VideoBody};
use rtmp::{Blame, Event, ProtocolError, ServerSession};

use crate::client::{
    HANDSHAKE_ANSWER_BYTES, Mux, amf, connect, handshake, message, number, object, publish, text,
};

/// A session and what it said.
struct Server {
    session: ServerSession,
    replies: ChunkReader,
    handshake_left: usize,
}

impl Server {
    fn new() -> Self {
        Self {
            session: ServerSession::new(),
            replies: ChunkReader::new(ChunkLimits::PUBLISHER),
            handshake_left: HANDSHAKE_ANSWER_BYTES,
        }
    }

    fn publishing(mux: &mut Mux) -> Self {
        let mut server = Self::new();
        server
            .session
            .handle_input(&publish(mux, "live", "secret"))
            .unwrap();
        server.session.accept().unwrap();
        server.events();
        server.replies();
        server
    }

    fn input(&mut self, bytes: &[u8]) {
        self.session.handle_input(bytes).unwrap();
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn replies(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(output) = self.session.poll_output() {
            let skipped = self.handshake_left.min(output.len());
            self.handshake_left -= skipped;
            let mut rest = &output[skipped..];
            while let Some(message) = self.replies.read(&mut rest).unwrap() {
                messages.push(message);
            }
        }
        messages
    }

    /// Name, transaction id and, where there is one, the status code of each command sent.
    fn commands(&mut self) -> Vec<(String, f64, String)> {
        let replies = self.replies();
        let commands = replies
            .iter()
            .filter(|m| m.type_id == message_type::COMMAND_AMF0);
        commands
            .map(|message| {
                let values = decode_all(&message.payload).unwrap();
                let code = values.iter().find_map(|v| v.property("code")?.as_str());
                (
                    values[0].as_str().unwrap().to_owned(),
                    values[1].as_number().unwrap(),
                    code.unwrap_or_default().to_owned(),
                )
            })
            .collect()
    }
}

fn row(name: &str, transaction: f64, code: &str) -> (String, f64, String) {
    (name.to_owned(), transaction, code.to_owned())
}

#[test]
fn publish_as_ffmpeg_does_it() {
    let mut server = Server::new();
    let mut mux = Mux::new();
    server.input(&publish(&mut mux, "live/", "secret"));
    assert!(server.session.handshake_done());
    let events = server.events();
    let [
        Event::Connect { app },
        Event::Publish {
            app: publish_app,
            key,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (app.as_str(), publish_app.as_str(), key.expose()),
        ("live", "live", "secret")
    );
    assert!(!format!("{events:?} {:?}", server.session).contains("secret"));
    assert_eq!(
        server.commands(),
        [
            row("_result", 1.0, "NetConnection.Connect.Success"),
            row("_result", 2.0, ""),
            row("_result", 3.0, ""),
            row("_result", 4.0, ""),
            row("_result", 5.0, ""),
        ]
    );
    server.session.accept().unwrap();
    assert_eq!(
        server.commands(),
        [row("onStatus", 0.0, "NetStream.Publish.Start")]
    );
    assert!(server.session.publishing());
}

#[test]
fn nothing_is_parsed_before_the_verdict() {
    let mut server = Server::new();
    let mut mux = Mux::new();
    let mut bytes = publish(&mut mux, "live", "secret");
    mux.send(
        message(6, 9, 1, 40, b"\x17\x00\x00\x00\x00avcc"),
        &mut bytes,
    );
    server.input(&bytes);
    assert_eq!(server.events().len(), 2);
    // Kept, not lost: the same read brought `publish` and the first tag.
    server.session.accept().unwrap();
    let events = server.events();
    assert!(matches!(
        &events[..],
        [Event::Video {
            timestamp_ms: 40,
            body: VideoBody::SequenceHeader { .. }
        }]
    ));
}

#[test]
fn wrong_key_is_told_and_ends_the_session() {
    let mut server = Server::new();
    let mut mux = Mux::new();
    let mut bytes = publish(&mut mux, "live", "secret");
    mux.send(
        message(6, 9, 1, 40, b"\x17\x00\x00\x00\x00avcc"),
        &mut bytes,
    );
    server.input(&bytes);
    server.replies();
    server.events();
    server.session.reject("no such key").unwrap();
    assert_eq!(
        server.commands(),
        [row("onStatus", 0.0, "NetStream.Publish.BadName")]
    );
    assert!(server.events().is_empty());
    assert_eq!(server.session.handle_input(b"x"), Err(ProtocolError::Ended));
    assert_eq!(
        server.session.accept(),
        Err(ProtocolError::UnexpectedVerdict)
    );
    assert_eq!(ProtocolError::UnexpectedVerdict.blame(), Blame::ApiMisuse);
}

#[test]
fn media_and_metadata() {
    let mut mux = Mux::new();
    let mut server = Server::publishing(&mut mux);
    let mut bytes = Vec::new();
    mux.set_chunk_bytes(60_000, &mut bytes);
    let data = amf(&[
        text("@setDataFrame"),
        text("onMetaData"),
        Value::EcmaArray(vec![
            ("width".to_owned(), number(1280)),
            ("encoder".to_owned(), text("Lavf")),
        ]),
    ]);
    mux.send(message(4, message_type::DATA_AMF0, 1, 0, &data), &mut bytes);
    mux.send(
        message(4, 8, 1, 0xFFFF_FFF0, b"\xaf\x00\x11\x90"),
        &mut bytes,
    );
    mux.send(message(4, 8, 1, 7, b""), &mut bytes);
    mux.send(message(4, 8, 1, 7, b"\xaf\x01raw"), &mut bytes);
    mux.send(message(6, 9, 1, 0xFFFF_FFF0, b"\x90vp09\x01"), &mut bytes);
    server.input(&bytes);
    let events = server.events();
    let [Event::Metadata(metadata), first, second, vp9] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(metadata.number("width"), Some(1280.0));
    assert_eq!(metadata.text("encoder"), Some("Lavf"));
    // Masked to 31 bits that start is -16 ms, and time goes on through zero.
    let Event::Audio {
        timestamp_ms: -16,
        body: AudioBody::SequenceHeader { .. },
    } = first
    else {
        panic!("{first:?}");
    };
    let Event::Audio {
        timestamp_ms: 7,
        body,
    } = second
    else {
        panic!("{second:?}");
    };
    let raw = AudioBody::Frame {
        codec: AudioCodec::Aac,
        data: Bytes::from_static(b"raw"),
    };
    assert_eq!(*body, raw);
    let Event::Video {
        timestamp_ms: -16,
        body: VideoBody::Unsupported { codec, .. },
    } = vp9
    else {
        panic!("{vp9:?}");
    };
    assert_eq!(*codec, "VP9");
}

#[test]
fn every_track_of_a_message_is_an_event() {
    let mut mux = Mux::new();
    let mut server = Server::publishing(&mut mux);
    let mut bytes = Vec::new();
    let tracks = b"\x96\x10hvc1\0\0\0\x01A\x01\0\0\x01B";
    mux.send(message(6, 9, 1, 33, tracks), &mut bytes);
    server.input(&bytes);
    let events = server.events();
    let [
        Event::Video {
            timestamp_ms: 33,
            body: VideoBody::SequenceHeader { .. },
        },
        Event::Video {
            timestamp_ms: 33,
            body: VideoBody::Track { number: 1, .. },
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
}

#[test]
fn connect_is_answered_with_what_is_taken() {
    let mut server = Server::new();
    let mut mux = Mux::new();
    server.input(&publish(&mut mux, "live", "secret"));
    let replies = server.replies();
    let values = replies.iter().find_map(|reply| {
        let values = decode_all(&reply.payload).ok()?;
        values
            .into_iter()
            .find(|value| value.property("fmsVer").is_some())
    });
    let properties = values.expect("properties of the connection");
    let list = properties.property("fourCcList").unwrap();
    let all = ["av01", "hvc1", "avc1", "mp4a", "Opus"];
    assert_eq!(*list, Value::StrictArray(all.map(text).into()));
    let map = |name: &str| properties.property(name).unwrap().properties().unwrap();
    let forward = |fourcc: &str| (fourcc.to_owned(), number(4));
    assert_eq!(
        map("videoFourCcInfoMap"),
        ["av01", "hvc1", "avc1"].map(forward)
    );
    assert_eq!(map("audioFourCcInfoMap"), ["mp4a", "Opus"].map(forward));
    // Multitrack and ModEx.
    assert_eq!(properties.property("capsEx"), Some(&number(6)));
}

#[test]
fn a_publisher_ends_its_stream() {
    let mut mux = Mux::new();
    let mut server = Server::publishing(&mut mux);
    let mut bytes = Vec::new();
    mux.command(
        1,
        &[text("deleteStream"), number(0), Value::Null, number(5)],
        &mut bytes,
    );
    server.input(&bytes);
    assert!(
        server.session.publishing(),
        "that was another message stream"
    );
    bytes.clear();
    mux.command(
        1,
        &[text("FCUnpublish"), number(7), Value::Null, text("secret")],
        &mut bytes,
    );
    mux.command(
        1,
        &[text("deleteStream"), number(8), Value::Null, number(1)],
        &mut bytes,
    );
    // Late media is no offence.
    mux.send(message(6, 9, 1, 0, b"\x27\x01\x00\x00\x00x"), &mut bytes);
    server.input(&bytes);
    assert!(matches!(server.events()[..], [Event::Unpublish]));
    assert_eq!(
        server.commands(),
        [
            row("onStatus", 0.0, "NetStream.Unpublish.Success"),
            row("_result", 7.0, ""),
            row("_result", 8.0, ""),
        ]
    );
}

#[test]
fn aggregate_times_count_from_the_first() {
    let mut mux = Mux::new();
    let mut server = Server::publishing(&mut mux);
    let mut payload = Vec::new();
    for (time, frame) in [(500_u32, b"\xaf\x01a"), (523, b"\xaf\x01b")] {
        let [high, t2, t1, t0] = time.to_be_bytes();
        payload.extend_from_slice(&[8, 0, 0, 3, t2, t1, t0, high, 0, 0, 0]);
        payload.extend_from_slice(frame);
        payload.extend_from_slice(&14_u32.to_be_bytes());
    }
    let mut bytes = Vec::new();
    mux.send(
        message(4, message_type::AGGREGATE, 1, 1000, &payload),
        &mut bytes,
    );
    server.input(&bytes);
    let times: Vec<i64> = server
        .events()
        .iter()
        .map(|event| match event {
            Event::Audio { timestamp_ms, .. } => *timestamp_ms,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(times, [1000, 1023]);
}

#[test]
fn ping_and_acknowledgement() {
    let mut mux = Mux::new();
    let mut server = Server::publishing(&mut mux);
    let mut bytes = Vec::new();
    mux.send(
        message(2, message_type::USER_CONTROL, 0, 0, b"\0\x06\0\0\x12\x34"),
        &mut bytes,
    );
    mux.send(
        message(2, message_type::WINDOW_ACK_SIZE, 0, 0, b"\0\0\x10\0"),
        &mut bytes,
    );
    server.input(&bytes);
    let replies = server.replies();
    assert_eq!(replies[0].type_id, message_type::USER_CONTROL);
    assert_eq!(&replies[0].payload[..], b"\0\x07\0\0\x12\x34");
    bytes.clear();
    mux.send(
        message(6, 9, 1, 0, &[&b"\x27\x01\0\0\0"[..], &[0; 5000]].concat()),
        &mut bytes,
    );
    server.input(&bytes);
    let acknowledged: Vec<_> = server
        .replies()
        .into_iter()
        .filter(|m| m.type_id == message_type::ACKNOWLEDGEMENT)
        .collect();
    assert_eq!(acknowledged.len(), 1);
    let count = u32::from_be_bytes(acknowledged[0].payload[..].try_into().unwrap());
    assert!(count > 8000, "{count}");
}

#[test]
fn amf3_envelope_and_unknown_commands() {
    let mut server = Server::new();
    let mut mux = Mux::new();
    let mut bytes = handshake();
    connect(&mut mux, "live", &mut bytes);
    let command = amf(&[text("somethingNew"), number(9), Value::Null]);
    let payload = [b"\0", &command[..]].concat();
    mux.send(
        message(3, message_type::COMMAND_AMF3, 0, 0, &payload),
        &mut bytes,
    );
    mux.command(
        0,
        &[text("somethingNew"), number(0), Value::Null],
        &mut bytes,
    );
    server.input(&bytes);
    assert_eq!(server.commands()[1..], [row("_result", 9.0, "")]);
}

#[test]
fn play_is_refused() {
    let mut server = Server::new();
    let mut mux = Mux::new();
    let mut bytes = handshake();
    connect(&mut mux, "live", &mut bytes);
    mux.command(
        1,
        &[text("play"), number(0), Value::Null, text("x")],
        &mut bytes,
    );
    let error = server.session.handle_input(&bytes).unwrap_err();
    assert_eq!(
        (error.reason(), error.blame()),
        ("play_refused", Blame::PeerUnsupported)
    );
    assert_eq!(
        server.commands()[1],
        row("onStatus", 0.0, "NetStream.Play.Failed")
    );
}

#[test]
fn commands_out_of_order() {
    for (values, error) in [
        (
            vec![text("publish"), number(0), Value::Null, text("k")],
            ProtocolError::CommandBeforeConnect("publish"),
        ),
        (
            vec![text("createStream"), number(1)],
            ProtocolError::CommandBeforeConnect("createStream"),
        ),
    ] {
        let mut bytes = handshake();
        Mux::new().command(0, &values, &mut bytes);
        assert_eq!(ServerSession::new().handle_input(&bytes), Err(error));
    }
    let mut mux = Mux::new();
    let mut server = Server::publishing(&mut mux);
    let mut bytes = Vec::new();
    let again = [text("publish"), number(0), Value::Null, text("k")];
    mux.command(1, &again, &mut bytes);
    let error = server.session.handle_input(&bytes).unwrap_err();
    assert_eq!(error, ProtocolError::CommandRepeated("publish"));
    let mut bytes = handshake();
    let mut mux = Mux::new();
    connect(&mut mux, "a", &mut bytes);
    mux.command(
        0,
        &[text("connect"), number(1), object(&[("app", text("b"))])],
        &mut bytes,
    );
    let error = ServerSession::new().handle_input(&bytes).unwrap_err();
    assert_eq!(error, ProtocolError::CommandRepeated("connect"));
}

#[test]
fn the_driver_ends_a_publisher() {
    for (rejects, code) in [
        (false, "NetStream.Publish.Failed"),
        (true, "NetStream.Publish.Rejected"),
    ] {
        let mut mux = Mux::new();
        let mut server = Server::publishing(&mut mux);
        if rejects {
            server.session.end_rejected("HEVC is not supported");
        } else {
            server.session.end("stopped");
        }
        assert_eq!(server.commands(), [row("onStatus", 0.0, code)]);
        assert!(!server.session.publishing());
    }
}

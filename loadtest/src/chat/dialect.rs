//! What servers speak on a WebSocket: how one gets in, what one says, what comes back. Knows nothing
//! of sockets.

use std::fmt;

use rooms::Codec;
use rooms::schema::{Act, Attr, ClientMessage, Position, SettingsPatch};

use crate::client::Target;

use super::stamp::{Stamp, text_bytes};
use super::websocket::Opcode;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Weir's rooms.
    Weir(Codec),
    /// nginx with nchan: a subscriber reads the messages themselves.
    Nchan,
    /// Socket.IO 4 over a WebSocket alone.
    SocketIo,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weir(Codec::Json) => "weir (json)",
            Self::Weir(Codec::Binary) => "weir (binary)",
            Self::Nchan => "nchan",
            Self::SocketIo => "socketio",
        })
    }
}

impl serde::Serialize for Dialect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The http form of a ws or wss URL.
pub fn http_url(url: &str) -> String {
    match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        _ => url.to_owned(),
    }
}

/// What a talker is to say.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Say {
    Message(Stamp),
    Act(Stamp),
}

/// What the ids of messages and acts begin with.
pub(crate) const MESSAGE_ID: &str = "load-";
pub(crate) const ACT_ID: &str = "act-";

impl Dialect {
    /// Path and query to connect to.
    pub(crate) fn path(self, url: &str, room: &str) -> anyhow::Result<String> {
        match self {
            Self::Weir(_) => Ok(format!("/api/rooms/{room}/socket")),
            Self::Nchan | Self::SocketIo => Ok(Target::split(&http_url(url))?.1),
        }
    }

    /// Header fields of the opening handshake.
    pub(crate) fn fields(self, token: Option<&str>) -> String {
        let Self::Weir(codec) = self else {
            return String::new();
        };
        let codec = match codec {
            Codec::Json => "json",
            Codec::Binary => "binary",
        };
        let mut fields = format!("Sec-WebSocket-Protocol: weir.room.v1.{codec}\r\n");
        if let Some(token) = token {
            fields.push_str("Authorization: Bearer ");
            fields.push_str(token);
            fields.push_str("\r\n");
        }
        fields
    }

    /// What is said first.
    pub(crate) fn hello(self, resume: Option<Position>) -> Option<(Opcode, Vec<u8>)> {
        match self {
            Self::Weir(codec) => Some(encode(codec, &ClientMessage::Hello { resume, hold_ms: 0 })),
            Self::Nchan | Self::SocketIo => None,
        }
    }

    /// How long the text of a message has to be.
    pub(crate) fn text_bytes(self, message_bytes: usize) -> usize {
        match self {
            Self::Weir(_) => text_bytes(message_bytes),
            Self::Nchan | Self::SocketIo => message_bytes,
        }
    }

    /// `run`: what makes ids differ from those of earlier runs.
    pub(crate) fn say(self, say: Say, text_bytes: usize, run: u64) -> (Opcode, Vec<u8>) {
        match (self, say) {
            (Self::Weir(codec), Say::Message(stamp)) => encode(
                codec,
                &ClientMessage::Publish {
                    client_id: format!("{MESSAGE_ID}{run}-{}", stamp.number),
                    kind: "text".to_owned(),
                    text: stamp.text(text_bytes),
                    reply_to: None,
                    media_ms: None,
                },
            ),
            (Self::Weir(codec), Say::Act(stamp)) => encode(
                codec,
                &ClientMessage::Act {
                    client_id: format!("{ACT_ID}{run}-{}", stamp.number),
                    reason: stamp.text(0),
                    act: act(stamp.number),
                },
            ),
            (Self::SocketIo, Say::Message(stamp) | Say::Act(stamp)) => {
                let text = stamp.text(text_bytes);
                (Opcode::Text, format!("42[\"say\",\"{text}\"]").into_bytes())
            }
            (Self::Nchan, Say::Message(stamp) | Say::Act(stamp)) => {
                (Opcode::Text, stamp.text(text_bytes).into_bytes())
            }
        }
    }
}

/// Acts that change the room and leave everybody in peace.
fn act(number: u64) -> Act {
    if number.is_multiple_of(2) {
        return Act::Unpin;
    }
    Act::Settings {
        patch: SettingsPatch {
            attrs: vec![Attr {
                key: "loadtest".to_owned(),
                value: number.to_string(),
            }],
            ..SettingsPatch::default()
        },
    }
}

fn encode(codec: Codec, message: &ClientMessage) -> (Opcode, Vec<u8>) {
    match codec {
        Codec::Json => (Opcode::Text, message.to_json().into()),
        Codec::Binary => (Opcode::Binary, message.to_binary().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_about_the_size_that_was_asked_for() {
        let bytes = Dialect::Weir(Codec::Json).text_bytes(200);
        assert!((20..80).contains(&bytes), "{bytes}");
        assert_eq!(Dialect::Nchan.text_bytes(200), 200);
    }

    #[test]
    fn others_are_asked_for_the_path_of_the_url() {
        let path = |dialect: Dialect| dialect.path("wss://localhost:1/sub?x=1", "demo");
        assert_eq!(path(Dialect::Nchan).unwrap(), "/sub?x=1");
        let weir = path(Dialect::Weir(Codec::Binary)).unwrap();
        assert_eq!(weir, "/api/rooms/demo/socket");
        assert_eq!(http_url("ws://a/b"), "http://a/b");
    }
}

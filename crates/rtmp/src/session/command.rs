//! NetConnection and NetStream commands (spec 7.2).

use super::{Event, Phase, ServerSession};
use crate::amf0::{Value, decode_all};
use crate::limits::{APP_BYTES_MAX, KEY_BYTES_MAX, MESSAGE_STREAMS_MAX};
use crate::{ProtocolError, StreamKey};

/// A decoded command.
struct Command {
    transaction: f64,
    /// What follows name and transaction; the first is the command object, often null.
    arguments: Vec<Value>,
}

impl Command {
    fn argument(&self, index: usize) -> Option<&Value> {
        self.arguments.get(index)
    }
}

impl ServerSession {
    pub(super) fn handle_command(
        &mut self,
        payload: &[u8],
        stream_id: u32,
    ) -> Result<(), ProtocolError> {
        let mut values = decode_all(payload)?.into_iter();
        let bad = |argument| ProtocolError::CommandArgument {
            command: "command",
            argument,
        };
        let Some(Value::String(name)) = values.next() else {
            return Err(bad("name"));
        };
        let transaction = match values.next() {
            Some(Value::Number(transaction)) => transaction,
            None => 0.0,
            Some(_) => return Err(bad("transaction id")),
        };
        let command = Command {
            transaction,
            arguments: values.collect(),
        };
        match name.as_str() {
            "connect" => self.connect(&command),
            "createStream" => self.create_stream(&command),
            "publish" => self.publish(&command, stream_id),
            "FCUnpublish" | "closeStream" | "deleteStream" => {
                self.unpublish(&command, name == "deleteStream");
                Ok(())
            }
            "play" => self.refuse_play("play", stream_id),
            "play2" => self.refuse_play("play2", stream_id),
            // The answers of a peer, and what it reports: nothing to say to that.
            "_result" | "_error" | "onStatus" => Ok(()),
            // releaseStream, FCPublish, getStreamLength, _checkbw and unknown commands: a client
            // that waits for an answer gets an empty one, and no client fails on that.
            _ => {
                self.reply_empty(&command);
                Ok(())
            }
        }
    }

    fn connect(&mut self, command: &Command) -> Result<(), ProtocolError> {
        if self.app.is_some() {
            return Err(ProtocolError::CommandRepeated("connect"));
        }
        let app = command
            .argument(0)
            .and_then(|object| object.property("app"))
            .and_then(Value::as_str)
            .map(|app| app.trim_end_matches('/'))
            .filter(|app| app.len() <= APP_BYTES_MAX)
            .ok_or(ProtocolError::CommandArgument {
                command: "connect",
                argument: "app",
            })?
            .to_owned();
        self.reply_connected(command.transaction);
        self.app = Some(app.clone());
        self.events.push_back(Event::Connect { app });
        Ok(())
    }

    fn create_stream(&mut self, command: &Command) -> Result<(), ProtocolError> {
        self.connected("createStream")?;
        if self.message_streams >= MESSAGE_STREAMS_MAX {
            self.reply_error(
                command.transaction,
                "NetConnection.Call.Failed",
                "Too many streams.",
            );
            return Ok(());
        }
        self.message_streams += 1;
        let id = Value::Number(f64::from(self.message_streams));
        self.reply_result(command.transaction, [Value::Null, id]);
        Ok(())
    }

    fn publish(&mut self, command: &Command, stream_id: u32) -> Result<(), ProtocolError> {
        let app = self.connected("publish")?.to_owned();
        if self.publishing() {
            return Err(ProtocolError::CommandRepeated("publish"));
        }
        let key = command
            .argument(1)
            .and_then(Value::as_str)
            .filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX)
            .map(StreamKey::new);
        let Some(key) = key else {
            self.reply_publish_refused(stream_id, "A publish key is needed.");
            return Err(ProtocolError::CommandArgument {
                command: "publish",
                argument: "stream key",
            });
        };
        self.phase = Phase::Undecided { stream_id };
        self.events.push_back(Event::Publish { app, key });
        Ok(())
    }

    /// FCUnpublish names the key, closeStream comes on the message stream, deleteStream names the
    /// message stream. A connection publishes once at a time, so any of them means that one, except
    /// a deleteStream of another message stream.
    fn unpublish(&mut self, command: &Command, names_stream: bool) {
        if let Phase::Publishing { stream_id } = self.phase {
            let named = command.argument(1).and_then(Value::as_number);
            let other = names_stream && named.is_some_and(|id| id != f64::from(stream_id));
            if !other {
                self.phase = Phase::Idle;
                self.unpublished = true;
                self.reply_unpublished(stream_id);
                self.events.push_back(Event::Unpublish);
            }
        }
        self.reply_empty(command);
    }

    fn refuse_play(&mut self, name: &'static str, stream_id: u32) -> Result<(), ProtocolError> {
        self.reply_play_refused(stream_id);
        Err(ProtocolError::PlayRefused(name))
    }

    /// A transaction id of 0 says that no answer is awaited (spec 7.2.1.1).
    fn reply_empty(&mut self, command: &Command) {
        if command.transaction != 0.0 {
            self.reply_result(command.transaction, [Value::Null, Value::Undefined]);
        }
    }

    fn connected(&self, command: &'static str) -> Result<&str, ProtocolError> {
        self.app
            .as_deref()
            .ok_or(ProtocolError::CommandBeforeConnect(command))
    }
}

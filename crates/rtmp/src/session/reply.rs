//! What the server says.

use bytes::{BufMut, BytesMut};

use super::ServerSession;
use crate::amf0::{Value, encode};
use crate::chunk::message_type;
use crate::flv::{AudioCodec, VideoCodec};

/// Window that the server announces, and acknowledges by until told otherwise. The field's usual
/// value.
pub(super) const WINDOW_BYTES: u32 = 2_500_000;

/// Chunk streams of the server's messages: 2 is the protocol's own, the others are the field's.
const CONTROL_CHUNK_STREAM: u8 = 2;
const COMMAND_CHUNK_STREAM: u8 = 3;
const STATUS_CHUNK_STREAM: u8 = 5;

const PEER_BANDWIDTH_DYNAMIC: u8 = 2;

/// FourCcInfoMask.CanForward (E-RTMP, "Enhancing NetConnection connect Command").
const FOURCC_CAN_FORWARD: u8 = 0x04;
/// CapsExMask: Multitrack and ModEx. Neither Reconnect nor TimestampNanoOffset.
const CAPS_EX: u8 = 0x02 | 0x04;

const USER_CONTROL_STREAM_BEGIN: u16 = 0;
const USER_CONTROL_PING_REQUEST: u16 = 6;
const USER_CONTROL_PING_RESPONSE: u16 = 7;

impl ServerSession {
    pub(super) fn reply_connected(&mut self, transaction: f64) {
        self.reply_control(message_type::WINDOW_ACK_SIZE, &WINDOW_BYTES.to_be_bytes());
        let [a, b, c, d] = WINDOW_BYTES.to_be_bytes();
        self.reply_control(
            message_type::SET_PEER_BANDWIDTH,
            &[a, b, c, d, PEER_BANDWIDTH_DYNAMIC],
        );
        self.writer.raise_chunk_size(&mut self.output);
        let properties = object([
            // What clients look for to know a server that publishes.
            ("fmsVer", text("FMS/3,0,1,123")),
            ("capabilities", Value::Number(31.0)),
            ("fourCcList", fourcc_list()),
            (
                "videoFourCcInfoMap",
                info_map(VideoCodec::ALL.map(VideoCodec::fourcc)),
            ),
            (
                "audioFourCcInfoMap",
                info_map(AudioCodec::ALL.map(AudioCodec::fourcc)),
            ),
            ("capsEx", Value::Number(f64::from(CAPS_EX))),
        ]);
        let information = object([
            ("level", text("status")),
            ("code", text("NetConnection.Connect.Success")),
            ("description", text("Connection succeeded.")),
            ("objectEncoding", Value::Number(0.0)),
        ]);
        self.reply_result(transaction, [properties, information]);
    }

    pub(super) fn reply_result(&mut self, transaction: f64, values: [Value; 2]) {
        let [first, second] = values;
        self.reply_command(
            (COMMAND_CHUNK_STREAM, 0),
            [text("_result"), Value::Number(transaction), first, second],
        );
    }

    pub(super) fn reply_error(&mut self, transaction: f64, code: &str, description: &str) {
        let information = status("error", code, description);
        self.reply_command(
            (COMMAND_CHUNK_STREAM, 0),
            [
                text("_error"),
                Value::Number(transaction),
                Value::Null,
                information,
            ],
        );
    }

    pub(super) fn reply_publish_started(&mut self, stream_id: u32) {
        let mut begin = BytesMut::new();
        begin.put_u16(USER_CONTROL_STREAM_BEGIN);
        begin.put_u32(stream_id);
        self.reply_control(message_type::USER_CONTROL, &begin);
        self.reply_status(
            stream_id,
            status("status", "NetStream.Publish.Start", "Publishing."),
        );
    }

    pub(super) fn reply_publish_refused(&mut self, stream_id: u32, reason: &str) {
        self.reply_status(
            stream_id,
            status("error", "NetStream.Publish.BadName", reason),
        );
    }

    pub(super) fn reply_publish_failed(&mut self, stream_id: u32, reason: &str) {
        self.reply_status(
            stream_id,
            status("error", "NetStream.Publish.Failed", reason),
        );
    }

    pub(super) fn reply_publish_rejected(&mut self, stream_id: u32, reason: &str) {
        self.reply_status(
            stream_id,
            status("error", "NetStream.Publish.Rejected", reason),
        );
    }

    pub(super) fn reply_unpublished(&mut self, stream_id: u32) {
        let done = status(
            "status",
            "NetStream.Unpublish.Success",
            "Stopped publishing.",
        );
        self.reply_status(stream_id, done);
    }

    pub(super) fn reply_play_refused(&mut self, stream_id: u32) {
        let refusal = status(
            "error",
            "NetStream.Play.Failed",
            "This server only ingests.",
        );
        self.reply_status(stream_id, refusal);
    }

    pub(super) fn reply_control(&mut self, type_id: u8, payload: &[u8]) {
        let out = &mut self.output;
        self.writer
            .write(CONTROL_CHUNK_STREAM, type_id, 0, payload, out);
    }

    /// Answers a ping; other user control messages ask for nothing.
    pub(super) fn handle_user_control(
        &mut self,
        payload: &[u8],
    ) -> Result<(), crate::ProtocolError> {
        let truncated = crate::ProtocolError::ControlTruncated(message_type::USER_CONTROL);
        let Some((kind, data)) = payload.split_first_chunk::<2>() else {
            return Err(truncated);
        };
        if u16::from_be_bytes(*kind) == USER_CONTROL_PING_REQUEST {
            let timestamp = data.first_chunk::<4>().ok_or(truncated)?;
            let mut response = BytesMut::new();
            response.put_u16(USER_CONTROL_PING_RESPONSE);
            response.put_slice(timestamp);
            self.reply_control(message_type::USER_CONTROL, &response);
        }
        Ok(())
    }

    fn reply_status(&mut self, stream_id: u32, information: Value) {
        self.reply_command(
            (STATUS_CHUNK_STREAM, stream_id),
            [
                text("onStatus"),
                Value::Number(0.0),
                Value::Null,
                information,
            ],
        );
    }

    fn reply_command(&mut self, (chunk_stream, stream_id): (u8, u32), values: [Value; 4]) {
        let mut payload = BytesMut::new();
        for value in &values {
            encode(value, &mut payload);
        }
        self.writer.write(
            chunk_stream,
            message_type::COMMAND_AMF0,
            stream_id,
            &payload,
            &mut self.output,
        );
    }
}

/// What E-RTMP v1 clients look for.
fn fourcc_list() -> Value {
    let video = VideoCodec::ALL.map(VideoCodec::fourcc);
    let audio = AudioCodec::ALL.map(AudioCodec::fourcc);
    let all = video.into_iter().chain(audio);
    Value::StrictArray(all.map(|fourcc| text(&fourcc_text(fourcc))).collect())
}

/// What E-RTMP v2 clients look for.
fn info_map<const N: usize>(fourccs: [[u8; 4]; N]) -> Value {
    let flags = Value::Number(f64::from(FOURCC_CAN_FORWARD));
    let entry = |fourcc| (fourcc_text(fourcc), flags.clone());
    Value::Object(fourccs.map(entry).into())
}

fn fourcc_text(fourcc: [u8; 4]) -> String {
    fourcc.map(char::from).iter().collect()
}

fn status(level: &str, code: &str, description: &str) -> Value {
    object([
        ("level", text(level)),
        ("code", text(code)),
        ("description", text(description)),
    ])
}

fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
    Value::Object(
        properties
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
    )
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

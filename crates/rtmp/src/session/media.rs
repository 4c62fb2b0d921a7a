//! Audio, video and data messages.

use bytes::{Buf, Bytes};

use super::{Event, Phase, ServerSession};
use crate::amf0::{Value, decode_all};
use crate::chunk::{Message, message_type};
use crate::flv::{AudioBody, VideoBody};
use crate::limits::AGGREGATE_MESSAGES_MAX;
use crate::wire::Cursor;
use crate::{Metadata, ProtocolError};

/// Type 1, length 3, timestamp 3 + 1, stream id 3: an FLV tag header (spec 7.1.6).
const AGGREGATE_HEADER_BYTES: usize = 11;
const AGGREGATE_BACK_POINTER_BYTES: usize = 4;

impl ServerSession {
    pub(super) fn handle_media(&mut self, message: Message) -> Result<(), ProtocolError> {
        let publishing = matches!(self.phase, Phase::Publishing { .. });
        match message.type_id {
            message_type::DATA_AMF0 | message_type::DATA_AMF3 if !publishing => Ok(()),
            // Audio and video still under way when the peer ended its stream.
            _ if !publishing && self.unpublished => Ok(()),
            _ if !publishing => Err(ProtocolError::MediaBeforePublish),
            message_type::AGGREGATE => self.handle_aggregate(message.timestamp, message.payload),
            type_id => self.handle_tag(type_id, message.timestamp, message.payload),
        }
    }

    fn handle_tag(
        &mut self,
        type_id: u8,
        timestamp: u32,
        payload: Bytes,
    ) -> Result<(), ProtocolError> {
        // Encoders send empty audio and video to keep the connection busy.
        if payload.is_empty() {
            return Ok(());
        }
        match type_id {
            message_type::AUDIO => {
                let bodies = AudioBody::parse_tracks(payload)?;
                let timestamp_ms = self.timestamps.unwrap_ms(timestamp);
                let events = bodies.into_iter();
                let events = events.map(|body| Event::Audio { timestamp_ms, body });
                self.events.extend(events);
            }
            message_type::VIDEO => {
                let bodies = VideoBody::parse_tracks(payload)?;
                let timestamp_ms = self.timestamps.unwrap_ms(timestamp);
                let events = bodies.into_iter();
                let events = events.map(|body| Event::Video { timestamp_ms, body });
                self.events.extend(events);
            }
            message_type::DATA_AMF0 => self.handle_data(&payload)?,
            message_type::DATA_AMF3 => self.handle_data(payload.get(1..).unwrap_or_default())?,
            _ => {}
        }
        Ok(())
    }

    /// `@setDataFrame`, `onMetaData`, properties; or `onMetaData`, properties.
    fn handle_data(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        let mut values = decode_all(payload)?.into_iter().peekable();
        values.next_if(|value| value.as_str() == Some("@setDataFrame"));
        let name = values.next();
        if name.as_ref().and_then(Value::as_str) != Some("onMetaData") {
            return Ok(());
        }
        if let Some(Value::Object(properties) | Value::EcmaArray(properties)) = values.next() {
            let metadata = Metadata::new(properties);
            self.events.push_back(Event::Metadata(metadata));
        }
        Ok(())
    }

    /// FLV tags in one message. Their times count from the first one's, which stands for the
    /// message's (spec 7.1.6).
    fn handle_aggregate(&mut self, timestamp: u32, payload: Bytes) -> Result<(), ProtocolError> {
        let mut rest = payload;
        let mut offset = None;
        let mut count = 0;
        while !rest.is_empty() {
            count += 1;
            if count > AGGREGATE_MESSAGES_MAX {
                return Err(ProtocolError::AggregateTooMany);
            }
            let (type_id, length, time) =
                aggregate_header(&rest).ok_or(ProtocolError::AggregateTruncated)?;
            rest.advance(AGGREGATE_HEADER_BYTES);
            if rest.len() < length {
                return Err(ProtocolError::AggregateTruncated);
            }
            // Copied, so that a small tag that is kept does not keep the whole aggregate.
            let body = Bytes::copy_from_slice(&rest.split_to(length));
            // The last back pointer is missing from some encoders' aggregates.
            rest.advance(AGGREGATE_BACK_POINTER_BYTES.min(rest.len()));
            let offset = *offset.get_or_insert_with(|| timestamp.wrapping_sub(time));
            self.handle_tag(type_id, time.wrapping_add(offset), body)?;
        }
        Ok(())
    }
}

fn aggregate_header(bytes: &[u8]) -> Option<(u8, usize, u32)> {
    let mut cursor = Cursor::new(bytes);
    let type_id = cursor.u8()?;
    let length = usize::try_from(cursor.u24()?).ok()?;
    let low = cursor.u24()?;
    let high = u32::from(cursor.u8()?);
    cursor.u24()?;
    Some((type_id, length, high << 24 | low))
}

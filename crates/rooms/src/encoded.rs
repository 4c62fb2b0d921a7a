//! Messages that many connections share: encoded once per codec and view, when first wanted.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{
    codec::Codec,
    schema::{EventFrame, ServerMessage, StateChange, StateWhole, View},
};

/// One cell per codec and view.
#[derive(Debug, Default)]
struct Cells<T>([OnceLock<T>; 4]);

impl<T> Cells<T> {
    fn get(&self, codec: Codec, view: View) -> &OnceLock<T> {
        let [public_json, public_binary, moderator_json, moderator_binary] = &self.0;
        match (view, codec) {
            (View::Public, Codec::Json) => public_json,
            (View::Public, Codec::Binary) => public_binary,
            (View::Moderator, Codec::Json) => moderator_json,
            (View::Moderator, Codec::Binary) => moderator_binary,
        }
    }
}

/// A frame of the window.
#[derive(Debug)]
pub(crate) struct EncodedFrame {
    frame: Arc<EventFrame>,
    messages: u32,
    has_control: bool,
    whole: Cells<Bytes>,
    control: Cells<Bytes>,
}

impl EncodedFrame {
    pub(crate) fn new(frame: Arc<EventFrame>) -> Self {
        let counts = frame.counts();
        Self {
            messages: counts.messages,
            has_control: counts.control > 0,
            frame,
            whole: Cells::default(),
            control: Cells::default(),
        }
    }

    pub(crate) fn frame(&self) -> &Arc<EventFrame> {
        &self.frame
    }

    pub(crate) fn messages(&self) -> u32 {
        self.messages
    }

    pub(crate) fn has_control(&self) -> bool {
        self.has_control
    }

    /// All of it.
    pub(crate) fn whole(&self, codec: Codec, view: View) -> &Bytes {
        self.whole.get(codec, view).get_or_init(|| match view {
            View::Moderator => encode_events(codec, (*self.frame).clone()),
            View::Public => match self.frame.public() {
                Some(public) => encode_events(codec, public),
                // The same bytes.
                None => self.whole(codec, View::Moderator).clone(),
            },
        })
    }

    /// Without messages.
    pub(crate) fn control_only(&self, codec: Codec, view: View) -> &Bytes {
        self.control.get(codec, view).get_or_init(|| {
            if self.messages == 0 {
                return self.whole(codec, view).clone();
            }
            let control = self.frame.control_only();
            let seen = match view {
                View::Moderator => control,
                View::Public => control.public().unwrap_or(control),
            };
            encode_events(codec, seen)
        })
    }

    /// What lies after `seq`, for one connection.
    pub(crate) fn after(&self, seq: u64, codec: Codec, view: View) -> Option<Bytes> {
        let rest = self.frame.after(seq)?;
        let seen = match view {
            View::Moderator => rest,
            View::Public => rest.public().unwrap_or(rest),
        };
        Some(encode_events(codec, seen))
    }
}

fn encode_events(codec: Codec, frame: EventFrame) -> Bytes {
    codec.encode(&ServerMessage::Events(frame))
}

/// A version of STATE.
#[derive(Debug)]
pub(crate) struct EncodedState {
    whole: Arc<StateWhole>,
    /// From the version before, if that is known.
    change: Option<Arc<StateChange>>,
    wholes: Cells<Bytes>,
    changes: Cells<Bytes>,
}

impl EncodedState {
    pub(crate) fn new(whole: Arc<StateWhole>, change: Option<Arc<StateChange>>) -> Self {
        Self {
            whole,
            change,
            wholes: Cells::default(),
            changes: Cells::default(),
        }
    }

    pub(crate) fn state(&self) -> &Arc<StateWhole> {
        &self.whole
    }

    /// For who has `seen` this version; none if that is the latest.
    pub(crate) fn since(&self, seen: Option<u64>, codec: Codec) -> Option<&Bytes> {
        if seen == Some(self.whole.version) {
            return None;
        }
        // STATE is the same for all.
        let view = View::Public;
        match &self.change {
            Some(change) if seen.and_then(|seen| seen.checked_add(1)) == Some(change.version) => {
                let encode = || codec.encode(&ServerMessage::Change((**change).clone()));
                Some(self.changes.get(codec, view).get_or_init(encode))
            }
            _ => {
                let encode = || codec.encode(&ServerMessage::State((*self.whole).clone()));
                Some(self.wholes.get(codec, view).get_or_init(encode))
            }
        }
    }
}

//! What an edge's connections read: one room, shared by all of them.

use std::sync::Arc;

use crate::{
    config::Config,
    encoded::EncodedState,
    moderation::{Deletion, RoomState},
    schema::{Body, EventFrame, StateChange, StateWhole},
    window::Window,
};

/// The window, the state after it, and the latest STATE. An [`crate::EdgeRoom`] writes, [`crate::Reader`]s read.
#[derive(Debug)]
pub struct Timeline {
    /// Grows whenever readers have to begin anew. 0: nothing heard of the hub yet.
    generation: u64,
    epoch: u64,
    window: Window,
    room: RoomState,
    state: Option<EncodedState>,
    /// Of `state`, where readers find it without a detour.
    state_version: Option<u64>,
    pub(crate) history_events: u64,
    pub(crate) lag_bytes_max: u64,
    pub(crate) control_lag_bytes_max: u64,
    pub(crate) direct_bytes_max: usize,
    window_events: usize,
    window_bytes: usize,
}

impl Timeline {
    /// Of a room of which nothing is known yet.
    pub fn new(config: &Config) -> Self {
        Self {
            generation: 0,
            epoch: 0,
            window: Window::new(config.window_events, config.window_bytes, 0),
            room: RoomState::default(),
            state: None,
            state_version: None,
            history_events: u64::try_from(config.history_events).unwrap_or(u64::MAX),
            lag_bytes_max: config.lag_bytes_max,
            control_lag_bytes_max: config.control_lag_bytes_max,
            direct_bytes_max: config.direct_bytes_max,
            window_events: config.window_events,
            window_bytes: config.window_bytes,
        }
    }

    /// Life of the hub; 0 before anything was heard of it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether readers can be welcomed.
    pub fn is_ready(&self) -> bool {
        self.generation > 0
    }

    /// Grows whenever readers have to begin anew.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The frames.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Settings, pin, sanctions, reviews as of the window's head.
    pub fn room(&self) -> &RoomState {
        &self.room
    }

    /// The latest STATE.
    pub fn state(&self) -> Option<&Arc<StateWhole>> {
        self.state.as_ref().map(EncodedState::state)
    }

    /// Of the latest STATE.
    pub(crate) fn state_version(&self) -> Option<u64> {
        self.state_version
    }

    pub(crate) fn encoded_state(&self) -> Option<&EncodedState> {
        self.state.as_ref()
    }

    /// Begins anew with what the hub has; `room` is as of the last of `frames`. Frames that do not
    /// follow one another end the window, so that the next gap is noticed.
    pub fn reset(
        &mut self,
        epoch: u64,
        head: u64,
        room: RoomState,
        frames: Vec<Arc<EventFrame>>,
        state: StateWhole,
    ) {
        let before = frames
            .first()
            .map_or(head, |frame| frame.first.saturating_sub(1));
        let mut window = Window::new(self.window_events, self.window_bytes, before);
        for frame in frames {
            if frame.epoch != epoch || !window.append(frame) {
                break;
            }
        }
        // Without its history rather than with another one than the state is of.
        if window.head() != head {
            window = Window::new(self.window_events, self.window_bytes, head);
        }
        self.generation += 1;
        self.epoch = epoch;
        self.window = window;
        self.room = room;
        self.set_state(Arc::new(state), None);
    }

    /// Takes the next frame. Whether it was the next one of this epoch.
    pub fn append(&mut self, frame: Arc<EventFrame>) -> bool {
        if !self.is_ready() || frame.epoch != self.epoch || !self.window.append(Arc::clone(&frame))
        {
            return false;
        }
        for event in &frame.events {
            if let Body::Moderation(moderation) = &event.body
                && let Some(deletion) = Deletion::of(&moderation.act)
            {
                // Also of this very frame: what came before the act in it.
                self.window.delete(event.seq, deletion);
            }
            self.room.apply(event);
        }
        true
    }

    fn set_state(&mut self, whole: Arc<StateWhole>, change: Option<Arc<StateChange>>) {
        self.state_version = Some(whole.version);
        self.state = Some(EncodedState::new(whole, change));
    }

    /// Takes the next version of STATE. Whether it was the next one.
    pub fn change(&mut self, change: Arc<StateChange>) -> bool {
        let Some(state) = self.state.as_ref() else {
            return false;
        };
        let Some(whole) = state.state().changed(&change) else {
            return false;
        };
        self.set_state(Arc::new(whole), Some(change));
        true
    }

    /// Takes a whole STATE, unless it is older. Whether it was taken.
    pub fn replace_state(&mut self, state: StateWhole) -> bool {
        let known = self.state().map(|known| known.version);
        if known.is_some_and(|known| state.version < known) {
            return false;
        }
        // The same version again says nothing new.
        if known != Some(state.version) {
            self.set_state(Arc::new(state), None);
        }
        true
    }
}

//! Events of one tick.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Act, Body, Event, Lane};
use crate::limits::NUMBER_MAX;

/// What the hub accepted in one tick; what is encoded once and shared by all connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFrame {
    /// Life of the hub.
    pub epoch: u64,
    /// When the tick ended, Unix milliseconds.
    pub at_ms: u64,
    /// First `seq` that the frame covers.
    pub first: u64,
    /// Last `seq` that the frame covers.
    pub last: u64,
    /// Messages of `first..=last` that were left out for a slow reader: a gap that is hereby told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u32,
    /// With rising `seq`; all of `first..=last`, unless some were dropped.
    pub events: Vec<Arc<Event>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Everybody.
    Public,
    /// Those in charge, see [`super::Roles::IN_CHARGE`].
    Moderator,
}

/// A frame that nobody of ours has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// `last` lies before `first`, or they are not within 1 to [`NUMBER_MAX`].
    #[error("the frame has no range")]
    Range,
    /// `seq` does not rise within the range.
    #[error("seq {0} is out of order, or outside of its frame")]
    Order(u64),
    /// An event is missing from a frame that must be whole.
    #[error("the frame is not whole")]
    NotWhole,
}

impl EventFrame {
    /// Refuses a range or an order that no hub produces.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), FrameError> {
        if self.first == 0 || self.last < self.first || self.last > NUMBER_MAX {
            return Err(FrameError::Range);
        }
        let mut least = self.first;
        for event in &self.events {
            if event.seq < least || event.seq > self.last {
                return Err(FrameError::Order(event.seq));
            }
            least = event.seq.saturating_add(1);
        }
        Ok(())
    }

    /// [`Self::check`], and that no slot is missing: what windows are made of.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check_whole(&self) -> Result<(), FrameError> {
        self.check()?;
        let slots = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        if slots == self.last - self.first + 1 {
            Ok(())
        } else {
            Err(FrameError::NotWhole)
        }
    }

    /// What of it lies after `seq`; none if nothing does.
    pub fn after(&self, seq: u64) -> Option<Self> {
        if self.last <= seq {
            return None;
        }
        let events = self.events.iter().filter(|event| event.seq > seq);
        Some(Self {
            first: self.first.max(seq + 1),
            events: events.cloned().collect(),
            ..*self
        })
    }

    /// Messages and events of CONTROL in it.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for event in &self.events {
            match (event.body.lane(), &event.body) {
                (Lane::Control, _) => counts.control += 1,
                (Lane::Chat, Body::Void) => {}
                (Lane::Chat, _) => counts.messages += 1,
            }
        }
        counts
    }

    /// Without its messages, which `dropped` then counts.
    pub(crate) fn control_only(&self) -> Self {
        let events = self
            .events
            .iter()
            .filter(|event| event.body.lane() == Lane::Control);
        Self {
            dropped: self.dropped.saturating_add(self.counts().messages),
            events: events.cloned().collect(),
            ..*self
        }
    }

    /// As everybody sees it; none if that is no different.
    pub(crate) fn public(&self) -> Option<Self> {
        self.events
            .iter()
            .any(|event| public_body(&event.body).is_some())
            .then(|| Self {
                events: self.events.iter().map(public_event).collect(),
                ..*self
            })
    }
}

/// How many of which lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: u32,
    pub(crate) control: u32,
}

fn public_event(event: &Arc<Event>) -> Arc<Event> {
    match public_body(&event.body) {
        None => Arc::clone(event),
        Some(body) => Arc::new(Event { body, ..**event }),
    }
}

/// Whether it is for moderators alone.
pub(crate) fn is_hidden(body: &Body) -> bool {
    match body {
        Body::Review(_) => true,
        Body::Moderation(moderation) => matches!(
            moderation.act,
            Act::ShadowBan { .. }
                | Act::ShadowUnban { .. }
                | Act::Approve { .. }
                | Act::Dismiss { .. }
        ),
        Body::Message(_) | Body::Gift(_) | Body::Notice(_) | Body::Void => false,
    }
}

/// Who acted is not for everybody: moderators are harassed for it.
fn public_body(body: &Body) -> Option<Body> {
    match body {
        _ if is_hidden(body) => Some(Body::Void),
        Body::Moderation(moderation) if !moderation.actor.is_empty() => {
            let mut public = moderation.clone();
            public.actor.clear();
            Some(Body::Moderation(public))
        }
        _ => None,
    }
}

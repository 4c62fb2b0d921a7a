//! Records and enums of the schema. Cases keep their numbers for ever.

use bytes::BytesMut;

use super::{Input, Wire};
#[cfg(test)]
use crate::rng::Rng;
use crate::{
    codec::DecodeError,
    moderation::{RoomState, Sanction, Sanctions, Settings, Snapshot},
    schema::{
        Ability, Act, Animation, Attr, Audience, AudienceChange, Body, ClientMessage, CloseCode,
        Combo, Event, EventFrame, FromEdge, FromEdgeBody, Gap, Gift, Member, Message, Moderation,
        Notice, Outcome, Position, Publish, Recovery, RefusalCode, Relay, Report, Review,
        ReviewKind, Roster, RosterReport, Score, ServerMessage, SettingsPatch, Standing,
        StateChange, StateWhole, ToEdge, User, Welcome,
    },
};

macro_rules! record {
    ($type:ident { $($field:ident),* }) => {
        impl Wire for $type {
            fn put(&self, out: &mut BytesMut) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }

            fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
                $(let $field = Wire::take(input)?;)*
                Ok(Self { $($field),* })
            }

            #[cfg(test)]
            fn any(rng: &mut Rng) -> Self {
                $(let $field = Wire::any(rng);)*
                Self { $($field),* }
            }
        }
    };
}

/// A case of one unnamed field names it `(it)`.
macro_rules! cases {
    ($type:ident { $($tag:literal => $case:ident $( ( $it:ident ) )? $( { $($field:ident),* } )?),* $(,)? }) => {
        impl Wire for $type {
            fn put(&self, out: &mut BytesMut) {
                match self {
                    $(Self::$case $( ($it) )? $( { $($field),* } )? => {
                        u64::put(&$tag, out);
                        $($it.put(out);)?
                        $($($field.put(out);)*)?
                    })*
                }
            }

            fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
                match u64::take(input)? {
                    $($tag => {
                        $(let $it = Wire::take(input)?;)?
                        $($(let $field = Wire::take(input)?;)*)?
                        Ok(Self::$case $( ($it) )? $( { $($field),* } )?)
                    })*
                    other => Err(DecodeError::Tag(other)),
                }
            }

            #[cfg(test)]
            fn any(rng: &mut Rng) -> Self {
                let cases: &[fn(&mut Rng) -> Self] = &[$(|_rng| {
                    $(let $it = Wire::any(_rng);)?
                    $($(let $field = Wire::any(_rng);)*)?
                    Self::$case $( ($it) )? $( { $($field),* } )?
                }),*];
                let at = rng.below(u64::try_from(cases.len()).unwrap());
                cases[usize::try_from(at).unwrap()](rng)
            }
        }
    };
}

record!(User {
    id,
    name,
    roles,
    level
});
record!(Attr { key, value });
record!(Message {
    id,
    author,
    kind,
    text,
    reply_to,
    attrs
});
record!(Moderation { actor, reason, act });
record!(SettingsPatch {
    slow_mode_ms,
    restrict,
    chat_per_second_max,
    attrs
});
record!(Gift {
    id,
    sender,
    recipient,
    item,
    count,
    points,
    note,
    combo,
    animation
});
record!(Combo {
    id,
    count,
    window_ms
});
record!(Animation {
    asset,
    duration_ms,
    layer,
    payload
});
record!(Notice {
    id,
    kind,
    text,
    payload
});

cases!(Body {
    0 => Void,
    1 => Message(it),
    2 => Moderation(it),
    3 => Gift(it),
    4 => Notice(it),
    5 => Review(it),
});
record!(Review {
    id,
    kind,
    message,
    reason,
    by
});
cases!(ReviewKind { 0 => Held, 1 => Report });

cases!(Act {
    0 => DeleteMessage { id },
    1 => DeleteUser { user },
    2 => Clear,
    3 => Timeout { user, seconds, until_ms },
    4 => Ban { user },
    5 => ShadowBan { user },
    6 => Unban { user },
    7 => ShadowUnban { user },
    8 => Pin { id, message },
    9 => Unpin,
    10 => Settings { patch },
    11 => Approve { id },
    12 => Dismiss { id },
});

record!(Settings {
    slow_mode_ms,
    restrict,
    chat_per_second_max,
    attrs
});
record!(Sanctions { silenced, shadow });
record!(Snapshot {
    settings,
    pinned,
    sanctions,
    reviews
});
cases!(Sanction { 0 => Ban, 1 => Timeout { until_ms } });

record!(Member { id, name, roles });
record!(Score { id, name, points });
record!(StateWhole {
    version,
    likes,
    sampled,
    users,
    connections,
    audience,
    leaderboard
});
record!(StateChange {
    version,
    likes,
    burst,
    sampled,
    users,
    connections,
    audience,
    leaderboard
});
cases!(Audience { 0 => Everybody { members }, 1 => Crowd { top } });
cases!(AudienceChange {
    0 => Same,
    1 => Moves { joined, left, changed },
    2 => Crowd { top, joined },
    3 => Anew { audience },
});

record!(Position { epoch, seq });
record!(Gap { from, to, messages });
record!(Welcome {
    version,
    epoch,
    seq,
    next,
    recovery,
    lost,
    snapshot,
    sanction
});
cases!(Recovery { 0 => Fresh, 1 => Complete, 2 => NotRecovered });
cases!(CloseCode {
    0 => Slow,
    1 => Draining,
    2 => Protocol,
    3 => Unavailable,
    4 => Idle,
    5 => Removed,
    6 => Expired,
    7 => Superseded,
});
cases!(Ability { 0 => Speak, 1 => Moderate });

cases!(ServerMessage {
    0 => Welcome(it),
    1 => Events(it),
    2 => Gap(it),
    3 => State(it),
    4 => Change(it),
    5 => Ack { client_id, outcome },
    6 => Own { at_ms, message },
    7 => Close { code, resume, retry_after_ms },
    8 => Notice { notice },
    9 => You { user, session, server_ms, heartbeat_ms, can },
    10 => Pong { nonce, server_ms },
});

cases!(ClientMessage {
    0 => Hello { resume, hold_ms },
    1 => Publish { client_id, kind, text, reply_to, media_ms },
    2 => Act { client_id, reason, act },
    3 => Like { count },
    4 => Hold { hold_ms },
    5 => Ping { nonce },
});

record!(Publish {
    author,
    client_id,
    media_ms,
    body
});
cases!(Outcome {
    0 => Accepted { seq, id },
    1 => Refused { code, retry_after_ms },
    2 => Rejected { code, message, retry_after_ms },
    3 => Held,
});
cases!(RefusalCode {
    0 => Banned,
    1 => Full,
    2 => Malformed,
    3 => Restricted,
    4 => TimedOut,
    5 => Unavailable,
    6 => UnknownMessage,
    7 => Forbidden,
    8 => TooFast,
    9 => Closed,
});
record!(FromEdge {
    edge,
    incarnation,
    body
});
cases!(FromEdgeBody {
    0 => Hello { position },
    1 => Publish(it),
    2 => Report(it),
    3 => WantState,
    4 => Relay(it),
    5 => Audit { actor, text },
});
cases!(Relay {
    0 => Disconnect { user, reason },
    1 => Notify { users, notice },
    2 => Roles { user, add, remove },
});
record!(Report {
    number,
    users,
    connections,
    likes,
    roster_version,
    roster,
    joined
});
record!(RosterReport { kind, members });
cases!(Roster { 0 => Everybody, 1 => Top });
/// Numbers that a hub reaches.
impl Wire for Standing {
    fn put(&self, out: &mut BytesMut) {
        self.epoch.put(out);
        self.head.put(out);
        self.state_version.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Wire::take(input)?,
            head: Wire::take(input)?,
            state_version: Wire::take(input)?,
        })
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        Self {
            epoch: Wire::any(rng),
            head: u64::any(rng) >> 12,
            state_version: u64::any(rng) >> 12,
        }
    }
}

cases!(ToEdge {
    0 => Frame(it),
    1 => Change { standing, change },
    2 => Heartbeat { standing },
    3 => Fill { standing, frames },
    4 => Reset { standing, room, frames, state },
    5 => State { standing, state },
    6 => Ack { epoch, at_ms, author, client_id, outcome },
    7 => ReportAck { epoch, incarnation, roster_version, wants_lists },
    8 => Relay(it),
    9 => NoRoom,
});

impl Wire for RoomState {
    fn put(&self, out: &mut BytesMut) {
        self.snapshot(true).put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Snapshot::take(input).map(Self::from_parts)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        Self::from_parts(Snapshot::any(rng))
    }
}

/// Numbers of events are small beside those of their frame.
impl Wire for EventFrame {
    fn put(&self, out: &mut BytesMut) {
        self.epoch.put(out);
        self.at_ms.put(out);
        self.first.put(out);
        self.last.wrapping_sub(self.first).put(out);
        self.dropped.put(out);
        super::put_count(self.events.len(), out);
        for event in &self.events {
            event.seq.wrapping_sub(self.first).put(out);
            // The frame ends after its events, so this is small.
            self.at_ms.wrapping_sub(event.at_ms).put(out);
            event.media_ms.put(out);
            event.body.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let epoch = u64::take(input)?;
        let at_ms = u64::take(input)?;
        let first = u64::take(input)?;
        let last = first.wrapping_add(u64::take(input)?);
        let dropped = u32::take(input)?;
        let count = input.count()?;
        let mut events = Vec::with_capacity(count.min(super::ITEMS_RESERVED_MAX));
        for _ in 0..count {
            let event = Event {
                seq: first.wrapping_add(u64::take(input)?),
                at_ms: at_ms.wrapping_sub(u64::take(input)?),
                media_ms: Wire::take(input)?,
                body: Body::take(input)?,
            };
            events.push(event.into());
        }
        Ok(Self {
            epoch,
            at_ms,
            first,
            last,
            dropped,
            events,
        })
    }

    /// A whole one: what goes over links and, without drops, to clients.
    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        let first = u64::any(rng).clamp(1, crate::limits::NUMBER_MAX - 10);
        let at_ms = u64::any(rng);
        let last = first + rng.below(4);
        let event = |seq, rng: &mut Rng| Event {
            seq,
            at_ms: u64::any(rng),
            media_ms: Wire::any(rng),
            body: Body::any(rng),
        };
        Self {
            epoch: u64::any(rng),
            at_ms,
            first,
            last,
            dropped: u32::any(rng),
            events: (first..=last).map(|seq| event(seq, rng).into()).collect(),
        }
    }
}

//! What the extended headers of audio and video have in common: ModEx and multitrack (E-RTMP v2,
//! "Enhanced Audio" and "Enhanced Video").

use bytes::{Buf, Bytes};

use super::{TagError, TagKind};
use crate::limits::TAG_TRACKS_MAX;

/// ModEx data of this length says that a longer length follows.
const MOD_EX_LONG: usize = 256;

// AvMultitrackType.
const ONE_TRACK: u8 = 0;
const MANY_TRACKS: u8 = 1;
const MANY_TRACKS_MANY_CODECS: u8 = 2;

/// How a packet type is written for one kind of tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketTypes {
    pub(super) kind: TagKind,
    pub(super) multitrack: u8,
    pub(super) mod_ex: u8,
    /// Packet types that can carry a track; those above are unknown.
    pub(super) max: u8,
}

/// One track's part of a tag.
#[derive(Debug)]
pub(super) struct TrackPart {
    pub(super) track: u8,
    pub(super) fourcc: [u8; 4],
    pub(super) packet_type: u8,
    pub(super) body: Bytes,
}

impl PacketTypes {
    /// Skips ModEx packets by their lengths and gives the packet type behind them. Weir knows no
    /// ModEx; the only one there is moves a timestamp by less than a millisecond.
    pub(super) fn skip_mod_ex(self, packet_type: u8, body: &mut Bytes) -> Result<u8, TagError> {
        let mut packet_type = packet_type;
        while packet_type == self.mod_ex {
            let [size] = self.take::<1>(body)?;
            let mut size = usize::from(size) + 1;
            if size == MOD_EX_LONG {
                size = usize::from(u16::from_be_bytes(self.take::<2>(body)?)) + 1;
            }
            if body.len() < size {
                return Err(TagError::Truncated(self.kind));
            }
            body.advance(size);
            let [types] = self.take::<1>(body)?;
            packet_type = types & 0x0F;
        }
        Ok(packet_type)
    }

    /// The tracks of a tag, in its order; a tag without multitrack is track 0.
    pub(super) fn tracks(
        self,
        packet_type: u8,
        mut body: Bytes,
    ) -> Result<Vec<TrackPart>, TagError> {
        if packet_type != self.multitrack {
            self.check(packet_type)?;
            let fourcc = self.take::<4>(&mut body)?;
            return Ok(vec![TrackPart {
                track: 0,
                fourcc,
                packet_type,
                body,
            }]);
        }
        let [types] = self.take::<1>(&mut body)?;
        let (multitrack_type, packet_type) = (types >> 4, types & 0x0F);
        self.check(packet_type)?;
        match multitrack_type {
            ONE_TRACK => {
                let fourcc = self.take::<4>(&mut body)?;
                let [track] = self.take::<1>(&mut body)?;
                Ok(vec![TrackPart {
                    track,
                    fourcc,
                    packet_type,
                    body,
                }])
            }
            MANY_TRACKS => {
                let fourcc = self.take::<4>(&mut body)?;
                self.many(Some(fourcc), packet_type, body)
            }
            MANY_TRACKS_MANY_CODECS => self.many(None, packet_type, body),
            multitrack_type => Err(TagError::UnknownMultitrack {
                kind: self.kind,
                multitrack_type,
            }),
        }
    }

    fn many(
        self,
        common: Option<[u8; 4]>,
        packet_type: u8,
        mut body: Bytes,
    ) -> Result<Vec<TrackPart>, TagError> {
        let mut parts = Vec::new();
        while !body.is_empty() {
            if parts.len() >= TAG_TRACKS_MAX {
                return Err(TagError::TooManyTracks(self.kind));
            }
            let fourcc = match common {
                Some(fourcc) => fourcc,
                None => self.take::<4>(&mut body)?,
            };
            let [track, a, b, c] = self.take::<4>(&mut body)?;
            let size = u32::from_be_bytes([0, a, b, c]);
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if body.len() < size {
                return Err(TagError::Truncated(self.kind));
            }
            parts.push(TrackPart {
                track,
                fourcc,
                packet_type,
                body: body.split_to(size),
            });
        }
        Ok(parts)
    }

    /// Multitrack and ModEx inside multitrack are against the specification.
    fn check(self, packet_type: u8) -> Result<(), TagError> {
        let nested = packet_type == self.multitrack || packet_type == self.mod_ex;
        if nested || packet_type > self.max {
            return Err(self.unknown(packet_type));
        }
        Ok(())
    }

    pub(super) fn take<const N: usize>(self, body: &mut Bytes) -> Result<[u8; N], TagError> {
        let array = *body
            .first_chunk::<N>()
            .ok_or(TagError::Truncated(self.kind))?;
        body.advance(N);
        Ok(array)
    }

    pub(super) fn unknown(self, packet_type: u8) -> TagError {
        TagError::UnknownPacketType {
            kind: self.kind,
            packet_type,
        }
    }
}

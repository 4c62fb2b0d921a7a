//! CMAF chunks: one `moof` with one `traf` and `trun`, and its `mdat` (ISO/IEC 23000-19 7.3.2.3).
//! The payload is copied once, into the chunk's own allocation.

use bytes::Bytes;
use mp4_atom::{Encode, FourCC, Header, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use crate::init::TRACK_NUMBER;

/// `sample_depends_on` 2: decodes by itself (ISO/IEC 14496-12 8.6.4.3).
const FLAGS_SYNC: u32 = 0x0200_0000;
/// `sample_depends_on` 1 and `sample_is_non_sync_sample`.
const FLAGS_NON_SYNC: u32 = 0x0101_0000;

const BOX_HEADER_BYTES: usize = 8;
/// moof, mfhd, traf, tfhd, tfdt, trun without entries, mdat header: 132 at most.
const CHUNK_OVERHEAD_BYTES: usize = 160;
const TRUN_ENTRY_BYTES: usize = 16;

/// A sample with its final duration.
#[derive(Clone, Debug)]
pub(crate) struct ChunkSample {
    pub(crate) duration: u32,
    pub(crate) cts_offset: i32,
    pub(crate) sync: bool,
    pub(crate) data: Bytes,
}

/// Writes one chunk. `decode_time` is that of the first sample, in the track's timescale.
pub(crate) fn write(
    sequence: u32,
    decode_time: u64,
    samples: &[ChunkSample],
) -> mp4_atom::Result<Vec<u8>> {
    let payload: usize = samples.iter().map(|sample| sample.data.len()).sum();
    let mut moof = fragment(sequence, decode_time, samples);
    let mut out =
        Vec::with_capacity(CHUNK_OVERHEAD_BYTES + samples.len() * TRUN_ENTRY_BYTES + payload);
    // The data offset counts from the start of the moof, whose size is known once written.
    moof.encode(&mut out)?;
    let offset = i32::try_from(out.len() + BOX_HEADER_BYTES);
    let offset = offset.map_err(|_| mp4_atom::Error::TooLarge(FourCC::new(b"moof")))?;
    for run in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun) {
        run.data_offset = Some(offset);
    }
    out.clear();
    moof.encode(&mut out)?;
    let mdat = Header {
        kind: FourCC::new(b"mdat"),
        size: Some(payload),
    };
    mdat.encode(&mut out)?;
    for sample in samples {
        out.extend_from_slice(&sample.data);
    }
    Ok(out)
}

fn fragment(sequence: u32, decode_time: u64, samples: &[ChunkSample]) -> Moof {
    let uniform = Uniform::of(samples);
    let entry = |sample: &ChunkSample| TrunEntry {
        duration: uniform.duration.is_none().then_some(sample.duration),
        size: u32::try_from(sample.data.len()).ok(),
        flags: uniform.flags.is_none().then(|| flags(sample)),
        cts: uniform.reordered.then(|| sample.cts_offset.into()),
    };
    let entries: Vec<TrunEntry> = samples.iter().map(entry).collect();
    Moof {
        mfhd: Mfhd {
            sequence_number: sequence,
        },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: TRACK_NUMBER,
                default_sample_duration: uniform.duration,
                default_sample_flags: uniform.flags,
                default_base_is_moof: true,
                ..Default::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: decode_time,
            }),
            trun: vec![Trun {
                data_offset: Some(0),
                samples: entries.into(),
            }],
            ..Default::default()
        }],
    }
}

/// What all samples share moves to the `tfhd`: 8 bytes less for every AAC frame.
struct Uniform {
    duration: Option<u32>,
    flags: Option<u32>,
    reordered: bool,
}

impl Uniform {
    fn of(samples: &[ChunkSample]) -> Self {
        let first = samples.first();
        let duration = first.map(|first| first.duration);
        let first_flags = first.map(flags);
        let same_duration = samples
            .iter()
            .all(|sample| Some(sample.duration) == duration);
        let same_flags = samples
            .iter()
            .all(|sample| Some(flags(sample)) == first_flags);
        Self {
            duration: duration.filter(|_| same_duration),
            flags: first_flags.filter(|_| same_flags),
            reordered: samples.iter().any(|sample| sample.cts_offset != 0),
        }
    }
}

fn flags(sample: &ChunkSample) -> u32 {
    if sample.sync {
        FLAGS_SYNC
    } else {
        FLAGS_NON_SYNC
    }
}

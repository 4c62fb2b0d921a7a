//! Facts about fragmented MP4 (ISO/IEC 14496-12): as much as the rules of parts are about.

/// What a Media Initialization Section says of a track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Track {
    /// track_ID.
    pub id: u32,
    /// Ticks per second (`mdhd`).
    pub timescale: u32,
    /// default_sample_duration (`trex`).
    pub duration: u32,
    /// default_sample_flags (`trex`).
    pub flags: u32,
}

/// One `traf`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fragment {
    /// track_ID.
    pub track: u32,
    /// baseMediaDecodeTime (`tfdt`), in ticks.
    pub decode_time: u64,
    /// All samples together, in ticks.
    pub duration: u64,
    /// How many samples.
    pub samples: usize,
    /// Whether a sample is a sync sample.
    pub has_sync: bool,
}

impl Fragment {
    /// Where it ends, in ticks; a time that no stream reaches stands for all behind it.
    pub fn end(&self) -> u64 {
        self.decode_time.saturating_add(self.duration)
    }
}

/// What a part or a segment consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    /// The types of its top-level boxes, in order.
    pub boxes: Vec<String>,
    /// Its track fragments, in order.
    pub fragments: Vec<Fragment>,
    /// What all its `mdat` hold.
    pub payload: Vec<u8>,
}

/// sample_is_non_sync_sample.
const NON_SYNC: u32 = 0x1_0000;

/// Boxes that may stand before the `moof` of a part (ISO/IEC 23000-19 section 7.3.2.3).
const BEFORE_MOOF: [&str; 4] = ["styp", "prft", "emsg", "sidx"];

impl Media {
    /// Reads a part or a segment, with the tracks of its `EXT-X-MAP`.
    pub fn parse(bytes: &[u8], tracks: &[Track]) -> Result<Self, String> {
        let mut media = Self::default();
        for (kind, content) in boxes(bytes)? {
            match kind.as_str() {
                "moof" => {
                    for (kind, content) in boxes(content)? {
                        if kind == "traf" {
                            media.fragments.push(fragment(content, tracks)?);
                        }
                    }
                }
                "mdat" => media.payload.extend_from_slice(content),
                _ => {}
            }
            media.boxes.push(kind);
        }
        Ok(media)
    }

    /// Whether a sample of the first track is a sync sample. Where picture and sound are in one file, every
    /// sample of the sound is.
    pub fn has_sync(&self) -> bool {
        let first = self.fragments.first().map(|fragment| fragment.track);
        let mut of_first = self.fragments.iter().filter(|it| Some(it.track) == first);
        of_first.any(|fragment| fragment.has_sync)
    }

    /// Whether the first box that counts is a `moof`.
    pub fn begins_with_moof(&self) -> bool {
        let mut boxes = self.boxes.iter().map(String::as_str);
        boxes.find(|kind| !BEFORE_MOOF.contains(kind)) == Some("moof")
    }
}

/// The tracks of a Media Initialization Section.
pub fn tracks(init: &[u8]) -> Result<Vec<Track>, String> {
    let mut tracks = Vec::new();
    let mut defaults = Vec::new();
    for (kind, moov) in boxes(init)? {
        if kind != "moov" {
            continue;
        }
        for (kind, content) in boxes(moov)? {
            match kind.as_str() {
                "trak" => tracks.push(track(content)?),
                "mvex" => {
                    for (kind, content) in boxes(content)? {
                        if kind == "trex" {
                            let at = |at| u32_at(content, at);
                            defaults.push((at(4)?, at(12)?, at(20)?));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    for track in &mut tracks {
        let known = defaults.iter().find(|(id, _, _)| *id == track.id);
        if let Some((_, duration, flags)) = known {
            (track.duration, track.flags) = (*duration, *flags);
        }
    }
    if tracks.is_empty() {
        return Err("no moov with a trak".to_owned());
    }
    Ok(tracks)
}

fn track(trak: &[u8]) -> Result<Track, String> {
    let mut track = Track::default();
    for (kind, content) in boxes(trak)? {
        match kind.as_str() {
            // Version 1 has times of 64 bits before what is wanted.
            "tkhd" => track.id = u32_at(content, if version(content)? == 1 { 20 } else { 12 })?,
            "mdia" => {
                for (kind, content) in boxes(content)? {
                    if kind == "mdhd" {
                        let at = if version(content)? == 1 { 20 } else { 12 };
                        track.timescale = u32_at(content, at)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(track)
}

fn fragment(traf: &[u8], tracks: &[Track]) -> Result<Fragment, String> {
    let mut fragment = Fragment::default();
    let mut defaults = Track::default();
    for (kind, content) in boxes(traf)? {
        match kind.as_str() {
            "tfhd" => {
                fragment.track = u32_at(content, 4)?;
                defaults = header(content, tracks, fragment.track)?;
            }
            "tfdt" => {
                fragment.decode_time = if version(content)? == 1 {
                    (u64::from(u32_at(content, 4)?) << 32) | u64::from(u32_at(content, 8)?)
                } else {
                    u64::from(u32_at(content, 4)?)
                };
            }
            "trun" => run(content, &defaults, &mut fragment)?,
            _ => {}
        }
    }
    Ok(fragment)
}

/// The defaults of `tfhd`, over those of `trex`.
fn header(tfhd: &[u8], tracks: &[Track], id: u32) -> Result<Track, String> {
    let flags = u32_at(tfhd, 0)? & 0xff_ffff;
    let known = tracks.iter().find(|track| track.id == id);
    let mut defaults = known.copied().unwrap_or_default();
    let mut at = 8;
    at += if flags & 0x1 == 0 { 0 } else { 8 };
    at += if flags & 0x2 == 0 { 0 } else { 4 };
    if flags & 0x8 != 0 {
        defaults.duration = u32_at(tfhd, at)?;
        at += 4;
    }
    at += if flags & 0x10 == 0 { 0 } else { 4 };
    if flags & 0x20 != 0 {
        defaults.flags = u32_at(tfhd, at)?;
    }
    Ok(defaults)
}

fn run(trun: &[u8], defaults: &Track, fragment: &mut Fragment) -> Result<(), String> {
    let flags = u32_at(trun, 0)? & 0xff_ffff;
    let count = u32_at(trun, 4)?;
    let mut at = 8;
    at += if flags & 0x1 == 0 { 0 } else { 4 };
    let mut first = None;
    if flags & 0x4 != 0 {
        first = Some(u32_at(trun, at)?);
        at += 4;
    }
    let mut field = |wanted: u32| -> Result<Option<u32>, String> {
        if flags & wanted == 0 {
            return Ok(None);
        }
        at += 4;
        u32_at(trun, at - 4).map(Some)
    };
    for _ in 0..count {
        let duration = field(0x100)?.unwrap_or(defaults.duration);
        field(0x200)?;
        let own = field(0x400)?;
        field(0x800)?;
        // first_sample_flags are those of the first sample of this run alone.
        let flags = first.take().or(own).unwrap_or(defaults.flags);
        fragment.has_sync |= flags & NON_SYNC == 0;
        // Without a field per sample, nothing bounds the count but this.
        if fragment.samples > 1_000_000 {
            return Err("more than a million samples".to_owned());
        }
        fragment.duration += u64::from(duration);
        fragment.samples += 1;
    }
    Ok(())
}

/// The boxes that `bytes` consist of, wholly.
fn boxes(bytes: &[u8]) -> Result<Vec<(String, &[u8])>, String> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let kind = rest.get(4..8).ok_or("cut off in the head of a box")?;
        let kind = String::from_utf8_lossy(kind).into_owned();
        let (head, size) = match u32_at(rest, 0)? {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u32_at(rest, 12)?).unwrap_or(usize::MAX)),
            size => (8, usize::try_from(size).unwrap_or(usize::MAX)),
        };
        let content = rest.get(head..size);
        let content = content.ok_or_else(|| format!("{kind} is cut off: {size} bytes"))?;
        found.push((kind, content));
        rest = rest.get(size..).unwrap_or(&[]);
    }
    Ok(found)
}

fn version(content: &[u8]) -> Result<u8, String> {
    content
        .first()
        .copied()
        .ok_or_else(|| "an empty box".to_owned())
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map(u32::from_be_bytes)
        .ok_or_else(|| "a box is too short".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::stream::{init, part};
    use super::*;

    #[test]
    fn reads_an_init_and_a_part() {
        let tracks = tracks(&init()).unwrap();
        assert_eq!((tracks.len(), tracks[0].timescale), (1, 1_000));
        let media = Media::parse(&part(8), &tracks).unwrap();
        assert!(media.begins_with_moof());
        let fragment = media.fragments[0];
        assert_eq!((fragment.decode_time, fragment.duration), (2_000, 250));
        assert!(fragment.has_sync);
        assert!(!Media::parse(&part(9), &tracks).unwrap().fragments[0].has_sync);
    }

    #[test]
    fn sound_beside_a_picture_does_not_make_it_independent() {
        let fragment = |track, has_sync| Fragment {
            track,
            has_sync,
            ..Fragment::default()
        };
        let with = |fragments: &[Fragment]| Media {
            fragments: fragments.to_vec(),
            ..Media::default()
        };
        assert!(!with(&[fragment(1, false), fragment(2, true)]).has_sync());
        assert!(with(&[fragment(1, false), fragment(2, true), fragment(1, true)]).has_sync());
    }

    #[test]
    fn says_what_is_cut_off() {
        let bytes = part(8);
        assert!(Media::parse(&bytes[..bytes.len() - 1], &[]).is_err());
        assert!(tracks(&bytes).is_err());
        assert!(!Media::parse(&bytes[8..], &[]).is_ok_and(|media| media.begins_with_moof()));
    }
}

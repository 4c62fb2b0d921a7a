//! The coded forms of one text, each made when it is first asked for.

use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Coding;

/// The level of gzip, 1 to 9. Measured: see "Compressed playlists" in BENCHMARKS.md.
const GZIP_LEVEL: u32 = 7;

/// The level of zstd, 1 to 22. Measured likewise.
const ZSTD_LEVEL: i32 = 6;

/// The coded forms of one text. It belongs beside that text, and lives as long.
///
/// Threads that ask for the same form at once wait for the one that makes it: some tens of
/// microseconds for a playlist.
#[derive(Debug, Default)]
pub struct Codings {
    gzip: OnceLock<Option<Bytes>>,
    zstd: OnceLock<Option<Bytes>>,
}

impl Codings {
    /// `plain` in `coding`; `None` for identity, and where a coded form would be no smaller.
    ///
    /// `plain` has to be the same text in every call. `made` is called in the one call that makes
    /// the form, if one was made.
    pub fn coded(&self, plain: &[u8], coding: Coding, made: impl FnOnce()) -> Option<Bytes> {
        let (place, compress) = match coding {
            Coding::Gzip => (&self.gzip, gzip as fn(&[u8]) -> std::io::Result<Vec<u8>>),
            Coding::Identity => return None,
            Coding::Zstd => (&self.zstd, zstd as _),
        };
        let coded = place.get_or_init(|| {
            let coded = compress(plain).ok()?;
            made();
            // Without what the vector has to spare: it is kept as long as the text.
            (coded.len() < plain.len()).then(|| Bytes::from(coded.into_boxed_slice()))
        });
        coded.clone()
    }
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(plain)?;
    encoder.finish()
}

fn zstd(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(plain, ZSTD_LEVEL)
}

/// The text that was coded by zstd (RFC 8878); `None` when the bytes are not, or the text is longer than
/// `bytes_max`.
#[must_use]
pub fn decode_zstd(coded: &[u8], bytes_max: usize) -> Option<Bytes> {
    zstd::bulk::Decompressor::upper_bound(coded)
        .filter(|bound| *bound <= bytes_max && !coded.is_empty())
        .and_then(|bound| zstd::bulk::decompress(coded, bound).ok())
        .map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn text() -> Vec<u8> {
        let line = |n: u32| format!("#EXT-X-PART:DURATION=0.33334,URI=\"{n}.0.m4s\"\n");
        (0..60).map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn what_is_coded_is_the_text() {
        let (codings, text) = (Codings::default(), text());
        let gzip = codings.coded(&text, Coding::Gzip, || {}).unwrap();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*gzip)
            .read_to_end(&mut plain)
            .unwrap();
        assert_eq!(plain, text);
        let zstd = codings.coded(&text, Coding::Zstd, || {}).unwrap();
        assert_eq!(zstd::bulk::decompress(&zstd, text.len()).unwrap(), text);
        assert!(gzip.len() < text.len() / 4 && zstd.len() < text.len() / 4);
        assert_eq!(codings.coded(&text, Coding::Identity, || panic!()), None);
    }

    #[test]
    fn a_coded_text_is_read_back_within_bounds() {
        let text = text();
        let zstd = Codings::default()
            .coded(&text, Coding::Zstd, || {})
            .unwrap();
        assert_eq!(decode_zstd(&zstd, text.len()).unwrap(), text);
        assert_eq!(decode_zstd(&zstd, text.len() - 1), None);
        assert_eq!(decode_zstd(&text, usize::MAX), None);
        assert_eq!(decode_zstd(&zstd[..zstd.len() - 1], usize::MAX), None);
        assert_eq!(decode_zstd(&[], usize::MAX), None);
    }

    #[test]
    fn what_does_not_get_smaller_stays_as_it_is() {
        let codings = Codings::default();
        assert_eq!(codings.coded(b"#EXTM3U\n", Coding::Gzip, || {}), None);
        assert_eq!(codings.coded(b"", Coding::Zstd, || {}), None);
    }

    #[test]
    fn many_threads_at_once_make_a_form_once() {
        const THREADS: usize = 16;
        let (codings, text) = (Codings::default(), text());
        let (barrier, made) = (Barrier::new(THREADS), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let coding = [Coding::Gzip, Coding::Zstd][thread % 2];
                let (codings, text, barrier, made) = (&codings, &text, &barrier, &made);
                scope.spawn(move || {
                    barrier.wait();
                    for _ in 0..100 {
                        let count = || _ = made.fetch_add(1, Ordering::Relaxed);
                        codings.coded(text, coding, count).unwrap();
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 2, "once for each coding");
    }
}

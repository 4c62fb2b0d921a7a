//! What a headless player saw.

use std::fmt;

use serde::Serialize;

use crate::load::percentile;

/// All renditions it followed.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// One per Media Playlist.
    pub renditions: Vec<RenditionReport>,
}

/// One rendition.
#[derive(Debug, Default, Clone, Serialize)]
pub struct RenditionReport {
    /// The Media Playlist's path.
    pub path: String,
    /// Parts loaded whole.
    pub parts: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blocking reloads answered with something new.
    pub reloads: usize,
    /// Reloads answered with nothing new.
    pub idle_reloads: usize,
    /// Milliseconds from the start of the watch to the first frame that could be shown.
    pub startup_ms: Option<u64>,
    /// How often the buffer ran dry.
    pub stalls: u32,
    /// For how long altogether.
    pub stalled_ms: u64,
    /// Parts that were listed and could not be had, or vanished between two reloads.
    pub missing: usize,
    /// Parts marked GAP=YES.
    pub gaps: usize,
    /// EXT-X-DISCONTINUITY met.
    pub discontinuities: usize,
    /// Part whole in hand, minus the PROGRAM-DATE-TIME of its end: milliseconds, sorted.
    #[serde(skip)]
    pub latencies_ms: Vec<i64>,
    /// Median of the same.
    pub latency_p50_ms: i64,
    /// 95th percentile.
    pub latency_p95_ms: i64,
    /// 99th percentile.
    pub latency_p99_ms: i64,
    /// The largest.
    pub latency_max_ms: i64,
    /// PART-TARGET of the playlist, in milliseconds.
    pub part_target_ms: u64,
    /// Parts that came to be listed during the watch, and were loaded.
    pub fresh: usize,
    /// Those of them that were whole in hand more than a PART-TARGET after the PROGRAM-DATE-TIME of their end.
    pub late: usize,
    /// How long after it they were, in milliseconds, sorted.
    #[serde(skip)]
    pub fresh_latencies_ms: Vec<i64>,
    /// Part listed to Part whole in hand: milliseconds, 99th percentile.
    pub load_p99_ms: u64,
    /// What went wrong, in words.
    pub errors: Vec<String>,
}

impl RenditionReport {
    /// Fills in what follows from the samples.
    pub(super) fn conclude(&mut self, mut load_ms: Vec<u64>) {
        self.latencies_ms.sort_unstable();
        load_ms.sort_unstable();
        self.fresh_latencies_ms.sort_unstable();
        let target = i64::try_from(self.part_target_ms).unwrap_or(i64::MAX);
        let fresh = &self.fresh_latencies_ms;
        self.fresh = fresh.len();
        self.late = fresh.len() - fresh.partition_point(|&ms| ms <= target);
        self.latency_p50_ms = percentile(&self.latencies_ms, 50);
        self.latency_p95_ms = percentile(&self.latencies_ms, 95);
        self.latency_p99_ms = percentile(&self.latencies_ms, 99);
        self.latency_max_ms = percentile(&self.latencies_ms, 100);
        self.load_p99_ms = percentile(&load_ms, 99);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rendition) in self.renditions.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            rendition.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for RenditionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} parts, {} bytes, {} reloads ({} idle), startup {:?} ms, \
             {} stalls ({} ms), {} missing, {} gaps, {} discontinuities; \
             latency p50 {} p95 {} p99 {} max {} ms; part load p99 {} ms",
            self.path,
            self.parts,
            self.bytes,
            self.reloads,
            self.idle_reloads,
            self.startup_ms,
            self.stalls,
            self.stalled_ms,
            self.missing,
            self.gaps,
            self.discontinuities,
            self.latency_p50_ms,
            self.latency_p95_ms,
            self.latency_p99_ms,
            self.latency_max_ms,
            self.load_p99_ms,
        )?;
        for error in &self.errors {
            write!(f, "\n  error: {error}")?;
        }
        Ok(())
    }
}

//! `[thumbnails]`: pictures to seek by.

use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, KeyPath};

/// As typed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThumbnailsConfig {
    /// Whether they are made.
    pub enabled: bool,
    /// From one to the next.
    pub interval_seconds: u64,
    /// The longer side of each.
    pub width: u32,
    /// Pictures side by side in a file.
    pub columns: u32,
    /// Rows of them.
    pub rows: u32,
}

impl Default for ThumbnailsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_seconds: 10,
            width: 160,
            columns: 3,
            rows: 2,
        }
    }
}

/// Checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThumbnailSettings {
    /// From one to the next.
    pub interval: Duration,
    /// The longer side of each.
    pub longer_side: u32,
    /// Columns and rows of a file.
    pub layout: (u32, u32),
}

/// What a picture of so many pixels takes as JPEG, at most, in bits per pixel: an estimate.
const BITS_PER_PIXEL: u64 = 3;

impl ThumbnailsConfig {
    pub(super) fn resolve(&self) -> Result<Option<ThumbnailSettings>, Invalid> {
        let within = |key: &'static str, value: u64, least: u64, most: u64| {
            let invalid = || {
                let key = KeyPath::new("thumbnails").key(key);
                Invalid::new(key, format!("must be {least} to {most}"))
            };
            (least..=most)
                .contains(&value)
                .then_some(())
                .ok_or_else(invalid)
        };
        within("interval_seconds", self.interval_seconds, 4, 60)?;
        within("width", self.width.into(), 64, 480)?;
        within("columns", self.columns.into(), 1, 5)?;
        within("rows", self.rows.into(), 1, 5)?;
        Ok(self.enabled.then_some(ThumbnailSettings {
            interval: Duration::from_secs(self.interval_seconds),
            longer_side: self.width,
            layout: (self.columns, self.rows),
        }))
    }
}

impl ThumbnailSettings {
    /// Width and height of a picture of a source of that size; even, as 4:2:0 has it.
    pub fn size(&self, width: u32, height: u32) -> (u32, u32) {
        let longer = width.max(height).max(1);
        let side = |own: u32| {
            let scaled = u64::from(own) * u64::from(self.longer_side) / u64::from(longer);
            u32::try_from(scaled).unwrap_or(self.longer_side).max(16) & !1
        };
        (side(width), side(height))
    }

    /// Pictures in a file.
    pub fn count_max(&self) -> u32 {
        self.layout.0.saturating_mul(self.layout.1).max(1)
    }

    /// Bits per second of play.
    pub fn bandwidth(&self) -> u64 {
        let pixels = u64::from(self.longer_side) * u64::from(self.longer_side) * 9 / 16;
        pixels * BITS_PER_PIXEL / self.interval.as_secs().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape() {
        let settings = ThumbnailsConfig::default().resolve().unwrap().unwrap();
        assert_eq!(settings.size(1_920, 1_080), (160, 90));
        assert_eq!(settings.size(1_080, 1_920), (90, 160));
        assert_eq!(settings.size(640, 480), (160, 120));
        assert_eq!(settings.size(0, 0), (16, 16));
    }
}

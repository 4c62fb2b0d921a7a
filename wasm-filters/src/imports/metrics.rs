//! `metrics`: what a filter counts and measures.

use crate::contract::metrics;
use crate::state::State;

/// Bytes of a metric's name.
const NAME_BYTES_MAX: usize = 64;

impl metrics::Host for State {
    fn count(&mut self, name: String, delta: u64) -> wasmtime::Result<()> {
        self.budget.host_call()?;
        let sink = &self.shared.services.metrics;
        match is_name(&name) {
            true => sink.count(self.caller(), &name, delta),
            false => sink.refused(self.caller()),
        }
        Ok(())
    }

    fn gauge(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.budget.host_call()?;
        let sink = &self.shared.services.metrics;
        // One NaN would make every sum that it enters NaN for ever.
        match is_name(&name) && value.is_finite() {
            true => sink.gauge(self.caller(), &name, value),
            false => sink.refused(self.caller()),
        }
        Ok(())
    }

    fn observe(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.budget.host_call()?;
        let sink = &self.shared.services.metrics;
        match is_name(&name) && value.is_finite() {
            true => sink.observe(self.caller(), &name, value),
            false => sink.refused(self.caller()),
        }
        Ok(())
    }
}

/// `[a-z][a-z0-9_]{0,63}`
fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names() {
        for good in ["a", "bans_total", "a1", &"x".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "1a",
            "_a",
            "A",
            "a-b",
            "a b",
            "ä",
            "a\n",
            &"x".repeat(65),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}

//! What of a node's metrics (Prometheus' text format) is shown. Without I/O.

use serde::{Deserialize, Serialize};

/// Counts the answers of an edge, by what its cache had to do with them.
const REQUESTS: &str = "edge_requests_total";

/// How an edge's answers came about, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcomes {
    /// The object was there.
    pub(super) hits: u64,
    /// The object was on its way for somebody else.
    pub(super) collapsed: u64,
    /// The object was fetched for this request.
    pub(super) misses: u64,
}

impl Outcomes {
    /// Answers that had to do with the cache.
    pub(super) fn all(&self) -> u64 {
        self.hits
            .saturating_add(self.collapsed)
            .saturating_add(self.misses)
    }
}

/// Sums over protocols, kinds of object and statuses.
pub(super) fn outcomes(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for line in text.lines() {
        let Some(sample) = line.strip_prefix(REQUESTS) else {
            continue;
        };
        let Some((labels, value)) = sample.rsplit_once(' ') else {
            continue;
        };
        let Ok(value) = value.parse::<u64>() else {
            continue;
        };
        let sum = if labels.contains("cache=\"hit\"") {
            &mut outcomes.hits
        } else if labels.contains("cache=\"collapsed\"") {
            &mut outcomes.collapsed
        } else if labels.contains("cache=\"miss\"") {
            &mut outcomes.misses
        } else {
            continue;
        };
        *sum = sum.saturating_add(value);
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_summed() {
        let text = "\
# HELP edge_requests_total Requests answered.
# TYPE edge_requests_total counter
edge_requests_total{cache=\"hit\",kind=\"part\",protocol=\"h3\",status=\"200\"} 900
edge_requests_total{cache=\"hit\",kind=\"part\",protocol=\"h2\",status=\"200\"} 90
edge_requests_total{cache=\"collapsed\",kind=\"playlist\",protocol=\"h2\",status=\"200\"} 5
edge_requests_total{cache=\"miss\",kind=\"part\",protocol=\"h3\",status=\"200\"} 10
edge_requests_total{cache=\"none\",kind=\"page\",protocol=\"h3\",status=\"200\"} 7
edge_requests_in_progress 3
edge_requests_total{cache=\"miss\"} many
";
        let expected = Outcomes {
            hits: 990,
            collapsed: 5,
            misses: 10,
        };
        assert_eq!(outcomes(text), expected);
        assert_eq!(expected.all(), 1005);
        assert_eq!(outcomes(""), Outcomes::default());
    }
}

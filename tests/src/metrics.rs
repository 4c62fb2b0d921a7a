//! Reading Prometheus' text format, as far as assertions need it.

/// The sum of all samples named `name` whose labels contain every one of `labels`.
///
/// 0 when there is none: a counter with labels appears with its first increment.
pub fn sum(exposition: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    exposition
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| sample(line, name, labels))
        .sum()
}

fn sample(line: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let (series, value) = line.rsplit_once(' ')?;
    let (series_name, series_labels) = match series.split_once('{') {
        Some((series_name, rest)) => (series_name, rest.strip_suffix('}')?),
        None => (series, ""),
    };
    let matches = series_name == name
        && labels.iter().all(|(key, value)| {
            series_labels
                .split(',')
                .any(|label| label == format!("{key}=\"{value}\""))
        });
    if matches { value.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a b\n# TYPE a counter\na{kind=\"part\",status=\"200\"} 3\n\
                        a{kind=\"part\",status=\"404\"} 2\na_total 9\nb 1.5\n";

    #[test]
    fn sums_the_samples_that_match() {
        assert_eq!(sum(TEXT, "a", &[("kind", "part")]), 5.0);
        assert_eq!(sum(TEXT, "a", &[("status", "404")]), 2.0);
        assert_eq!(sum(TEXT, "a", &[]), 5.0);
        assert_eq!(sum(TEXT, "b", &[]), 1.5);
        assert_eq!(sum(TEXT, "c", &[]), 0.0);
    }
}

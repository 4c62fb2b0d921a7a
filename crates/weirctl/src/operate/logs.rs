//! `weirctl filter logs`: what a filter logged on all nodes, as they reported it.

use std::time::Duration;

use filter_registry::Client;
use filter_registry::wire::{FilterOverview, NodeLogLine, Overview};

use super::list::number;
use crate::args::Logs;
use crate::failure::Failure;
use crate::output::{Output, Style, Tone, instant, printable};

/// Between two looks. Nodes report every second or so.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `filter logs`
///
/// # Errors
/// The registry refused, or cannot be reached.
pub(crate) async fn run(client: &Client, output: Output, wanted: &Logs) -> Result<(), Failure> {
    let mut after = 0;
    let mut overview = client.overview().await.map_err(Failure::failed)?;
    loop {
        let page = client
            .logs(&wanted.name, after)
            .await
            .map_err(Failure::failed)?;
        let lines = page.lines.iter();
        let lines: Vec<_> = lines
            .filter(|line| wanted.node.as_ref().is_none_or(|node| *node == line.node))
            .collect();
        if is_news(&lines, overview.filters.get(&wanted.name)) {
            // Logged by a version that was pushed since.
            overview = client.overview().await.map_err(Failure::failed)?;
        }
        for line in lines {
            if output.json {
                output.json_line(line)?;
            } else {
                output.text(&render(&overview, wanted, line, output.style))?;
            }
        }
        after = page.next;
        if !wanted.follow {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_news(lines: &[&NodeLogLine], filter: Option<&FilterOverview>) -> bool {
    lines.iter().filter_map(|line| line.line.version).any(|id| {
        filter.is_none_or(|filter| !filter.versions.iter().any(|version| version.id == id))
    })
}

fn render(overview: &Overview, wanted: &Logs, line: &NodeLogLine, style: Style) -> String {
    let filter = overview.filters.get(&wanted.name);
    let version = line.line.version.map_or_else(
        || "-".to_owned(),
        |id| filter.map_or_else(|| id.short(), |filter| number(filter, id)),
    );
    let tone = match line.line.level.as_str() {
        "error" => Tone::Bad,
        "warn" => Tone::Warn,
        "debug" | "trace" => Tone::Dim,
        _ => Tone::Plain,
    };
    let level = format!("{:<5}", printable(&line.line.level));
    format!(
        "{}  {}  {version}  {}  {}",
        instant(line.line.at_unix_ms),
        line.node,
        style.paint(tone, &level),
        printable(&line.line.message)
    )
}

#[cfg(test)]
mod tests {
    use filter_registry::wire::LogLine;

    use super::*;
    use crate::operate::status::samples;

    #[test]
    fn a_line_says_when_where_which_and_what() {
        let overview = samples::overview();
        let wanted = Logs {
            name: "auth".parse().unwrap(),
            follow: false,
            node: None,
        };
        let mut line = NodeLogLine {
            position: 1,
            node: "edge-1".parse().unwrap(),
            line: LogLine {
                seq: 1,
                at_unix_ms: 1_767_225_600_000,
                level: "warn".to_owned(),
                version: Some(samples::id("v3")),
                message: "odd\u{1b}[2Jtoken".to_owned(),
            },
        };
        assert_eq!(
            render(&overview, &wanted, &line, Style::Plain),
            "2026-01-01T00:00:00.000Z  edge-1  v3  warn   odd\\u{1b}[2Jtoken"
        );
        assert!(!is_news(&[&line], overview.filters.get("auth")));
        line.line.version = Some(samples::id("v9"));
        assert!(is_news(&[&line], overview.filters.get("auth")));
    }
}

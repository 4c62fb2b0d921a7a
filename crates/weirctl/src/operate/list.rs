//! `weirctl filter list`: every filter on one line each.

use filter_registry::Client;
use filter_registry::wire::{FilterOverview, Overview};
use wasm_filters::manifest::{FilterName, VersionId};

use crate::failure::Failure;
use crate::output::{Cell, Output, Style, Table, Tone, age};

/// `filter list`
///
/// # Errors
/// The registry refused, or cannot be reached.
pub(crate) async fn run(client: &Client, output: Output) -> Result<(), Failure> {
    let overview = client.overview().await.map_err(Failure::failed)?;
    output.show(&overview, render)
}

fn render(overview: &Overview, style: Style) -> String {
    let columns = [
        "FILTER", "ACTIVE", "LABEL", "HOOKS", "NODES", "ALSO", "CHANGED",
    ];
    let mut table = Table::new(columns);
    for (name, filter) in &overview.filters {
        let active = filter.desired.active.and_then(|id| version(filter, id));
        let newest = filter.versions.first();
        let shown = active.or(newest);
        let hooks = shown.map(|version| {
            let hooks = version.hooks.iter().map(|hook| hook.as_str());
            hooks.collect::<Vec<_>>().join(",")
        });
        table.row([
            name.to_string().into(),
            active_cell(filter),
            active
                .map_or_else(|| "-".to_owned(), |it| it.label.clone())
                .into(),
            hooks.unwrap_or_default().into(),
            nodes(overview, name, filter),
            also(filter).into(),
            changed(overview, filter).into(),
        ]);
    }
    if table.is_empty() {
        return "no filter was pushed to this registry yet".to_owned();
    }
    table.render(style)
}

fn version(
    filter: &FilterOverview,
    id: VersionId,
) -> Option<&filter_registry::wire::VersionOverview> {
    filter.versions.iter().find(|version| version.id == id)
}

/// `v3` where the registry keeps the version, else the beginning of its id.
pub(super) fn number(filter: &FilterOverview, id: VersionId) -> String {
    version(filter, id).map_or_else(|| id.short(), |version| format!("v{}", version.number))
}

fn active_cell(filter: &FilterOverview) -> Cell {
    match filter.desired.active {
        _ if !filter.desired.enabled => Cell::toned(Tone::Warn, "disabled"),
        Some(id) => Cell::toned(Tone::Good, number(filter, id)),
        None => Cell::toned(Tone::Warn, "none"),
    }
}

/// On how many nodes what is wanted runs.
fn nodes(overview: &Overview, name: &FilterName, filter: &FilterOverview) -> Cell {
    let Some(wanted) = filter.desired.active else {
        return "-".into();
    };
    let reports = overview.nodes.values().map(|node| &node.report);
    let active = reports.filter(|report| {
        let here = report.filters.get(name);
        here.is_some_and(|filter| filter.active == Some(wanted))
    });
    let (active, all) = (active.count(), overview.nodes.len());
    let tone = if active == all {
        Tone::Good
    } else {
        Tone::Warn
    };
    Cell::toned(tone, format!("{active}/{all}"))
}

/// Canary and shadow.
fn also(filter: &FilterOverview) -> String {
    let desired = &filter.desired;
    let canary = desired.canary.as_ref().map(|canary| {
        format!(
            "canary {} {} %",
            number(filter, canary.version),
            canary.percent
        )
    });
    let shadow = desired
        .shadow
        .map(|id| format!("shadow {}", number(filter, id)));
    let also: Vec<_> = canary.into_iter().chain(shadow).collect();
    also.join(", ")
}

/// Who changed it last, and how long ago.
pub(super) fn changed(overview: &Overview, filter: &FilterOverview) -> String {
    filter.changed.as_ref().map_or_else(
        || "-".to_owned(),
        |changed| {
            let ago = age(changed.at_unix_ms, overview.now_unix_ms);
            format!("{ago} ago, {} {}", changed.by, changed.what)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::status::samples;

    #[test]
    fn one_line_for_each_filter() {
        let expected = "\
FILTER     ACTIVE    LABEL  HOOKS                       NODES  ALSO                      CHANGED
auth       v3        1.2.0  auth                        1/2    canary v4 5 %, shadow v2  3 min ago, alice activated v4 for 5 %
geo-block  disabled  -      http.request,http.response  -                                -
";
        let text = render(&samples::overview(), Style::Plain);
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn an_empty_registry_says_so() {
        let mut overview = samples::overview();
        overview.filters.clear();
        let text = render(&overview, Style::Plain);
        assert_eq!(text, "no filter was pushed to this registry yet");
    }
}

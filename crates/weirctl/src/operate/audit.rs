//! `weirctl filter audit`: who did what, as the registry keeps it.

use std::time::Duration;

use filter_registry::Client;
use filter_registry::catalogue::{AuditAction, AuditRecord};

use crate::args::Audit;
use crate::failure::Failure;
use crate::output::{Output, Style, Tone, bytes, instant, printable};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// `filter audit`
///
/// # Errors
/// The registry refused, or cannot be reached.
pub(crate) async fn run(client: &Client, output: Output, wanted: &Audit) -> Result<(), Failure> {
    let mut after = wanted.after;
    loop {
        let page = client.audit(after).await.map_err(Failure::failed)?;
        for record in &page.records {
            if output.json {
                output.json_line(record)?;
            } else {
                output.text(&render(record, output.style))?;
            }
        }
        match page.records.last() {
            Some(last) => after = last.seq,
            None if wanted.follow => tokio::time::sleep(LOOK_EVERY).await,
            None => return Ok(()),
        }
    }
}

fn render(record: &AuditRecord, style: Style) -> String {
    let (tone, what) = action(&record.action);
    let peer = record.peer.as_deref().unwrap_or("-");
    format!(
        "{}  {}  {}  {}  {}",
        record.seq,
        instant(record.at_unix_ms),
        printable(&record.actor),
        printable(peer),
        style.paint(tone, &printable(&what))
    )
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of record")]
fn action(action: &AuditAction) -> (Tone, String) {
    use AuditAction as A;
    let number =
        |number: &Option<u32>| number.map_or_else(|| "none".to_owned(), |n| format!("v{n}"));
    match action {
        A::Uploaded { component, size } => {
            let component: String = component.to_string().chars().take(12).collect();
            (
                Tone::Plain,
                format!("uploaded component {component} ({})", bytes(*size)),
            )
        }
        A::Pushed {
            filter,
            number,
            serial,
            key_id,
            id,
        } => {
            let signed = key_id
                .as_ref()
                .map_or_else(String::new, |key| format!(", signed by {key}"));
            let id = id.short();
            (
                Tone::Plain,
                format!("pushed {filter} v{number} ({id}, serial {serial}{signed})"),
            )
        }
        A::Dropped { filter, number, .. } => (
            Tone::Plain,
            format!("dropped {filter} v{number}, to make room"),
        ),
        A::Activated {
            filter,
            number: version,
            percent,
            before,
            bake_ms,
            ..
        } => {
            let share = if *percent == 100 {
                String::new()
            } else {
                format!(" for {percent} %")
            };
            let before = number(before);
            let bake = bake_ms / 1000;
            (
                Tone::Good,
                format!("activated {filter} v{version}{share}, before {before}, bake {bake} s"),
            )
        }
        A::Shadowed {
            filter,
            number: Some(version),
        } => (Tone::Plain, format!("made {filter} v{version} the shadow")),
        A::Shadowed {
            filter,
            number: None,
        } => (Tone::Plain, format!("ended the shadow of {filter}")),
        A::RolledBack {
            filter,
            from,
            to,
            reason,
            node,
        } => {
            let node = node
                .as_ref()
                .map_or_else(String::new, |node| format!(" by {node}"));
            let (from, to) = (number(from), number(to));
            (
                Tone::Warn,
                format!("rolled {filter} back from {from} to {to}{node}: {reason}"),
            )
        }
        A::EnabledSet { filter, enabled } => {
            let word = if *enabled { "enabled" } else { "disabled" };
            (Tone::Plain, format!("{word} {filter}"))
        }
        A::Revoked {
            kind,
            value,
            seconds,
        } => (
            Tone::Warn,
            format!("revoked {} {value} for {seconds} s", kind.as_str()),
        ),
        A::Rejected {
            node,
            filter,
            number,
            rejection,
        } => (
            Tone::Bad,
            format!(
                "{node} rejected {filter} v{number} at {}: {}",
                rejection.stage, rejection.reason
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use filter_registry::catalogue::Rejection;

    use super::*;
    use crate::operate::status::samples;

    fn text(action: AuditAction) -> String {
        let record = AuditRecord {
            seq: 12,
            at_unix_ms: 1_767_225_600_000,
            actor: "alice".to_owned(),
            peer: Some("10.0.0.7:4711".to_owned()),
            generation: 9,
            action,
        };
        let text = render(&record, Style::Plain);
        let head = "12  2026-01-01T00:00:00.000Z  alice  10.0.0.7:4711  ";
        text.strip_prefix(head).unwrap().to_owned()
    }

    #[test]
    fn what_happened_in_words() {
        let filter = || "auth".parse().unwrap();
        let id = samples::id("v3");
        assert_eq!(
            text(AuditAction::Pushed {
                filter: filter(),
                number: 3,
                id,
                serial: 70,
                key_id: Some("ci".to_owned())
            }),
            format!("pushed auth v3 ({}, serial 70, signed by ci)", id.short())
        );
        assert_eq!(
            text(AuditAction::Activated {
                filter: filter(),
                number: 3,
                id,
                percent: 5,
                before: Some(2),
                bake_ms: 60_000
            }),
            "activated auth v3 for 5 %, before v2, bake 60 s"
        );
        assert_eq!(
            text(AuditAction::RolledBack {
                filter: filter(),
                from: Some(3),
                to: None,
                reason: "3 errors\nof 20".to_owned(),
                node: Some("edge-1".parse().unwrap()),
            }),
            "rolled auth back from v3 to none by edge-1: 3 errors\\nof 20"
        );
        assert_eq!(
            text(AuditAction::Rejected {
                node: "edge-1".parse().unwrap(),
                filter: filter(),
                number: 4,
                rejection: Rejection {
                    stage: "probe".to_owned(),
                    reason: "no".to_owned()
                },
            }),
            "edge-1 rejected auth v4 at probe: no"
        );
        assert_eq!(
            text(AuditAction::EnabledSet {
                filter: filter(),
                enabled: false
            }),
            "disabled auth"
        );
    }
}

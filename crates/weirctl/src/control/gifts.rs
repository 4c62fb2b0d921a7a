//! `weirctl gift`: what was given, what is held, refunds.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ledger::{Transfer, more, transfers};
use super::{Cursor, Desk, part, query};
use crate::args::{GiftCommand, GiftList, GiftRefund};
use crate::config::Target;
use crate::failure::Failure;
use crate::node::client::{Ask, segment};
use crate::output::{Cell, Output, Style, Table, Tone, count, instant, printable};

/// What was given; fields that a later origin adds are left out.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: String,
    #[serde(default)]
    seq: u64,
    at_ms: u64,
    room: String,
    sender: Person,
    item: String,
    count: u64,
    total: u64,
    #[serde(default)]
    points: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    state: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Person {
    id: String,
    #[serde(default)]
    name: String,
}

/// `GET /gifts`
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    items: Vec<Record>,
    next: Option<Cursor>,
}

/// `GET /gifts/{id}`
#[derive(Debug, Serialize, Deserialize)]
struct Sheet {
    #[serde(flatten)]
    record: Record,
    #[serde(default)]
    transfers: Vec<Transfer>,
    /// Why it is held.
    #[serde(default)]
    signals: Vec<String>,
}

/// `weirctl gift`
///
/// # Errors
/// The origin refused, has no gifts, or cannot be reached.
pub(crate) async fn run(
    target: &Target,
    output: Output,
    command: &GiftCommand,
) -> Result<(), Failure> {
    let desk = Desk::new(target)?;
    match command {
        GiftCommand::List(wanted) => list(&desk, output, wanted).await,
        GiftCommand::Show(gift) => {
            let sheet = desk.get::<Sheet>(&path(&gift.id, "")).await?;
            output.show(&sheet, render_one)
        }
        GiftCommand::Approve(gift) => {
            let path = path(&gift.id, "/approve");
            desk.act(Ask::new(Method::POST, &path)).await?;
            done(output, &gift.id, "is given")
        }
        GiftCommand::Reject(gift) => {
            let path = path(&gift.id, "/reject");
            desk.act(Ask::new(Method::POST, &path)).await?;
            done(output, &gift.id, "is rejected; its coins are back")
        }
        GiftCommand::Refund(wanted) => refund(&desk, output, wanted).await,
    }
}

async fn list(desk: &Desk<'_>, output: Output, wanted: &GiftList) -> Result<(), Failure> {
    let paging = &wanted.paging;
    let mut before = paging.before.map(Cursor::Number);
    let mut first = true;
    loop {
        let asked = query(&[
            ("room", wanted.room.clone()),
            ("state", wanted.state.map(|it| it.as_str().to_owned())),
            ("before", before.as_ref().map(ToString::to_string)),
            ("limit", Some(paging.limit.to_string())),
        ]);
        let page = desk.get::<Page>(&format!("/v1/admin/gifts{asked}")).await?;
        output.show(&page, |page, style| {
            let next = page.next.as_ref().filter(|_| !paging.all);
            part(render(&page.items, style), first) + &more(next, "--before")
        })?;
        match page.next {
            Some(next) if paging.all && before.as_ref() != Some(&next) => before = Some(next),
            _ => return Ok(()),
        }
        first = false;
    }
}

async fn refund(desk: &Desk<'_>, output: Output, wanted: &GiftRefund) -> Result<(), Failure> {
    let id = &wanted.gift.id;
    let path = path(id, "/refund");
    let body = json!({ "reason": wanted.reason });
    let ask = Ask::new(Method::POST, &path).body(body);
    desk.act(ask).await?;
    done(output, id, "is refunded")
}

fn path(id: &str, more: &str) -> String {
    format!("/v1/admin/gifts/{}{more}", segment(id))
}

fn done(output: Output, id: &str, told: &str) -> Result<(), Failure> {
    let value: Value = json!({ "gift": id, "done": true });
    output.show(&value, |_, _| format!("{} {told}\n", printable(id)))
}

fn state(state: &str) -> Cell {
    let tone = match state {
        "held" => Tone::Warn,
        "given" => Tone::Plain,
        _ => Tone::Dim,
    };
    Cell::toned(tone, state)
}

fn render(items: &[Record], style: Style) -> String {
    let columns = [
        "GIFT", "WHEN", "ROOM", "STATE", "ITEM", ">COUNT", ">TOTAL", "SENDER", "NAME", "NOTE",
    ];
    let mut table = Table::new(columns);
    for item in items {
        table.row([
            Cell::from(item.id.as_str()),
            instant(item.at_ms).into(),
            item.room.as_str().into(),
            state(&item.state),
            item.item.as_str().into(),
            count(item.count).into(),
            count(item.total).into(),
            item.sender.id.as_str().into(),
            item.sender.name.as_str().into(),
            item.note.as_deref().unwrap_or_default().into(),
        ]);
    }
    if table.is_empty() {
        return "no gift\n".to_owned();
    }
    table.render(style)
}

fn render_one(sheet: &Sheet, style: Style) -> String {
    let gift = &sheet.record;
    let mut text = format!(
        "{}\n  when         {}\n  room         {}\n  sender       {} {}\n  item         {} x {}\n  \
         total        {} ({} points)\n  state        {}\n",
        printable(&gift.id),
        instant(gift.at_ms),
        printable(&gift.room),
        printable(&gift.sender.id),
        printable(&gift.sender.name),
        count(gift.count),
        printable(&gift.item),
        count(gift.total),
        count(gift.points),
        printable(&gift.state),
    );
    if let Some(note) = &gift.note {
        text.push_str(&format!("  note         {}\n", printable(note)));
    }
    if !sheet.signals.is_empty() {
        let signals = printable(&sheet.signals.join(", "));
        text.push_str(&format!("  signals      {signals}\n"));
    }
    if !sheet.transfers.is_empty() {
        text.push('\n');
        text.push_str(&transfers(&sheet.transfers, style));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;

    use super::*;

    fn sheet() -> Value {
        json!({
            "id": "g1", "seq": 4, "at_ms": 1_767_225_600_000_u64, "room": "demo",
            "sender": {"id": "u-1", "name": "Ada\nB"}, "item": "rose", "count": 2, "total": 2_000,
            "points": 2_000, "note": "hi", "state": "held", "signals": ["velocity", "new-account"],
            "transfers": [{
                "id": "g1/1", "debit": "coin:u-1", "credit": "coin:filter:gifts", "amount": 2_000,
                "currency": "coin", "kind": "gift",
            }],
        })
    }

    #[test]
    fn gifts_in_a_table() {
        let text = render(&[from_value(sheet()).unwrap()], Style::Plain);
        let expected = "\
GIFT  WHEN                      ROOM  STATE  ITEM  COUNT  TOTAL  SENDER  NAME    NOTE
g1    2026-01-01T00:00:00.000Z  demo  held   rose      2  2 000  u-1     Ada\\nB  hi
";
        assert_eq!(text, expected, "\n{text}");
        assert_eq!(render(&[], Style::Plain), "no gift\n");
    }

    #[test]
    fn one_gift() {
        let text = render_one(&from_value(sheet()).unwrap(), Style::Plain);
        let expected = "\
g1
  when         2026-01-01T00:00:00.000Z
  room         demo
  sender       u-1 Ada\\nB
  item         2 x rose
  total        2 000 (2 000 points)
  state        held
  note         hi
  signals      velocity, new-account

TRANSFER";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(path("a/b", "/approve"), "/v1/admin/gifts/a%2Fb/approve");
    }
}

//! What the ledger says, as text.

use serde_json::Value;

use super::{Balance, Report, Summary, Transfer};
use crate::control::{Cursor, signed};
use crate::output::{Cell, Style, Table, Tone, count, instant, millis, printable};

pub(super) fn summary(summary: &Summary, style: Style) -> String {
    let mut table = Table::new(["CURRENCY", ">ISSUED", ">ACCOUNTS"]);
    for of in &summary.currencies {
        table.row([
            Cell::from(of.currency.as_str()),
            signed(of.issued).into(),
            count(of.accounts).into(),
        ]);
    }
    format!(
        "{}\n{} batches; {} messages wait to be delivered\n",
        table.render(style),
        count(summary.batches),
        count(summary.outbox_waiting)
    )
}

pub(super) fn report(report: &Report, style: Style) -> String {
    let mut text = format!(
        "{} accounts, {} open holds, {} batches, {} transfers, {} messages; {}, {}\n",
        count(report.accounts),
        count(report.holds_open),
        count(report.batches),
        count(report.transfers),
        count(report.messages_pending),
        instant(report.at_ms),
        millis(report.took_ms),
    );
    for of in &report.sums {
        text.push_str(&format!(
            "{}: {} accounts sum to {}\n",
            printable(&of.currency),
            count(of.accounts),
            printable(&of.sum.to_string())
        ));
    }
    if report.ok && report.differences.is_empty() {
        text.push_str(&style.paint(Tone::Good, "all of it adds up"));
        text.push('\n');
        return text;
    }
    let mut table = Table::new(["DIFFERENCE", "WHAT"]);
    for difference in &report.differences {
        let (kind, what) = difference_in_words(difference);
        table.row([Cell::toned(Tone::Bad, kind), what.into()]);
    }
    text.push('\n');
    text.push_str(&table.render(style));
    if report.more > 0 {
        text.push_str(&format!("and {} more\n", count(report.more)));
    }
    text
}

/// Its kind, and what is said about it: an origin may know kinds that are unknown here.
fn difference_in_words(difference: &Value) -> (String, String) {
    let Some((kind, told)) = difference.as_object().and_then(|it| it.iter().next()) else {
        return ("?".to_owned(), difference.to_string());
    };
    let Some(told) = told.as_object() else {
        return (kind.clone(), told.to_string());
    };
    let told = told.iter().map(|(name, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{name} {value}")
    });
    let told = told.collect::<Vec<_>>().join(", ");
    (kind.clone(), told)
}

pub(super) fn balance(balance: &Balance, _: Style) -> String {
    let below = if balance.overdraft {
        "\n  overdraft    may go below zero"
    } else {
        ""
    };
    format!(
        "{}\n  balance      {} {}\n  available    {}\n  held         {}{below}\n",
        printable(&balance.id),
        signed(balance.balance),
        printable(&balance.currency),
        signed(balance.available),
        count(balance.held),
    )
}

/// Transfers as they are to one of their accounts.
pub(super) fn history(account: &str, items: &[Transfer], style: Style) -> String {
    let columns = [
        ">SEQ",
        "WHEN",
        ">AMOUNT",
        "CURRENCY",
        "KIND",
        "OTHER",
        "TRANSFER",
        "REFERENCE",
    ];
    let mut table = Table::new(columns);
    for item in items {
        let paid = item.debit == account;
        let sign = if paid { "-" } else { "" };
        let other = if paid { &item.credit } else { &item.debit };
        table.row([
            Cell::from(item.seq.to_string()),
            instant(item.at_ms).into(),
            format!("{sign}{}", count(item.amount)).into(),
            item.currency.as_str().into(),
            item.kind.as_str().into(),
            other.as_str().into(),
            item.id.as_str().into(),
            item.reference.as_str().into(),
        ]);
    }
    if table.is_empty() {
        return "nothing was paid and nothing was got\n".to_owned();
    }
    table.render(style)
}

/// Transfers by themselves.
pub(in crate::control) fn transfers(items: &[Transfer], style: Style) -> String {
    let columns = [
        "TRANSFER", "WHEN", "FROM", "TO", ">AMOUNT", "CURRENCY", "KIND", "REVERSES",
    ];
    let mut table = Table::new(columns);
    for item in items {
        table.row([
            Cell::from(item.id.as_str()),
            instant(item.at_ms).into(),
            item.debit.as_str().into(),
            item.credit.as_str().into(),
            count(item.amount).into(),
            item.currency.as_str().into(),
            item.kind.as_str().into(),
            item.reverses.clone().unwrap_or_default().into(),
        ]);
    }
    table.render(style)
}

/// That there is more, and how to ask for it.
pub(in crate::control) fn more(next: Option<&Cursor>, option: &str) -> String {
    next.map_or_else(String::new, |next| {
        let next = printable(&next.to_string());
        format!("more: {option} {next}, or --all\n")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_ledger_at_a_glance() {
        let told = from_value(json!({
            "currencies": [
                {"currency": "coin", "issued": 12_500, "accounts": 7},
                {"currency": "diamond", "issued": 90, "accounts": 2},
            ],
            "outbox_waiting": 3, "batches": 1_400, "later": true,
        }));
        let expected = "\
CURRENCY  ISSUED  ACCOUNTS
coin      12 500         7
diamond       90         2

1 400 batches; 3 messages wait to be delivered
";
        assert_eq!(summary(&told.unwrap(), Style::Plain), expected);
    }

    #[test]
    fn an_audit_names_each_difference() {
        let mut told = json!({
            "ok": true, "at_ms": 1_767_225_600_000_u64, "took_ms": 12,
            "accounts": 3, "holds_open": 1, "batches": 4, "transfers": 8, "messages_pending": 0,
            "sums": [{"currency": "coin", "accounts": 3, "sum": 0}],
            "differences": [], "more": 0,
        });
        let clean = from_value(told.clone()).unwrap();
        let head = "\
3 accounts, 1 open holds, 4 batches, 8 transfers, 0 messages; 2026-01-01T00:00:00.000Z, 12.0 ms
coin: 3 accounts sum to 0
";
        let text = report(&clean, Style::Plain);
        assert_eq!(text, format!("{head}all of it adds up\n"));

        told["ok"] = false.into();
        told["more"] = 2.into();
        told["differences"] = json!([
            {"balance": {"account": "coin:u-1", "stored": 5, "computed": 4}},
            {"partial_reversal": {"batch": 9}},
            "news",
        ]);
        let text = report(&from_value(told).unwrap(), Style::Plain);
        let expected = "
DIFFERENCE        WHAT
balance           account coin:u-1, computed 4, stored 5
partial_reversal  batch 9
?                 \"news\"
and 2 more
";
        assert_eq!(text, format!("{head}{expected}"));
    }

    fn transfer() -> Transfer {
        from_value(json!({
            "seq": 17, "batch": 9, "at_ms": 1_767_225_600_000_u64, "id": "g1/1",
            "debit": "coin:u-1", "credit": "coin:filter:gifts", "amount": 1_200,
            "currency": "coin", "kind": "gift", "reference": "g1", "reverses": null,
        }))
        .unwrap()
    }

    #[test]
    fn history_is_signed() {
        let items = [transfer()];
        let text = history("coin:u-1", &items, Style::Plain);
        let expected = "\
SEQ  WHEN                      AMOUNT  CURRENCY  KIND  OTHER              TRANSFER  REFERENCE
 17  2026-01-01T00:00:00.000Z  -1 200  coin      gift  coin:filter:gifts  g1/1      g1
";
        assert_eq!(text, expected, "\n{text}");
        let text = history("coin:filter:gifts", &items, Style::Plain);
        assert!(
            text.contains("   1 200  coin      gift  coin:u-1"),
            "{text}"
        );
        assert!(history("x", &[], Style::Plain).contains("nothing"));
        assert_eq!(more(None, "--before"), "");
        let next = Cursor::Number(17);
        assert_eq!(
            more(Some(&next), "--before"),
            "more: --before 17, or --all\n"
        );
    }

    #[test]
    fn balances_and_transfers() {
        let told = json!({
            "id": "coin:topup", "currency": "coin", "overdraft": true,
            "balance": -1_500, "available": -1_500, "held": 0,
        });
        let expected = "\
coin:topup
  balance      -1 500 coin
  available    -1 500
  held         0
  overdraft    may go below zero
";
        let text = balance(&from_value(told).unwrap(), Style::Plain);
        assert_eq!(text, expected, "\n{text}");
        let text = transfers(&[transfer()], Style::Plain);
        let row = "g1/1      2026-01-01T00:00:00.000Z  coin:u-1  coin:filter:gifts   1 200  coin      gift\n";
        assert!(text.ends_with(row), "{text}");
    }
}

//! `weirctl ledger`: double entry, as the origin keeps it. Changes nothing.

mod export;
mod view;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cursor, Desk, part, query};
use crate::args::{LedgerCommand, LedgerHistory, LedgerVerify};
use crate::config::Target;
use crate::failure::Failure;
use crate::node::client::{Ask, segment};
use crate::output::{Output, Sink};

pub(super) use view::{more, transfers};

/// `GET /ledger/summary`; fields that a later origin adds are left out, here and below.
#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    currencies: Vec<Issued>,
    outbox_waiting: u64,
    batches: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Issued {
    currency: String,
    issued: i64,
    accounts: u64,
}

/// `POST /ledger/verify`
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    ok: bool,
    #[serde(default)]
    at_ms: u64,
    #[serde(default)]
    took_ms: u64,
    accounts: u64,
    holds_open: u64,
    batches: u64,
    transfers: u64,
    messages_pending: u64,
    sums: Vec<Sum>,
    /// Each an object with one key, its kind.
    differences: Vec<Value>,
    /// How many more there are.
    more: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sum {
    currency: String,
    accounts: u64,
    /// Beyond 64 bits in a ledger that was broken on purpose.
    sum: Value,
}

/// `GET /ledger/verify`
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    running_since_ms: Option<u64>,
    last: Option<Report>,
}

/// `GET /ledger/accounts/{id}`
#[derive(Debug, Serialize, Deserialize)]
struct Balance {
    id: String,
    currency: String,
    #[serde(default)]
    overdraft: bool,
    balance: i64,
    available: i64,
    held: u64,
}

/// A transfer that was committed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Transfer {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    batch: u64,
    #[serde(default)]
    at_ms: u64,
    id: String,
    debit: String,
    credit: String,
    amount: u64,
    currency: String,
    kind: String,
    #[serde(default)]
    reference: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reverses: Option<String>,
}

/// `GET /ledger/accounts/{id}/history`
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    items: Vec<Transfer>,
    next: Option<Cursor>,
}

/// `GET /ledger/transfers/{id}`
#[derive(Debug, Serialize, Deserialize)]
struct Linked {
    transfers: Vec<Transfer>,
}

/// `weirctl ledger`
///
/// # Errors
/// The origin refused, has no ledger, or cannot be reached; the ledger does not add up.
pub(crate) async fn run(
    target: &Target,
    output: Output,
    command: &LedgerCommand,
) -> Result<(), Failure> {
    let desk = Desk::new(target)?;
    match command {
        LedgerCommand::Summary => {
            let summary = desk.get::<Summary>("/v1/admin/ledger/summary").await?;
            output.show(&summary, view::summary)
        }
        LedgerCommand::Verify(wanted) => verify(&desk, output, wanted).await,
        LedgerCommand::Balance { account } => {
            let path = format!("/v1/admin/ledger/accounts/{}", segment(account));
            output.show(&desk.get::<Balance>(&path).await?, view::balance)
        }
        LedgerCommand::History(wanted) => history(&desk, output, wanted).await,
        LedgerCommand::Transfer { id } => {
            let path = format!("/v1/admin/ledger/transfers/{}", segment(id));
            let linked = desk.get::<Linked>(&path).await?;
            output.show(&linked, |linked, style| transfers(&linked.transfers, style))
        }
        LedgerCommand::Export(saving) => {
            let sink = Sink::new(saving)?;
            let stream = desk.stream("/v1/admin/ledger/export").await?;
            export::run(stream, sink).await
        }
    }
}

async fn verify(desk: &Desk<'_>, output: Output, wanted: &LedgerVerify) -> Result<(), Failure> {
    const PATH: &str = "/v1/admin/ledger/verify";
    let report = if wanted.last {
        let told = desk.get::<Told>(PATH).await?;
        told.last.ok_or_else(|| {
            Failure::failed(match told.running_since_ms {
                Some(_) => "the first audit since the origin was started is running",
                None => "no audit has come to its end since the origin was started",
            })
        })?
    } else {
        let answer = desk.send(Ask::new(Method::POST, PATH).patient()).await;
        let answer = answer.map_err(|failure| {
            let line = failure.line().unwrap_or_default();
            Failure::failed(format!(
                "{line}; an audit that has begun goes on: weirctl ledger verify --last"
            ))
        })?;
        desk.said(answer.read::<Report>()?)?
    };
    output.show(&report, view::report)?;
    let differences = (report.differences.len() as u64).saturating_add(report.more);
    if report.ok && differences == 0 {
        Ok(())
    } else {
        let reason = format!("the ledger does not add up: differences: {differences}");
        Err(Failure::failed(reason))
    }
}

async fn history(desk: &Desk<'_>, output: Output, wanted: &LedgerHistory) -> Result<(), Failure> {
    let account = segment(&wanted.account);
    let paging = &wanted.paging;
    let mut before = paging.before.map(Cursor::Number);
    let mut first = true;
    loop {
        let asked = query(&[
            ("before", before.as_ref().map(ToString::to_string)),
            ("limit", Some(paging.limit.to_string())),
        ]);
        let path = format!("/v1/admin/ledger/accounts/{account}/history{asked}");
        let page = desk.get::<Page>(&path).await?;
        output.show(&page, |page, style| {
            let text = view::history(&wanted.account, &page.items, style);
            let more = page.next.as_ref().filter(|_| !paging.all);
            part(text, first) + &view::more(more, "--before")
        })?;
        match page.next {
            Some(next) if paging.all && before.as_ref() != Some(&next) => before = Some(next),
            _ => return Ok(()),
        }
        first = false;
    }
}

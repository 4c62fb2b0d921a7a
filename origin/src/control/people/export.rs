//! All that is kept of a person, as one JSON document (GDPR, articles 15 and 20). It is written while it
//! is read: chat may be long.

use std::io;
use std::time::Duration;

use accounts::{PersonalData, UserId};
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::gifts::records::shown;
use crate::control::problem::Problem;
use crate::control::wallet::{self, Paging};

/// Pieces that are ready before they are asked for.
const PIECES_READY: usize = 16;
/// So long whoever reads may not read.
const STALL: Duration = Duration::from_secs(30);
/// Lines of a wallet's history that are read at once.
const LINES_AT_ONCE: usize = 500;

/// What goes to whoever reads.
#[derive(Debug)]
enum Piece {
    More(Bytes),
    /// It is whole: without this the connection breaks, so that nobody takes half of it for all.
    End,
}

/// Why the document ends before its end.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("whoever asked has gone")]
    Gone,
    #[error("{0}")]
    Failed(String),
}

/// The document; 404 if there is no such account.
pub(super) async fn answer(desk: &Desk, user: &UserId) -> Result<Response, Problem> {
    let place = desk.people.exporting()?;
    let account = desk.accounts.export(user).await?;
    let (pieces, ready) = mpsc::channel(PIECES_READY);
    let (desk, user) = (desk.clone(), user.clone());
    tokio::spawn(async move {
        let _place = place;
        let mut document = Document {
            pieces,
            has_part: false,
        };
        let written = person_parts(&desk, &user, &account, &mut document).await;
        if let Err(Cut::Failed(error)) = written {
            tracing::error!(error, "what is kept of a person cannot be read to its end");
        }
    });
    let body = Body::from_stream(bytes(ready));
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"weir-export.json\"",
        ),
    ];
    Ok((headers, body).into_response())
}

/// Until the end; an error where there is none.
fn bytes(pieces: mpsc::Receiver<Piece>) -> impl Stream<Item = io::Result<Bytes>> {
    futures::stream::unfold(Some(pieces), async |pieces| {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::More(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the document is cut off")), None)),
        }
    })
}

/// Everything that is kept, part by part: who adds something that is kept of people adds it here.
async fn person_parts(
    desk: &Desk,
    user: &UserId,
    account: &PersonalData,
    document: &mut Document,
) -> Result<(), Cut> {
    document.value("exported_at_ms", &unix_ms()).await?;
    document.value("account", account).await?;
    let funds = wallet::funds(desk, user.as_str()).await;
    let funds = funds.map_err(|problem| Cut::Failed(problem.to_string()))?;
    document.value("wallet", &funds).await?;
    history(desk, user, document).await?;
    gifts(desk, user, document).await?;
    chat(desk, user, document).await?;
    document.end().await
}

/// What was paid and got, the newest first.
async fn history(desk: &Desk, user: &UserId, document: &mut Document) -> Result<(), Cut> {
    let mut list = document.list("wallet_history").await?;
    let mut before = None;
    loop {
        let paging = Paging {
            before,
            limit: Some(LINES_AT_ONCE),
        };
        let page = wallet::lines(desk, user.as_str(), &paging).await;
        let page = page.map_err(|problem| Cut::Failed(problem.to_string()))?;
        for line in page
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            list.add(line.to_string().into()).await?;
        }
        before = page.get("next").and_then(Value::as_u64);
        if before.is_none() {
            return list.end().await;
        }
    }
}

/// What was given.
async fn gifts(desk: &Desk, user: &UserId, document: &mut Document) -> Result<(), Cut> {
    let mut list = document.list("gifts").await?;
    let records = desk.records.export(user.as_str()).await;
    for record in records.map_err(|error| Cut::Failed(error.to_string()))? {
        list.add(shown(&record).to_string().into()).await?;
    }
    list.end().await
}

/// What was said, where chat is stored.
async fn chat(desk: &Desk, user: &UserId, document: &mut Document) -> Result<(), Cut> {
    let mut list = document.list("chat").await?;
    if let Some(mut lines) = desk.rooms.stored_by(user.as_str()) {
        while let Some(line) = lines.recv().await {
            list.add(line.map_err(Cut::Failed)?).await?;
        }
    }
    list.end().await
}

/// An object, one part after the other.
struct Document {
    pieces: mpsc::Sender<Piece>,
    has_part: bool,
}

/// A part that is a list, one item after the other.
struct List<'a> {
    document: &'a Document,
    has_item: bool,
}

impl Document {
    async fn value<T: Serialize>(&mut self, name: &str, value: &T) -> Result<(), Cut> {
        let value = serde_json::to_string(value).map_err(|error| Cut::Failed(error.to_string()))?;
        let piece = format!("{}{value}", self.begin(name));
        self.send(piece.into()).await
    }

    async fn list(&mut self, name: &str) -> Result<List<'_>, Cut> {
        let piece = format!("{}[", self.begin(name));
        self.send(piece.into()).await?;
        Ok(List {
            document: self,
            has_item: false,
        })
    }

    async fn end(&self) -> Result<(), Cut> {
        self.send(Bytes::from_static(b"\n}\n")).await?;
        self.put(Piece::End).await
    }

    fn begin(&mut self, name: &str) -> String {
        let before = if std::mem::replace(&mut self.has_part, true) {
            ","
        } else {
            "{"
        };
        format!("{before}\n\"{name}\": ")
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Cut> {
        self.put(Piece::More(bytes)).await
    }

    async fn put(&self, piece: Piece) -> Result<(), Cut> {
        // Whoever reads slower than this keeps others waiting.
        let sent = self.pieces.send_timeout(piece, STALL).await;
        sent.map_err(|_| Cut::Gone)
    }
}

impl List<'_> {
    /// `json` is an item, written already.
    async fn add(&mut self, json: Vec<u8>) -> Result<(), Cut> {
        let before = if std::mem::replace(&mut self.has_item, true) {
            ",\n"
        } else {
            "\n"
        };
        let mut piece = before.as_bytes().to_vec();
        piece.extend_from_slice(json.trim_ascii());
        self.document.send(piece.into()).await
    }

    async fn end(self) -> Result<(), Cut> {
        self.document.send(Bytes::from_static(b"]")).await
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    fn document() -> (Document, mpsc::Receiver<Piece>) {
        let (pieces, ready) = mpsc::channel(32);
        let document = Document {
            pieces,
            has_part: false,
        };
        (document, ready)
    }

    #[tokio::test]
    async fn what_is_written_in_pieces_is_json() {
        let (mut document, ready) = document();
        document.value("a", &1).await.unwrap();
        let mut list = document.list("b").await.unwrap();
        for line in ["{\"x\":1}\n", " 2 "] {
            list.add(line.into()).await.unwrap();
        }
        list.end().await.unwrap();
        document.list("c").await.unwrap().end().await.unwrap();
        document.end().await.unwrap();
        let pieces: Vec<_> = bytes(ready).collect().await;
        let text: Vec<u8> = pieces.into_iter().flat_map(Result::unwrap).collect();
        let read: Value = serde_json::from_slice(&text).unwrap();
        let all = serde_json::json!({ "a": 1, "b": [{ "x": 1 }, 2], "c": [] });
        assert_eq!(read, all);
    }

    #[tokio::test]
    async fn half_of_it_does_not_end_like_all_of_it() {
        let (mut document, ready) = document();
        document.value("a", &1).await.unwrap();
        drop(document);
        let pieces: Vec<_> = bytes(ready).collect().await;
        assert_eq!(pieces.len(), 2);
        assert!(pieces[0].is_ok() && pieces[1].is_err());
    }

    #[tokio::test]
    async fn nobody_writes_for_who_has_gone() {
        let (mut document, ready) = document();
        drop(ready);
        assert!(matches!(document.value("a", &1).await, Err(Cut::Gone)));
    }
}

//! The whole ledger as JSON lines: `{"head":..}`, `{"account":..}`, `{"hold":..}`, `{"batch":..}`,
//! `{"transfer":..}` and `{"message":..}` (its payload in hexadecimal), in this order.

use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use crate::audit::{Row, Scan, Stop};
use crate::error::Error;
use crate::limits::EXPORT_LINES_READY;

/// How long a line waits to be taken before the export is given up.
pub(crate) const EXPORT_STALL: Duration = Duration::from_secs(60);

/// Lines of an export, made as they are read; dropping it ends the export.
#[derive(Debug)]
pub struct Export(mpsc::Receiver<Result<String, Error>>);

impl Export {
    pub(crate) fn channel() -> (mpsc::Sender<Result<String, Error>>, Self) {
        let (sender, receiver) = mpsc::channel(EXPORT_LINES_READY);
        (sender, Self(receiver))
    }

    /// The next line, without its end; none after the last. After an error there are no more: what
    /// came before is not the whole ledger.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        self.0.recv().await
    }
}

/// Makes lines of rows.
#[derive(Debug, Default)]
pub(crate) struct Lines(pub(crate) Vec<String>);

impl Scan for Lines {
    fn row(&mut self, row: Row) -> Result<(), Stop> {
        let line = match row {
            Row::Head(head) => json!({ "head": head }),
            Row::Account(account) => json!({ "account": account }),
            Row::Hold { hold, .. } => json!({ "hold": hold }),
            Row::Batch(batch) => json!({ "batch": batch }),
            Row::Transfer(row) => json!({ "transfer": {
                "seq": row.row.seq,
                "batch": row.row.batch,
                "reverses_seq": row.row.reverses,
                "transfer": row.row.transfer,
            }}),
            Row::Message(message) => json!({ "message": {
                "seq": message.seq,
                "batch": message.batch,
                "topic": message.topic,
                "payload": hexadecimal(&message.payload),
            }}),
        };
        self.0.push(line.to_string());
        Ok(())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

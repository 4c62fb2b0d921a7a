//! The whole ledger as JSON lines: `{"head":..}`, `{"account":..}`, `{"hold":..}`, `{"batch":..}`,
//! `{"transfer":..}` and `{"message":..}` (its payload in hexadecimal), in this order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use crate::audit::{Row, Scan, Stop};
use crate::error::Error;
use crate::limits::EXPORT_LINES_READY;

/// How long a line waits to be taken before the export is given up.
const EXPORT_STALL: Duration = Duration::from_secs(60);

/// Lines of an export, made as they are read; dropping it ends the export.
#[derive(Debug)]
pub struct Export {
    lines: mpsc::Receiver<Result<String, Error>>,
    /// It was given up: what ends is not the whole.
    given_up: Arc<AtomicBool>,
}

/// Where the lines of an [`Export`] go.
#[derive(Clone, Debug)]
pub(crate) struct Exporting {
    lines: mpsc::Sender<Result<String, Error>>,
    given_up: Arc<AtomicBool>,
    stall: Duration,
}

impl Exporting {
    /// Sends a line, unless nobody takes it for too long.
    pub(crate) async fn line(&self, line: String) -> Result<(), Stop> {
        let sent = self.lines.send_timeout(Ok(line), self.stall).await;
        sent.map_err(|_| {
            self.given_up.store(true, Ordering::Release);
            Stop
        })
    }

    /// Says why there are no more lines. Whoever wanted them may have gone.
    pub(crate) async fn fail(&self, error: Error) {
        let _ = self.lines.send(Err(error)).await;
    }
}

impl Export {
    pub(crate) fn channel() -> (Exporting, Self) {
        Self::with_patience(EXPORT_STALL)
    }

    fn with_patience(stall: Duration) -> (Exporting, Self) {
        let (sender, receiver) = mpsc::channel(EXPORT_LINES_READY);
        let given_up = Arc::new(AtomicBool::new(false));
        let exporting = Exporting {
            lines: sender,
            given_up: Arc::clone(&given_up),
            stall,
        };
        let export = Self {
            lines: receiver,
            given_up,
        };
        (exporting, export)
    }

    /// The next line, without its end; none after the last. After an error there are no more: what
    /// came before is not the whole ledger. Safe to be dropped while it waits.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        let line = self.lines.recv().await;
        if line.is_none() && self.given_up.swap(false, Ordering::Acquire) {
            let reason = "the export was not read for a minute, and given up";
            return Some(Err(Error::unavailable(reason)));
        }
        line
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_is_not_read_does_not_end_like_a_whole_one() {
        let (exporting, mut export) = Export::with_patience(Duration::from_millis(1));
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            while exporting.line(sent.to_string()).await.is_ok() {
                sent += 1;
            }
            sent
        });
        let sent = sending.await.expect("it is given up");
        assert_eq!(sent, EXPORT_LINES_READY);
        for _ in 0..sent {
            assert!(matches!(export.next().await, Some(Ok(_))));
        }
        assert!(matches!(export.next().await, Some(Err(_))));
        assert_eq!(export.next().await, None);
    }
}

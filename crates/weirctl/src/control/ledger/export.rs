//! `weirctl ledger export`: JSON lines as they come, counted, so that a part is not taken for a whole.

use serde::Deserialize;

use crate::failure::Failure;
use crate::node::client::Stream;
use crate::output::{Sink, bytes, count};

/// Longest line that is looked at: a message with its payload in hexadecimal.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The first line's content: the last number of each sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
struct Head {
    accounts: u64,
    batches: u64,
    transfers: u64,
    messages: u64,
    delivered: u64,
}

#[derive(Debug, Deserialize)]
struct FirstLine {
    head: Head,
}

/// Counts lines by what they hold.
#[derive(Debug, Default)]
struct Tally {
    head: Option<Head>,
    accounts: u64,
    batches: u64,
    transfers: u64,
    messages: u64,
    /// The line that has not ended yet.
    begun: Vec<u8>,
}

pub(super) async fn run(mut stream: Stream, mut sink: Sink) -> Result<(), Failure> {
    let mut tally = Tally::default();
    while let Some(chunk) = stream.chunk().await? {
        tally.take(&chunk)?;
        sink.write(&chunk)?;
    }
    tally.finish()?;
    let (lines, size) = sink.size();
    let to_file = sink.is_file();
    sink.finish()?;
    if to_file {
        crate::output::note(&format!("{} lines, {}", count(lines), bytes(size)));
    }
    Ok(())
}

impl Tally {
    fn take(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let mut parts = chunk.split_inclusive(|byte| *byte == b'\n');
        parts.try_for_each(|part| {
            self.begun.extend_from_slice(part);
            if self.begun.len() > LINE_BYTES_MAX {
                return Err(Failure::failed("this is no export: a line is too long"));
            }
            if self.begun.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                self.line(&line)?;
            }
            Ok(())
        })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let Some(_) = self.head else {
            let first = serde_json::from_slice::<FirstLine>(line);
            let first =
                first.map_err(|error| Failure::failed(format!("this is no export: {error}")))?;
            self.head = Some(first.head);
            return Ok(());
        };
        let kinds = [
            (&b"{\"account\""[..], &mut self.accounts),
            (b"{\"batch\"", &mut self.batches),
            (b"{\"transfer\"", &mut self.transfers),
            (b"{\"message\"", &mut self.messages),
        ];
        for (kind, lines) in kinds {
            if line.starts_with(kind) {
                *lines += 1;
            }
        }
        Ok(())
    }

    /// Compares with what the first line announced.
    fn finish(&self) -> Result<(), Failure> {
        let head = self.head.unwrap_or_default();
        let waiting = head.messages.saturating_sub(head.delivered);
        let expected = [
            ("accounts", self.accounts, head.accounts),
            ("batches", self.batches, head.batches),
            ("transfers", self.transfers, head.transfers),
            ("messages", self.messages, waiting),
        ];
        for (what, lines, announced) in expected {
            if lines != announced {
                return Err(Failure::failed(format!(
                    "this is not the whole ledger, or the ledger is damaged (weirctl ledger verify): \
                     {} of {} {what}",
                    count(lines),
                    count(announced)
                )));
            }
        }
        if self.head.is_none() || !self.begun.is_empty() {
            return Err(Failure::failed("this is not the whole ledger"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORT: &str = "\
{\"head\":{\"accounts\":1,\"batches\":1,\"transfers\":2,\"messages\":5,\"delivered\":4}}
{\"account\":{}}
{\"hold\":{}}
{\"batch\":{}}
{\"transfer\":{}}
{\"transfer\":{}}
{\"message\":{}}
";

    fn check(text: &str, chunk: usize) -> Result<(), String> {
        let mut tally = Tally::default();
        let told = |failure: Failure| failure.line().unwrap();
        for part in text.as_bytes().chunks(chunk) {
            tally.take(part).map_err(told)?;
        }
        tally.finish().map_err(told)
    }

    #[test]
    fn a_part_is_no_whole() {
        for chunk in [1, 7, 1000] {
            assert_eq!(check(EXPORT, chunk), Ok(()));
        }
        let lines = EXPORT.lines().count();
        for kept in 0..lines {
            let part: String = EXPORT.split_inclusive('\n').take(kept).collect();
            assert!(check(&part, 64).is_err(), "{part}");
        }
        assert!(check(EXPORT.trim_end(), 64).is_err());
        let reason = check("<html>\n", 64).unwrap_err();
        assert!(reason.contains("no export"), "{reason}");
    }
}

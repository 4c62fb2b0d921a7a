//! The results as a table for people and as JSON for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::client::Protocol;
use crate::load;

use super::{Chats, Filters, Live, Settings};

/// The server that the others are measured against.
const SUBJECT: &str = "weir-edge";

/// All runs of one server, protocol and object.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// The server.
    pub server: &'static str,
    /// The object.
    pub object: &'static str,
    /// The protocol.
    pub protocol: Protocol,
    /// One report per repetition, in the order they ran.
    pub runs: Vec<load::Report>,
}

impl Cell {
    fn median(&self, value: impl Fn(&load::Report) -> f64) -> f64 {
        median(self.runs.iter().map(value))
    }

    fn requests_per_second(&self) -> f64 {
        self.median(|run| run.requests_per_second)
    }

    fn cpu_us(&self) -> f64 {
        self.median(|run| run.server_cpu_us_per_request.unwrap_or(f64::NAN))
    }

    fn errors(&self) -> u64 {
        self.runs.iter().map(|run| run.errors).sum()
    }
}

/// The middle one, by nearest rank; 0 when there is none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    load::percentile(&values, 50)
}

/// The whole comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Repetitions of every cell.
    pub repetitions: usize,
    /// Measured seconds of one run.
    pub seconds: f64,
    /// The live stream's figures.
    pub live: Option<Live>,
    /// What filters cost, and how long a new version takes.
    pub filters: Option<Filters>,
    /// A chat room.
    pub chats: Option<Chats>,
    /// The results.
    pub cells: Vec<Cell>,
}

impl Report {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            repetitions: settings.repetitions,
            seconds: settings.duration.as_secs_f64(),
            live: None,
            filters: None,
            chats: None,
            cells: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, server: &'static str, object: &'static str, run: load::Report) {
        let protocol = run.protocol;
        let same = |cell: &&mut Cell| {
            cell.server == server && cell.object == object && cell.protocol == protocol
        };
        match self.cells.iter_mut().find(same) {
            Some(cell) => cell.runs.push(run),
            None => self.cells.push(Cell {
                server,
                object,
                protocol,
                runs: vec![run],
            }),
        }
    }

    /// The edge's cells by object and protocol, for the ratios.
    fn subject(&self) -> BTreeMap<(&'static str, Protocol), &Cell> {
        self.cells
            .iter()
            .filter(|cell| cell.server == SUBJECT)
            .map(|cell| ((cell.object, cell.protocol), cell))
            .collect()
    }
}

/// A Markdown table. Medians of the repetitions; ratios say how many times as much CPU, or as
/// many requests, as the edge.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(live) = &self.live {
            writeln!(
                f,
                "Last source frame of a part in to waiting reload answered (720p30 passed through, \
                 {} reloads): mean {:.2} ms, p50 at most {} ms, p99 at most {} ms.\n",
                live.reloads, live.reload_mean_ms, live.reload_p50_ms_max, live.reload_p99_ms_max
            )?;
            writeln!(
                f,
                "A player next to the origin:\n\n```\n{}\n```\n",
                live.player
            )?;
        }
        if let Some(filters) = &self.filters {
            writeln!(f, "{filters}")?;
        }
        if let Some(chats) = &self.chats {
            writeln!(f, "{chats}")?;
        }
        if self.cells.is_empty() {
            return Ok(());
        }
        let subject = self.subject();
        writeln!(
            f,
            "Medians of {} interleaved runs of {:.0} s.\n",
            self.repetitions, self.seconds
        )?;
        writeln!(
            f,
            "| object | protocol | server | req/s | MB/s | p50 us | p99 us | server CPU us/req \
             | CPU vs edge | req/s vs edge | errors |"
        )?;
        writeln!(f, "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for cell in &self.cells {
            let edge = subject.get(&(cell.object, cell.protocol));
            let ratio = |value: fn(&Cell) -> f64| match edge {
                Some(edge) if cell.server != SUBJECT => {
                    format!("{:.2}x", value(cell) / value(edge))
                }
                _ => String::from("-"),
            };
            writeln!(
                f,
                "| {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {} | {} | {} |",
                cell.object,
                cell.protocol,
                cell.server,
                cell.requests_per_second(),
                cell.median(|run| run.megabytes_per_second),
                cell.median(|run| f64::from(run.p50_us)),
                cell.median(|run| f64::from(run.p99_us)),
                cell.cpu_us(),
                ratio(Cell::cpu_us),
                ratio(Cell::requests_per_second),
                cell.errors(),
            )?;
        }
        Ok(())
    }
}

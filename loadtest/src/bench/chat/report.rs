//! The results of the chat section.

use std::fmt;

use serde::Serialize;

use crate::chat;

use super::super::Settings;
use super::super::report::median;
use super::{ChatServer, Shape};

/// All runs of one server and one crowd.
#[derive(Debug, Clone, Serialize)]
pub struct ChatCell {
    /// The server.
    pub server: ChatServer,
    /// The crowd.
    pub shape: Shape,
    /// One report per repetition, in the order they ran.
    pub runs: Vec<chat::Report>,
}

impl ChatCell {
    fn median(&self, value: impl Fn(&chat::Report) -> f64) -> f64 {
        median(self.runs.iter().map(value))
    }

    fn of_server(&self, value: impl Fn(&chat::Server) -> f64) -> f64 {
        self.median(|run| run.server.as_ref().map_or(f64::NAN, &value))
    }

    /// What did not come, came again, or came too early or late; over all runs.
    fn wrong(&self) -> u64 {
        let runs = self.runs.iter().map(|run| &run.steady);
        runs.map(|tally| tally.lost + tally.doubled + tally.out_of_order)
            .sum()
    }
}

/// The whole section.
#[derive(Debug, Clone, Serialize)]
pub struct Chats {
    /// Repetitions of every cell.
    pub repetitions: usize,
    /// Measured seconds of one run.
    pub seconds: f64,
    /// The results.
    pub cells: Vec<ChatCell>,
}

impl Chats {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            repetitions: settings.repetitions,
            seconds: settings.chat.duration.as_secs_f64(),
            cells: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, server: ChatServer, shape: Shape, run: chat::Report) {
        let same = |cell: &&mut ChatCell| cell.server == server && cell.shape == shape;
        match self.cells.iter_mut().find(same) {
            Some(cell) => cell.runs.push(run),
            None => self.cells.push(ChatCell {
                server,
                shape,
                runs: vec![run],
            }),
        }
    }
}

impl fmt::Display for Chats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "One chat room over TLS 1.3, medians of {} interleaved runs of {:.0} s. Latency from \
             when a message was to be sent.\n",
            self.repetitions, self.seconds
        )?;
        writeln!(
            f,
            "| connections | messages/s | server | deliveries/s | of those offered | bytes each | \
             p50 ms | p99 ms | max ms | server CPU us/delivery | KiB/idle connection | wrong | \
             client CPU us/delivery |"
        )?;
        writeln!(
            f,
            "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        for cell in &self.cells {
            let share = |run: &chat::Report| {
                100.0 * run.deliveries_done as f64 / run.deliveries_offered.max(1) as f64
            };
            writeln!(
                f,
                "| {} | {} | {} | {:.0} | {:.1} % | {:.0} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} \
                 | {} | {:.2} |",
                cell.shape.connections,
                cell.shape.rate,
                cell.server,
                cell.median(|run| run.deliveries_per_second),
                cell.median(share),
                cell.median(|run| run.bytes_per_delivery),
                cell.median(|run| run.latency.p50_ms),
                cell.median(|run| run.latency.p99_ms),
                cell.median(|run| run.latency.max_ms),
                cell.of_server(|server| server.cpu_us_per_delivery),
                cell.of_server(|server| server.idle_bytes_per_connection / 1024.0),
                cell.wrong(),
                cell.median(|run| run.client_cpu_us_per_delivery),
            )?;
        }
        Ok(())
    }
}

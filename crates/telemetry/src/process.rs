//! The process metrics every Prometheus client has, read from `/proc` at each scrape.
//!
//! A file that cannot be read leaves its metrics at their last value: a scrape never fails over
//! them.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntGauge};

/// The unit of times in `/proc/self/stat`. `sysconf(_SC_CLK_TCK)` is 100 on every Linux
/// architecture Rust has a target for, and asking for it would need unsafe code.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` when asked for its metrics.
#[derive(Debug)]
pub(crate) struct ProcessCollector {
    cpu_seconds: Counter,
    open_fds: IntGauge,
    max_fds: IntGauge,
    resident_bytes: IntGauge,
    threads: IntGauge,
    start_time_seconds: Gauge,
}

impl ProcessCollector {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let collector = Self {
            cpu_seconds: Counter::new(
                "process_cpu_seconds_total",
                "User and system CPU time spent, in seconds.",
            )?,
            open_fds: IntGauge::new("process_open_fds", "Open file descriptors.")?,
            max_fds: IntGauge::new("process_max_fds", "Soft limit of open file descriptors.")?,
            resident_bytes: IntGauge::new(
                "process_resident_memory_bytes",
                "Resident memory, in bytes.",
            )?,
            threads: IntGauge::new("process_threads", "Threads of this process.")?,
            start_time_seconds: Gauge::new(
                "process_start_time_seconds",
                "Start of the process, in seconds since the Unix epoch.",
            )?,
        };
        if let Some(start) = start_time_seconds() {
            collector.start_time_seconds.set(start);
        }
        Ok(collector)
    }

    fn refresh(&self) {
        if let Some(stat) = Stat::read() {
            let spent = stat.cpu_ticks / TICKS_PER_SECOND - self.cpu_seconds.get();
            // A counter panics on a negative step.
            self.cpu_seconds.inc_by(spent.max(0.0));
            self.threads.set(stat.threads);
        }
        if let Ok(status) = fs::read_to_string("/proc/self/status")
            && let Some(kib) = field(&status, "VmRSS:")
        {
            self.resident_bytes.set(kib.saturating_mul(1024));
        }
        if let Ok(fds) = fs::read_dir("/proc/self/fd") {
            // The directory handle itself is one of them.
            self.open_fds
                .set(i64::try_from(fds.count()).unwrap_or(i64::MAX) - 1);
        }
        if let Ok(limits) = fs::read_to_string("/proc/self/limits")
            && let Some(max) = field(&limits, "Max open files")
        {
            self.max_fds.set(max);
        }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        let mut all = self.cpu_seconds.desc();
        all.extend(self.open_fds.desc());
        all.extend(self.max_fds.desc());
        all.extend(self.resident_bytes.desc());
        all.extend(self.threads.desc());
        all.extend(self.start_time_seconds.desc());
        all
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        let mut all = self.cpu_seconds.collect();
        all.extend(self.open_fds.collect());
        all.extend(self.max_fds.collect());
        all.extend(self.resident_bytes.collect());
        all.extend(self.threads.collect());
        all.extend(self.start_time_seconds.collect());
        all
    }
}

/// The fields of `/proc/self/stat` used here (proc_pid_stat(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    threads: i64,
    start_ticks: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field, the command, may itself hold blanks and parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // `fields[0]` is field 3 of the manual page.
        let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: number(14)? + number(15)?,
            threads: fields.get(20 - 3)?.parse().ok()?,
            start_ticks: number(22)?,
        })
    }
}

fn start_time_seconds() -> Option<f64> {
    let boot = field(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
    let boot = u32::try_from(boot).ok().map(f64::from)?;
    Some(boot + Stat::read()?.start_ticks / TICKS_PER_SECOND)
}

/// The first number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<i64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_a_command_with_parentheses() {
        let line = "1 (we) ir (x) S 0 1 1 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 1234 5 6";
        let expect = Stat {
            cpu_ticks: 200.0,
            threads: 9,
            start_ticks: 1234.0,
        };
        assert_eq!(Stat::parse(line), Some(expect));
        assert_eq!(Stat::parse("1 (x) S 0"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_field_is_the_first_number_of_its_line() {
        assert_eq!(
            field("VmPeak:\t 9 kB\nVmRSS:\t  2048 kB\n", "VmRSS:"),
            Some(2048)
        );
        assert_eq!(
            field(
                "Max open files            1024    4096   files",
                "Max open files"
            ),
            Some(1024)
        );
        assert_eq!(
            field(
                "Max open files            unlimited    4096",
                "Max open files"
            ),
            None
        );
    }

    #[test]
    fn values_are_plausible() {
        let collector = ProcessCollector::new().unwrap();
        collector.refresh();
        assert!(collector.resident_bytes.get() > 1 << 20);
        assert!(collector.open_fds.get() >= 3);
        assert!(collector.max_fds.get() > collector.open_fds.get());
        assert!(collector.threads.get() >= 1);
        // 2020-01-01: the clock of a test machine is set at least that well.
        assert!(collector.start_time_seconds.get() > 1_577_836_800.0);
        assert_eq!(collector.desc().len(), collector.collect().len());
    }
}

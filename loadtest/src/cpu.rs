//! CPU time of processes, from `/proc`. Linux only.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

/// What the kernel counts CPU time in for `/proc`: USER_HZ, 100 on every Linux architecture.
const TICKS_PER_SECOND: u64 = 100;

/// How deep a tree of child processes is followed.
const DEPTH_MAX: u32 = 4;

/// User and system time of process `pid` with all its threads and living descendants.
///
/// Descendants that have ended count only once their parent has waited for them; nginx's workers,
/// which live as long as their master, count in full.
pub fn time_of_tree(pid: u32) -> anyhow::Result<Duration> {
    Ok(ticks_to_duration(tree_ticks(pid, DEPTH_MAX)?))
}

/// User and system time of this process.
pub fn own_time() -> anyhow::Result<Duration> {
    Ok(ticks_to_duration(ticks(std::process::id())?))
}

/// Resident memory of one process, in bytes.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .with_context(|| format!("no VmRSS for process {pid}"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Resident memory of process `pid` and its living descendants, in bytes. What they share counts
/// once for each.
pub fn resident_bytes_of_tree(pid: u32) -> anyhow::Result<u64> {
    resident_tree(pid, DEPTH_MAX)
}

fn resident_tree(pid: u32, depth: u32) -> anyhow::Result<u64> {
    let mut sum = resident_bytes(pid)?;
    if depth > 0 {
        for child in children(pid) {
            // A child may end between the listing and the reading.
            sum += resident_tree(child, depth - 1).unwrap_or(0);
        }
    }
    Ok(sum)
}

fn tree_ticks(pid: u32, depth: u32) -> anyhow::Result<u64> {
    let mut sum = ticks(pid)?;
    if depth == 0 {
        return Ok(sum);
    }
    for child in children(pid) {
        // A child may end between the listing and the reading.
        sum += tree_ticks(child, depth - 1).unwrap_or(0);
    }
    Ok(sum)
}

/// The living children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn ticks(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid}"))?;
    parse_ticks(&stat).ok_or_else(|| anyhow!("/proc/{pid}/stat has an unknown form"))
}

/// utime and stime are fields 14 and 15 (proc(5)); field 2, the command, may hold anything, so
/// counting starts after its closing parenthesis.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn ticks_to_duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_user_and_system_time_past_a_strange_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 5 6 20 0 1 0 9 1 1";
        assert_eq!(parse_ticks(stat), Some(42));
        assert_eq!(parse_ticks("7 (x) S 1"), None);
    }

    #[test]
    fn knows_this_process() {
        assert!(time_of_tree(std::process::id()).is_ok());
        assert!(resident_bytes_of_tree(std::process::id()).unwrap() > 0);
        assert!(time_of_tree(u32::MAX).is_err());
    }
}

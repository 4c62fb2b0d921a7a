//! How the C library copies bytes on this machine.
//!
//! A body is copied into a TLS record, and that into what is sent. From 2 KiB on glibc copies by
//! one instruction (`rep movsb`) where the processor says that it is fast. On AMD's from Zen 3 on
//! it is not if the destination lies a little after the source, counted modulo 4096 (glibc
//! bug 30994, mended in 2.39): 1.3 GB/s where vector registers reach 18. A record's header is five
//! bytes, and both sides begin on a page: it is the rule here, not a corner.
//!
//! glibc reads its tunables once, before `main`: the program is run again in its own place.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Where glibc's tunables stand (glibc manual, "Tunables").
const VARIABLE: &str = "GLIBC_TUNABLES";
/// From how many bytes on it copies by `rep movsb`.
const TUNABLE: &str = "glibc.cpu.x86_rep_movsb_threshold";
/// Longer than any copy.
const NEVER: &str = "1073741824";
/// Zen 3's family in `/proc/cpuinfo`.
const ZEN_3: u32 = 0x19;

/// Runs this program again, in the same process and with the same arguments, if glibc would copy
/// slowly here. Does nothing if the environment has a word on it already, or on failure.
///
/// Call it before any thread is started.
pub fn avoid_slow_copies() {
    if !cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) {
        return;
    }
    let Ok(cpuinfo) = std::fs::read_to_string("/proc/cpuinfo") else {
        return;
    };
    let set = std::env::var(VARIABLE).ok();
    let Some(tunables) = tunables(&cpuinfo, set.as_deref()) else {
        return;
    };
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // It returns only if it could not be done: then this process goes on, copying slowly.
    let _ = command.args(arguments).env(VARIABLE, tunables).exec();
}

/// What the variable has to be, if it has to be changed. `set` is what it is.
fn tunables(cpuinfo: &str, set: Option<&str>) -> Option<String> {
    let first = |name: &str| {
        let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find(|(key, _)| key.trim() == name);
        line.map(|(_, value)| value.trim())
    };
    let is_slow = first("vendor_id") == Some("AuthenticAMD")
        && first("cpu family").and_then(|family| family.parse().ok()) >= Some(ZEN_3)
        && first("flags")?.split(' ').any(|flag| flag == "erms");
    let set = set.unwrap_or_default();
    if !is_slow || set.contains(TUNABLE) {
        return None;
    }
    let colon = if set.is_empty() { "" } else { ":" };
    Some(format!("{set}{colon}{TUNABLE}={NEVER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEN_3_CPU: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n\
        model\t\t: 1\nflags\t\t: fpu vme erms fsrm\n";

    #[test]
    fn only_processors_that_copy_slowly_are_told() {
        let changed = Some(format!("{TUNABLE}={NEVER}"));
        assert_eq!(tunables(ZEN_3_CPU, None), changed);
        assert_eq!(tunables(ZEN_3_CPU, Some("")), changed);
        for other in [
            ZEN_3_CPU.replace("AuthenticAMD", "GenuineIntel"),
            ZEN_3_CPU.replace(": 25", ": 23"),
            ZEN_3_CPU.replace("erms ", ""),
            String::new(),
        ] {
            assert_eq!(tunables(&other, None), None, "{other}");
        }
    }

    #[test]
    fn what_the_operator_says_stays() {
        let other = "glibc.malloc.check=1";
        let both = format!("{other}:{TUNABLE}={NEVER}");
        assert_eq!(tunables(ZEN_3_CPU, Some(other)), Some(both));
        let own = format!("{TUNABLE}=2048");
        assert_eq!(tunables(ZEN_3_CPU, Some(&own)), None);
    }

    /// Otherwise it would run itself for ever.
    #[test]
    fn once_is_enough() {
        let set = tunables(ZEN_3_CPU, None).unwrap();
        assert_eq!(tunables(ZEN_3_CPU, Some(&set)), None);
    }
}

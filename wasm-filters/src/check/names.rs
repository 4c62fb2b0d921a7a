//! Names of imports and exports: which a node has, and in which versions.

use super::CheckError;
use crate::contract;

/// Interfaces of the contract that a filter may import.
const FILTER_IMPORTS: [&str; 8] = [
    "types", "log", "metrics", "config", "clock", "random", "kv", "crypto",
];

/// Interfaces of WASI 0.2 that exist for a filter. Behind them is nothing: no files, sockets,
/// environment or arguments, and the clock of the call. Standard libraries import them unasked.
pub(crate) const WASI_IMPORTS: [&str; 27] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];

/// Names that an error lists; more help nobody.
const NAMES_MAX: usize = 20;

/// Most characters that an error repeats of a name.
const NAME_CHARS_MAX: usize = 120;

/// Something that is imported or exported.
#[derive(Debug)]
pub(super) struct Item {
    /// By its full name, such as `weir:filter/kv@1.1.0`.
    pub(super) name: String,
    /// Whether it is an instance, as interfaces are.
    pub(super) instance: bool,
}

/// `major.minor.patch`, and nothing behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let version = Self {
            major: numbers.next()??,
            minor: numbers.next()??,
            patch: numbers.next()??,
        };
        numbers.next().is_none().then_some(version)
    }
}

pub(super) fn check_imports(imports: &[Item]) -> Result<(), CheckError> {
    let refused: Vec<String> = imports
        .iter()
        .filter_map(|import| refuse_import(import).map(|why| named(&import.name, why)))
        .take(NAMES_MAX)
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(CheckError::Imports(refused))
}

fn refuse_import(import: &Item) -> Option<String> {
    if !import.instance {
        return Some("not an interface".to_owned());
    }
    if let Some((interface, version)) = split(&import.name, "weir:filter/") {
        if !FILTER_IMPORTS.contains(&interface) {
            return Some("the contract has no such import".to_owned());
        }
        return refuse_version(version);
    }
    if let Some((interface, version)) = split(&import.name, "wasi:") {
        if !WASI_IMPORTS.contains(&interface) {
            return Some("not among the interfaces of WASI that a filter is given".to_owned());
        }
        return match Version::parse(version) {
            Some(Version {
                major: 0, minor: 2, ..
            }) => None,
            _ => Some("a filter is given WASI 0.2".to_owned()),
        };
    }
    Some("unknown".to_owned())
}

pub(super) fn check_exports(exports: &[Item], interfaces: &[&str]) -> Result<(), CheckError> {
    let mut refused = Vec::new();
    for interface in interfaces {
        let export = exports.iter().find_map(|export| {
            let (name, version) = split(&export.name, "weir:filter/")?;
            (name == *interface && export.instance).then_some((export, version))
        });
        match export {
            None => refused.push(contract::interface_name(interface)),
            Some((export, version)) => {
                if let Some(why) = refuse_version(version) {
                    refused.push(named(&export.name, why));
                }
            }
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(CheckError::Exports(refused))
}

/// Why a filter that was built against this version of the contract does not run here: `wit/README.md`.
fn refuse_version(text: &str) -> Option<String> {
    let has = contract::VERSION;
    let (Some(built), Some(host)) = (Version::parse(text), Version::parse(has)) else {
        return Some(format!("no version of the contract; this node has {has}"));
    };
    if built.major != host.major {
        return Some(format!(
            "another major version; this node has {has}, build the filter anew"
        ));
    }
    if built.minor > host.minor {
        return Some(format!("newer than this node, which has {has}"));
    }
    None
}

/// Interface and version of a name in a package or namespace; no version is an empty one.
fn split<'a>(name: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let rest = name.strip_prefix(prefix)?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

fn named(name: &str, why: String) -> String {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    format!("{name} ({why})")
}

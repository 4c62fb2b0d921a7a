//! The child: a component on its standard input, machine code on its standard output.
//!
//! It limits itself before it reads a byte, and writes nothing but the answer.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;

use crate::check::COMPONENT_BYTES_MAX;
use crate::engine::{MemoryModel, codegen_config};

/// First argument of a program that is started as a compiler.
pub const CHILD_COMMAND: &str = "compile-filter";

/// What the answer begins with, so that no other program's output is taken for machine code.
pub(super) const MAGIC: [u8; 16] = *b"weir-filter-code";

/// The component is refused, with the reason on standard error. `EX_DATAERR`.
pub(super) const EXIT_REFUSED: u8 = 65;
/// It was started in another way than by its parent. `EX_USAGE`.
const EXIT_USAGE: u8 = 64;
/// Its limits could not be set, or its pipes broke. `EX_OSERR`.
const EXIT_SYSTEM: u8 = 71;

/// Open files: the three that it is given, and `/proc/self/status` once.
const FILES_MAX: u64 = 16;

/// What the parent says on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) memory: MemoryModel,
    pub(super) cpu_seconds_max: u32,
    pub(super) address_space_bytes_max: u64,
}

impl Arguments {
    /// As the child takes them, [`CHILD_COMMAND`] first.
    pub(super) fn to_args(self) -> [String; 4] {
        [
            CHILD_COMMAND.to_owned(),
            self.memory.to_string(),
            self.cpu_seconds_max.to_string(),
            self.address_space_bytes_max.to_string(),
        ]
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let arguments = Self {
            memory: args.next()?.parse().ok()?,
            cpu_seconds_max: args.next()?.parse().ok()?,
            address_space_bytes_max: args.next()?.parse().ok()?,
        };
        args.next().is_none().then_some(arguments)
    }
}

/// Is this process, when it was started as one, the compiler; and does nothing otherwise.
///
/// Call it first thing in `main`, before threads and files are opened, and exit with the code.
#[must_use]
pub fn run_if_child() -> Option<ExitCode> {
    let is_child = std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == CHILD_COMMAND);
    is_child.then(run_child)
}

/// The whole of a program that is nothing but the compiler.
#[must_use]
pub fn run_child() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The parent reads it; if it cannot, there is nobody to tell.
            let _ = writeln!(io::stderr(), "{}", failure.words);
            ExitCode::from(failure.code)
        }
    }
}

struct Failure {
    code: u8,
    words: String,
}

fn failure(code: u8) -> impl FnOnce(String) -> Failure {
    move |words| Failure { code, words }
}

fn run() -> Result<(), Failure> {
    let args = std::env::args().skip(2);
    let arguments = Arguments::parse(args)
        .ok_or_else(|| "the compiler of filters; started by a node, not by hand".to_owned())
        .map_err(failure(EXIT_USAGE))?;
    limit(arguments).map_err(|error| failure(EXIT_SYSTEM)(format!("limits: {error}")))?;
    let mut wasm = Vec::new();
    let max = COMPONENT_BYTES_MAX as u64;
    io::stdin()
        .lock()
        .take(max + 1)
        .read_to_end(&mut wasm)
        .map_err(|error| failure(EXIT_SYSTEM)(format!("reading: {error}")))?;
    if wasm.len() > COMPONENT_BYTES_MAX {
        return Err(failure(EXIT_REFUSED)(format!("more than {max} bytes")));
    }
    let code = compile(arguments.memory, &wasm)
        .map_err(|error| failure(EXIT_REFUSED)(format!("{error:#}")))?;
    let mut out = io::stdout().lock();
    out.write_all(&MAGIC)
        .and_then(|()| out.write_all(&code))
        .and_then(|()| out.flush())
        .map_err(|error| failure(EXIT_SYSTEM)(format!("writing: {error}")))
}

fn compile(memory: MemoryModel, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    // Without a pool of instances: the pool does not change the code, and takes terabytes of address
    // space.
    Engine::new(&codegen_config(memory))?.precompile_component(wasm)
}

/// Limits of this process. A child that cannot be limited does not compile.
fn limit(arguments: Arguments) -> io::Result<()> {
    let set = |resource, soft: u64, hard: u64| {
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        setrlimit(resource, limit).map_err(io::Error::from)
    };
    // The first kills with SIGXCPU, which the parent can tell from other deaths.
    let seconds = u64::from(arguments.cpu_seconds_max);
    set(Resource::Cpu, seconds, seconds + 1)?;
    // An allocator may have reserved a gigabyte before `main`, as mimalloc does; the limit is for
    // what the compiler takes.
    let bytes = address_space_bytes().saturating_add(arguments.address_space_bytes_max);
    set(Resource::As, bytes, bytes)?;
    set(Resource::Nofile, FILES_MAX, FILES_MAX)?;
    // It writes to a pipe and to nothing else: no files, no core dump of somebody's keys.
    set(Resource::Fsize, 0, 0)?;
    set(Resource::Core, 0, 0)?;
    Ok(())
}

/// Address space of this process now, in bytes; 0 where the system does not tell.
fn address_space_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        let rest = line.strip_prefix("VmSize:")?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kib.unwrap_or(0).saturating_mul(1024)
}

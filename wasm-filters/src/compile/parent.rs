//! The parent's side of one compilation: starts the child, feeds it, waits, and says how it ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group, setpriority_pgrp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::child::{Arguments, EXIT_REFUSED, MAGIC};
use super::code::Code;
use super::{CompileError, CompileOptions};
use crate::engine::MemoryModel;

/// For so long the child competes with the node's own threads as an equal: a usual filter is compiled
/// in a third of a second alone, and an operator waits for it while viewers keep every core busy.
const AS_EQUAL: Duration = Duration::from_secs(2);

/// Then it gives way: of a core that two busy threads want as well, this niceness is given a fifth.
/// It is not the lowest: that would be a hundredth, and a filter of 18 MB would never be done.
const NICENESS: i32 = 3;

/// As much of the child's standard error as is kept.
const WORDS_BYTES_MAX: u64 = 4096;

/// Machine code, or how the child failed.
pub(super) async fn compile(
    options: &CompileOptions,
    memory: MemoryModel,
    wasm: Bytes,
) -> Result<Code, CompileError> {
    let start = |source| CompileError::Start {
        program: options.program.clone(),
        source,
    };
    let arguments = Arguments {
        memory,
        cpu_seconds_max: options.cpu_seconds_max,
        address_space_bytes_max: options.address_space_bytes_max,
    };
    let mut child = Command::new(&options.program)
        .args(arguments.to_args())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let mut group = Group::of(&child);
    let pid = group.0;
    let compiling = async {
        let mut conversing = pin!(converse(&mut child, options, wasm));
        match timeout(AS_EQUAL, &mut conversing).await {
            Ok(ended) => ended,
            Err(_) => {
                if pid.is_some() {
                    // All its threads. A child that is gone need not give way.
                    let _ = setpriority_pgrp(pid, NICENESS);
                }
                conversing.await
            }
        }
    };
    let Ok(ended) = timeout(options.wall_max, compiling).await else {
        group.kill();
        // It cannot refuse; the status is of no interest.
        let _ = child.wait().await;
        group.0 = None;
        return Err(CompileError::Wall(options.wall_max));
    };
    let ended = ended.map_err(start)?;
    group.0 = None;
    judge(options, ended)
}

/// How the child ended.
struct Ended {
    status: ExitStatus,
    answer: Vec<u8>,
    words: String,
}

/// Feeds the child and listens to it at the same time: a full pipe would stop it for ever.
async fn converse(child: &mut Child, options: &CompileOptions, wasm: Bytes) -> io::Result<Ended> {
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that died does not read; how it died is told below.
            let _ = stdin.write_all(&wasm).await;
        }
    };
    let answer_max = options.code_bytes_max.saturating_add(MAGIC.len() as u64);
    let answer = read(child.stdout.take(), answer_max.saturating_add(1));
    let words = read(child.stderr.take(), WORDS_BYTES_MAX);
    let ((), answer, words) = tokio::join!(feed, answer, words);
    // Of a child that still writes, nobody reads the rest.
    let status = child.wait().await?;
    Ok(Ended {
        status,
        answer: answer?,
        words: String::from_utf8_lossy(&words?).trim().to_owned(),
    })
}

/// At most so many bytes. The pipe is closed then, so that a child that writes more dies of it.
async fn read(pipe: Option<impl AsyncRead + Unpin>, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(max).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn judge(options: &CompileOptions, ended: Ended) -> Result<Code, CompileError> {
    let Ended {
        status,
        mut answer,
        words,
    } = ended;
    let begun = answer.starts_with(&MAGIC);
    if answer.len() as u64 > options.code_bytes_max.saturating_add(MAGIC.len() as u64) {
        return Err(CompileError::CodeSize(options.code_bytes_max));
    }
    if status.success() && begun {
        return Ok(Code::of_child(answer.split_off(MAGIC.len())));
    }
    if status.success() {
        let program = options.program.clone();
        return Err(CompileError::Program { program });
    }
    if status.code() == Some(i32::from(EXIT_REFUSED)) {
        return Err(CompileError::Refused(words));
    }
    // The kernel sends the one at the soft limit and the other a second later, at the hard one.
    if matches!(
        status.signal().and_then(Signal::from_named_raw),
        Some(Signal::XCPU | Signal::KILL)
    ) {
        return Err(CompileError::Cpu(options.cpu_seconds_max));
    }
    // What Rust's allocator and the kernel say.
    let no_memory = [
        "memory allocation of",
        "Cannot allocate memory",
        "out of memory",
    ];
    if no_memory.iter().any(|saying| words.contains(saying)) {
        return Err(CompileError::Memory(options.address_space_bytes_max));
    }
    Err(CompileError::Died { status, words })
}

/// The child's process group, killed when the compilation is given up. Only as long as the child
/// has not been waited for: after that its number may be another process's.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.and_then(Pid::from_raw))
    }

    fn kill(&self) {
        if let Some(pid) = self.0 {
            // A group that is gone needs no killing.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

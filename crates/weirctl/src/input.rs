//! What people type while a command runs: passwords, and that they are sure.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use settings::Secret;

use crate::failure::Failure;

/// Longest line that is read.
const LINE_BYTES_MAX: u64 = 4096;

/// A password: one line of stdin. A terminal does not show it.
///
/// # Errors
/// There is none.
pub(crate) async fn password() -> Result<Secret, Failure> {
    let _unseen = std::io::stdin().is_terminal().then(|| {
        prompt("new password: ");
        Unseen::new()
    });
    let line = line().await?;
    if line.is_empty() {
        return Err(Failure::usage(
            "no password: it is read from stdin, one line",
        ));
    }
    Ok(Secret::new(line))
}

/// Has a person type `word` before what cannot be undone, unless they said so already.
///
/// # Errors
/// They typed something else, or nobody is there to be asked.
pub(crate) async fn confirm(yes: bool, what: &str, word: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let reason = format!("{what} cannot be undone: say --yes");
        return Err(Failure::usage(reason));
    }
    prompt(&format!(
        "{what} cannot be undone. Type {word} to go on: ",
        word = crate::output::printable(word)
    ));
    if line().await?.trim() == word {
        Ok(())
    } else {
        Err(Failure::failed("that is something else; nothing was done"))
    }
}

fn prompt(text: &str) {
    let mut stderr = std::io::stderr();
    drop(stderr.write_all(text.as_bytes()));
    drop(stderr.flush());
}

/// A line of stdin without its end. Read on a thread of its own, so that Ctrl-C counts.
async fn line() -> Result<String, Failure> {
    let read = tokio::task::spawn_blocking(|| {
        use std::io::Read as _;
        let mut line = String::new();
        let mut stdin = std::io::stdin().lock().take(LINE_BYTES_MAX);
        stdin.read_line(&mut line).map(|_| line)
    });
    let line = read.await.map_err(Failure::failed)?;
    let line = line.map_err(|error| Failure::failed(format!("stdin: {error}")))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// The terminal does not show what is typed, as long as this is there.
struct Unseen;

impl Unseen {
    fn new() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        stty("echo");
        prompt("\n");
    }
}

/// Where it fails, the password is seen by who types it.
fn stty(setting: &str) {
    let mut command = Command::new("stty");
    drop(command.arg(setting).stderr(Stdio::null()).status());
}

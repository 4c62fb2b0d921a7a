//! What service managers and scripts are told: which process serves.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// Where systemd wants to be told, of services with `Type=notify`.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Tells that this process serves: systemd by its socket, if it gave one, and others by a file with
/// the process id, if they want one. What cannot be told is logged.
pub fn serving(pid_file: Option<&Path>) {
    let pid = std::process::id();
    if let Some(file) = pid_file
        && let Err(error) = write_pid(file, pid)
    {
        tracing::error!(file = %file.display(), %error, "the pid file cannot be written");
    }
    if let Err(error) = tell(&format!("READY=1\nMAINPID={pid}\n")) {
        tracing::error!(%error, "the service manager cannot be told");
    }
}

/// Takes the file away, unless it names another process by now.
pub fn ended(pid_file: Option<&Path>) {
    let own = std::process::id().to_string();
    if let Some(file) = pid_file
        && std::fs::read_to_string(file).is_ok_and(|pid| pid.trim() == own)
    {
        let _ = std::fs::remove_file(file);
    }
}

/// Whole, or not at all: whoever reads it meanwhile sees one of the two.
fn write_pid(file: &Path, pid: u32) -> io::Result<()> {
    let mut made = file.as_os_str().to_owned();
    made.push(format!(".{pid}"));
    std::fs::write(&made, format!("{pid}\n"))?;
    std::fs::rename(&made, file)
}

fn tell(state: &str) -> io::Result<()> {
    let Some(name) = std::env::var_os(SOCKET) else {
        return Ok(());
    };
    let address = match name.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

//! Debian's PostgreSQL, really running: a cluster of a test's own, which may be killed.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const BINARIES: &str = "/usr/lib/postgresql";
/// Starting takes a fraction of a second; recovery after a kill some more.
const START: Duration = Duration::from_secs(30);

/// Who PostgreSQL runs as: it refuses root.
#[derive(Clone, Copy, Debug)]
struct User(Option<(u32, u32)>);

impl User {
    fn find() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let line = users.lines().find(|line| line.starts_with("postgres:"));
        let mut fields = line.expect("a user called postgres").split(':').skip(2);
        let mut next = || fields.next()?.parse().ok();
        Self(next().zip(next()))
    }

    fn own(self, path: &Path) {
        if let Self(Some((user, group))) = self {
            chown(path, Some(user), Some(group)).expect("chown");
        }
    }

    fn run(self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        if let Self(Some((user, group))) = self {
            command.uid(user).gid(group);
        }
        command.current_dir("/tmp").env("LC_ALL", "C");
        command
    }
}

fn binary(name: &str) -> PathBuf {
    let versions = std::fs::read_dir(BINARIES).unwrap_or_else(|error| {
        panic!("PostgreSQL has to be installed (scripts/setup.sh test): {BINARIES}: {error}")
    });
    let mut found: Vec<_> = versions
        .map(|version| version.expect("a version").path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL's server is installed")
}

/// A running server. Stopped, and its files removed, when dropped.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    data: PathBuf,
    user: User,
    postmaster: Option<Child>,
    settings: Vec<String>,
}

impl Server {
    /// A new, empty one.
    pub fn start() -> Self {
        let directory = TempDir::new().expect("a directory");
        let data = directory.path().join("data");
        Self::start_in(directory, data, &[])
    }

    /// With its data elsewhere, and settings `name=value`.
    pub fn start_in(directory: TempDir, data: PathBuf, settings: &[&str]) -> Self {
        let user = User::find();
        user.own(directory.path());
        if let Some(parent) = data.parent() {
            user.own(parent);
        }
        let mut copy = user.run(PathBuf::from("/bin/cp"));
        let copied = copy.arg("-r").arg(template(user)).arg(&data).status();
        assert!(copied.expect("cp").success());
        let mut server = Self {
            directory,
            data,
            user,
            postmaster: None,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        };
        server.start_again();
        server
    }

    /// For tokio-postgres. No TCP: the socket is in a directory of the test's own.
    pub fn url(&self) -> String {
        let socket = self.directory.path().display();
        format!("host={socket} user=postgres dbname=postgres")
    }

    /// Where its socket is.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join(".s.PGSQL.5432")
    }

    /// Starts the server on the data that are there; returns when it answers.
    pub fn start_again(&mut self) {
        let give_up = Instant::now() + START;
        loop {
            let mut postmaster = self.spawn();
            loop {
                if let Some(status) = postmaster.try_wait().expect("a child") {
                    // Processes of the one that was killed may still have its memory.
                    let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                    assert!(Instant::now() < give_up, "postgres ended: {status}\n{log}");
                    pause();
                    break;
                }
                if self.answers() {
                    self.postmaster = Some(postmaster);
                    return;
                }
                assert!(Instant::now() < give_up, "postgres does not answer");
                pause();
            }
        }
    }

    fn spawn(&self) -> Child {
        let mut command = self.user.run(binary("postgres"));
        command.arg("-D").arg(&self.data);
        command.arg("-k").arg(self.directory.path());
        let fixed = [
            "listen_addresses=",
            "max_connections=40",
            "shared_buffers=64MB",
            // After a kill: one call, not one for each of a thousand files.
            "recovery_init_sync_method=syncfs",
        ];
        let settings = self.settings.iter().map(String::as_str);
        for setting in fixed.into_iter().chain(settings) {
            command.arg("-c").arg(setting);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log());
        let log = log.expect("a log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().expect("postgres starts")
    }

    fn port(&self) -> &str {
        let mut settings = self.settings.iter();
        let port = settings.find_map(|setting| setting.strip_prefix("port="));
        port.unwrap_or("5432")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(binary("pg_isready"));
        ready.arg("-q").arg("-h").arg(self.directory.path());
        ready.arg("-p").arg(self.port());
        ready.status().expect("pg_isready").success()
    }

    /// Runs SQL as the superuser, and answers what psql prints.
    pub fn sql(&self, sql: &str) -> String {
        let mut psql = Command::new(binary("psql"));
        psql.arg("-h").arg(self.directory.path());
        psql.arg("-p").arg(self.port());
        psql.args([
            "-U",
            "postgres",
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
        ]);
        let output = psql.output().expect("psql");
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {problem}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A file that the server may read, and nobody else.
    pub fn secret_file(directory: &TempDir, name: &str, content: &str) -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
        User::find().own(&path);
        path
    }

    fn pid(&self) -> Pid {
        let postmaster = self.postmaster.as_ref().expect("it runs");
        Pid::from_child(postmaster)
    }

    /// The postmaster and all that it started.
    fn processes(&self) -> Vec<Pid> {
        let postmaster = self.pid();
        let children = format!("/proc/{0}/task/{0}/children", postmaster.as_raw_nonzero());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        std::iter::once(postmaster)
            .chain(children.filter_map(Pid::from_raw))
            .collect()
    }

    /// Everything stands still: connections stay, nothing answers.
    pub fn freeze(&self) {
        for process in self.processes() {
            let _ = kill_process(process, Signal::STOP);
        }
    }

    /// After [`Self::freeze`].
    pub fn thaw(&self) {
        for process in self.processes() {
            let _ = kill_process(process, Signal::CONT);
        }
    }

    /// Kills all of it, as an out-of-memory killer would that is thorough.
    pub fn kill(&mut self) {
        let processes = self.processes();
        for process in &processes {
            let _ = kill_process(*process, Signal::KILL);
        }
        if let Some(mut postmaster) = self.postmaster.take() {
            let _ = postmaster.wait();
        }
        let give_up = Instant::now() + START;
        for process in processes.into_iter().skip(1) {
            while is_alive(process) && Instant::now() < give_up {
                pause();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.postmaster.is_some() {
            self.kill();
        }
    }
}

/// Not a zombie either: nobody may be there to collect those.
fn is_alive(process: Pid) -> bool {
    let status = format!("/proc/{}/stat", process.as_raw_nonzero());
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let state = status
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// What cargo calls `CARGO_TARGET_TMPDIR`, but tells integration tests only: the test that runs is in
/// `target/PROFILE/deps`.
fn target_tmp() -> PathBuf {
    let test = std::env::current_exe().expect("a test that runs");
    let target = test.ancestors().nth(3).expect("a target directory");
    let tmp = target.join("tmp");
    std::fs::create_dir_all(&tmp).expect("a directory");
    tmp
}

/// A cluster to copy: making one takes seconds. It stays in the target directory.
fn template(user: User) -> PathBuf {
    let tmp = target_tmp();
    let lock = File::create(tmp.join("postgres-template.lock")).expect("a lock");
    lock.lock().expect("a lock");
    // Next to the directory of the tests: postgres need not be allowed to look into that.
    let home = tmp.join("postgres-template");
    if let Ok(template) = std::fs::read_link(&home)
        && template.join("PG_VERSION").exists()
    {
        return template;
    }
    let _ = std::fs::remove_file(&home);
    let made = TempDir::with_prefix("weir-postgres-template-").expect("a directory");
    user.own(made.path());
    let mut initdb = user.run(binary("initdb"));
    initdb.arg("-D").arg(made.path());
    initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
    let output = initdb.output().expect("initdb");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {problem}");
    let made = made.keep();
    symlink(&made, &home).expect("a link");
    made
}

/// Between two looks at what a process does. Whether a server takes connections, and whether the
/// process of another (a child of the postmaster) has ended, can only be asked, again and again.
#[expect(
    clippy::disallowed_methods,
    reason = "a process has no event to wait for"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

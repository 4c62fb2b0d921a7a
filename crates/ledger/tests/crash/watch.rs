//! What the parent sees of a child.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::child::Target;

/// For something that has to happen.
const SOON: Duration = Duration::from_secs(60);

/// All that children said.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Gifts and their batches.
    pub(crate) acknowledged: Vec<(String, u64)>,
    /// Messages by their numbers.
    pub(crate) told: BTreeMap<u64, String>,
}

impl Seen {
    /// A message may be told again, and is the same then.
    pub(crate) fn tell(&mut self, seq: u64, name: String) {
        let before = self.told.entry(seq).or_insert_with(|| name.clone());
        assert_eq!(*before, name, "message {seq}");
    }
}

/// A process in the middle of a storm.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
    early: std::cell::RefCell<Vec<String>>,
}

impl Child {
    pub(crate) fn start(target: &Target, round: u64) -> Self {
        let this = std::env::current_exe().expect("this test");
        let mut command = Command::new(this);
        command.args(["storm", "--exact", "--ignored", "--nocapture"]);
        command.envs(target.environment(round));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a child");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            lines,
            early: std::cell::RefCell::default(),
        }
    }

    /// Until it has committed something.
    pub(crate) fn wait_for_first(&self) {
        loop {
            let line = self.lines.recv_timeout(SOON).expect("it commits something");
            let is_first = line.starts_with("acknowledged");
            self.early.borrow_mut().push(line);
            if is_first {
                return;
            }
        }
    }

    /// Until it commits something again.
    pub(crate) fn wait_for_next(&self) {
        self.early.borrow_mut().extend(self.lines.try_iter());
        self.wait_for_first();
    }

    /// Takes its life, and all that it said.
    pub(crate) fn kill(mut self, seen: &mut Seen) {
        let status = self.process.try_wait().expect("a child");
        assert!(status.is_none(), "it ended by itself: {status:?}");
        self.process.kill().expect("it is killed");
        self.process.wait().expect("it ended");
        // Each was one short write into a pipe: none is torn.
        let lines = self.early.take().into_iter().chain(self.lines.iter());
        for line in lines {
            let mut words = line.split(' ');
            let kind = words.next();
            let (Some(first), Some(second), None) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            match kind {
                Some("acknowledged") => {
                    let batch = second.parse().expect("a number");
                    seen.acknowledged.push((first.to_owned(), batch));
                }
                Some("told") => seen.tell(first.parse().expect("a number"), second.to_owned()),
                _ => {}
            }
        }
    }
}

impl Drop for Child {
    /// Also when the test has failed: a storm does not end by itself.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

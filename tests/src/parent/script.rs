//! What the parent does with a request, as data.

use std::time::Duration;

use bytes::Bytes;

use super::Gate;

/// How an answer is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The connection closes in good order (FIN). Over HTTP/2: the connection is dropped.
    Close,
    /// HTTP/1.1: the connection is reset (RST). HTTP/2: the stream is (RST_STREAM).
    Reset,
}

/// One step of an answer's body.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends bytes.
    Send(Bytes),
    /// Waits for the test.
    Wait(Gate),
    /// Lets time pass.
    Pause(Duration),
    /// Ends the answer where it must not end.
    Cut(Cut),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) before: Before,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) length: Option<usize>,
    pub(super) steps: Vec<Step>,
}

/// What happens before the response header.
#[derive(Debug, Clone)]
pub(super) enum Before {
    Nothing,
    Wait(Gate),
    Pause(Duration),
    /// No answer, ever; the connection stays.
    Silence,
    /// No answer; the connection goes.
    HangUp,
}

impl Reply {
    /// 200 with this body, a Content-Length, and a minute of freshness.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            before: Before::Nothing,
            status: 200,
            headers: vec![
                ("Content-Type".into(), "video/mp4".into()),
                ("Cache-Control".into(), "max-age=60".into()),
            ],
            length: Some(body.len()),
            steps: vec![Step::Send(body)],
        }
    }

    /// This status with a short body, and `max-age=1` as the origin's errors have.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::ok(format!("status {status}\n"))
        }
        .header("Cache-Control", "max-age=1")
    }

    /// Takes the request and never answers.
    pub fn silence() -> Self {
        Self {
            before: Before::Silence,
            ..Self::ok("")
        }
    }

    /// Takes the request and closes the connection.
    pub fn hang_up() -> Self {
        Self {
            before: Before::HangUp,
            ..Self::ok("")
        }
    }

    /// Waits for `gate` before the response header.
    #[must_use]
    pub fn held(mut self, gate: &Gate) -> Self {
        self.before = Before::Wait(gate.clone());
        self
    }

    /// Waits this long before the response header.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.before = Before::Pause(delay);
        self
    }

    /// Without Content-Length: chunked over HTTP/1.1, merely unannounced over HTTP/2.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.length = None;
        self
    }

    /// Sets a header field, replacing one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body's steps; the announced length stays.
    #[must_use]
    pub fn steps(mut self, steps: Vec<Step>) -> Self {
        self.steps = steps;
        self
    }

    /// Sends only the first `bytes` of the body, waits for `gate`, then cuts it short.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize, gate: &Gate, cut: Cut) -> Self {
        let whole: Vec<u8> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Send(data) => Some(data.iter().copied()),
                _ => None,
            })
            .flatten()
            .take(bytes)
            .collect();
        self.steps = vec![
            Step::Send(whole.into()),
            Step::Wait(gate.clone()),
            Step::Cut(cut),
        ];
        self
    }
}

/// `count` bytes in which no two places look alike, so that a piece in the wrong place shows.
pub fn pattern(count: usize) -> Bytes {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes.into()
}

//! What an answer means, and when a tap is repeated. Pure: knows nothing of sockets and clocks.

use std::time::Duration;

use serde::Deserialize;

use crate::problem::Problem;

/// The first wait before a repetition; each is twice the one before.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// The longest, unless the server asks for more.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The longest that a server is granted.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// So long after it was due a tap is repeated. A server that is restarted is back by then.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a tap was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is paid.
    Given { id: String, total: u64 },
    /// The coins are kept back until somebody has looked.
    Held { id: String, total: u64 },
    /// For good, and why.
    Refused(String),
    /// Not now: the same again may go well.
    Again {
        /// For people.
        why: String,
        /// As the server asks.
        after: Option<Duration>,
    },
}

#[derive(Deserialize)]
struct Receipt {
    id: String,
    state: String,
    total: u64,
}

/// Reads an answer whose body is whole.
pub(super) fn answer(status: u16, retry_after: Option<&str>, body: &[u8]) -> Answer {
    if matches!(status, 200 | 201) {
        return match serde_json::from_slice::<Receipt>(body) {
            Ok(Receipt { id, state, total }) if state == "given" => Answer::Given { id, total },
            Ok(Receipt { id, state, total }) if state == "held" => Answer::Held { id, total },
            _ => Answer::Refused(format!("{status} unreadable")),
        };
    }
    let problem = Problem::read(status, retry_after, body);
    if problem.may_pass {
        let Problem { why, after, .. } = problem;
        Answer::Again { why, after }
    } else {
        Answer::Refused(problem.why)
    }
}

/// How long to wait before the repetition of that number, from 1; none if it comes too late.
/// `since_due`: how long ago the tap was due.
pub(super) fn wait(
    repetition: u32,
    after: Option<Duration>,
    since_due: Duration,
) -> Option<Duration> {
    let doublings = repetition.saturating_sub(1).min(16);
    let own = WAIT_MIN.saturating_mul(1 << doublings).min(WAIT_MAX);
    let wait = own.max(after.unwrap_or_default().min(RETRY_AFTER_MAX));
    (since_due + wait <= PATIENCE).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_whether_a_tap_is_repeated() {
        let given = br#"{"id":"g","state":"given","total":20,"currency":"coin","available":5}"#;
        let held = br#"{"id":"g","state":"held","total":20,"currency":"coin","available":5}"#;
        let (id, total) = ("g".to_owned(), 20);
        for status in [200, 201] {
            let is = answer(status, None, given);
            let id = id.clone();
            assert_eq!(is, Answer::Given { id, total });
        }
        assert_eq!(answer(201, None, held), Answer::Held { id, total });
        for (status, body, why) in [
            (402, r#"{"code":"insufficient"}"#, "402 insufficient"),
            (403, "no JSON", "403"),
            (404, r#"{"code":"unknown-gift"}"#, "404 unknown-gift"),
            (
                409,
                r#"{"code":"client-id-reused"}"#,
                "409 client-id-reused",
            ),
            (422, "{}", "422"),
            (401, r#"{"code":"sign-in"}"#, "401 sign-in"),
            (500, "", "500"),
            (200, "{}", "200 unreadable"),
        ] {
            let is = answer(status, Some("1"), body.as_bytes());
            assert_eq!(is, Answer::Refused(why.to_owned()));
        }
    }

    #[test]
    fn what_may_pass_is_repeated() {
        let is = answer(503, Some("2"), br#"{"code":"busy"}"#);
        let (why, after) = ("503 busy".to_owned(), Some(Duration::from_secs(2)));
        assert_eq!(is, Answer::Again { why, after });
    }

    #[test]
    fn repetitions_come_more_slowly_and_end() {
        let ms = Duration::from_millis;
        let none = Duration::ZERO;
        assert_eq!(wait(1, None, none), Some(ms(100)));
        assert_eq!(wait(3, None, none), Some(ms(400)));
        assert_eq!(wait(u32::MAX, None, none), Some(WAIT_MAX));
        assert_eq!(wait(1, Some(ms(3_000)), none), Some(ms(3_000)));
        assert_eq!(wait(4, Some(ms(1)), none), Some(ms(800)));
        let year = Duration::from_secs(31_536_000);
        assert_eq!(wait(1, Some(year), none), Some(RETRY_AFTER_MAX));
        assert_eq!(wait(1, None, PATIENCE - ms(100)), Some(ms(100)));
        assert_eq!(wait(1, None, PATIENCE), None);
    }
}

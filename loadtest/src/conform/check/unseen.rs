//! What the checklist says and nobody sees from outside, on a stream that runs.

use crate::conform::record::Record;
use crate::conform::report::{Check, Finding};

/// Id, section, rule, and why it is not seen.
const UNSEEN: [(&str, &str, &str, &str); 4] = [
    (
        "B1-23-503",
        "6.2.5.2",
        "a request that nothing fulfils is 503 after 3 x TARGETDURATION",
        "while the stream runs, every request within the limit is fulfilled",
    ),
    (
        "B1-28-ping",
        "B.1",
        "PING is answered",
        "the client's libraries do not show it",
    ),
    (
        "B1-29-transport",
        "B.1",
        "SACK, ECN and RACK-TLP; TLS 1.3 with 0-RTT",
        "kernel and handshake do not show it to this client",
    ),
    (
        "B1-31-coalesce",
        "B.1",
        "identical blocking requests are one request upstream",
        "what a cache asks its parent is seen there only",
    ),
];

pub(super) fn check(record: &Record) -> Vec<Finding> {
    let finding =
        |(id, source, expected, why): &(&'static str, &'static str, &'static str, &str)| {
            Check::must(record, id, source, expected).done(why)
        };
    UNSEEN.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{passes, record};

    #[test]
    fn is_never_a_failure() {
        passes(super::check, &record());
    }
}

//! What is found: for people, and for machines.

use std::fmt;

use serde::Serialize;

use super::record::{Answer, Record};

/// How many wrongs of one check are shown.
const SHOWN: usize = 5;

/// How strictly the source says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// MUST.
    Must,
    /// SHOULD or RECOMMENDED, or what players need.
    Should,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// What was asked for.
    pub url: String,
    /// The status of the answer; 0 without one.
    pub status: u16,
    /// What was there.
    pub got: String,
}

/// What a check comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// All that was looked at is right.
    Pass {
        /// How much that is.
        looked_at: usize,
    },
    /// Some of it is wrong.
    Fail {
        /// How much was looked at.
        looked_at: usize,
        /// How much is wrong.
        wrong: usize,
        /// The first of it.
        evidence: Vec<Wrong>,
    },
    /// Nothing was there to look at.
    NotObservable {
        /// Why.
        why: String,
    },
}

/// A check and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable: `B1-`, the line of the server checklist, and a word.
    pub id: &'static str,
    /// How strictly the source says it.
    pub level: Level,
    /// The section that says it.
    pub source: &'static str,
    /// What it says.
    pub expected: &'static str,
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// All findings.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The Multivariant Playlist.
    pub url: String,
    /// Over which protocol.
    pub protocol: crate::client::Protocol,
    /// Checks that passed.
    pub passed: usize,
    /// Checks that failed.
    pub failed: usize,
    /// Checks that had nothing to look at.
    pub not_observable: usize,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Counts.
    pub fn new(url: String, record: &Record, findings: Vec<Finding>) -> Self {
        let count = |is: fn(&Verdict) -> bool| findings.iter().filter(|it| is(&it.verdict)).count();
        Self {
            url,
            protocol: record.protocol,
            passed: count(|it| matches!(it, Verdict::Pass { .. })),
            failed: count(|it| matches!(it, Verdict::Fail { .. })),
            not_observable: count(|it| matches!(it, Verdict::NotObservable { .. })),
            findings,
        }
    }

    /// The ids of the checks that failed.
    pub fn failures(&self) -> Vec<&'static str> {
        let failed = |it: &&Finding| matches!(it.verdict, Verdict::Fail { .. });
        self.findings
            .iter()
            .filter(failed)
            .map(|it| it.id)
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let level = match finding.level {
                Level::Must => "MUST",
                Level::Should => "SHOULD",
            };
            let (word, more) = match &finding.verdict {
                Verdict::Pass { looked_at } => ("pass", format!("{looked_at} looked at")),
                Verdict::Fail {
                    looked_at, wrong, ..
                } => ("FAIL", format!("{wrong} of {looked_at} wrong")),
                Verdict::NotObservable { why } => ("n/o ", why.clone()),
            };
            writeln!(
                f,
                "{word}  {:<26} {level:<6} {} ({}): {more}",
                finding.id, finding.expected, finding.source
            )?;
            if let Verdict::Fail { evidence, .. } = &finding.verdict {
                for wrong in evidence {
                    writeln!(
                        f,
                        "        {} -> {}: {}",
                        wrong.url, wrong.status, wrong.got
                    )?;
                }
            }
        }
        write!(
            f,
            "{} over {}: {} passed, {} failed, {} not observable",
            self.url, self.protocol, self.passed, self.failed, self.not_observable
        )
    }
}

/// A check on its way.
#[derive(Debug)]
pub struct Check<'a> {
    record: &'a Record,
    id: &'static str,
    level: Level,
    source: &'static str,
    expected: &'static str,
    looked_at: usize,
    wrong: usize,
    evidence: Vec<Wrong>,
}

impl<'a> Check<'a> {
    /// A rule of which `source` says MUST.
    pub fn must(
        record: &'a Record,
        id: &'static str,
        source: &'static str,
        expected: &'static str,
    ) -> Self {
        Self {
            record,
            id,
            level: Level::Must,
            source,
            expected,
            looked_at: 0,
            wrong: 0,
            evidence: Vec::new(),
        }
    }

    /// A rule of which `source` says SHOULD.
    pub fn should(
        record: &'a Record,
        id: &'static str,
        source: &'static str,
        expected: &'static str,
    ) -> Self {
        Self {
            level: Level::Should,
            ..Self::must(record, id, source, expected)
        }
    }

    /// Looks at one thing, which `answer` shows; `got` says what is there if it is not right.
    pub fn look(&mut self, right: bool, answer: &Answer, got: impl FnOnce() -> String) {
        self.looked_at += 1;
        if right {
            return;
        }
        self.wrong += 1;
        if self.evidence.len() < SHOWN {
            let mut got = got();
            if let Some(error) = &answer.error {
                got = format!("{got} ({error})");
            }
            self.evidence.push(Wrong {
                url: format!("{}{}", self.record.server, answer.path),
                status: answer.status,
                got,
            });
        }
    }

    /// The finding; `why` if there was nothing to look at.
    pub fn done(self, why: &str) -> Finding {
        let verdict = if self.looked_at == 0 {
            Verdict::NotObservable {
                why: why.to_owned(),
            }
        } else if self.wrong == 0 {
            Verdict::Pass {
                looked_at: self.looked_at,
            }
        } else {
            Verdict::Fail {
                looked_at: self.looked_at,
                wrong: self.wrong,
                evidence: self.evidence,
            }
        };
        Finding {
            id: self.id,
            level: self.level,
            source: self.source,
            expected: self.expected,
            verdict,
        }
    }
}

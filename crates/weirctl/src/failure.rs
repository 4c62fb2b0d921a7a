//! How a command ends when it does not end well: one line for people, one exit code for scripts.

use std::fmt;

use settings::EXIT_USAGE;

/// Exit code of a command that was refused or failed.
const EXIT_FAILED: u8 = 1;

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The command line or the configuration cannot be used.
    Usage(String),
    /// It was tried: refused by a server, or failed here.
    Failed(String),
    /// As `Failed`, where the command's own output has said everything already.
    Shown,
}

impl Failure {
    /// A failure for people to read.
    pub(crate) fn failed(reason: impl fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }

    /// A command line or configuration that cannot be used.
    pub(crate) fn usage(reason: impl fmt::Display) -> Self {
        Self::Usage(reason.to_string())
    }

    /// For the shell.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_USAGE,
            Self::Failed(_) | Self::Shown => EXIT_FAILED,
        }
    }

    /// The line for stderr; none when nothing is left to say.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            Self::Usage(reason) | Self::Failed(reason) => Some(one_line(reason)),
            Self::Shown => None,
        }
    }
}

/// A server's reason may have several lines; stderr gets one.
fn one_line(reason: &str) -> String {
    let lines = reason.lines().map(str::trim);
    let joined = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>();
    crate::output::printable(&joined.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_one_line_without_control_characters() {
        let failure = Failure::failed("no\n  such\u{1b}[31m filter\n");
        assert_eq!(failure.line().unwrap(), "no; such\\u{1b}[31m filter");
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(Failure::usage("x").exit_code(), 64);
        assert_eq!(Failure::Shown.line(), None);
    }
}

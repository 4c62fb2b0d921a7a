//! Why somebody is not let in. The codes are for programs and stay as they are.

use crate::weir::filter::types::Rejection;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    MissingToken,
    Malformed,
    BadSignature,
    WrongIssuer,
    Expired,
    NotYetValid,
    WrongStream,
    MissingRole,
    UnknownPublishKey,
    Address,
    Referer,
    Origin,
}

impl Refusal {
    pub(crate) fn code(self) -> &'static str {
        self.texts().0
    }

    /// The code, and a sentence that tells its reader nothing about other people's keys.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::MissingToken => ("missing-token", "this stream needs a token"),
            Self::Malformed => (
                "malformed-token",
                "the token is none that is understood here",
            ),
            Self::BadSignature => ("bad-signature", "the token is not signed by a key of ours"),
            Self::WrongIssuer => ("wrong-issuer", "the token was made for somebody else"),
            Self::Expired => ("expired", "its time is over"),
            Self::NotYetValid => ("not-yet-valid", "its time has not come"),
            Self::WrongStream => ("wrong-stream", "it opens another stream"),
            Self::MissingRole => ("missing-role", "you lack the role for this"),
            Self::UnknownPublishKey => ("unknown-publish-key", "there is no such publish key"),
            Self::Address => ("forbidden-address", "not from this address"),
            Self::Referer => ("forbidden-referer", "not from this page"),
            Self::Origin => ("forbidden-origin", "not from this site"),
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = refusal.texts();
        Self {
            code: code.to_owned(),
            message: message.to_owned(),
            retry_after_ms: None,
        }
    }
}

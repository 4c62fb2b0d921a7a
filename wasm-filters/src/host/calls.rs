//! What a server hands to the host for a call, borrowed from its request, and what it gets back.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::contract::{auth, types};
use crate::grants::Granted;
use crate::manifest::{Action, FilterName};
use crate::rollout::RequestPin;

/// Of any call: which request it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct CallInfo<'a> {
    /// The same as in the node's log.
    pub request_id: &'a str,
    /// Whose node this is for the call; `"default"` where there is one tenant.
    pub tenant: &'a str,
    /// The room or stream; empty where there is none.
    pub room: &'a str,
    /// Unix time, in milliseconds. The calls of one request may share it.
    pub now_unix_ms: u64,
    /// Chooses between a version and its canary: make it of the viewer's token, user or address.
    pub pin: RequestPin,
    /// Open slots of the contract's context, such as a room's settings for `chat`. They are no part
    /// of what makes two questions of `auth` or `http` the same: leave them empty there.
    pub attrs: &'a [types::Attr],
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The viewer's address, as far as the node trusts what it knows of it.
    pub ip: IpAddr,
    /// ISO 3166-1 alpha-2 in upper case.
    pub country: Option<&'a str>,
    /// "h1", "h2", "h3", "rtmp", "ws".
    pub protocol: &'static str,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Something that says who asks.
#[derive(Clone, Copy, Debug)]
pub struct Credential<'a> {
    /// Where it stood.
    pub source: auth::CredentialSource,
    /// What stood there.
    pub value: &'a str,
}

/// A question for the auth chain.
#[derive(Clone, Copy, Debug)]
pub struct AuthCall<'a> {
    /// Which request.
    pub info: CallInfo<'a>,
    /// What somebody wants to do.
    pub action: Action,
    /// The application; "live" in playback URLs.
    pub app: &'a str,
    /// The stream, or what a broadcaster calls it.
    pub stream: &'a str,
    /// Most trusted first.
    pub credentials: &'a [Credential<'a>],
    /// As in the URL, without the question mark. Filters are given its parameters but `token`,
    /// `CMCD` and those that begin with `_HLS_`, and only when their manifest says so.
    pub query: &'a str,
    /// All header fields; filters are given those that their manifest lists.
    pub headers: &'a HeaderMap,
    /// Who asks.
    pub client: Client<'a>,
}

/// What the auth chain says.
#[derive(Clone, Debug)]
#[must_use]
pub enum AuthAnswer {
    /// Yes.
    Granted(Arc<Granted>),
    /// No.
    Denied(Arc<Denial>),
    /// Ask there: an absolute URL, or a path.
    Redirect(Arc<str>),
}

/// A no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Whose fault it is; a server makes a status of it.
    pub kind: DenialKind,
    /// Stable, for programs: a filter's own, or [`DenialKind::code`].
    pub code: String,
    /// For people.
    pub message: String,
    /// When to ask again.
    pub retry_after_ms: Option<u32>,
    /// The filter that said so.
    pub filter: Option<FilterName>,
}

/// Why somebody is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenialKind {
    /// A filter said no. (401 without credentials, else 403.)
    Filter,
    /// Every filter passed. (As [`Self::Filter`].)
    NoOpinion,
    /// No filter is there for this action. (503: the node is not set up.)
    NoFilter,
    /// The user, the stream or the token is revoked. (403)
    Revoked,
    /// A filter could not answer, and fails closed. (503)
    Unavailable,
}

impl DenialKind {
    /// The code of a denial that no filter gave.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Filter => "denied",
            Self::NoOpinion => "no-opinion",
            Self::NoFilter => "no-filter",
            Self::Revoked => "revoked",
            Self::Unavailable => "filter-unavailable",
        }
    }
}

/// The head of a request, for the `http` hooks.
#[derive(Clone, Copy, Debug)]
pub struct HttpCall<'a> {
    /// Which request.
    pub info: CallInfo<'a>,
    /// In upper case.
    pub method: &'a str,
    /// `Host` or `:authority`.
    pub host: &'a str,
    /// As in the URL.
    pub path: &'a str,
    /// Without the question mark; empty where there is none.
    pub query: &'a str,
    /// All header fields; filters are given those that their manifest lists.
    pub headers: &'a HeaderMap,
    /// Who asks.
    pub client: Client<'a>,
}

/// The head of a response, for `http.response`.
#[derive(Clone, Copy, Debug)]
pub struct ResponseCall<'a> {
    /// What was asked.
    pub request: HttpCall<'a>,
    /// What the answer will be.
    pub status: StatusCode,
    /// All header fields; filters are given those that their manifest lists.
    pub headers: &'a HeaderMap,
}

/// What to do with a request.
#[derive(Clone, Debug)]
#[must_use]
pub enum RequestAnswer {
    /// Nothing.
    Next,
    /// Go on with these changes.
    Edited(Box<RequestEdits>),
    /// Answer it so.
    Respond(Arc<Reply>),
}

/// What to do with a response.
#[derive(Clone, Debug)]
#[must_use]
pub enum ResponseAnswer {
    /// Send it with these changes, which may be none.
    Edits(ResponseEdits),
    /// A filter failed, and fails closed: send this instead.
    Respond(Arc<Reply>),
}

/// Changes of a request, of the whole chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestEdits {
    /// Another path.
    pub path: Option<String>,
    /// Another query, without the question mark. Empty: none.
    pub query: Option<String>,
    /// Changes of the header fields.
    pub fields: FieldEdits,
}

/// Changes of header fields. Legal names and values; never a field that frames the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldEdits {
    /// Taken away first.
    pub remove: Vec<HeaderName>,
    /// Then set: all fields of a name together replace what was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
}

/// Changes of a response's header fields, in the order in which they apply. Nothing is copied when
/// one filter speaks.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ResponseEdits {
    pub(crate) edits: Edits,
}

/// Mostly there is none or one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Edits {
    #[default]
    None,
    One(Arc<FieldEdits>),
    Many(Vec<Arc<FieldEdits>>),
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub status: StatusCode,
    /// Never a field that frames the message.
    pub headers: HeaderMap,
    /// May be empty.
    pub body: Bytes,
}

/// What became of a chat message.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct ChatAnswer {
    /// What to do with it.
    pub verdict: ChatVerdict,
    /// Effects of all filters that were asked, in their order.
    pub commands: Vec<types::Command>,
}

/// What to do with a chat message.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatVerdict {
    /// Deliver it, as all edits have made it.
    Deliver(crate::contract::chat::Message),
    /// Tell the sender why not.
    Drop(types::Rejection),
    /// Show it to the sender alone.
    ShadowDrop,
    /// Give it to a moderator, as the edits before have made it.
    Hold {
        /// The message.
        message: crate::contract::chat::Message,
        /// For the moderator.
        reason: String,
    },
}

/// What becomes of a gift.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum GiftAnswer {
    /// By this plan, which has been checked.
    Accept {
        /// Who made the plan.
        filter: FilterName,
        /// All or none of it.
        plan: crate::contract::gifts::Plan,
    },
    /// Not.
    Reject(types::Rejection),
}

impl Denial {
    /// A denial that no filter gave.
    pub(crate) fn by_node(kind: DenialKind, message: &str) -> Self {
        Self {
            kind,
            code: kind.code().to_owned(),
            message: message.to_owned(),
            retry_after_ms: None,
            filter: None,
        }
    }
}

impl FieldEdits {
    /// The fields that go before anything of `set` is added: one name may be set to several values.
    /// For heads that are no `HeaderMap`; others are given to [`Self::apply`].
    pub fn cleared(&self) -> impl Iterator<Item = &HeaderName> {
        self.remove
            .iter()
            .chain(self.set.iter().map(|(name, _)| name))
    }

    /// Does it.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in self.cleared() {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.append(name, value.clone());
        }
    }

    /// Adds what is to be done after it.
    pub(crate) fn then(&mut self, more: &Self) {
        for (name, _) in &more.set {
            self.set.retain(|(set, _)| set != name);
        }
        for name in &more.remove {
            self.set.retain(|(set, _)| set != name);
            if !self.remove.contains(name) {
                self.remove.push(name.clone());
            }
        }
        self.set.extend(more.set.iter().cloned());
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }
}

impl ResponseEdits {
    /// The changes, one filter's after another's.
    pub fn iter(&self) -> impl Iterator<Item = &FieldEdits> {
        let edits = match &self.edits {
            Edits::None => &[],
            Edits::One(edit) => std::slice::from_ref(edit),
            Edits::Many(edits) => edits.as_slice(),
        };
        edits.iter().map(|edit| &**edit)
    }

    /// Does all of them.
    pub fn apply(&self, headers: &mut HeaderMap) {
        self.iter().for_each(|edit| edit.apply(headers));
    }

    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.edits, Edits::None)
    }

    pub(crate) fn push(&mut self, edit: Arc<FieldEdits>) {
        if edit.is_empty() {
            return;
        }
        self.edits = match std::mem::take(&mut self.edits) {
            Edits::None => Edits::One(edit),
            Edits::One(first) => Edits::Many(vec![first, edit]),
            Edits::Many(mut edits) => {
                edits.push(edit);
                Edits::Many(edits)
            }
        };
    }
}

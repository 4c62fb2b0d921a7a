//! Samples: calls with known answers that come with a version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Hook, ordered};

/// The time of a sample that names none: 2026-01-01T00:00:00Z.
pub const SAMPLE_NOW_MS: u64 = 1_767_225_600_000;

/// A call with a known answer.
///
/// Values of the contract as JSON: names as in the contract; a record is an object, in which a
/// missing field is none, an empty list, `""`, `0` or `false`; a case is `"case"`, or
/// `{"case": payload}`; an option is null or the value; a result `{"ok": ..}` or `{"err": ..}`;
/// flags are a list of names; bytes are base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// For the report when it fails; none twice in a manifest.
    pub name: String,
    /// Which function.
    pub call: SampleCall,
    /// Unix time in milliseconds that the filter sees.
    #[serde(default = "default_now_ms")]
    pub now_ms: u64,
    /// What its `kv` holds before the call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kv: BTreeMap<String, String>,
    /// Arguments by parameter name; `ctx` may be left out.
    #[serde(default = "super::empty_object", serialize_with = "ordered::serialize")]
    pub input: Value,
    /// What the answer must contain: given keys must match, lists have the same length, scalars
    /// are equal.
    #[serde(serialize_with = "ordered::serialize")]
    pub expect: Value,
    /// The commands of the answer: as many, each matched as `expect` is. None: they are not looked
    /// at.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "ordered::serialize_option"
    )]
    pub commands: Option<Vec<Value>>,
}

fn default_now_ms() -> u64 {
    SAMPLE_NOW_MS
}

/// A function of the contract that a sample calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleCall {
    /// `auth.authorize`
    Authorize,
    /// `chat.on-message`
    OnMessage,
    /// `chat.on-join`
    OnJoin,
    /// `chat.on-leave`
    OnLeave,
    /// `gifts.catalog`
    Catalog,
    /// `gifts.on-gift`
    OnGift,
    /// `http.on-request`
    OnRequest,
    /// `http.on-response`
    OnResponse,
}

impl SampleCall {
    /// The function's name in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::OnMessage => "on-message",
            Self::OnJoin => "on-join",
            Self::OnLeave => "on-leave",
            Self::Catalog => "catalog",
            Self::OnGift => "on-gift",
            Self::OnRequest => "on-request",
            Self::OnResponse => "on-response",
        }
    }

    /// The hook at which a node calls it.
    #[must_use]
    pub fn hook(self) -> Hook {
        match self {
            Self::Authorize => Hook::Auth,
            Self::OnMessage | Self::OnJoin | Self::OnLeave => Hook::Chat,
            Self::Catalog | Self::OnGift => Hook::Gifts,
            Self::OnRequest => Hook::HttpRequest,
            Self::OnResponse => Hook::HttpResponse,
        }
    }
}

//! A shared cache for origins of any kind: RFC 9111 in full, with RFC 5861, 8246, 9110, 9211
//! and 9213.
//!
//! Unlike the crate's other functions nothing is assumed here of how a request was made: what
//! the client sent counts ([`RequestDirectives`], [`SecondaryKey`], [`PreconditionsMet`]), and a
//! response may be for one client alone ([`Sharing`]).
//!
//! Order of use: [`receive`] judges a response when it arrives; [`Terms::reuse`] judges what is
//! stored when a request comes; [`freshen`] merges a 304 into what is stored; [`answer`] applies
//! the client's own preconditions; [`invalidated`] lists what an unsafe method has outdated.

mod condition;
mod directives;
mod invalidation;
mod receive;
mod surrogate_keys;
mod targeted;
mod terms;
mod vary;

pub use condition::{FreshenError, PreconditionsMet, Validators, answer, freshen};
pub use directives::{RequestDirectives, ResponseDirectives};
pub use invalidation::{Target, invalidated, is_safe, is_same_resource};
pub use receive::{Exchange, HEURISTIC_LIFETIME_MAX, Policy, Refusal, Sharing, Verdict, receive};
pub use surrogate_keys::{SURROGATE_KEY_BYTES_MAX, SURROGATE_KEYS_MAX, surrogate_keys};
pub use targeted::{CDN_CACHE_CONTROL, SURROGATE_CONTROL, Targeted, targeted};
pub use terms::{Reuse, Terms};
pub use vary::{SecondaryKey, VARY_FIELDS_MAX, Vary};

//! What a shared cache may keep, for how long, under which key, and how it says so: RFC 9111,
//! 9110 (ranges, conditionals, connection fields), 9211 and 5861, for Weir's edges.
//!
//! It holds no object and makes no request. Everything here is a function of its arguments;
//! the time is one of them.
//!
//! [`shared`] is for origins of any kind. The rest is for Weir's own objects. Two habits of an edge
//! are assumed for them, and each function that leans on one says so:
//!
//! 1. The request to the parent is made from the [`CacheKey`] and from nothing else of the
//!    viewer's request. What the viewer sends cannot vary the response.
//! 2. Whether a viewer may have an object is decided per request, before the lookup. A stored
//!    object carries no permission.

mod conditional;
mod control;
mod decision;
mod fields;
mod freshness;
mod key;
mod range;
pub mod shared;
mod status;
mod syntax;

pub use conditional::if_none_match;
pub use control::CacheControl;
pub use decision::{
    ERROR_LIFETIME_MAX, ERROR_LIFETIME_MIN, NotStorable, Received, Storable, StoreDecision,
    decide_store, error_lifetime,
};
pub use fields::{strip_for_storage, strip_hop_by_hop};
pub use freshness::{Freshness, age_value, corrected_initial_age, freshness_lifetime};
pub use key::{CacheKey, DIRECTIVE_BYTES_MAX, KeyError, PATH_BYTES_MAX};
pub use range::{ByteRange, RangeDecision, decide_range, unsatisfied_content_range};
pub use status::{
    CACHE_STATUS, CACHE_STATUS_BYTES_MAX, CacheName, CacheNameError, CacheStatus, Forward,
};

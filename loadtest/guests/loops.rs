//! The filter of `bench/filters/looping.rs`: it never comes back from a request below
//! `/live/loops/`, and lets all others pass. Put into a project that `weirctl filter new` made.

use exports::weir::filter::http::{
    Guest, Request, RequestAction, RequestOutcome, ResponseAction, ResponseHead, ResponseOutcome,
};
use exports::weir::filter::lifecycle;
use weir::filter::types::{Context, FilterError};

wit_bindgen::generate!({ path: "wit", world: "filter", generate_all });

struct Filter;
export!(Filter);

impl lifecycle::Guest for Filter {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: String::new(),
        }
    }

    fn configure(_document: String) -> Result<(), String> {
        Ok(())
    }
}

impl Guest for Filter {
    fn on_request(_ctx: Context, request: Request) -> Result<RequestOutcome, FilterError> {
        let mut n = 0_u64;
        while request.path.starts_with("/live/loops/") {
            n = std::hint::black_box(n.wrapping_add(1));
        }
        Ok(RequestOutcome {
            action: RequestAction::Next,
            cache_ms: 0,
        })
    }

    fn on_response(
        _ctx: Context,
        _request: Request,
        _response: ResponseHead,
    ) -> Result<ResponseOutcome, FilterError> {
        Ok(ResponseOutcome {
            action: ResponseAction::Next,
            cache_ms: 0,
        })
    }
}

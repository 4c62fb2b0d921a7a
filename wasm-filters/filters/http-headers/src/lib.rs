//! Redirects on the way in; CORS, security headers and the operator's own fields on the way out.
//!
//! Every answer depends only on what the manifest lets the filter see, and says so with `cache-ms`:
//! a node asks once per path and origin, and from then on does the same by itself.

mod cors;
mod policy;

use std::sync::OnceLock;

use exports::weir::filter::http::{
    Guest, Reply, Request, RequestAction, RequestOutcome, ResponseAction, ResponseEdit,
    ResponseHead, ResponseOutcome,
};
use exports::weir::filter::lifecycle;
use weir::filter::types::{Attr, Context, FilterError};

use policy::Policy;

wit_bindgen::generate!({ path: "../../wit", world: "http-filter" });

struct HttpHeaders;
export!(HttpHeaders);

static POLICY: OnceLock<Policy> = OnceLock::new();

impl lifecycle::Guest for HttpHeaders {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(document: String) -> Result<(), String> {
        let policy = Policy::parse(&document)?;
        POLICY
            .set(policy)
            .map_err(|_| "configured twice".to_owned())
    }
}

impl Guest for HttpHeaders {
    fn on_request(_: Context, request: Request) -> Result<RequestOutcome, FilterError> {
        let policy = policy()?;
        let action = match policy.redirect(&request.path, &request.query) {
            Some((status, location)) => RequestAction::Respond(Reply {
                status,
                headers: vec![attr("location", &location)],
                body: Vec::new(),
            }),
            None => RequestAction::Next,
        };
        Ok(RequestOutcome {
            action,
            cache_ms: policy.cache_ms,
        })
    }

    fn on_response(
        _: Context,
        request: Request,
        response: ResponseHead,
    ) -> Result<ResponseOutcome, FilterError> {
        let policy = policy()?;
        let edit = edit(policy, &request, &response);
        let action = if edit.set_headers.is_empty() && edit.remove_headers.is_empty() {
            ResponseAction::Next
        } else {
            ResponseAction::Modify(edit)
        };
        Ok(ResponseOutcome {
            action,
            cache_ms: policy.cache_ms,
        })
    }
}

fn policy() -> Result<&'static Policy, FilterError> {
    POLICY
        .get()
        .ok_or_else(|| FilterError::Internal("not configured".to_owned()))
}

/// What becomes of a response's fields. An operator's own field wins over one of ours.
fn edit(policy: &Policy, request: &Request, response: &ResponseHead) -> ResponseEdit {
    let mut fields = Fields::default();
    if let Some(security) = &policy.security {
        security.write(request.client.tls, &mut fields);
    }
    if let Some(cors) = &policy.cors {
        cors.write(request, response, &mut fields);
    }
    for route in policy
        .routes
        .iter()
        .filter(|route| route.matches(&request.path))
    {
        route
            .set
            .iter()
            .for_each(|(name, value)| fields.set(name, value));
        route.remove.iter().for_each(|name| fields.remove(name));
    }
    ResponseEdit {
        set_headers: fields.set,
        remove_headers: fields.remove,
    }
}

/// The edit while it is made: of two words about one field the later one counts.
#[derive(Debug, Default)]
struct Fields {
    set: Vec<Attr>,
    remove: Vec<String>,
}

impl Fields {
    fn set(&mut self, name: &str, value: &str) {
        self.forget(name);
        self.set.push(attr(name, value));
    }

    fn remove(&mut self, name: &str) {
        self.forget(name);
        self.remove.push(name.to_owned());
    }

    fn forget(&mut self, name: &str) {
        self.set.retain(|it| it.key != name);
        self.remove.retain(|it| it != name);
    }
}

fn attr(key: &str, value: &str) -> Attr {
    Attr {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::filter::types::ClientInfo;

    pub(crate) fn request(method: &str, path: &str, origin: Option<&str>) -> Request {
        Request {
            method: method.to_owned(),
            host: "live.example.com".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            client: ClientInfo {
                ip: String::new(),
                country: None,
                user_agent: None,
                referer: None,
                origin: origin.map(str::to_owned),
                protocol: "h3".to_owned(),
                tls: true,
                attrs: Vec::new(),
            },
        }
    }

    fn edited(document: &str, path: &str) -> (Vec<String>, Vec<String>) {
        let policy = Policy::parse(document).expect(document);
        let response = ResponseHead {
            status: 200,
            headers: Vec::new(),
        };
        let edit = edit(&policy, &request("GET", path, None), &response);
        let line = |it: Attr| format!("{}: {}", it.key, it.value);
        (
            edit.set_headers.into_iter().map(line).collect(),
            edit.remove_headers,
        )
    }

    #[test]
    fn the_later_word_about_a_field_counts() {
        let document = r#"{
            "security": {"hsts_s": 60},
            "routes": [
                {"path": "/*", "set": {"x-frame-options": "DENY", "x-a": "1"}, "remove": ["server"]},
                {"path": "/live/*", "set": {"x-a": "2", "server": "weir"},
                 "remove": ["referrer-policy", "x-content-type-options"]}
            ]}"#;
        let (set, removed) = edited(document, "/live/demo/index.m3u8");
        assert_eq!(
            set,
            [
                "strict-transport-security: max-age=60",
                "x-frame-options: DENY",
                "server: weir",
                "x-a: 2",
            ]
        );
        assert_eq!(removed, ["referrer-policy", "x-content-type-options"]);
        assert_eq!(edited(document, "/watch").1, ["server"]);
    }

    #[test]
    fn nothing_asked_nothing_done() {
        assert_eq!(edited("{}", "/"), (Vec::new(), Vec::new()));
    }
}

//! What a filter wants done to a request or a response, made into something that can be done.
//!
//! A name, a value or a size that is not allowed refuses the whole answer.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::contract::{http as contract, types::Attr};
use crate::host::{FieldEdits, Reply, RequestEdits};

/// Most fields that an answer sets or removes.
pub const FIELDS_MAX: usize = 64;
/// Most bytes of the names and values of an answer's fields.
pub const FIELD_BYTES_MAX: usize = 16 << 10;
/// Most bytes of a path, a query, or a URL to go to.
pub const URL_BYTES_MAX: usize = 8 << 10;

/// Why an answer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Not the name of a header field.
    #[error("{0:?} is no name of a header field")]
    Name(String),
    /// Not a value.
    #[error("the value of {0} is not allowed in a header field")]
    Value(HeaderName),
    /// A field that frames the message.
    #[error("{0} frames the message and cannot be touched")]
    Framing(HeaderName),
    /// Too many fields.
    #[error("{0} fields; {FIELDS_MAX} is the most")]
    Fields(usize),
    /// Too long together.
    #[error("{0} bytes of fields; {FIELD_BYTES_MAX} is the most")]
    FieldBytes(usize),
    /// Not a path.
    #[error("{0:?} is no path: it begins with / and has visible ASCII characters but ? and #")]
    Path(String),
    /// Not a query.
    #[error("{0:?} is no query: it has visible ASCII characters but #")]
    Query(String),
    /// Not a status that ends a request.
    #[error("status {0}: 200 to 599 is allowed")]
    Status(u16),
    /// Not a place to go to.
    #[error("{0:?} is nowhere to go: an http or https URL, or a path")]
    Location(String),
}

/// RFC 9110 7.6.1, RFC 9112 6, RFC 9113 8.2.2. `host` is `:authority` in later versions of HTTP.
const FRAMING: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Those without a constant.
const FRAMING_TEXTS: [&str; 3] = ["http2-settings", "keep-alive", "proxy-connection"];

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn field_name(name: &str) -> Result<HeaderName, EditError> {
    // Pseudo fields (":path") are no names to http.
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| EditError::Name(cut(name)))?;
    if FRAMING.contains(&name) || FRAMING_TEXTS.contains(&name.as_str()) {
        return Err(EditError::Framing(name));
    }
    Ok(name)
}

fn field(attr: &Attr) -> Result<(HeaderName, HeaderValue), EditError> {
    let name = field_name(&attr.key)?;
    // White space at the ends is no part of a value (RFC 9110 5.5).
    match HeaderValue::from_str(attr.value.trim_matches([' ', '\t'])) {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(EditError::Value(name)),
    }
}

/// Changes of header fields.
pub(crate) fn field_edits(set: &[Attr], remove: &[String]) -> Result<FieldEdits, EditError> {
    let fields = set.len() + remove.len();
    if fields > FIELDS_MAX {
        return Err(EditError::Fields(fields));
    }
    let set_bytes = set.iter().map(|attr| attr.key.len() + attr.value.len());
    let bytes: usize = set_bytes.chain(remove.iter().map(String::len)).sum();
    if bytes > FIELD_BYTES_MAX {
        return Err(EditError::FieldBytes(bytes));
    }
    Ok(FieldEdits {
        remove: remove
            .iter()
            .map(|name| field_name(name))
            .collect::<Result<_, _>>()?,
        set: set.iter().map(field).collect::<Result<_, _>>()?,
    })
}

/// Changes of a request.
pub(crate) fn request_edits(edit: &contract::RequestEdit) -> Result<RequestEdits, EditError> {
    let visible = |text: &str| {
        text.len() <= URL_BYTES_MAX
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    if let Some(path) = &edit.path
        && !(path.starts_with('/') && !path.contains('?') && visible(path))
    {
        return Err(EditError::Path(cut(path)));
    }
    if let Some(query) = &edit.query
        && !visible(query)
    {
        return Err(EditError::Query(cut(query)));
    }
    Ok(RequestEdits {
        path: edit.path.clone(),
        query: edit.query.clone(),
        fields: field_edits(&edit.set_headers, &edit.remove_headers)?,
    })
}

/// A whole answer.
pub(crate) fn reply(reply: contract::Reply) -> Result<Reply, EditError> {
    let status = StatusCode::from_u16(reply.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or(EditError::Status(reply.status))?;
    let edits = field_edits(&reply.headers, &[])?;
    let mut headers = HeaderMap::with_capacity(edits.set.len());
    edits.apply(&mut headers);
    Ok(Reply {
        status,
        headers,
        body: Bytes::from(reply.body),
    })
}

/// Where an auth filter sends somebody.
pub(crate) fn location(to: &str) -> Result<(), EditError> {
    // "//host" is another site, and "/\host" is too in some browsers.
    let path = to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\");
    let url = ["http://", "https://"]
        .iter()
        .any(|scheme| to.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    let legal = to.len() <= URL_BYTES_MAX && to.bytes().all(|byte| byte.is_ascii_graphic());
    if legal && (path || url) {
        return Ok(());
    }
    Err(EditError::Location(cut(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(key: &str, value: &str) -> Attr {
        Attr {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    fn edit(path: Option<&str>, query: Option<&str>) -> contract::RequestEdit {
        contract::RequestEdit {
            path: path.map(str::to_owned),
            query: query.map(str::to_owned),
            set_headers: Vec::new(),
            remove_headers: Vec::new(),
        }
    }

    #[test]
    fn names_and_values_are_legal_and_frame_nothing() {
        for (name, value, ok) in [
            ("access-control-allow-origin", "*", true),
            ("X-A", " padded\t", true),
            ("x-a", "", true),
            ("x a", "1", false),
            ("", "1", false),
            (":status", "200", false),
            ("x-a", "1\r\nx-b: 2", false),
            ("x-a", "\0", false),
            ("Content-Length", "7", false),
            ("transfer-encoding", "chunked", false),
            ("keep-alive", "1", false),
            ("host", "elsewhere", false),
        ] {
            let set = field_edits(&[attr(name, value)], &[]);
            assert_eq!(set.is_ok(), ok, "{name}: {value:?}: {set:?}");
        }
        assert!(field_edits(&[], &["server".to_owned()]).is_ok());
        let connection = field_edits(&[], &["Connection".to_owned()]);
        assert_eq!(connection, Err(EditError::Framing(CONNECTION)));
    }

    #[test]
    fn answers_have_a_bound() {
        let many = vec![attr("x-a", "1"); FIELDS_MAX + 1];
        assert_eq!(field_edits(&many, &[]), Err(EditError::Fields(65)));
        let long = [attr("x-a", &"1".repeat(FIELD_BYTES_MAX))];
        assert!(matches!(
            field_edits(&long, &[]),
            Err(EditError::FieldBytes(_))
        ));
    }

    #[test]
    fn paths_and_queries_are_what_they_say() {
        for (path, query, ok) in [
            (Some("/live/a.m3u8"), Some("a=1&b=?"), true),
            (Some("/"), Some(""), true),
            (Some("live"), None, false),
            (Some("/a?b"), None, false),
            (Some("/a b"), None, false),
            (Some("/\u{e9}"), None, false),
            (None, Some("a#b"), false),
            (None, Some("a\r\n"), false),
        ] {
            assert_eq!(
                request_edits(&edit(path, query)).is_ok(),
                ok,
                "{path:?} {query:?}"
            );
        }
    }

    #[test]
    fn one_name_may_be_set_to_several_values() {
        let set = [attr("vary", "origin"), attr("vary", "accept")];
        let edits = field_edits(&set, &["etag".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("vary", HeaderValue::from_static("cookie"));
        headers.insert("etag", HeaderValue::from_static("x"));
        edits.apply(&mut headers);
        let vary: Vec<_> = headers.get_all("vary").iter().collect();
        assert_eq!((vary.len(), headers.len()), (2, 2));
        assert_eq!(vary, ["origin", "accept"]);
    }

    #[test]
    fn a_reply_ends_the_request() {
        let with = |status| {
            reply(contract::Reply {
                status,
                headers: vec![attr("location", "/b")],
                body: vec![1],
            })
        };
        assert_eq!(with(302).unwrap().headers.len(), 1);
        for status in [0, 100, 101, 199, 600, 1000] {
            assert_eq!(with(status), Err(EditError::Status(status)));
        }
    }

    #[test]
    fn a_redirect_leads_where_it_seems_to() {
        for (to, ok) in [
            ("/login?next=%2Flive", true),
            ("https://id.example/login", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("javascript:alert(1)", false),
            ("https://", false),
            ("/a\r\nset-cookie: x", false),
            ("", false),
        ] {
            assert_eq!(location(to).is_ok(), ok, "{to:?}");
        }
    }
}

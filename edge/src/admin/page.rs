//! The operators' page and its assets, out of the binary as the viewers' pages are.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cache_policy::if_none_match;

use super::Shared;
use super::refusal::Refusal;

pub(super) async fn serve(
    State(admin): State<Shared>,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let Some(page) = admin.pages.find_admin(uri.path()) else {
        let detail = "this edge was built without this page (make web)";
        return Err(Refusal::new(StatusCode::NOT_FOUND, detail));
    };
    let mut headers = page.headers().clone();
    if if_none_match(&request, &headers) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let (body, encoding) = page.body(&request);
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    Ok((headers, body).into_response())
}

//! Request bodies: bounded in size and time.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::ApiOptions;
use super::problem::ApiError;

/// Reads a whole body.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    options: &ApiOptions,
) -> Result<Bytes, ApiError> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(ApiError::TooLarge(max));
    }
    // What is announced is not taken for granted: memory grows with what arrives.
    let mut bytes = BytesMut::new();
    let mut chunks = body.into_data_stream();
    let end = Instant::now() + options.body_timeout;
    loop {
        let next = (Instant::now() + options.body_idle_timeout).min(end);
        let chunk = timeout_at(next, chunks.next()).await;
        let chunk = chunk.map_err(|_| ApiError::TooSlow(options.body_timeout))?;
        match chunk {
            None => return Ok(bytes.freeze()),
            Some(Err(_)) => return Err(ApiError::BrokenOff(bytes.len())),
            Some(Ok(chunk)) if bytes.len() + chunk.len() > max => {
                return Err(ApiError::TooLarge(max));
            }
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
        }
    }
}

/// Reads a body of JSON.
pub(super) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    options: &ApiOptions,
) -> Result<T, ApiError> {
    let bytes = read(headers, body, max, options).await?;
    // Nothing at all stands for an object without members: `curl -X POST` rolls back.
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text)
        .map_err(|error| ApiError::Bad(format!("the body is not what belongs here: {error}")))
}

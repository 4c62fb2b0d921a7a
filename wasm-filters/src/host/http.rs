//! The `http` hooks: edits of requests and responses, from the memo or from the filters.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::call::CallContext;
use crate::chain::{Deadline, Failed};
use crate::contract::http as contract;
use crate::edits;
use crate::manifest::Hook;
use crate::memo::{Asked, Kept, MemoKey, RequestStep};
use crate::stats::Decision;
use crate::table::{Deployed, Table};

use super::ask::{AskError, Question};
use super::calls::{
    FieldEdits, HttpCall, Reply, RequestAnswer, RequestEdits, ResponseAnswer, ResponseCall,
    ResponseEdits,
};
use super::state::Inner;

/// `on-request`.
pub(super) struct OnRequest<'a>(pub(super) HttpCall<'a>);

/// `on-response`.
pub(super) struct OnResponse<'a> {
    request: HttpCall<'a>,
    status: StatusCode,
    headers: &'a HeaderMap,
}

fn request_input(call: &HttpCall<'_>, version: &Deployed) -> contract::Request {
    let sights = &version.http_sights;
    contract::Request {
        method: call.method.to_owned(),
        host: call.host.to_owned(),
        path: call.path.to_owned(),
        query: sights.query(call.query),
        headers: sights.fields(call.headers),
        client: sights.client_info(&call.client, call.headers),
    }
}

fn asked(version: &Deployed) -> Asked<'_> {
    Asked {
        word: version.key_word,
        sights: &version.http_sights,
    }
}

fn refuse(error: &edits::EditError) -> AskError {
    AskError::Answer(error.to_string())
}

impl Question for OnRequest<'_> {
    const HOOK: Hook = Hook::HttpRequest;
    type Input = contract::Request;
    /// What to do, and for how many milliseconds.
    type Answer = (RequestStep, u32);

    fn input(&self, version: &Deployed) -> contract::Request {
        request_input(&self.0, version)
    }

    async fn call(
        version: &Deployed,
        context: &CallContext,
        input: &contract::Request,
    ) -> Result<(RequestStep, u32), AskError> {
        let outcome = version.version.on_request(context, input).await?;
        let step = match outcome.action {
            contract::RequestAction::Next => RequestStep::Next,
            contract::RequestAction::Modify(edit) => {
                let edits = edits::request_edits(&edit).map_err(|error| refuse(&error))?;
                RequestStep::Modify(Arc::new(edits))
            }
            contract::RequestAction::Respond(reply) => {
                let reply = edits::reply(reply).map_err(|error| refuse(&error))?;
                RequestStep::Respond(Arc::new(reply))
            }
        };
        Ok((step, outcome.cache_ms))
    }

    fn decision((step, _): &(RequestStep, u32)) -> Decision {
        match step {
            RequestStep::Next => Decision::Pass,
            RequestStep::Modify(_) => Decision::Modify,
            RequestStep::Respond(_) => Decision::Respond,
        }
    }
}

impl Question for OnResponse<'_> {
    const HOOK: Hook = Hook::HttpResponse;
    type Input = (contract::Request, contract::ResponseHead);
    /// What to change, and for how many milliseconds.
    type Answer = (Arc<FieldEdits>, u32);

    fn input(&self, version: &Deployed) -> Self::Input {
        let head = contract::ResponseHead {
            status: self.status.as_u16(),
            headers: version.http_sights.fields(self.headers),
        };
        (request_input(&self.request, version), head)
    }

    async fn call(
        version: &Deployed,
        context: &CallContext,
        (request, head): &Self::Input,
    ) -> Result<Self::Answer, AskError> {
        let outcome = version.version.on_response(context, request, head).await?;
        let edits = match outcome.action {
            contract::ResponseAction::Next => FieldEdits::default(),
            contract::ResponseAction::Modify(edit) => {
                edits::field_edits(&edit.set_headers, &edit.remove_headers)
                    .map_err(|error| refuse(&error))?
            }
        };
        Ok((Arc::new(edits), outcome.cache_ms))
    }

    fn decision((edits, _): &Self::Answer) -> Decision {
        if edits.is_empty() {
            Decision::Pass
        } else {
            Decision::Modify
        }
    }
}

/// A request as the filters so far have made it.
struct Edited<'a> {
    original: HttpCall<'a>,
    edits: Option<Box<RequestEdits>>,
    headers: Cow<'a, HeaderMap>,
}

impl<'a> Edited<'a> {
    const fn new(original: HttpCall<'a>) -> Self {
        Self {
            original,
            edits: None,
            headers: Cow::Borrowed(original.headers),
        }
    }

    fn call(&self) -> HttpCall<'_> {
        let edits = self.edits.as_deref();
        HttpCall {
            path: edits
                .and_then(|edits| edits.path.as_deref())
                .unwrap_or(self.original.path),
            query: edits
                .and_then(|edits| edits.query.as_deref())
                .unwrap_or(self.original.query),
            headers: &self.headers,
            ..self.original
        }
    }

    fn modify(&mut self, more: &RequestEdits) {
        if !more.fields.is_empty() {
            more.fields.apply(self.headers.to_mut());
        }
        let edits = self.edits.get_or_insert_default();
        if more.path.is_some() {
            edits.path.clone_from(&more.path);
        }
        if more.query.is_some() {
            edits.query.clone_from(&more.query);
        }
        edits.fields.then(&more.fields);
    }

    fn answer(self) -> RequestAnswer {
        self.edits
            .map_or(RequestAnswer::Next, RequestAnswer::Edited)
    }
}

impl Inner {
    pub(super) async fn on_request(
        self: &Arc<Self>,
        table: &Table,
        call: HttpCall<'_>,
    ) -> RequestAnswer {
        if !table.has(Hook::HttpRequest) {
            return RequestAnswer::Next;
        }
        let began = Instant::now();
        let deadline = Deadline::new(began, self.options.chain_budget);
        let mut edited = Edited::new(call);
        let path = call.path;
        for link in table
            .routes
            .http_chain(Hook::HttpRequest, call.info.pin, path)
        {
            let call = edited.call();
            let key = link.version.map(|version| {
                (
                    version,
                    MemoKey::request(table.hash_key, asked(version), &call),
                )
            });
            let step = if let Some((version, key)) = &key
                && let Some(Kept::Request(step)) = self.memo.get(key, began)
            {
                version.stats.hook(Hook::HttpRequest).reused();
                step
            } else {
                let asked = self.ask(link, &OnRequest(call), &call.info, deadline).await;
                match asked {
                    None | Some(Err(Failed::Open)) => continue,
                    Some(Err(Failed::Closed)) => {
                        return RequestAnswer::Respond(Arc::clone(&self.unavailable));
                    }
                    Some(Ok(answered)) => {
                        let (step, cache_ms) = answered.answer;
                        if let Some((_, key)) = key
                            && !answered.fallback
                        {
                            let kept = Kept::Request(step.clone());
                            self.memo.keep(key, kept, cache_ms, Instant::now());
                        }
                        step
                    }
                }
            };
            match step {
                RequestStep::Next => {}
                RequestStep::Modify(edits) => edited.modify(&edits),
                RequestStep::Respond(reply) => return RequestAnswer::Respond(reply),
            }
        }
        edited.answer()
    }

    /// Last filter first: the chain is an onion.
    pub(super) async fn on_response(
        self: &Arc<Self>,
        table: &Table,
        call: ResponseCall<'_>,
    ) -> ResponseAnswer {
        let ResponseCall {
            request,
            status,
            headers,
        } = call;
        let mut edits = ResponseEdits::default();
        if !table.has(Hook::HttpResponse) {
            return ResponseAnswer::Edits(edits);
        }
        let began = Instant::now();
        let deadline = Deadline::new(began, self.options.chain_budget);
        let mut headers = Cow::Borrowed(headers);
        let chain = table
            .routes
            .http_chain(Hook::HttpResponse, request.info.pin, request.path);
        let mut chain = chain.rev().peekable();
        while let Some(link) = chain.next() {
            let key = link.version.map(|version| {
                let key =
                    MemoKey::response(table.hash_key, asked(version), &request, status, &headers);
                (version, key)
            });
            let edit = if let Some((version, key)) = &key
                && let Some(Kept::Response(edit)) = self.memo.get(key, began)
            {
                version.stats.hook(Hook::HttpResponse).reused();
                edit
            } else {
                let question = OnResponse {
                    request,
                    status,
                    headers: &headers,
                };
                match self.ask(link, &question, &request.info, deadline).await {
                    None | Some(Err(Failed::Open)) => continue,
                    Some(Err(Failed::Closed)) => {
                        return ResponseAnswer::Respond(Arc::clone(&self.unavailable));
                    }
                    Some(Ok(answered)) => {
                        let (edit, cache_ms) = answered.answer;
                        if let Some((_, key)) = key
                            && !answered.fallback
                        {
                            let kept = Kept::Response(Arc::clone(&edit));
                            self.memo.keep(key, kept, cache_ms, Instant::now());
                        }
                        edit
                    }
                }
            };
            // Copying the header is for those who look at it next.
            if !edit.is_empty() && chain.peek().is_some() {
                edit.apply(headers.to_mut());
            }
            edits.push(edit);
        }
        ResponseAnswer::Edits(edits)
    }
}

/// What is answered in place of a filter that fails closed.
pub(super) fn unavailable() -> Reply {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    Reply {
        status: StatusCode::SERVICE_UNAVAILABLE,
        headers,
        body: Bytes::from_static(
            br#"{"title":"Service Unavailable","status":503,"detail":"a filter of this node cannot decide right now"}"#,
        ),
    }
}

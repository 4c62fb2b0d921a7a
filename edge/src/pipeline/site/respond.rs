//! Writes the answers of sites: from memory, from a flight, or as they come.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use cache_policy::shared::{PreconditionsMet, Verdict, answer, is_same_resource, receive};
use cache_policy::{CACHE_STATUS, CacheStatus};
use http::{HeaderMap, Method, StatusCode, Version, header};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::request::via;
use super::{Asked, Told, exchange};
use crate::cache::flight::{FillError, FlightReader};
use crate::cache::object::ObjectHead;
use crate::frontend::protocol;
use crate::pipeline::EdgeProxy;
use crate::pipeline::log::{Context, Outcome};
use crate::pipeline::range::apply_range;
use crate::pipeline::respond::{Sent, problem_of, write_body};
use crate::sites::fetch::Passed;
use crate::sites::flights::Shared;
use crate::sites::store::{Stored, storable_fields};

/// Fields an answer may carry beyond the parent's.
const OWN_FIELDS: usize = 6;

impl EdgeProxy {
    /// A stored response.
    pub(super) async fn respond_stored(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: &Asked<'_>,
        stored: &Stored,
        told: Told,
    ) -> Result<()> {
        context.outcome = told.outcome;
        let age = Some(stored.age(Instant::now()));
        let head = Head {
            status: stored.status,
            headers: &stored.headers,
            age,
            version: Version::HTTP_11,
        };
        let response = self.site_head(session, &head, told.status)?;
        self.respond_site_whole(session, context, asked, response, stored.body.clone())
            .await
    }

    /// A response that is arriving.
    pub(super) async fn respond_shared(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: &Asked<'_>,
        shared: Shared,
        told: Told,
    ) -> Result<()> {
        context.outcome = told.outcome;
        let mut reader = shared.flight.reader();
        context.waits_for(&reader);
        let head = match self.wait(session, reader.head()).await? {
            Ok(head) => head,
            Err(error) => {
                let problem = problem_of(error);
                return self.respond_problem(session, context, problem).await;
            }
        };
        let age = head.age(Instant::now()).as_secs();
        let response = Head {
            status: head.status,
            headers: &head.headers,
            age: (age > 0).then_some(age),
            version: Version::HTTP_11,
        };
        let response = self.site_head(session, &response, told.status)?;
        let request = session.req_header();
        let waits = reader.is_complete()
            || request.version == Version::HTTP_10
            || request.headers.contains_key(header::RANGE)
            || (head.status == StatusCode::OK
                && answer(&request.headers, &head.headers) == PreconditionsMet::NotModified);
        if !waits {
            return self
                .respond_site_growing(session, context, response, &head, reader)
                .await;
        }
        match self.wait(session, reader.whole()).await? {
            Ok(object) => {
                let body = object.body.clone();
                self.respond_site_whole(session, context, asked, response, body)
                    .await
            }
            Err(error) => {
                let problem = problem_of(error);
                self.respond_problem(session, context, problem).await
            }
        }
    }

    async fn respond_site_growing(
        &self,
        session: &mut Session,
        context: &Context,
        mut response: ResponseHeader,
        head: &ObjectHead,
        mut reader: FlightReader,
    ) -> Result<()> {
        frame(session, &mut response, head.content_length)?;
        if self.write_head(session, context, response, false).await? == Sent::Instead {
            return Ok(());
        }
        loop {
            match self.wait(session, reader.chunk()).await? {
                Ok(Some(chunk)) => write_body(session, context, chunk, false).await?,
                Ok(None) => return session.write_response_body(None, true).await,
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// The whole body is here: the client's conditions and range are this edge's to answer.
    async fn respond_site_whole(
        &self,
        session: &mut Session,
        context: &Context,
        asked: &Asked<'_>,
        mut response: ResponseHeader,
        mut body: Bytes,
    ) -> Result<()> {
        let request = &asked.outgoing.headers;
        if response.status == StatusCode::OK {
            if answer(request, &response.headers) == PreconditionsMet::NotModified {
                response.set_status(StatusCode::NOT_MODIFIED)?;
                response.remove_header(&header::CONTENT_LENGTH);
                return self.write_bodiless(session, context, response).await;
            }
            body = apply_range(request, &mut response, body)?;
        }
        if response.status == StatusCode::NO_CONTENT {
            response.remove_header(&header::CONTENT_LENGTH);
            return self.write_bodiless(session, context, response).await;
        }
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        self.write_whole(session, context, response, body).await
    }

    /// An answer for this client alone, as it comes.
    pub(super) async fn respond_passed(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: &Asked<'_>,
        mut passed: Passed,
        status: CacheStatus,
    ) -> Result<()> {
        if context.outcome != Outcome::Miss {
            context.outcome = Outcome::None;
        }
        let mut headers = storable_fields(&passed.headers);
        // What is one client's may be told to that client.
        for name in [header::AGE, header::PROXY_AUTHENTICATE] {
            for value in passed.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        let head = Head {
            status: passed.status,
            headers: &headers,
            age: None,
            version: passed.version,
        };
        let mut response = self.site_head(session, &head, status)?;
        let bodiless = asked.outgoing.method == Method::HEAD
            || matches!(
                passed.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        if bodiless {
            if passed.status == StatusCode::NO_CONTENT {
                response.remove_header(&header::CONTENT_LENGTH);
            }
            return self.write_bodiless(session, context, response).await;
        }
        frame(session, &mut response, passed.content_length)?;
        let mut kept = Kept::of(self, asked, &passed);
        if self.write_head(session, context, response, false).await? == Sent::Instead {
            return Ok(());
        }
        loop {
            match self.wait(session, passed.body.recv()).await? {
                Some(Ok(chunk)) => {
                    kept.push(&chunk);
                    write_body(session, context, chunk, false).await?;
                }
                None => {
                    kept.keep(asked, &passed);
                    return session.write_response_body(None, true).await;
                }
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    }

    /// The head of an answer: the parent's fields, and this hop's.
    fn site_head(
        &self,
        session: &Session,
        head: &Head<'_>,
        status: CacheStatus,
    ) -> Result<ResponseHeader> {
        let fields = head.headers.len() + OWN_FIELDS;
        let mut response = ResponseHeader::build_no_case(head.status, Some(fields))?;
        let mut own = HeaderMap::with_capacity(2);
        for (name, value) in head.headers {
            if *name == CACHE_STATUS || *name == header::VIA {
                own.append(name, value.clone());
            } else {
                response.append_header(name, value)?;
            }
        }
        status.append_to(&mut own, &self.name);
        if let Some(sites) = &self.sites {
            via(&mut own, head.version, sites.name());
        }
        for (name, value) in &own {
            response.append_header(name, value)?;
        }
        if let Some(age) = head.age {
            response.insert_header(header::AGE, age)?;
        }
        if let Some(alt_svc) = self.alt_svc(session) {
            response.insert_header(header::ALT_SVC, alt_svc)?;
        }
        Ok(response)
    }
}

struct Head<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    age: Option<u64>,
    version: Version,
}

/// The answer of a POST that is to be kept for its URL, while it is passed on.
struct Kept {
    body: Option<BytesMut>,
    most: usize,
    received_at: Instant,
}

impl Kept {
    fn of(edge: &EdgeProxy, asked: &Asked<'_>, passed: &Passed) -> Self {
        let outgoing = &asked.outgoing;
        let is_wanted = outgoing.method == Method::POST
            && is_same_resource(&outgoing.authority, &outgoing.target, &passed.headers)
            && passed.status.is_success();
        let most = edge
            .sites
            .as_ref()
            .map_or(0, |sites| sites.object_bytes_max());
        Self {
            body: is_wanted.then(BytesMut::new),
            most,
            received_at: Instant::now(),
        }
    }

    fn push(&mut self, chunk: &[u8]) {
        if let Some(body) = &mut self.body {
            if body.len() + chunk.len() > self.most {
                self.body = None;
            } else {
                body.extend_from_slice(chunk);
            }
        }
    }

    fn keep(self, asked: &Asked<'_>, passed: &Passed) {
        let Some(body) = self.body else {
            return;
        };
        let verdict = receive(&exchange(&asked.outgoing, passed), asked.site.policy());
        if let Verdict::Store(terms, _) = verdict {
            let request = &asked.outgoing.headers;
            let body = body.freeze();
            let mut stored = Stored::new(passed.status, &passed.headers, body, terms, request);
            stored.received_at = self.received_at;
            asked.sites.keep(asked.site, &asked.key, stored);
        }
    }
}

/// A known length is announced; else HTTP/1.1 sends chunks.
fn frame(
    session: &Session,
    response: &mut ResponseHeader,
    content_length: Option<u64>,
) -> Result<()> {
    match content_length {
        Some(length) => response.insert_header(header::CONTENT_LENGTH, length)?,
        None => {
            response.remove_header(&header::CONTENT_LENGTH);
            // An HTTP/1.0 client takes the end of the connection for the end of the body.
            let is_old = session.req_header().version == Version::HTTP_10;
            if protocol(session.as_downstream()) == "h1" && !is_old {
                response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
        }
    }
    Ok(())
}

fn broken(error: FillError) -> Box<Error> {
    let mut error = Error::because(ErrorType::ReadError, "fill", error);
    error.esource = ErrorSource::Upstream;
    error
}

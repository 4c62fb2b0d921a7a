//! The parent of all caches under test: the two objects, whole, over HTTP/1.1 and h2c.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::objects::Object;

/// A running parent; dropping it stops it.
pub(super) struct Parent {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Parent {
    pub(super) async fn start(objects: &[Object], port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let by_path: HashMap<String, Object> = objects
            .iter()
            .map(|object| (object.path.clone(), object.clone()))
            .collect();
        Ok(Self {
            address,
            task: tokio::spawn(serve(listener, Arc::new(by_path))),
        })
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, objects: Arc<HashMap<String, Object>>) {
    // Accepting fails when descriptors run out; then the benchmark fails by its own checks.
    while let Ok((stream, _)) = listener.accept().await {
        let objects = Arc::clone(&objects);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&objects, &request);
                async { Ok::<_, Infallible>(answer) }
            });
            // A cache that closes the connection is no error of ours.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(objects: &HashMap<String, Object>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let mut response = Response::new(Full::default());
    let Some(object) = objects.get(path) else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    *response.body_mut() = Full::new(object.body.clone());
    let further = object
        .fields
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), *value));
    let own = [
        (header::CONTENT_TYPE, object.content_type),
        (header::CACHE_CONTROL, object.cache_control),
    ];
    for (name, value) in own.into_iter().chain(further) {
        response
            .headers_mut()
            .insert(name, http::HeaderValue::from_static(value));
    }
    response
}

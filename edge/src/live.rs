//! The pipeline that is in force now: what pingora calls, whatever configuration is loaded.
//!
//! A request takes the pipeline as it is when its head has been read, and keeps it to its end: a
//! configuration that is loaded meanwhile is for the requests after it. All that a configuration
//! decides about a request is in that one [`EdgeProxy`], so no request sees half of a change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures::future::BoxFuture;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use crate::pipeline::{Context, EdgeProxy};

/// The pipeline in force. Clones share it.
#[derive(Clone, Debug)]
pub struct Live {
    current: Arc<ArcSwap<EdgeProxy>>,
}

/// A request, and the pipeline that it goes through.
#[derive(Debug)]
pub struct LiveContext {
    edge: Arc<EdgeProxy>,
    context: Context,
}

impl Live {
    /// Begins with this one.
    pub fn new(edge: Arc<EdgeProxy>) -> Self {
        Self {
            current: Arc::new(ArcSwap::new(edge)),
        }
    }

    /// The one that requests get now.
    pub fn current(&self) -> Arc<EdgeProxy> {
        self.current.load_full()
    }

    /// Requests get this one from now on.
    pub fn replace(&self, edge: Arc<EdgeProxy>) {
        self.current.store(edge);
    }
}

/// Phases whose futures every request runs are passed through as they are, without a box of their own.
#[async_trait]
impl ProxyHttp for Live {
    type CTX = LiveContext;

    fn new_ctx(&self) -> LiveContext {
        let edge = self.current.load_full();
        let context = edge.new_ctx();
        LiveContext { edge, context }
    }

    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        self.current.load().init_downstream_modules(modules);
    }

    fn request_filter<'a, 'b, 'c, 'all>(
        &'a self,
        session: &'b mut Session,
        live: &'c mut LiveContext,
    ) -> BoxFuture<'all, Result<bool>>
    where
        'a: 'all,
        'b: 'all,
        'c: 'all,
        Self: 'all,
    {
        live.edge.request_filter(session, &mut live.context)
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        live: &mut LiveContext,
    ) -> Result<Box<HttpPeer>> {
        live.edge.upstream_peer(session, &mut live.context).await
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        live: &mut LiveContext,
    ) -> FailToProxy {
        let context = &mut live.context;
        live.edge.fail_to_proxy(session, error, context).await
    }

    fn suppress_error_log(&self, session: &Session, live: &LiveContext, error: &Error) -> bool {
        live.edge.suppress_error_log(session, &live.context, error)
    }

    fn logging<'a, 'b, 'c, 'd, 'all>(
        &'a self,
        session: &'b mut Session,
        error: Option<&'c Error>,
        live: &'d mut LiveContext,
    ) -> BoxFuture<'all, ()>
    where
        'a: 'all,
        'b: 'all,
        'c: 'all,
        'd: 'all,
        Self: 'all,
    {
        live.edge.logging(session, error, &mut live.context)
    }
}

//! Every route: its path, who may use it, what it takes and gives, and what answers it.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post, put};

use super::{Api, Role, handlers};

/// One method of one path.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// None: open to all.
    pub(super) role: Option<Role>,
    pub(super) summary: &'static str,
    /// Parameters of the query.
    pub(super) query: &'static [&'static str],
    pub(super) request: Content,
    /// Statuses of success.
    pub(super) success: &'static [u16],
    pub(super) response: Content,
    /// Statuses of refusal, besides 400, 401 and 403.
    pub(super) refusals: &'static [u16],
    pub(super) handler: MethodRouter<Arc<Api>>,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// There is none.
    Nothing,
    /// A component.
    Wasm,
    /// JSON of a schema.
    Json(&'static str),
}

use Content::{Json, Nothing, Wasm};

impl Route {
    fn get(path: &'static str, role: Role, summary: &'static str) -> Self {
        Self {
            method: "get",
            path,
            role: Some(role),
            summary,
            query: &[],
            request: Nothing,
            success: &[200],
            response: Nothing,
            refusals: &[],
            handler: MethodRouter::new(),
        }
    }

    fn post(path: &'static str, role: Role, summary: &'static str) -> Self {
        Self {
            method: "post",
            refusals: &[404, 408, 409, 412, 413, 422, 507],
            response: Json("Generation"),
            ..Self::get(path, role, summary)
        }
    }
}

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = of_components();
    routes.extend(of_operations());
    routes.extend(of_nodes());
    routes
}

fn of_components() -> Vec<Route> {
    vec![
        Route {
            role: None,
            response: Json("OpenApi"),
            handler: get(handlers::openapi),
            ..Route::get("/v1/filters/openapi.json", Role::Node, "This document")
        },
        Route {
            method: "put",
            request: Wasm,
            success: &[200, 201],
            response: Json("BlobStored"),
            refusals: &[408, 413, 503, 507],
            handler: put(handlers::put_blob),
            ..Route::get(
                "/v1/filters/blobs/{sha256}",
                Role::Operator,
                "Puts a component",
            )
        },
        Route {
            response: Wasm,
            refusals: &[404],
            handler: get(handlers::blob),
            ..Route::get("/v1/filters/blobs/{sha256}", Role::Node, "A component")
        },
        Route {
            request: Json("NewVersion"),
            success: &[200, 201],
            response: Json("Pushed"),
            refusals: &[408, 409, 413, 422, 503, 507],
            handler: post(handlers::push),
            ..Route::post(
                "/v1/filters/{name}/versions",
                Role::Operator,
                "Pushes a version of a filter; it is checked, compiled and probed before it is accepted",
            )
        },
        Route {
            response: Json("VersionDocument"),
            refusals: &[404],
            handler: get(handlers::document),
            ..Route::get(
                "/v1/filters/{name}/versions/{id}",
                Role::Node,
                "A version's component and manifest",
            )
        },
        Route {
            response: Json("Overview"),
            handler: get(handlers::overview),
            ..Route::get(
                "/v1/filters",
                Role::Operator,
                "Everything: filters, versions, what is wanted, what nodes report",
            )
        },
    ]
}

fn of_operations() -> Vec<Route> {
    vec![
        Route {
            request: Json("Activate"),
            handler: post(handlers::activate),
            ..Route::post(
                "/v1/filters/{name}/activate",
                Role::Operator,
                "Makes a version active, for all or for a share of the calls",
            )
        },
        Route {
            request: Json("Shadow"),
            handler: post(handlers::shadow),
            ..Route::post(
                "/v1/filters/{name}/shadow",
                Role::Operator,
                "Calls a version without effect beside the active one, or ends that",
            )
        },
        Route {
            request: Json("Rollback"),
            handler: post(handlers::rollback),
            ..Route::post(
                "/v1/filters/{name}/rollback",
                Role::Operator,
                "Ends the canary, or else goes back to the version before",
            )
        },
        Route {
            request: Json("SetEnabled"),
            handler: post(handlers::set_enabled),
            ..Route::post(
                "/v1/filters/{name}/enabled",
                Role::Operator,
                "Takes a filter out of every chain, or back in",
            )
        },
        Route {
            request: Json("Revoke"),
            handler: post(handlers::revoke),
            ..Route::post(
                "/v1/filters/revocations",
                Role::Operator,
                "Makes grants void at once",
            )
        },
        Route {
            query: &["after"],
            response: Json("AuditPage"),
            handler: get(handlers::audit),
            ..Route::get(
                "/v1/filters/audit",
                Role::Operator,
                "The audit log, oldest first, 500 records at most",
            )
        },
        Route {
            query: &["after"],
            response: Json("LogPage"),
            refusals: &[404],
            handler: get(handlers::logs),
            ..Route::get(
                "/v1/filters/{name}/logs",
                Role::Operator,
                "The latest log lines of a filter on all nodes",
            )
        },
    ]
}

fn of_nodes() -> Vec<Route> {
    vec![
        Route {
            query: &["after", "wait_ms"],
            success: &[200, 204],
            response: Json("NodeCatalogue"),
            handler: get(handlers::catalogue),
            ..Route::get(
                "/v1/filters/catalogue",
                Role::Node,
                "What nodes follow; held for up to wait_ms (30000 at most) while the generation is `after`",
            )
        },
        Route {
            request: Json("NodeReport"),
            response: Json("ReportTaken"),
            refusals: &[408, 409, 413, 507],
            handler: post(handlers::report),
            ..Route::post(
                "/v1/filters/nodes/{node}",
                Role::Node,
                "A node's report; the answer acknowledges all of it",
            )
        },
    ]
}

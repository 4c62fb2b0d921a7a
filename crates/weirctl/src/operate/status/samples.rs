//! A registry in the middle of its work, for tests.

use filter_registry::catalogue::{Bake, Canary, Changed, Desired, Rejection};
use filter_registry::wire::{
    FilterOverview, FilterReport, NodeOverview, NodeReport, Overview, RolledBack, VersionOverview,
    VersionState,
};
use serde_json::Value;
use wasm_filters::manifest::{Digest, Hook, VersionId};

const BEGIN: u64 = 1_767_225_600_000;
const MINUTE: u64 = 60_000;

/// The id of a version by its name here.
pub(crate) fn id(text: &str) -> VersionId {
    VersionId::from(Digest::of(text.as_bytes()))
}

fn version(number: u32, label: &str, by: &str, hooks: &[Hook]) -> VersionOverview {
    VersionOverview {
        number,
        id: id(&format!("v{number}")),
        component: Digest::of(label.as_bytes()),
        size: 56_525,
        label: label.to_owned(),
        hooks: hooks.to_vec(),
        pushed_by: by.to_owned(),
        pushed_at_unix_ms: BEGIN + u64::from(number) * MINUTE,
        serial: u64::from(number),
        key_id: None,
        roles: Vec::new(),
        ready_on: Vec::new(),
        rejected_on: [].into(),
    }
}

fn auth() -> FilterOverview {
    let mut versions = vec![
        version(4, "1.3.0", "alice", &[Hook::Auth]),
        version(3, "1.2.0", "alice", &[Hook::Auth]),
        version(2, "1.1.0", "bob", &[Hook::Auth]),
    ];
    let desired = Desired {
        active: Some(id("v3")),
        previous: Some(id("v2")),
        canary: Some(Canary {
            version: id("v4"),
            percent: 5,
        }),
        shadow: Some(id("v2")),
        bake: Some(Bake { ms: 1000 }),
        enabled: true,
        since_generation: 9,
    };
    for version in &mut versions {
        let roles = desired.roles(version.id);
        version.roles = roles.into_iter().map(str::to_owned).collect();
        if version.number > 2 {
            version.ready_on = vec!["edge-1".parse().unwrap()];
        }
    }
    versions[0].key_id = Some("ci".to_owned());
    let rejection = Rejection {
        stage: "probe".to_owned(),
        reason: "configure: no keys".to_owned(),
    };
    versions[0].rejected_on = [("edge-2".parse().unwrap(), rejection)].into();
    FilterOverview {
        versions,
        desired,
        changed: Some(Changed {
            generation: 9,
            by: "alice".to_owned(),
            at_unix_ms: BEGIN + 5 * MINUTE,
            what: "activated v4 for 5 %".to_owned(),
        }),
        last_serial: 4,
    }
}

fn geo_block() -> FilterOverview {
    let hooks = [Hook::HttpRequest, Hook::HttpResponse];
    FilterOverview {
        versions: vec![version(1, "0.1.0", "bob", &hooks)],
        desired: Desired {
            enabled: false,
            ..Desired::default()
        },
        changed: None,
        last_serial: 1,
    }
}

fn node(seconds_ago: u64, filter: FilterReport) -> NodeOverview {
    NodeOverview {
        seen_unix_ms: BEGIN + 8 * MINUTE - seconds_ago * 1000,
        peer: Some("10.0.0.2:50000".to_owned()),
        report: NodeReport {
            generation: 9,
            role: "edge".to_owned(),
            filters: [("auth".parse().unwrap(), filter)].into(),
        },
    }
}

/// Two filters, and two nodes of which one went back.
pub(crate) fn overview() -> Overview {
    let good = FilterReport {
        active: Some(id("v3")),
        versions: [
            (id("v3"), VersionState::Ready),
            (id("v4"), VersionState::Ready),
        ]
        .into(),
        stats: Value::Null,
        ..FilterReport::default()
    };
    let rejection = Rejection {
        stage: "probe".to_owned(),
        reason: "configure: no keys".to_owned(),
    };
    let back = FilterReport {
        active: Some(id("v2")),
        versions: [(id("v4"), VersionState::Rejected(rejection))].into(),
        rolled_back: Some(RolledBack {
            from: id("v3"),
            to: Some(id("v2")),
            reason: "3 errors of 20 calls".to_owned(),
            since_generation: 9,
        }),
        ..FilterReport::default()
    };
    Overview {
        generation: 9,
        now_unix_ms: BEGIN + 8 * MINUTE,
        filters: [
            ("auth".parse().unwrap(), auth()),
            ("geo-block".parse().unwrap(), geo_block()),
        ]
        .into(),
        nodes: [
            ("edge-1".parse().unwrap(), node(2, good)),
            ("edge-2".parse().unwrap(), node(3, back)),
        ]
        .into(),
        revocations: Vec::new(),
    }
}

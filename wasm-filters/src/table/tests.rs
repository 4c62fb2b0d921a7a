//! Chains of versions that are nothing but a manifest.

use super::*;
use crate::rollout::{Canary, Percent};

impl Routed for Manifest {
    fn manifest(&self) -> &Manifest {
        self
    }
}

fn manifest(name: &str, label: &str, order: i32, hooks: &[Hook]) -> Manifest {
    let mut manifest = Manifest::new(name.parse().unwrap(), label, hooks.to_vec());
    manifest.order = order;
    manifest
}

fn only(active: Manifest) -> (FilterName, Effective<Manifest>) {
    let name = active.name.clone();
    let active = Some(active);
    (
        name,
        Effective {
            active,
            previous: None,
            canary: None,
            shadow: None,
        },
    )
}

fn routes(filters: Vec<(FilterName, Effective<Manifest>)>) -> Routes<Manifest> {
    Routes::new(filters, |filter| filter.as_str().len() as u64)
}

fn labels<'a>(chain: impl Iterator<Item = Link<'a, Manifest>>) -> Vec<&'a str> {
    chain
        .filter_map(|link| link.version)
        .map(|version| version.version.as_str())
        .collect()
}

const ANYBODY: &[u8] = b"anybody";

#[test]
fn a_chain_goes_by_order_and_then_by_name() {
    let chat = &[Hook::Chat];
    let routes = routes(vec![
        only(manifest("b", "b", 100, chat)),
        only(manifest("z", "z", 5, chat)),
        only(manifest("a", "a", 100, chat)),
        only(manifest("c", "c", 1, &[Hook::Auth])),
    ]);
    let pin = RequestPin::of(ANYBODY);
    assert_eq!(labels(routes.chain(Hook::Chat, pin)), ["z", "a", "b"]);
    assert_eq!(labels(routes.chain(Hook::Chat, pin).rev()), ["b", "a", "z"]);
    assert!(routes.is_empty(Hook::Gifts));
    assert!(!routes.is_empty(Hook::Auth));
}

#[test]
fn a_version_is_called_for_its_own_routes_and_actions_only() {
    let mut geo = manifest("geo", "geo", 1, &[Hook::HttpRequest]);
    geo.routes = vec!["/live/*".parse().unwrap(), "/health".parse().unwrap()];
    let mut auth = manifest("auth", "auth", 1, &[Hook::Auth]);
    auth.actions = vec![Action::Play];
    let routes = routes(vec![only(geo), only(auth)]);
    let pin = RequestPin::of(ANYBODY);
    for (path, called) in [
        ("/live/a", 1),
        ("/live", 0),
        ("/health", 1),
        ("/healthy", 0),
    ] {
        assert_eq!(
            routes.http_chain(Hook::HttpRequest, pin, path).count(),
            called,
            "{path}"
        );
    }
    assert_eq!(routes.auth_chain(Action::Play, pin).count(), 1);
    assert_eq!(routes.auth_chain(Action::Publish, pin).count(), 0);
}

#[test]
fn a_canary_is_met_at_its_own_hooks() {
    let (name, effective) = only(manifest("a", "old", 1, &[Hook::Auth, Hook::Chat]));
    let canary = Canary {
        version: manifest("a", "new", 1, &[Hook::Auth, Hook::Gifts]),
        percent: Percent::new(50).unwrap(),
    };
    let routes = routes(vec![(
        name,
        Effective {
            canary: Some(canary),
            ..effective
        },
    )]);
    let mut met = [0; 2];
    for viewer in 0..200u32 {
        let pin = RequestPin::of(&viewer.to_le_bytes());
        let auth = labels(routes.chain(Hook::Auth, pin));
        let is_new = auth == ["new"];
        met[usize::from(is_new)] += 1;
        // One version at all hooks, also at those that the other one has not.
        let chat = if is_new { &[][..] } else { &["old"][..] };
        let gifts = if is_new { &["new"][..] } else { &[][..] };
        assert_eq!(labels(routes.chain(Hook::Chat, pin)), chat);
        assert_eq!(labels(routes.chain(Hook::Gifts, pin)), gifts);
    }
    assert!(met.iter().all(|&met| met > 60), "{met:?}");
}

#[test]
fn a_shadow_answers_nobody() {
    let shadow = manifest("a", "shadow", 1, &[Hook::Chat]);
    let name = shadow.name.clone();
    let versions = Effective {
        active: None,
        previous: None,
        canary: None,
        shadow: Some(shadow),
    };
    let routes = routes(vec![(name, versions)]);
    let pin = RequestPin::of(ANYBODY);
    let link = routes.chain(Hook::Chat, pin).next().unwrap();
    assert_eq!(
        (link.version.is_some(), link.shadow.is_some()),
        (false, true)
    );
    assert_eq!(routes.chain(Hook::Auth, pin).count(), 0);
}

#[test]
fn the_version_before_is_at_hand_where_it_has_the_hook() {
    let (name, effective) = only(manifest("a", "new", 1, &[Hook::Auth, Hook::Chat]));
    let previous = Some(manifest("a", "old", 1, &[Hook::Auth]));
    let routes = routes(vec![(
        name,
        Effective {
            previous,
            ..effective
        },
    )]);
    let pin = RequestPin::of(ANYBODY);
    let previous = |hook| routes.chain(hook, pin).next().unwrap().previous.is_some();
    assert!(previous(Hook::Auth));
    assert!(!previous(Hook::Chat));
}

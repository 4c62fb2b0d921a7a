//! Readiness: the named conditions a process must meet before it is sent traffic.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// The readiness of this process. Clones share one state.
///
/// A process is ready when it has named at least one condition, all of them hold, and it is not
/// draining. Name every condition with `false` at start and raise it when it is met; a process
/// that has said nothing yet is not ready.
#[derive(Clone, Debug, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    conditions: BTreeMap<Cow<'static, str>, bool>,
    warnings: BTreeMap<Cow<'static, str>, String>,
}

/// What `/readyz` answers: a snapshot of [`Health`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// All conditions hold, there is at least one, and the process is not draining.
    pub ready: bool,
    /// The process finishes what it has and takes nothing new.
    pub draining: bool,
    /// Each named condition and whether it holds.
    pub conditions: BTreeMap<Cow<'static, str>, bool>,
    /// What somebody should see to, by name. It makes nothing unready.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<Cow<'static, str>, String>,
}

impl Health {
    /// No condition named: not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether the named condition holds. The first call also declares the condition.
    pub fn set_ready(&self, name: impl Into<Cow<'static, str>>, ready: bool) {
        self.state.lock().conditions.insert(name.into(), ready);
    }

    /// Says what somebody should see to, or that there is nothing any more. Traffic is sent all the
    /// same.
    pub fn set_warning(&self, name: impl Into<Cow<'static, str>>, text: Option<String>) {
        let mut state = self.state.lock();
        match text {
            Some(text) => state.warnings.insert(name.into(), text),
            None => state.warnings.remove(&name.into()),
        };
    }

    /// Makes the process not ready for good, whatever its conditions say.
    ///
    /// Call it first when draining, so that load balancers look elsewhere while requests in
    /// flight are finished.
    pub fn start_draining(&self) {
        self.state.lock().draining = true;
    }

    /// Whether [`start_draining`](Self::start_draining) was called.
    pub fn is_draining(&self) -> bool {
        self.state.lock().draining
    }

    /// Whether traffic may be sent to this process.
    pub fn is_ready(&self) -> bool {
        self.state.lock().is_ready()
    }

    /// A snapshot of everything.
    pub fn readiness(&self) -> Readiness {
        let state = self.state.lock();
        Readiness {
            ready: state.is_ready(),
            draining: state.draining,
            conditions: state.conditions.clone(),
            warnings: state.warnings.clone(),
        }
    }
}

impl State {
    fn is_ready(&self) -> bool {
        !self.draining
            && !self.conditions.is_empty()
            && self.conditions.values().all(|ready| *ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_ready_until_every_named_condition_holds() {
        let health = Health::new();
        assert!(!health.is_ready(), "nothing named yet");
        health.set_ready("listener", false);
        health.set_ready(format!("parent-{}", 1), true);
        assert!(!health.is_ready());
        health.clone().set_ready("listener", true);
        assert!(health.is_ready());
        health.set_ready("parent-1", false);
        assert!(!health.is_ready());
    }

    #[test]
    fn a_warning_makes_nothing_unready() {
        let health = Health::new();
        health.set_ready("listener", true);
        health.set_warning("certificates", Some("expires in 3 days".to_owned()));
        let readiness = health.readiness();
        assert!(readiness.ready);
        assert_eq!(readiness.warnings["certificates"], "expires in 3 days");
        health.set_warning("certificates", None);
        assert!(health.readiness().warnings.is_empty());
    }

    #[test]
    fn draining_is_not_ready_for_good() {
        let health = Health::new();
        health.set_ready("listener", true);
        health.start_draining();
        health.set_ready("listener", true);
        assert!(health.is_draining());
        assert!(!health.is_ready());
        assert!(!health.readiness().ready);
    }
}

//! The routing table: for each hook, which filters are called, in which order, with which version.
//!
//! It never changes. A change of what is desired makes another table and swaps the pointer; a
//! request keeps the one that it began with. So a request sees one version of each filter from its
//! start to its end, and a version leaves with the last request that uses it.

use std::sync::Arc;

use crate::keyed::HashKey;
use crate::manifest::{Action, FilterName, Hook, Manifest, VersionId};
use crate::rollout::{Effective, RequestPin};
use crate::shadow::Comparison;
use crate::sights::Sights;
use crate::stats::VersionStats;
use crate::version::LoadedVersion;
use crate::{breaker, grants};

/// A loaded version in service, with what is counted of it.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) version: Arc<LoadedVersion>,
    pub(crate) filter: FilterName,
    pub(crate) id: VersionId,
    /// Whether it is called without effect.
    pub(crate) shadow: bool,
    pub(crate) breaker: breaker::SharedBreaker,
    pub(crate) stats: VersionStats,
    /// Of a shadow: how it does.
    pub(crate) comparison: Comparison,
    /// What the `auth` hook sees.
    pub(crate) auth_sights: Sights,
    /// What the `http` hooks see.
    pub(crate) http_sights: Sights,
    /// Stands for the filter and the version in keys of caches.
    pub(crate) key_word: u64,
}

/// What the table has to know of a version.
pub(crate) trait Routed {
    fn manifest(&self) -> &Manifest;
}

impl Routed for Arc<Deployed> {
    fn manifest(&self) -> &Manifest {
        &self.version.document().manifest
    }
}

/// A filter in the table.
#[derive(Debug)]
pub(crate) struct Route<V> {
    pub(crate) filter: FilterName,
    /// Which requests go to a canary.
    salt: u64,
    versions: Effective<V>,
}

/// The chains.
#[derive(Debug)]
pub(crate) struct Routes<V> {
    /// By [`Hook::ALL`].
    chains: [Vec<Arc<Route<V>>>; Hook::ALL.len()],
}

/// A version that is called for a request.
#[derive(Debug)]
pub(crate) struct Link<'a, V> {
    pub(crate) filter: &'a FilterName,
    /// The one that answers; `None` where there is only a shadow.
    pub(crate) version: Option<&'a V>,
    /// The one to ask when it cannot and the policy says so.
    pub(crate) previous: Option<&'a V>,
    /// The one that is asked without effect.
    pub(crate) shadow: Option<&'a V>,
}

impl<V> Clone for Link<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Link<'_, V> {}

impl<'a, V> Link<'a, V> {
    /// The version that answers, else the shadow: whose routes and actions hold.
    fn any(&self) -> Option<&'a V> {
        self.version.or(self.shadow)
    }
}

impl<V: Routed> Routes<V> {
    /// Builds the chains. `salt` is a filter's own, the same on all nodes.
    pub(crate) fn new(
        filters: impl IntoIterator<Item = (FilterName, Effective<V>)>,
        salt: impl Fn(&FilterName) -> u64,
    ) -> Self {
        let mut routes: Vec<(i32, Arc<Route<V>>)> = filters
            .into_iter()
            .filter_map(|(filter, versions)| {
                let leading = versions
                    .active
                    .as_ref()
                    .or_else(|| versions.canary.as_ref().map(|canary| &canary.version))
                    .or(versions.shadow.as_ref())?;
                let order = leading.manifest().order;
                let salt = salt(&filter);
                Some((
                    order,
                    Arc::new(Route {
                        filter,
                        salt,
                        versions,
                    }),
                ))
            })
            .collect();
        routes.sort_by(|(a, left), (b, right)| (a, &left.filter).cmp(&(b, &right.filter)));
        Self {
            chains: Hook::ALL.map(|hook| {
                let of_hook = routes.iter().filter(|(_, route)| route.has(hook));
                of_hook.map(|(_, route)| Arc::clone(route)).collect()
            }),
        }
    }

    /// The versions that a request meets at a hook, first to last.
    pub(crate) fn chain(
        &self,
        hook: Hook,
        pin: RequestPin,
    ) -> impl DoubleEndedIterator<Item = Link<'_, V>> {
        self.routes(hook).iter().filter_map(move |route| {
            let at_hook = |version: &&V| version.manifest().has(hook);
            let chosen = route.versions.choose(pin.bucket(route.salt));
            let link = Link {
                filter: &route.filter,
                version: chosen.filter(at_hook),
                previous: route.versions.previous.as_ref().filter(at_hook),
                shadow: route.versions.shadow.as_ref().filter(at_hook),
            };
            link.any().map(|_| link)
        })
    }

    /// The versions of an `http` hook for a path.
    pub(crate) fn http_chain<'a>(
        &'a self,
        hook: Hook,
        pin: RequestPin,
        path: &'a str,
    ) -> impl DoubleEndedIterator<Item = Link<'a, V>> {
        self.chain(hook, pin).filter(move |link| {
            link.any().is_some_and(|version| {
                let routes = &version.manifest().routes;
                routes.iter().any(|route| route.matches(path))
            })
        })
    }

    /// The versions of the `auth` hook for an action.
    pub(crate) fn auth_chain(
        &self,
        action: Action,
        pin: RequestPin,
    ) -> impl DoubleEndedIterator<Item = Link<'_, V>> {
        self.chain(Hook::Auth, pin).filter(move |link| {
            link.any()
                .is_some_and(|version| version.manifest().actions.contains(&action))
        })
    }

    /// Whether nothing is called at a hook.
    pub(crate) fn is_empty(&self, hook: Hook) -> bool {
        self.routes(hook).is_empty()
    }

    fn routes(&self, hook: Hook) -> &[Arc<Route<V>>] {
        let [auth, chat, gifts, http_request, http_response] = &self.chains;
        match hook {
            Hook::Auth => auth,
            Hook::Chat => chat,
            Hook::Gifts => gifts,
            Hook::HttpRequest => http_request,
            Hook::HttpResponse => http_response,
        }
    }
}

impl<V: Routed> Route<V> {
    fn has(&self, hook: Hook) -> bool {
        let Effective {
            active,
            canary,
            shadow,
            ..
        } = &self.versions;
        let canary = canary.as_ref().map(|canary| &canary.version);
        [active.as_ref(), canary, shadow.as_ref()]
            .into_iter()
            .flatten()
            .any(|version| version.manifest().has(hook))
    }
}

/// What a request routes by, from its start to its end.
#[derive(Debug)]
pub struct Table {
    generation: u64,
    pub(crate) hash_key: HashKey,
    pub(crate) routes: Routes<Arc<Deployed>>,
    /// Everything that any version in the auth chain sees.
    pub(crate) auth_sights: Sights,
}

impl Table {
    pub(crate) fn new(
        generation: u64,
        hash_key: HashKey,
        filters: impl IntoIterator<Item = (FilterName, Effective<Arc<Deployed>>)>,
    ) -> Self {
        let routes = Routes::new(filters, grants::salt_of);
        let mut auth_sights = Sights::default();
        for route in routes.routes(Hook::Auth) {
            let Effective {
                active,
                previous,
                canary,
                ..
            } = &route.versions;
            let canary = canary.as_ref().map(|canary| &canary.version);
            for version in [active.as_ref(), previous.as_ref(), canary]
                .into_iter()
                .flatten()
            {
                auth_sights.add(version.manifest().sees(Hook::Auth));
            }
        }
        Self {
            generation,
            hash_key,
            routes,
            auth_sights,
        }
    }

    /// Counts the tables of a host.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether any filter is called at a hook. A server skips its call otherwise.
    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        !self.routes.is_empty(hook)
    }

    /// The version of a filter that a request meets. For logs and tests.
    #[must_use]
    pub fn version_for(
        &self,
        filter: &FilterName,
        hook: Hook,
        pin: RequestPin,
    ) -> Option<VersionId> {
        self.routes
            .chain(hook, pin)
            .find(|link| link.filter == filter)
            .and_then(|link| link.version)
            .map(|version| version.id)
    }
}

#[cfg(test)]
mod tests;

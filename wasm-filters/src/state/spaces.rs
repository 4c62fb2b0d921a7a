//! Which memory a version's `kv` is.

use parking_lot::Mutex;

use crate::contract::types::Context;
use crate::kv::{KvError, KvSpace, KvStore};
use crate::manifest::Manifest;

/// The memories that the instances of a version have open.
#[derive(Debug, Default)]
pub(crate) struct Spaces {
    /// Of the tenant that asked last: most nodes have one, and a fresh instance must not cost a search.
    last: Mutex<Option<(String, KvSpace)>>,
    /// Of shadow calls, whose effects must not be seen: a store of this version's own, gone with it.
    shadow: Mutex<Option<KvStore>>,
}

impl Spaces {
    /// The memory for a call.
    pub(crate) fn open(
        &self,
        store: &KvStore,
        manifest: &Manifest,
        context: &Context,
    ) -> Result<KvSpace, KvError> {
        let name = manifest.name.as_str();
        if context.shadow {
            return self
                .shadow
                .lock()
                .get_or_insert_with(|| KvStore::for_one(&manifest.kv))
                .open(&context.tenant, name, &manifest.kv)
                .map_err(|_| KvError::Unavailable);
        }
        let mut last = self.last.lock();
        if let Some((tenant, space)) = &*last
            && *tenant == context.tenant
        {
            return Ok(space.clone());
        }
        let space = store
            .open(&context.tenant, name, &manifest.kv)
            .map_err(|_| KvError::Unavailable)?;
        *last = Some((context.tenant.clone(), space.clone()));
        Ok(space)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Hook, Manifest};

    fn context(tenant: &str, shadow: bool) -> Context {
        Context {
            request_id: String::new(),
            tenant: tenant.to_owned(),
            room: String::new(),
            now_ms: 0,
            deadline_ms: 0,
            shadow,
            attrs: Vec::new(),
        }
    }

    #[test]
    fn a_tenant_has_one_memory_and_shadows_have_another() {
        let manifest = Manifest::new("f".parse().unwrap(), "1", vec![Hook::Chat]);
        let store = KvStore::new(1 << 20);
        let spaces = Spaces::default();
        let open = |tenant, shadow| {
            spaces
                .open(&store, &manifest, &context(tenant, shadow))
                .unwrap()
        };

        open("a", false).set("k", b"a".to_vec(), None, 0).unwrap();
        open("b", false).set("k", b"b".to_vec(), None, 0).unwrap();
        open("a", true)
            .set("k", b"shadow".to_vec(), None, 0)
            .unwrap();

        assert_eq!(open("a", false).get("k", 0), Ok(Some(b"a".to_vec())));
        assert_eq!(open("b", false).get("k", 0), Ok(Some(b"b".to_vec())));
        assert_eq!(open("a", true).get("k", 0), Ok(Some(b"shadow".to_vec())));
        assert_eq!(open("b", true).get("k", 0), Ok(None));
        // Another version of the filter shares the memory, not the shadow's.
        let other = Spaces::default();
        let shared = other.open(&store, &manifest, &context("a", false)).unwrap();
        assert_eq!(shared.get("k", 0), Ok(Some(b"a".to_vec())));
    }
}

//! What the host keeps for one instance of a filter: the data of its wasmtime store.

mod spaces;
mod stdio;

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::contract::types;
use crate::kv::{KvError, KvSpace};
use crate::limits::{Budget, HANDLES_MAX, Holdings};
use crate::manifest::{VersionDocument, VersionId};
use crate::services::{Caller, Services};

pub(crate) use spaces::Spaces;
pub(crate) use stdio::Stdio;

/// What all instances of a version share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: VersionId,
    pub(crate) document: Arc<VersionDocument>,
    /// The manifest's `config` as JSON.
    pub(crate) config: String,
    pub(crate) services: Services,
    pub(crate) spaces: Spaces,
}

impl Shared {
    /// Whether the manifest lists a key. A filter can name no other one.
    pub(crate) fn may_use(&self, key: &str) -> bool {
        let keys = &self.document.manifest.keys;
        keys.iter().any(|listed| listed.as_str() == key)
    }
}

/// The data of a store. One store, one instance.
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    pub(crate) holdings: Holdings,
    pub(crate) budget: Budget,
    /// Of the call that runs.
    pub(crate) context: Arc<types::Context>,
    /// Made when the guest first asks for something of WASI; many never do.
    wasi: Option<Box<Wasi>>,
    stdio: Option<Stdio>,
    /// Of this instance's tenant, and whether for shadow calls. Opened when the guest first asks.
    kv: Option<(KvSpace, bool)>,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl State {
    pub(crate) fn new(shared: Arc<Shared>, budget: Budget, context: Arc<types::Context>) -> Self {
        let holdings = Holdings::new(&shared.document.manifest.limits);
        Self {
            shared,
            holdings,
            budget,
            context,
            wasi: None,
            stdio: None,
            kv: None,
        }
    }

    /// For whom services work.
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            filter: &self.shared.document.manifest.name,
            version: self.shared.id,
            tenant: &self.context.tenant,
            shadow: self.context.shadow,
        }
    }

    /// The table of WASI's resources.
    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.wasi().table
    }

    /// The memory behind `kv`.
    pub(crate) fn kv_space(&mut self) -> Result<&KvSpace, KvError> {
        let shadow = self.context.shadow;
        let opened = match self.kv.take() {
            Some((space, of_shadow)) if of_shadow == shadow => space,
            _ => self.shared.spaces.open(
                &self.shared.services.kv,
                &self.shared.document.manifest,
                &self.context,
            )?,
        };
        let (space, _) = self.kv.insert((opened, shadow));
        Ok(space)
    }

    /// What the guest wrote to its standard streams since this was last asked.
    pub(crate) fn stdio(&self) -> Option<&Stdio> {
        self.stdio.as_ref()
    }

    /// A context without files, sockets, environment, arguments or input.
    fn wasi(&mut self) -> &mut Wasi {
        let stdio = &mut self.stdio;
        self.wasi.get_or_insert_with(|| {
            let stdio = stdio.get_or_insert_default();
            let mut table = ResourceTable::new();
            table.set_max_capacity(HANDLES_MAX);
            let ctx = WasiCtx::builder()
                .stdout(stdio.out())
                .stderr(stdio.err())
                // Denied addresses would still cost a descriptor for each socket.
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false)
                .build();
            Box::new(Wasi { ctx, table })
        })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { ctx, table } = self.wasi();
        WasiCtxView { ctx, table }
    }
}

//! Opens what rooms by API are kept in, and sets to work who keeps them, and who tells webhooks.

use std::sync::Arc;

use ::channels::Channels;
use telemetry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Directory, House, Metrics};
use crate::clock::unix_ms;
use crate::control::webhooks::{self, Herald, Webhooks, Worker};
use crate::control::{ControlError, ControlSettings};
use crate::rooms::Hubs;

/// A store that is open, and what it holds.
#[derive(Debug)]
pub(in crate::control) struct Opened {
    store: Channels,
    directory: Directory,
    metrics: Metrics,
    hook_metrics: webhooks::Metrics,
}

/// What the rest of the control API needs.
#[derive(Debug)]
pub(in crate::control) struct Running {
    pub(in crate::control) house: Arc<House>,
    pub(in crate::control) webhooks: Webhooks,
    pub(in crate::control) herald: Herald,
}

impl Opened {
    pub(in crate::control) async fn open(
        settings: &ControlSettings,
        registry: &Registry,
    ) -> Result<Self, ControlError> {
        let store = Channels::open(settings.channels.clone()).await;
        let store = store.map_err(ControlError::Channels)?;
        let configured = settings.configured.clone();
        store.configure(configured, unix_ms()).await?;
        let directory = Directory::under(settings.rules.clone());
        directory.read(&store).await?;
        Ok(Self {
            store,
            directory,
            metrics: Metrics::new(registry)?,
            hook_metrics: webhooks::Metrics::new(registry)?,
        })
    }

    pub(in crate::control) fn directory(&self) -> Directory {
        self.directory.clone()
    }

    pub(in crate::control) fn start(
        self,
        settings: &ControlSettings,
        hubs: Hubs,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Result<Running, ControlError> {
        let (herald, heard) = webhooks::herald(self.hook_metrics.lost.clone());
        let allow_private = settings.allow_private_webhooks;
        let webhooks = Webhooks::new(self.store.clone(), self.hook_metrics, allow_private);
        let configured = settings.configured.iter();
        let configured = configured.map(|(name, _)| name.clone()).collect();
        let configured = (settings.ingest_url.clone(), configured);
        let house = House::new(self.store, self.directory, hubs, self.metrics, configured);
        let house = Arc::new(house);
        let worker = Worker::new(webhooks.clone())?;
        // Nobody else delivers what is in a file of this machine.
        let is_alone = settings.directory.is_some();
        tasks.spawn(Arc::clone(&house).keep(stop.clone()));
        tasks.spawn(worker.run(is_alone, stop.clone()));
        tasks.spawn(webhooks::write(webhooks.clone(), heard, stop.clone()));
        Ok(Running {
            house,
            webhooks,
            herald,
        })
    }
}

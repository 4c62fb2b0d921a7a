//! An origin in this process.

use std::path::Path;

use origin::app::{Addresses, App};
use origin::config;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::patiently;

/// Where it listens, what ends it as SIGTERM would, and what waits for the end.
pub(crate) async fn run(text: &str) -> (Addresses, CancellationToken, JoinHandle<()>) {
    let mut settings = config::parse(Path::new("test.toml"), text).unwrap();
    let state = tempfile::tempdir().unwrap();
    if settings.packaging.state_dir.as_deref() == Some(Path::new("streams")) {
        settings.packaging.state_dir = Some(state.path().join("streams"));
    }
    let app = patiently(async || App::bind(settings.clone()).await).await;
    let addresses = app.addresses().unwrap();
    let stop = CancellationToken::new();
    let run = app.run(stop.clone());
    let running = tokio::spawn(async move {
        let _state = state;
        run.await.unwrap()
    });
    (addresses, stop, running)
}

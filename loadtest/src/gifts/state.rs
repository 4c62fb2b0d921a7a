//! The file that says what was given: whole at any moment, whatever happens to the server or to this
//! program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::stage::Stage;

/// How often it is written.
const INTERVAL: Duration = Duration::from_secs(1);

/// Writes until it is dropped. A failure is counted, and the next second tries again.
pub(super) async fn write_often(stage: Arc<Stage>, path: PathBuf) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = write(&stage, path.clone()).await {
            stage.note_end(&format!("{error:#}"));
        }
    }
}

/// Writes it once.
pub(super) async fn write(stage: &Stage, path: PathBuf) -> anyhow::Result<()> {
    let state = stage.till.lock().state()?;
    tokio::task::spawn_blocking(move || replace(&path, &state)).await?
}

/// A reader finds the old file or the new one.
fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    std::fs::write(&new, content)
        .and_then(|()| std::fs::rename(&new, path))
        .with_context(|| format!("writing {}", path.display()))
}

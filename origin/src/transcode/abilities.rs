//! Whether this ffmpeg can map tones. It is asked once, when the first HDR source comes.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::tone_mapping::missing;

/// It lists its filters in a tenth of a second; the publisher's media waits meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What is known of the ffmpeg in use.
#[derive(Clone, Debug, Default)]
pub struct Abilities(Arc<OnceCell<Vec<&'static str>>>);

impl Abilities {
    /// The filters that tone mapping needs and this program does not have. One that does not answer is
    /// taken to have them: what it cannot do, it then says itself. It is asked again next time.
    pub(crate) async fn missing_for_tone_mapping(&self, program: &Path) -> Vec<&'static str> {
        let missing = self.0.get_or_try_init(|| ask(program)).await;
        missing.cloned().unwrap_or_else(|reason| {
            let program = program.display();
            tracing::warn!(%program, reason, "it is not known whether ffmpeg can map tones");
            Vec::new()
        })
    }
}

async fn ask(program: &Path) -> Result<Vec<&'static str>, String> {
    let output = Command::new(program)
        .args(["-hide_banner", "-filters"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(ANSWER_MAX, output)
        .await
        .map_err(|_| format!("no answer in {} s", ANSWER_MAX.as_secs()))?
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    Ok(missing(&String::from_utf8_lossy(&output.stdout)))
}

//! A gate that holds answers back until the test opens it.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed at first; once open, it stays open. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self {
            open: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits for the gate to open.
    pub async fn passed(&self) {
        let mut open = self.open.subscribe();
        // The sender lives in self, so it cannot be gone.
        let _ = open.wait_for(|open| *open).await;
    }
}

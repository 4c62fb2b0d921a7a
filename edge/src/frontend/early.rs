//! Whether the client of a request has completed its handshake: until then somebody may have recorded
//! the request elsewhere and repeat it (RFC 8446 section 8, RFC 8470).

use tokio::sync::watch;

/// The mark of a request that came before its client's handshake was complete; among the extensions of
/// its head.
#[derive(Clone, Debug)]
pub(crate) struct Early(watch::Receiver<bool>);

/// Tells the requests of a connection that its handshake is complete. Dropped before, it says that it
/// never will be.
#[derive(Debug)]
pub(super) struct Completion(watch::Sender<bool>);

/// Both ends, for a connection.
pub(super) fn early() -> (Completion, Early) {
    let (tell, told) = watch::channel(false);
    (Completion(tell), Early(told))
}

impl Completion {
    /// The handshake is complete.
    pub(super) fn complete(&self) {
        self.0.send_replace(true);
    }
}

impl Early {
    /// Whether it still is not complete.
    pub(crate) fn is_open(&self) -> bool {
        !*self.0.borrow()
    }

    /// Waits for it; false: it never will be. The connection's handshake timeout is the bound.
    pub(crate) async fn completed(mut self) -> bool {
        self.0.wait_for(|complete| *complete).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn complete_or_never() {
        let (completion, mark) = early();
        assert!(mark.is_open());
        completion.complete();
        assert!(!mark.is_open());
        assert!(mark.clone().completed().await);
        drop(completion);
        assert!(mark.completed().await);

        let (completion, mark) = early();
        drop(completion);
        assert!(mark.is_open());
        assert!(!mark.completed().await);
    }
}

//! Connections that read: a bounded number, and a bounded line before them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connect;
use crate::error::Error;
use crate::limits::READS_WAITING_MAX;

#[derive(Clone, Debug)]
pub(super) struct Pool {
    path: Arc<PathBuf>,
    timeout: Duration,
    line: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Pool {
    pub(super) fn new(path: PathBuf, readers: usize, timeout: Duration) -> Self {
        Self {
            path: Arc::new(path),
            timeout,
            line: Arc::new(Semaphore::new(readers + READS_WAITING_MAX)),
            slots: Arc::new(Semaphore::new(readers)),
            idle: Arc::default(),
        }
    }

    /// Runs a read on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let line = Arc::clone(&self.line).try_acquire_owned();
        let line = line.map_err(|_| database::Error::Busy)?;
        let slot = Arc::clone(&self.slots).acquire_owned();
        let slot = tokio::time::timeout(self.timeout, slot).await;
        let slot = slot
            .ok()
            .and_then(Result::ok)
            .ok_or(database::Error::Busy)?;
        let pool = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _kept = (line, slot);
            let idle = pool.idle.lock().pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => connect::reader(&pool.path, pool.timeout)?,
            };
            let answer = read(&mut connection);
            // One that failed may be broken: the next read opens another.
            if answer.is_ok() {
                pool.idle.lock().push(connection);
            }
            answer
        });
        reading.await.map_err(Error::unavailable)?
    }

    /// Closes what is idle.
    pub(super) fn clear(&self) {
        self.idle.lock().clear();
    }
}

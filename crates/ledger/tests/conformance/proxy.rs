//! Between the ledger and PostgreSQL: cuts the connection at a commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// Where the connection is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// The server never hears of the commit.
    Before,
    /// It hears of it, and its answer is lost.
    After,
}

/// The next `cuts` commits lose their connection.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) cuts: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens as PostgreSQL does, in `directory`.
    pub(crate) fn start(directory: &Path, server: PathBuf, cut: Cut) -> Self {
        let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).expect("a socket");
        let cuts = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.expect("the server");
                tokio::spawn(carry(client, server, cut, Arc::clone(&shared)));
            }
        });
        Self { cuts }
    }
}

async fn carry(client: UnixStream, server: UnixStream, cut: Cut, cuts: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        let bytes = &buffer[..count];
        let commits = bytes.windows(7).any(|window| window == b"COMMIT\0");
        let one_less = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if commits && cuts.fetch_update(order, order, one_less).is_ok() {
            // Its answer does not get through.
            back.abort();
            let _ = back.await;
            if matches!(cut, Cut::After) {
                let _ = to_server.write_all(bytes).await;
            }
            return;
        }
        if to_server.write_all(bytes).await.is_err() {
            return;
        }
    }
}

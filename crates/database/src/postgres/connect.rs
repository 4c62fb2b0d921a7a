//! Connections: how they are made, and what they remember.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use settings::Secret;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Failure;
use super::migrate::migrate;
use crate::error::{Error, OpenError};
use crate::migrations::Schema;

/// Makes connections to one database.
#[derive(Clone)]
pub struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    timeout: Duration,
}

/// The password is in the configuration.
impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.config.get_hosts();
        f.debug_struct("Connector").field("hosts", &hosts).finish()
    }
}

/// A connection, and the statements that were prepared on it: a fixed set.
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
    statements: HashMap<String, Statement>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Closes the socket now, whatever the server is doing: it rolls back what was not
        // committed.
        self.driver.abort();
    }
}

impl Connector {
    /// Connects to a database, and makes or migrates what a store has there.
    ///
    /// # Errors
    /// The URL or the certificates cannot be used, the server cannot be reached, or a newer Weir
    /// wrote it.
    pub async fn open(
        url: &Secret,
        ca_file: Option<&Path>,
        timeout: Duration,
        schema: &Schema,
    ) -> Result<Self, OpenError> {
        let connector = Self::new(url, ca_file, timeout, schema.name)?;
        migrate(&connector, schema).await?;
        Ok(connector)
    }

    fn new(
        url: &Secret,
        ca_file: Option<&Path>,
        timeout: Duration,
        name: &str,
    ) -> Result<Self, OpenError> {
        // What is wrong is not repeated: the password may be in it.
        let unusable = |_| OpenError::Options("the URL of PostgreSQL cannot be parsed");
        let mut config: Config = url.expose().parse().map_err(unusable)?;
        config
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            .application_name(format!("weir-{name}"));
        let hosts = config.get_hosts();
        let local = hosts.iter().all(|host| matches!(host, Host::Unix(_)));
        let encrypted = config.get_ssl_mode() != SslMode::Disable && !local;
        let tls = MakeRustlsConnect::new(tls(encrypted, ca_file)?);
        Ok(Self {
            config,
            tls,
            timeout,
        })
    }

    /// One more connection.
    ///
    /// # Errors
    /// The server cannot be reached in time.
    pub async fn connect(&self) -> Result<Session, Failure> {
        let connecting = self.config.connect(self.tls.clone());
        let late = |_| Failure::passing(Error::unavailable("connecting takes too long"));
        let connected = tokio::time::timeout(self.timeout, connecting).await;
        let (client, connection) = connected.map_err(late)?.map_err(Failure::of)?;
        let driver = tokio::spawn(async move {
            // Its end, good or bad, is what the client's calls answer.
            let _ = connection.await;
        });
        let session = Session {
            client,
            driver,
            statements: HashMap::new(),
        };
        session.run(&self.settings()).await?;
        Ok(session)
    }

    /// Bounds on the server's side, too: a transaction whose client is gone keeps no lock for
    /// longer.
    fn settings(&self) -> String {
        let ms = self.timeout.as_millis();
        // A server that acknowledges before the disk has it is told not to.
        format!(
            "SET statement_timeout = {ms}; SET lock_timeout = {ms}; \
             SET idle_in_transaction_session_timeout = {ms}; SET client_min_messages = error; \
             SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN \
             set_config('synchronous_commit', 'on', false) END;"
        )
    }
}

impl Session {
    /// Runs statements without arguments.
    ///
    /// # Errors
    /// What the server said, or the connection.
    pub async fn run(&self, sql: &str) -> Result<(), Failure> {
        self.client.batch_execute(sql).await.map_err(Failure::of)
    }

    /// Prepares a statement, once. As many as there are stay prepared: they have to be a fixed set.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn prepare(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(Failure::of)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs a statement; answers its rows.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn query(
        &mut self,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        let rows = self.client.query(&statement, arguments).await;
        rows.map_err(Failure::of)
    }

    /// Runs a statement that answers nothing; how many rows it changed.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn execute(
        &mut self,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        let statement = self.prepare(sql).await?;
        let changed = self.client.execute(&statement, arguments).await;
        changed.map_err(Failure::of)
    }

    /// For several statements at once: they are sent in the order in which the futures are polled.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// Trusts the PEM certificates of the file, or the system's without one; nobody if nothing is
/// encrypted.
fn tls(encrypted: bool, ca_file: Option<&Path>) -> Result<ClientConfig, OpenError> {
    let broken = |reason: String| OpenError::Tls(format!("certificates to trust: {reason}"));
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| broken(format!("{}: {error}", path.display())))?;
        roots.add_parsable_certificates(certificates);
    } else if encrypted {
        let system = rustls_native_certs::load_native_certs();
        let system = system.map_err(|error| broken(error.to_string()))?;
        roots.add_parsable_certificates(system);
    }
    if roots.is_empty() && (encrypted || ca_file.is_some()) {
        return Err(broken("there are none".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

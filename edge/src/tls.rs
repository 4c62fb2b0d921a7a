//! The certificates and keys of this edge: read at start, and again when their files change.
//!
//! What is new is parsed and checked before it is taken, each file or pair for itself; what cannot be
//! used leaves what there was in force. Listeners look at every handshake, so nothing is bound again
//! and no connection ends.

/// When a certificate is about to expire.
mod expiry;
/// What is counted.
mod metrics;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use serde::Serialize;
use telemetry::Health;
use transport::tls::tickets::{TicketKeys, Ticketer};
use transport::tls::{
    ALPN_H2, ALPN_HTTP1, Certificates, ClientAuthorities, Identity, LoadIdentityError, Look,
    SelfSignError, TlsConfigError, WatchedFiles,
};

pub use self::metrics::Metrics;
use crate::config::{CertificateSettings, PemPair, Settings};
use crate::upstream::client_certificate::{ClientCertificate, ShownCertificate};

/// What the name of a certificate is that this edge made.
const SELF_SIGNED: &str = "self-signed";
/// Name of the warning of readiness.
const CERTIFICATES: &str = "certificates";

/// Certificates or keys that an edge cannot start with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A listener's configuration.
    #[error(transparent)]
    Config(#[from] TlsConfigError),
    /// A file, and why it cannot be used.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The self-made certificate.
    #[error("self-signed certificate: {0}")]
    SelfSign(#[from] SelfSignError),
}

/// The certificates and keys in force. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    certificates: Certificates,
    ticketer: Option<Arc<Ticketer>>,
    tiers: Option<Arc<ArcSwap<ServerConfig>>>,
    parents: Option<ClientCertificate>,
    metrics: Metrics,
    /// The certificates in force by name, for whoever asks: they do not wait for files to be read.
    in_force: ArcSwap<Vec<(String, Identity)>>,
    watched: Mutex<Watched>,
}

/// What may change, with what it was last.
#[derive(Debug)]
struct Watched {
    /// The first is for whoever asks for no known name.
    pairs: Vec<Pair>,
    ticket_keys: Option<WatchedFiles>,
    client_ca: Option<WatchedFiles>,
    parents: Option<Pair>,
    /// Certificates that the log has called about to expire.
    warned: Vec<String>,
}

/// A certificate in force.
#[derive(Debug)]
struct Pair {
    /// What it is called: its file.
    name: String,
    identity: Identity,
    /// `None`: it was made here, and stays as it is.
    source: Option<(PemPair, WatchedFiles)>,
}

/// What became of a file that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reload {
    /// `certificate`, `client_ca`, `parent_certificate` or `ticket_keys`.
    what: &'static str,
    /// The file, of a certificate that of its chain.
    file: String,
    /// What became of it.
    outcome: Outcome,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// It is what is in force.
    Unchanged,
    /// It is in force from now on.
    Reloaded,
    /// What there was stays.
    Refused,
}

/// A certificate in force, for whoever asks.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateStatus {
    file: String,
    names: Vec<String>,
    not_after_unix: u64,
    /// What there is to worry about.
    warning: Option<String>,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Reloaded => "reloaded",
            Self::Refused => "refused",
        }
    }
}

impl Reload {
    /// Whether what is in the file cannot be used.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.outcome == Outcome::Refused
    }
}

/// The identity that a pair of PEM texts makes.
///
/// # Errors
/// Texts that are no identity, or one that no client would accept.
pub fn server_identity(
    pair: &PemPair,
    certificate: &[u8],
    key: &[u8],
) -> Result<Identity, LoadIdentityError> {
    let identity = Identity::from_pem((&pair.certificate, certificate), (&pair.key, key))?;
    if !identity.is_for_somebody() {
        return Err(LoadIdentityError::Certificate {
            path: pair.certificate.clone(),
            reason: "it is for no name and no address (subjectAltName)".to_owned(),
        });
    }
    Ok(identity)
}

/// The keys of session tickets in a file.
///
/// # Errors
/// What is wrong with it; nothing of what is in it.
pub fn ticket_keys(text: &[u8]) -> Result<TicketKeys, String> {
    let text = std::str::from_utf8(text).map_err(|_| "this is no text".to_owned())?;
    TicketKeys::parse(text).map_err(|error| error.to_string())
}

/// The authorities in a file.
///
/// # Errors
/// What is wrong with it.
pub fn client_authorities(path: &Path, text: &[u8]) -> Result<ClientAuthorities, String> {
    ClientAuthorities::from_pem(path, text).map_err(|error| error.to_string())
}

impl Tls {
    /// Reads everything that `settings` name.
    ///
    /// # Errors
    /// What cannot be used: files that changed since the configuration was checked.
    pub fn load(settings: &Settings, metrics: Metrics) -> Result<Self, TlsError> {
        let tls = &settings.tls;
        let pairs = pairs(&tls.certificates)?;
        let (first, others) = identities(&pairs).ok_or_else(|| TlsError::File {
            file: "tls.certificates".to_owned(),
            reason: "there is none".to_owned(),
        })?;
        let mut certificates = Certificates::new(&first, &others, tls.strict_sni);
        let mut ticketer = None;
        let mut ticket_keys_file = None;
        if let Some(path) = &tls.ticket_keys_file {
            let (files, keys) = first_of(path, ticket_keys)?;
            let made = Arc::new(Ticketer::new(keys));
            certificates = certificates.with_tickets(made.clone());
            (ticketer, ticket_keys_file) = (Some(made), Some(files));
        }
        let (mut tiers, mut client_ca) = (None, None);
        if let Some(path) = &tls.client_ca_file {
            let (files, authorities) = first_of(path, |text| client_authorities(path, text))?;
            let config = tiers_config(&certificates, &authorities)?;
            (tiers, client_ca) = (Some(Arc::new(ArcSwap::new(config))), Some(files));
        }
        let (mut parents, mut parents_pair) = (None, None);
        if let Some(pair) = &settings.parents_certificate {
            let (pair, shown) = Pair::of(pair, |certificate, key| {
                let shown = ShownCertificate::of(pair, certificate, key)?;
                Ok((shown.identity().clone(), shown))
            })?;
            (parents, parents_pair) = (Some(ClientCertificate::new(shown)), Some(pair));
        }
        let watched = Watched {
            pairs,
            ticket_keys: ticket_keys_file,
            client_ca,
            parents: parents_pair,
            warned: Vec::new(),
        };
        let shared = Arc::new(Shared {
            certificates,
            ticketer,
            tiers,
            parents,
            metrics,
            in_force: ArcSwap::default(),
            watched: Mutex::new(watched),
        });
        shared.report(&shared.watched.lock());
        Ok(Self { shared })
    }

    /// What listeners show.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.shared.certificates
    }

    /// How connections of tiers are taken, if they have a listener.
    #[must_use]
    pub fn tiers(&self) -> Option<Arc<ArcSwap<ServerConfig>>> {
        self.shared.tiers.clone()
    }

    /// What is shown to parents, if anything.
    #[must_use]
    pub fn parents(&self) -> Option<ClientCertificate> {
        self.shared.parents.clone()
    }

    /// The hash by which Chromium can be told to accept the first certificate.
    #[must_use]
    pub fn spki_sha256_base64(&self) -> String {
        let in_force = self.shared.in_force.load();
        let first = in_force.first();
        first.map_or_else(String::new, |(_, identity)| identity.spki_sha256_base64())
    }

    /// Looks at every file, and takes what is new. Reads files: not for a thread that must not wait.
    ///
    /// With `again` also what was refused before is tried and told once more.
    #[must_use]
    pub fn reload(&self, again: bool) -> Vec<Reload> {
        let mut watched = self.shared.watched.lock();
        let reloads = self.shared.reload(&mut watched, again);
        for reload in &reloads {
            self.shared
                .metrics
                .reload(reload.what, reload.outcome.as_str());
            match reload.outcome {
                Outcome::Unchanged => {}
                Outcome::Reloaded => {
                    tracing::info!(what = reload.what, file = reload.file, "reloaded");
                }
                Outcome::Refused => tracing::error!(
                    what = reload.what,
                    file = reload.file,
                    reason = reload.reason,
                    "not reloaded: what there was stays in force"
                ),
            }
        }
        self.shared.report(&watched);
        reloads
    }

    /// The certificates in force.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> Vec<CertificateStatus> {
        let in_force = self.shared.in_force.load();
        let status = in_force.iter().map(|(file, identity)| CertificateStatus {
            file: file.clone(),
            names: identity.names().to_vec(),
            not_after_unix: unix_seconds(identity.not_after()),
            warning: expiry::warning(identity, now),
        });
        status.collect()
    }

    /// Looks at the files every `every`, for ever, and says in `health` what is about to expire.
    pub async fn watch(self, every: Duration, health: Health) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (tls, health) = (self.clone(), health.clone());
            let look = tokio::task::spawn_blocking(move || {
                let _ = tls.reload(false);
                tls.warn(&health, SystemTime::now());
            });
            if look.await.is_err() {
                tracing::error!("looking at certificates failed");
            }
        }
    }

    /// Says what is about to expire: in `health`, and once in the log.
    fn warn(&self, health: &Health, now: SystemTime) {
        let in_force = self.shared.in_force.load();
        let warnings = in_force.iter().filter_map(|(file, identity)| {
            let warning = expiry::warning(identity, now)?;
            Some(format!("{file}: {warning}"))
        });
        let warnings: Vec<String> = warnings.collect();
        let mut watched = self.shared.watched.lock();
        for warning in &warnings {
            if !watched.warned.contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        let text = (!warnings.is_empty()).then(|| warnings.join("; "));
        health.set_warning(CERTIFICATES, text);
        watched.warned = warnings;
    }
}

impl Shared {
    fn reload(&self, watched: &mut Watched, again: bool) -> Vec<Reload> {
        let mut reloads = Vec::new();
        let mut is_new = false;
        for pair in &mut watched.pairs {
            let reload = pair.look("certificate", again, |pair, certificate, key| {
                server_identity(pair, certificate, key)
            });
            is_new |= reload
                .as_ref()
                .is_some_and(|it| it.outcome == Outcome::Reloaded);
            reloads.extend(reload);
        }
        if is_new && let Some((first, others)) = identities(&watched.pairs) {
            self.certificates.replace(&first, &others);
        }
        if let (Some(files), Some(ticketer)) = (&mut watched.ticket_keys, &self.ticketer) {
            let take = |text: &[u8]| ticket_keys(text).map(|keys| ticketer.replace(keys));
            reloads.push(look("ticket_keys", files, again, take));
        }
        if let (Some(files), Some(tiers)) = (&mut watched.client_ca, &self.tiers) {
            let path = files.name().to_owned();
            let take = |text: &[u8]| {
                let authorities = client_authorities(&path, text)?;
                let config = tiers_config(&self.certificates, &authorities)
                    .map_err(|error| error.to_string())?;
                tiers.store(config);
                Ok(())
            };
            reloads.push(look("client_ca", files, again, take));
        }
        if let (Some(pair), Some(parents)) = (&mut watched.parents, &self.parents) {
            let reload = pair.look("parent_certificate", again, |pair, certificate, key| {
                let shown = ShownCertificate::of(pair, certificate, key)?;
                let identity = shown.identity().clone();
                parents.replace(shown);
                Ok(identity)
            });
            reloads.extend(reload);
        }
        reloads
    }

    fn report(&self, watched: &Watched) {
        let pairs = watched.pairs.iter().chain(&watched.parents);
        let in_force = pairs.map(|pair| (pair.name.clone(), pair.identity.clone()));
        let in_force: Vec<_> = in_force.collect();
        for (file, identity) in &in_force {
            let seconds = unix_seconds(identity.not_after());
            self.metrics.not_after(file, seconds);
        }
        self.in_force.store(Arc::new(in_force));
    }
}

impl Pair {
    /// A pair as it is found at start.
    fn of<T>(
        pair: &PemPair,
        parse: impl FnOnce(&[u8], &[u8]) -> Result<(Identity, T), LoadIdentityError>,
    ) -> Result<(Self, T), TlsError> {
        let paths = vec![pair.certificate.clone(), pair.key.clone()];
        let mut files = WatchedFiles::new(paths);
        let name = pair.certificate.display().to_string();
        let error = |reason: String| TlsError::File {
            file: name.clone(),
            reason,
        };
        let contents = contents(&mut files).map_err(error)?;
        let [certificate, key] = &contents[..] else {
            return Err(error("no pair".to_owned()));
        };
        let (identity, more) =
            parse(certificate, key).map_err(|reason| error(reason.to_string()))?;
        files.accept();
        let source = Some((pair.clone(), files));
        let pair = Self {
            name,
            identity,
            source,
        };
        Ok((pair, more))
    }

    fn look(
        &mut self,
        what: &'static str,
        again: bool,
        take: impl FnOnce(&PemPair, &[u8], &[u8]) -> Result<Identity, LoadIdentityError>,
    ) -> Option<Reload> {
        let (pair, files) = self.source.as_mut()?;
        let identity = &mut self.identity;
        Some(look_at(what, files, again, |contents| {
            let [certificate, key] = contents else {
                return Err("no pair".to_owned());
            };
            *identity = take(pair, certificate, key).map_err(|error| error.to_string())?;
            Ok(())
        }))
    }
}

fn pairs(settings: &CertificateSettings) -> Result<Vec<Pair>, TlsError> {
    match settings {
        CertificateSettings::Files(pairs) => pairs
            .iter()
            .map(|pair| {
                let parse = |certificate: &[u8], key: &[u8]| {
                    Ok((server_identity(pair, certificate, key)?, ()))
                };
                Pair::of(pair, parse).map(|(pair, ())| pair)
            })
            .collect(),
        CertificateSettings::SelfSigned { dir, names } => Ok(vec![Pair {
            name: SELF_SIGNED.to_owned(),
            identity: Identity::self_signed(dir, names)?,
            source: None,
        }]),
    }
}

fn identities(pairs: &[Pair]) -> Option<(Identity, Vec<Identity>)> {
    let (first, others) = pairs.split_first()?;
    let others = others.iter().map(|pair| pair.identity.clone());
    Some((first.identity.clone(), others.collect()))
}

fn tiers_config(
    certificates: &Certificates,
    authorities: &ClientAuthorities,
) -> Result<Arc<ServerConfig>, TlsConfigError> {
    certificates.server_config_for(&[ALPN_H2, ALPN_HTTP1], authorities)
}

/// A file as it is found at start.
fn first_of<T>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<(WatchedFiles, T), TlsError> {
    let mut files = WatchedFiles::new(vec![path.to_owned()]);
    let parsed = contents(&mut files)
        .and_then(|contents| parse(contents.first().map_or(&[][..], Vec::as_slice)));
    let parsed = parsed.map_err(|reason| TlsError::File {
        file: path.display().to_string(),
        reason,
    })?;
    files.accept();
    Ok((files, parsed))
}

fn contents(files: &mut WatchedFiles) -> Result<Vec<Vec<u8>>, String> {
    match files.look(true) {
        Look::New(contents) => Ok(contents),
        Look::Unreadable(path, error) => Err(format!("cannot read {}: {error}", path.display())),
        _ => Ok(Vec::new()),
    }
}

/// One file.
fn look(
    what: &'static str,
    files: &mut WatchedFiles,
    again: bool,
    take: impl FnOnce(&[u8]) -> Result<(), String>,
) -> Reload {
    look_at(what, files, again, |contents| {
        take(contents.first().map_or(&[][..], Vec::as_slice))
    })
}

fn look_at(
    what: &'static str,
    files: &mut WatchedFiles,
    again: bool,
    take: impl FnOnce(&[Vec<u8>]) -> Result<(), String>,
) -> Reload {
    let file = files.name().display().to_string();
    let (outcome, reason) = match files.look(again) {
        Look::New(contents) => match take(&contents) {
            Ok(()) => {
                files.accept();
                (Outcome::Reloaded, None)
            }
            Err(reason) => (Outcome::Refused, Some(reason)),
        },
        Look::Unreadable(path, error) => {
            let reason = format!("cannot read {}: {error}", path.display());
            (Outcome::Refused, Some(reason))
        }
        _ => (Outcome::Unchanged, None),
    };
    Reload {
        what,
        file,
        outcome,
        reason,
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

//! `[tls]`, and the files that it and its neighbours name: read once here, so that what is wrong with
//! them is said with file, line and key before a port opens. They are read again at start, and
//! whenever they change ([`crate::tls`]).

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use settings::{Invalid, KeyPath};
use transport::tls::{Identity, LoadIdentityError};

use super::sections::{CertificateConfig, ParentsConfig, TlsConfig};
use crate::tls::{client_authorities, server_identity, ticket_keys};
use crate::upstream::client_certificate::ShownCertificate;

/// The longest time between two looks at the files.
const RELOAD_SECONDS_MAX: u64 = 3_600;
/// Certificates at once.
const CERTIFICATES_MAX: usize = 1_000;
/// Bytes of a file; keys and chains are some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// `[tls]`, checked.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// What is shown to clients.
    pub certificates: CertificateSettings,
    /// Whether clients that ask for no known name are refused.
    pub strict_sni: bool,
    /// Between two looks at the files.
    pub reload_every: Duration,
    /// Keys of session tickets; `None`: made in memory.
    pub ticket_keys_file: Option<PathBuf>,
    /// Whether HTTP/3 takes 0-RTT data.
    pub early_data: bool,
    /// Authorities of the tiers below; `None`: there is no listener for them.
    pub client_ca_file: Option<PathBuf>,
}

/// Where the certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSettings {
    /// From files; at least one pair.
    Files(Vec<PemPair>),
    /// Made at first start.
    SelfSigned {
        /// Where it is kept.
        dir: PathBuf,
        /// Further names.
        names: Vec<String>,
    },
}

/// PEM files of a chain and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemPair {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key.
    pub key: PathBuf,
}

fn at(key: &'static str) -> KeyPath {
    KeyPath::new("tls").key(key)
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

impl TlsConfig {
    /// `has_tiers`: there is a listener for tiers.
    pub(super) fn resolve(self, has_tiers: bool) -> Result<TlsSettings, Invalid> {
        if !(1..=RELOAD_SECONDS_MAX).contains(&self.reload_seconds) {
            let reason = format!("has to be from 1 to {RELOAD_SECONDS_MAX}");
            return Err(Invalid::new(at("reload_seconds"), reason));
        }
        let ticket_keys_file = non_empty(self.ticket_keys_file.clone());
        if let Some(path) = &ticket_keys_file {
            check(path, at("ticket_keys_file"), ticket_keys)?;
        }
        let client_ca_file = non_empty(self.client_ca_file.clone());
        match (&client_ca_file, has_tiers) {
            (Some(path), true) => {
                let authorities = |text: &[u8]| client_authorities(path, text);
                check(path, at("client_ca_file"), authorities)?;
            }
            (None, false) => {}
            (Some(_), false) => {
                let reason = "is of no use without listen.tiers";
                return Err(Invalid::new(at("client_ca_file"), reason));
            }
            (None, true) => {
                let reason =
                    "is needed for listen.tiers: it names who signs the tiers' certificates";
                return Err(Invalid::new(at("client_ca_file"), reason));
            }
        }
        Ok(TlsSettings {
            strict_sni: self.strict_sni,
            reload_every: Duration::from_secs(self.reload_seconds),
            ticket_keys_file,
            early_data: self.early_data,
            client_ca_file,
            certificates: self.certificates()?,
        })
    }

    fn certificates(self) -> Result<CertificateSettings, Invalid> {
        let mut pairs = Vec::new();
        match (is_empty(&self.certificate_file), is_empty(&self.key_file)) {
            (true, true) => {}
            (false, false) => {
                let pair = PemPair {
                    certificate: self.certificate_file,
                    key: self.key_file,
                };
                check_pair(&pair, at)?;
                pairs.push(pair);
            }
            (cert_missing, _) => {
                let key = match cert_missing {
                    true => "certificate_file",
                    false => "key_file",
                };
                let reason = "certificate_file and key_file come together";
                return Err(Invalid::new(at(key), reason));
            }
        }
        if self.certificates.len() > CERTIFICATES_MAX {
            let reason = format!("has to be {CERTIFICATES_MAX} at most");
            return Err(Invalid::new(at("certificates"), reason));
        }
        for (index, pair) in self.certificates.into_iter().enumerate() {
            let at = |key| at("certificates").index(index).key(key);
            pairs.push(pair.resolve(at)?);
        }
        if !pairs.is_empty() {
            return Ok(CertificateSettings::Files(pairs));
        }
        if is_empty(&self.self_signed_dir) {
            return Err(Invalid::new(
                at("self_signed_dir"),
                "has to name a directory when there is no certificate_file",
            ));
        }
        Ok(CertificateSettings::SelfSigned {
            dir: self.self_signed_dir,
            names: self.self_signed_names,
        })
    }
}

impl CertificateConfig {
    fn resolve(self, at: impl Fn(&'static str) -> KeyPath) -> Result<PemPair, Invalid> {
        for (path, key) in [
            (&self.certificate_file, "certificate_file"),
            (&self.key_file, "key_file"),
        ] {
            if is_empty(path) {
                return Err(Invalid::new(at(key), "has to name a PEM file"));
            }
        }
        let pair = PemPair {
            certificate: self.certificate_file,
            key: self.key_file,
        };
        check_pair(&pair, at)?;
        Ok(pair)
    }
}

impl ParentsConfig {
    /// What this edge shows to its parents, if anything.
    pub(super) fn client_pair(&self) -> Result<Option<PemPair>, Invalid> {
        let at = |key| KeyPath::new("parents").key(key);
        let (certificate, key) = (&self.client_certificate_file, &self.client_key_file);
        match (is_empty(certificate), is_empty(key)) {
            (true, true) => return Ok(None),
            (false, false) => {}
            (cert_missing, _) => {
                let key = match cert_missing {
                    true => "client_certificate_file",
                    false => "client_key_file",
                };
                let reason = "client_certificate_file and client_key_file come together";
                return Err(Invalid::new(at(key), reason));
            }
        }
        let pair = PemPair {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let certificate = read(&pair.certificate, at("client_certificate_file"))?;
        let key = read(&pair.key, at("client_key_file"))?;
        ShownCertificate::of(&pair, &certificate, &key).map_err(|error| {
            let key = match is_of_key(&error, &pair) {
                true => "client_key_file",
                false => "client_certificate_file",
            };
            Invalid::new(at(key), error.to_string())
        })?;
        Ok(Some(pair))
    }
}

/// Reads a pair and throws it away.
fn check_pair(pair: &PemPair, at: impl Fn(&'static str) -> KeyPath) -> Result<Identity, Invalid> {
    let certificate = read(&pair.certificate, at("certificate_file"))?;
    let key = read(&pair.key, at("key_file"))?;
    server_identity(pair, &certificate, &key).map_err(|error| {
        let key = match is_of_key(&error, pair) {
            true => "key_file",
            false => "certificate_file",
        };
        Invalid::new(at(key), error.to_string())
    })
}

/// Whether the key is what is wrong with the pair.
fn is_of_key(error: &LoadIdentityError, pair: &PemPair) -> bool {
    match error {
        LoadIdentityError::Key { .. } => true,
        LoadIdentityError::Read { path, .. } => *path == pair.key && *path != pair.certificate,
        _ => false,
    }
}

fn check<T, E: std::fmt::Display>(
    path: &Path,
    key: KeyPath,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<(), Invalid> {
    let text = read(path, key.clone())?;
    match parse(&text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Invalid::new(key, format!("{}: {error}", path.display()))),
    }
}

fn read(path: &Path, key: KeyPath) -> Result<Vec<u8>, Invalid> {
    let read = || {
        let mut content = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut content)?;
        Ok(content)
    };
    read().map_err(|error: std::io::Error| {
        Invalid::new(key, format!("cannot read {}: {error}", path.display()))
    })
}

fn non_empty(path: PathBuf) -> Option<PathBuf> {
    (!is_empty(&path)).then_some(path)
}

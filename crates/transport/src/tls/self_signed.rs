//! An identity made at first start and kept in a directory.
//!
//! `identity.pem` (mode 0600) holds leaf, authority and the leaf's key in one file, so that one
//! rename replaces all three and no reader ever sees a certificate with another's key. `ca.pem` is
//! a copy of the authority for clients. The authority's key is never written: nobody can steal it
//! from a machine whose users were told to trust `ca.pem`. A renewal therefore makes a new
//! authority too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::identity::{Identity, LoadIdentityError};

/// Browsers refuse a leaf that is valid for longer than 398 days.
const VALIDITY: Duration = Duration::from_secs(395 * 24 * 3600);
/// A client whose clock is slow by less than this accepts a certificate made just now.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(24 * 3600);
/// A leaf with less than this left is replaced at the next start.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(30 * 24 * 3600);

const IDENTITY_FILE: &str = "identity.pem";
const AUTHORITY_FILE: &str = "ca.pem";
const LOCK_FILE: &str = ".lock";
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// A self-signed identity that could neither be loaded nor made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfSignError {
    /// The certificate could not be made, most likely for a name that is neither DNS nor IP.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The new identity does not load: a defect of this module.
    #[error(transparent)]
    Load(#[from] LoadIdentityError),
    /// A file or the directory could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

pub(super) fn load_or_create(
    directory: &Path,
    names: &[String],
) -> Result<Identity, SelfSignError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(write_error(directory))?;
    // Two processes may start on one directory at once: the second waits, then loads. The lock
    // is released when the file is closed, also by a crash.
    let lock_path = directory.join(LOCK_FILE);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(write_error(&lock_path))?;
    lock.lock().map_err(write_error(&lock_path))?;

    let names = subject_names(names);
    let now = SystemTime::now();
    let file = directory.join(IDENTITY_FILE);
    let stored = match Stored::read(&file) {
        Ok(stored) if stored.serves(&names, now) => stored,
        Ok(_) => create(directory, &names, now)?,
        Err(_) if !file.exists() => {
            tracing::info!(file = %file.display(), "first start: making a self-signed certificate");
            create(directory, &names, now)?
        }
        Err(reason) => {
            tracing::warn!(file = %file.display(), %reason, "replacing an unusable certificate");
            create(directory, &names, now)?
        }
    };
    let authority = write_authority(directory, &stored.authority)?;
    Ok(stored.identity.with_authority(authority))
}

/// What `identity.pem` holds.
struct Stored {
    identity: Identity,
    leaf: CertificateDer<'static>,
    authority: CertificateDer<'static>,
}

impl Stored {
    fn read(path: &Path) -> Result<Self, LoadIdentityError> {
        let read = |source| LoadIdentityError::Read {
            path: path.to_owned(),
            source,
        };
        let missing = || LoadIdentityError::NoCertificate {
            path: path.to_owned(),
        };
        let mut certificates = CertificateDer::pem_file_iter(path).map_err(read)?;
        let leaf = certificates.next().ok_or_else(missing)?.map_err(read)?;
        let authority = certificates.next().ok_or_else(missing)?.map_err(read)?;
        let key = PrivateKeyDer::from_pem_file(path).map_err(read)?;
        // The authority is not sent: a client that trusts it has it, another gains nothing by it.
        let identity = Identity::new(vec![leaf.clone()], key, path, path)?;
        Ok(Self {
            identity,
            leaf,
            authority,
        })
    }

    fn serves(&self, names: &[String], now: SystemTime) -> bool {
        self.identity.not_after() > now + RENEW_BEFORE_EXPIRY && covers(&self.leaf, names)
    }
}

fn covers(leaf: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return false;
    };
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else {
        return false;
    };
    let present = &alternatives.value.general_names;
    names.iter().all(|name| match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => present.contains(&GeneralName::IPAddress(&ip.octets())),
        Ok(IpAddr::V6(ip)) => present.contains(&GeneralName::IPAddress(&ip.octets())),
        Err(_) => present.contains(&GeneralName::DNSName(name)),
    })
}

/// The names of every self-made leaf, and `extra`, without repetitions.
fn subject_names(extra: &[String]) -> Vec<String> {
    let host = fs::read_to_string(HOST_NAME_FILE).unwrap_or_default();
    let host = host.trim();
    // A host name may hold what a DNS name may not (an underscore): then it is left out.
    let host_is_dns = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let mut names = vec!["localhost".into(), "127.0.0.1".into(), "::1".into()];
    for name in host_is_dns
        .then_some(host)
        .into_iter()
        .chain(extra.iter().map(String::as_str))
    {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn create(directory: &Path, names: &[String], now: SystemTime) -> Result<Stored, SelfSignError> {
    let authority_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let authority_params = authority_params(&authority_key, now);
    let authority = authority_params.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority_params, authority_key);

    let leaf_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let leaf = leaf_params(names, now)?.signed_by(&leaf_key, &issuer)?;
    let pem = [leaf.pem(), authority.pem(), leaf_key.serialize_pem()].concat();

    let path = directory.join(IDENTITY_FILE);
    replace_file(&path, pem.as_bytes(), 0o600)?;
    Ok(Stored::read(&path)?)
}

fn authority_params(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // Named after its key: trust stores get confused by two authorities of one name.
    let digest = ring::digest::digest(&ring::digest::SHA256, key.public_key_raw());
    let tag: String = digest
        .as_ref()
        .iter()
        .take(4)
        .map(|b| format!("{b:02x}"))
        .collect();
    params.distinguished_name.push(
        DnType::CommonName,
        format!("Weir self-made authority {tag}"),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.not_before = (now - CLOCK_SKEW_MAX).into();
    params.not_after = (now + VALIDITY).into();
    params
}

fn leaf_params(names: &[String], now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Weir");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = (now - CLOCK_SKEW_MAX).into();
    params.not_after = (now + VALIDITY).into();
    Ok(params)
}

fn write_authority(
    directory: &Path,
    authority: &CertificateDer<'_>,
) -> Result<PathBuf, SelfSignError> {
    let path = directory.join(AUTHORITY_FILE);
    let present = CertificateDer::from_pem_file(&path);
    if !present.is_ok_and(|present| present == *authority) {
        replace_file(&path, pem_certificate(authority).as_bytes(), 0o644)?;
    }
    Ok(path)
}

fn pem_certificate(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine;

    let base64 = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // RFC 7468 section 2: lines of 64 characters.
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// Writes beside `path`, then renames: a reader finds the old file or the new, whole.
fn replace_file(path: &Path, content: &[u8], mode: u32) -> Result<(), SelfSignError> {
    let temporary = path.with_extension("new");
    // A left-over of a crash would keep its own mode.
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(write_error(&temporary)(e)),
        _ => {}
    }
    let write = || -> io::Result<()> {
        let mut file: File = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(write_error(path))
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> SelfSignError + use<> {
    let path = path.to_owned();
    move |source| SelfSignError::Write {
        path: path.clone(),
        source,
    }
}

//! `weirctl filter keygen` and `sign`: ed25519 keys, and signatures over versions.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use filter_registry::signature::{Signature, SigningKey};
use serde::{Deserialize, Serialize};
use wasm_filters::manifest::{FilterName, VersionId};

use super::push::{Candidate, read_candidate};
use crate::args::{Sign, Signing};
use crate::failure::Failure;
use crate::output::Output;

/// Largest signature file: a few lines of JSON.
const SIGNATURE_FILE_BYTES_MAX: usize = 64 << 10;

/// What `keygen` made.
#[derive(Debug, Serialize)]
struct Made {
    key_id: String,
    public_key: String,
    secret_file: PathBuf,
    public_file: PathBuf,
}

/// What `sign` writes and `push --signature` reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    /// The filter.
    pub(super) name: FilterName,
    /// The version.
    pub(super) id: VersionId,
    /// Of the push that it is for.
    pub(super) serial: u64,
    /// Over these three.
    pub(super) signature: Signature,
}

/// `filter keygen`
///
/// # Errors
/// A file is there already, or cannot be written.
pub(crate) fn keygen(output: Output, file: &Path) -> Result<(), Failure> {
    let key_id = default_key_id(file)?;
    let pem = SigningKey::generate_pem().map_err(Failure::failed)?;
    let key = SigningKey::from_pem(&key_id, &pem).map_err(Failure::usage)?;
    let public_file = with_pub(file);
    // The public one first: a secret key whose public one could not be written is of no use.
    create(&public_file, 0o644, &format!("{}\n", key.public_key()))?;
    create(file, 0o600, &pem)?;
    let made = Made {
        key_id,
        public_key: key.public_key(),
        secret_file: file.to_owned(),
        public_file,
    };
    output.show(&made, |made, _| {
        format!(
            "wrote {} (secret) and {}\nfor the registry's configuration:\n\n\
             [[filter_registry.public_keys]]\nid = {:?}\nkey = {:?}\n",
            made.secret_file.display(),
            made.public_file.display(),
            made.key_id,
            made.public_key
        )
    })
}

/// `filter sign`: its output is always JSON, for `push --signature`.
///
/// # Errors
/// The version or the key cannot be used.
pub(crate) async fn sign(output: Output, wanted: &Sign) -> Result<(), Failure> {
    // Its stdout goes into a file: what is said on the way goes to stderr.
    let output = Output {
        json: true,
        ..output
    };
    let candidate = read_candidate(output, &wanted.component).await?;
    let signing = Signing {
        sign_key: Some(wanted.sign_key.clone()),
        key_id: wanted.key_id.clone(),
    };
    let serial = wanted.serial.unwrap_or_else(serial_now);
    let key = load(&signing)?.ok_or_else(|| Failure::usage("--sign-key is missing"))?;
    output.json_line(&signed(&key, &candidate, serial))
}

/// The signature of a version.
pub(super) fn signed(key: &SigningKey, candidate: &Candidate, serial: u64) -> Signed {
    let name = &candidate.document.manifest.name;
    let id = candidate.document.id();
    Signed {
        name: name.clone(),
        id,
        serial,
        signature: key.sign(name, serial, id),
    }
}

/// The key that is to sign, if any.
///
/// # Errors
/// Its file or its id cannot be used.
pub(crate) fn load(signing: &Signing) -> Result<Option<SigningKey>, Failure> {
    let Some(file) = &signing.sign_key else {
        return Ok(None);
    };
    let named = |reason: String| Failure::usage(format!("{}: {reason}", file.display()));
    let key_id = match &signing.key_id {
        Some(key_id) => key_id.clone(),
        None => default_key_id(file)?,
    };
    let pem = std::fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
    let key = SigningKey::from_pem(&key_id, &pem);
    key.map(Some).map_err(|error| named(error.to_string()))
}

/// Reads what `sign` wrote, and whether it is of this version.
///
/// # Errors
/// It cannot be read, or is of another version.
pub(super) fn read_signed(file: &Path, candidate: &Candidate) -> Result<Signed, Failure> {
    let named = |reason: String| Failure::usage(format!("{}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
    if text.len() > SIGNATURE_FILE_BYTES_MAX {
        return Err(named("is too large for a signature".to_owned()));
    }
    let signed: Signed = serde_json::from_str(&text).map_err(|error| named(error.to_string()))?;
    let document = &candidate.document;
    if signed.name == document.manifest.name && signed.id == document.id() {
        Ok(signed)
    } else {
        let (name, id) = (&document.manifest.name, document.id().short());
        let other = format!("{} {}", signed.name, signed.id.short());
        Err(named(format!(
            "is of {other}, and this is {name} {id}: another manifest or component"
        )))
    }
}

/// Milliseconds of Unix time: rises from push to push without anybody keeping count.
pub(crate) fn serial_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn default_key_id(file: &Path) -> Result<String, Failure> {
    let stem = file
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    stem.ok_or_else(|| Failure::usage(format!("{}: is no file name", file.display())))
}

fn with_pub(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// A key that is there already is never written over.
fn create(file: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let named = |error: std::io::Error| Failure::failed(format!("{}: {error}", file.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(file).map_err(named)?;
    file.write_all(text.as_bytes()).map_err(named)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::output::Style;

    const OUTPUT: Output = Output {
        json: true,
        style: Style::Plain,
    };

    #[test]
    fn a_key_is_secret_and_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ci.pem");
        keygen(OUTPUT, &file).unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = std::fs::read(&file).unwrap();
        let failure = keygen(OUTPUT, &file).unwrap_err();
        assert!(failure.line().unwrap().contains("exists"), "{failure:?}");
        assert_eq!(std::fs::read(&file).unwrap(), before);

        let signing = Signing {
            sign_key: Some(file.clone()),
            key_id: None,
        };
        let key = load(&signing).unwrap().unwrap();
        let public = std::fs::read_to_string(directory.path().join("ci.pem.pub")).unwrap();
        assert_eq!(public.trim(), key.public_key());
        assert!(format!("{key:?}").contains("\"ci\""));
    }

    #[test]
    fn a_missing_key_file_is_named() {
        let signing = Signing {
            sign_key: Some(PathBuf::from("/no/such.pem")),
            key_id: None,
        };
        let failure = load(&signing).unwrap_err();
        assert!(failure.line().unwrap().starts_with("/no/such.pem: "));
        assert_eq!(failure.exit_code(), 64);
        assert!(load(&Signing::default()).unwrap().is_none());
    }
}

//! In which country a viewer is: from a header that the node trusts, or from a database file.
//!
//! It decides nothing about countries; filters do. Which header is trusted is the node's.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// Largest database file, in bytes: it is kept in memory.
pub const COUNTRY_FILE_BYTES_MAX: u64 = 512 << 20;

/// The empty part between the search tree and the data of an mmdb file, in bytes.
const SEPARATOR_BYTES: usize = 16;

/// ISO 3166-1 alpha-2, in upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode([u8; 2]);

/// A database of networks and countries in the MaxMind DB format (`.mmdb`), in memory.
///
/// It understands the country databases of MaxMind and DB-IP (`country.iso_code`) and of IPinfo
/// (`country_code`, `country`). The file is the operator's and is trusted: one that was built to do
/// harm can end the process. One that is merely damaged costs the countries, not the node.
#[derive(Debug)]
pub struct CountryDatabase {
    path: PathBuf,
    /// None once it turned out to be damaged.
    reader: ArcSwapOption<Reader<Vec<u8>>>,
}

/// What is known of a database, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountryStatus {
    /// Where it was read from.
    pub path: PathBuf,
    /// What the file says it is; none when it turned out to be damaged and is not used.
    pub database_type: Option<String>,
    /// When it was built, in seconds since the Unix epoch.
    pub built_unix: Option<u64>,
}

/// Why a database cannot be used. It names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CountryError {
    /// Missing, or not to be read.
    #[error("country database {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Larger than [`COUNTRY_FILE_BYTES_MAX`].
    #[error(
        "country database {}: more than {COUNTRY_FILE_BYTES_MAX} bytes",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Another format, or a part of a file.
    #[error("country database {}: not a whole MaxMind DB file: {reason}", path.display())]
    NotAnMmdb {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The country of a viewer: what the trusted header says, if it says something of use, else what the
/// database says.
pub fn country_of(
    header: Option<&str>,
    database: Option<&CountryDatabase>,
    ip: IpAddr,
) -> Option<CountryCode> {
    header
        .and_then(CountryCode::parse)
        .or_else(|| database.and_then(|database| database.lookup(ip)))
}

impl CountryCode {
    /// Two letters of either case, with blanks around them at most. `XX` and `ZZ` stand for an
    /// unknown country in the headers of the large networks, and are none.
    pub fn parse(text: &str) -> Option<Self> {
        let &[first, second] = text.trim_ascii().as_bytes() else {
            return None;
        };
        let code = [first, second].map(|letter| letter.to_ascii_uppercase());
        let known = code.iter().all(u8::is_ascii_uppercase) && !matches!(&code, b"XX" | b"ZZ");
        known.then_some(Self(code))
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        // Only letters get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The two letters.
    pub const fn bytes(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CountryDatabase {
    /// Reads the file. Blocks, for as long as that takes.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CountryError> {
        let path = path.into();
        let reader = read(&path)?;
        Ok(Self {
            path,
            reader: ArcSwapOption::from_pointee(reader),
        })
    }

    /// Reads the file again and puts it in the place of what there is, which stays when the new file
    /// is no good. Blocks, for as long as that takes; lookups do not wait for it.
    pub fn reload(&self) -> Result<(), CountryError> {
        self.reader.store(Some(Arc::new(read(&self.path)?)));
        Ok(())
    }

    /// The country of an address. An IPv4 address in an IPv6 one is that IPv4 address.
    pub fn lookup(&self, ip: IpAddr) -> Option<CountryCode> {
        let reader = self.reader.load();
        let found = lookup(reader.as_deref()?, ip);
        match found {
            Ok(Some(record)) => record.code(),
            Ok(None) => None,
            Err(reason) => {
                tracing::error!(
                    path = %self.path.display(),
                    %reason,
                    "the country database is damaged and no longer used; reload it"
                );
                // Whoever reloaded it meanwhile keeps the new one.
                self.reader.compare_and_swap(&reader, None);
                None
            }
        }
    }

    /// What is known of it.
    pub fn status(&self) -> CountryStatus {
        let reader = self.reader.load();
        let metadata = reader.as_ref().map(|reader| &reader.metadata);
        CountryStatus {
            path: self.path.clone(),
            database_type: metadata.map(|metadata| metadata.database_type.clone()),
            built_unix: metadata.map(|metadata| metadata.build_epoch),
        }
    }
}

/// What of a network's record tells the country.
#[derive(Default, Deserialize)]
struct Record {
    #[serde(default)]
    country_code: Field,
    #[serde(default)]
    country: Field,
}

/// A code, or an object that has one. Not an untagged enum: that would copy
/// the country's names in all languages for each lookup.
#[derive(Clone, Copy, Default)]
struct Field(Option<CountryCode>);

struct FieldVisitor;

impl Record {
    fn code(&self) -> Option<CountryCode> {
        self.country_code.0.or(self.country.0)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a country")
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field(CountryCode::parse(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Field, A::Error> {
        let mut code = Field::default();
        while let Some(name) = members.next_key::<&str>()? {
            if name == "iso_code" {
                code = members.next_value()?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(code)
    }
}

fn read(path: &Path) -> Result<Reader<Vec<u8>>, CountryError> {
    let bytes = read_bytes(path).map_err(|source| CountryError::Read {
        path: path.to_owned(),
        source,
    })?;
    let file_bytes = bytes.len();
    if file_bytes as u64 > COUNTRY_FILE_BYTES_MAX {
        return Err(CountryError::TooLarge {
            path: path.to_owned(),
        });
    }
    let reader = caught(|| Reader::from_source(bytes)).and_then(|reader| {
        let metadata = &reader.metadata;
        let tree_bytes = u64::from(metadata.node_count) * u64::from(metadata.record_size) / 4;
        if tree_bytes + SEPARATOR_BYTES as u64 > file_bytes as u64 {
            return Err("a part of it is missing".to_owned());
        }
        Ok(reader)
    });
    reader.map_err(|reason| CountryError::NotAnMmdb {
        path: path.to_owned(),
        reason,
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(COUNTRY_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn lookup(reader: &Reader<Vec<u8>>, ip: IpAddr) -> Result<Option<Record>, String> {
    let ip = ip.to_canonical();
    if ip.is_ipv6() && reader.metadata.ip_version == 4 {
        return Ok(None);
    }
    caught(|| match reader.lookup(ip) {
        // A record of another shape: not a country's, but not damage either.
        Err(MaxMindDbError::Decoding(_)) => Ok(None),
        found => found,
    })
}

/// The reader trusts the offsets in its file, and panics on those that lead out of it.
fn caught<T>(read: impl FnOnce() -> Result<T, MaxMindDbError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("it points out of itself".to_owned()),
    }
}

#[cfg(test)]
mod tests;

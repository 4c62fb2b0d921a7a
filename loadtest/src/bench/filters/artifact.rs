//! Versions of filters as files: those that ship, and the same with something changed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// The filter that lets viewers in.
pub(super) const AUTH: &str = "auth";

/// The filter that sets response fields.
pub(super) const HEADERS: &str = "http-headers";

/// The field by which an answer shows that [`HEADERS`] acted on it.
pub(super) const FIELD: &str = "x-robots-tag";

/// What that field says as the filter ships; in the manifest it stands in the configuration and in
/// the samples, and nowhere else.
pub(super) const VALUE: &str = "noindex";

/// All fields that [`HEADERS`] sets as it ships.
pub(super) const FIELDS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "age, cache-status, date"),
    (FIELD, VALUE),
];

/// A component and its manifest.
#[derive(Debug, Clone)]
pub(super) struct Artifact {
    pub(super) name: &'static str,
    pub(super) component: PathBuf,
    pub(super) manifest: PathBuf,
}

impl Artifact {
    /// A filter as it ships.
    pub(super) fn shipped(directory: &Path, name: &'static str) -> anyhow::Result<Self> {
        let at = |extension: &str| directory.join(format!("{name}.{extension}"));
        let artifact = Self {
            name,
            component: at("wasm"),
            manifest: at("toml"),
        };
        for file in [&artifact.component, &artifact.manifest] {
            let found = file.is_file();
            ensure!(found, "no {}: make filters-rust", file.display());
        }
        Ok(artifact)
    }

    /// Another component that does the same.
    pub(super) fn with_new_component(&self, into: &Path, nonce: &str) -> anyhow::Result<Self> {
        let mut wasm = std::fs::read(&self.component)?;
        append_custom_section(&mut wasm, nonce)?;
        let component = into.join(format!("{}-{nonce}.wasm", self.name));
        std::fs::write(&component, wasm)?;
        Ok(Self {
            component,
            ..self.clone()
        })
    }

    /// The same component with another value for [`FIELD`], and that value.
    pub(super) fn with_new_configuration(
        &self,
        into: &Path,
        nonce: &str,
    ) -> anyhow::Result<(Self, String)> {
        let manifest = std::fs::read_to_string(&self.manifest)?;
        ensure!(
            manifest.contains(VALUE),
            "{} says nothing of {VALUE}",
            self.manifest.display()
        );
        let value = format!("{VALUE}, {nonce}");
        let path = into.join(format!("{}-{nonce}.toml", self.name));
        std::fs::write(&path, manifest.replace(VALUE, &value))?;
        let artifact = Self {
            manifest: path,
            ..self.clone()
        };
        Ok((artifact, value))
    }
}

/// Appends a section that means nothing: id 0, its size, the size of its name, its name, content.
fn append_custom_section(wasm: &mut Vec<u8>, content: &str) -> anyhow::Result<()> {
    const NAME: &str = "bench";
    let size = 1 + NAME.len() + content.len();
    // A LEB128 number of one byte.
    let size = u8::try_from(size).ok().filter(|size| *size < 0x80);
    wasm.push(0);
    wasm.push(size.context("the section is too long")?);
    wasm.push(NAME.len() as u8);
    wasm.extend_from_slice(NAME.as_bytes());
    wasm.extend_from_slice(content.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_section_has_its_sizes() {
        let mut wasm = vec![];
        append_custom_section(&mut wasm, "ab").unwrap();
        assert_eq!(wasm, b"\x00\x08\x05benchab");
        assert!(append_custom_section(&mut wasm, &"x".repeat(200)).is_err());
    }
}

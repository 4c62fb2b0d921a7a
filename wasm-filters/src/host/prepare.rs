//! From bytes to a version that can be called.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::check;
use crate::manifest::{Digest, VersionDocument};
use crate::probe;
use crate::version::LoadedVersion;

use super::state::Inner;

/// A version that is not made ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{stage}: {reason}")]
pub struct Rejected {
    /// How far it came.
    pub stage: Stage,
    /// For the operator.
    pub reason: String,
    /// Whether the node is to blame, not the version: the same may do in a while.
    pub retry: bool,
}

/// The way of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The bytes are those that the document names.
    Digest,
    /// The manifest can be obeyed.
    Manifest,
    /// The component is one, and imports and exports what it should.
    Check,
    /// It compiles within bounds.
    Compile,
    /// It links.
    Load,
    /// It describes and configures itself, and its samples come out.
    Probe,
}

impl Stage {
    /// As in a report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Manifest => "manifest",
            Self::Check => "check",
            Self::Compile => "compile",
            Self::Load => "load",
            Self::Probe => "probe",
        }
    }

    fn refuses(self, reason: impl Display) -> Rejected {
        Rejected {
            stage: self,
            reason: reason.to_string(),
            retry: false,
        }
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Inner {
    pub(super) async fn prepare(
        &self,
        document: VersionDocument,
        wasm: Bytes,
    ) -> Result<Arc<LoadedVersion>, Rejected> {
        if let Some(version) = self.in_service(document.id()) {
            return Ok(version);
        }
        let caps = self.options.caps.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let is = Digest::of(&wasm);
            if is != document.component {
                let should = document.component;
                return Err(Stage::Digest.refuses(format!("the bytes are {is}, not {should}")));
            }
            let manifest = &document.manifest;
            manifest
                .validate(&caps)
                .map_err(|error| Stage::Manifest.refuses(error))?;
            check::check(&wasm, manifest).map_err(|error| Stage::Check.refuses(error))?;
            Ok((document, wasm))
        });
        let (document, wasm) = checked
            .await
            .map_err(|error| Stage::Check.refuses(error))??;
        let component = self.compiler.compile(wasm).await.map_err(|error| {
            let retry = matches!(
                error,
                crate::compile::CompileError::Busy | crate::compile::CompileError::Start { .. }
            );
            Rejected {
                retry,
                ..Stage::Compile.refuses(error)
            }
        })?;
        let document = Arc::new(document);
        let services = self.services.clone();
        let version = LoadedVersion::load(&self.engine, document, component, services)
            .map_err(|error| Stage::Load.refuses(error))?;
        probe::probe(&version)
            .await
            .map_err(|error| Stage::Probe.refuses(error))?;
        Ok(version)
    }
}

//! Where an agent learns what to run: a registry over HTTP, or one in the same process.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use wasm_filters::manifest::{Digest, FilterName, VersionDocument, VersionId};

use crate::client::{Client, ClientError};
use crate::registry::{Registry, RegistryError};
use crate::wire::{NodeCatalogue, NodeName, NodeReport, ReportTaken};

/// A registry as a node needs it.
#[async_trait]
pub trait Source: std::fmt::Debug + Send + Sync + 'static {
    /// The catalogue, once its generation differs from `after`, or none when `wait` is over.
    async fn catalogue(
        &self,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Option<NodeCatalogue>, SourceError>;

    /// A version's document. That its id fits is for the caller to check.
    async fn document(
        &self,
        name: &FilterName,
        id: VersionId,
    ) -> Result<VersionDocument, SourceError>;

    /// A component. That its digest fits is for the caller to check.
    async fn blob(&self, digest: Digest) -> Result<Bytes, SourceError>;

    /// Hands in a report.
    async fn report(
        &self,
        node: &NodeName,
        report: &NodeReport,
    ) -> Result<ReportTaken, SourceError>;
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Over HTTP.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// In the same process.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry has it no longer.
    #[error("the registry does not have {0}")]
    Missing(String),
    /// A document that cannot be read.
    #[error("the registry's document is damaged: {0}")]
    Damaged(String),
}

#[async_trait]
impl Source for Client {
    async fn catalogue(
        &self,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Option<NodeCatalogue>, SourceError> {
        Ok(Self::catalogue(self, after, wait).await?)
    }

    async fn document(
        &self,
        name: &FilterName,
        id: VersionId,
    ) -> Result<VersionDocument, SourceError> {
        Ok(Self::document(self, name, id).await?)
    }

    async fn blob(&self, digest: Digest) -> Result<Bytes, SourceError> {
        Ok(Self::blob(self, digest).await?)
    }

    async fn report(
        &self,
        node: &NodeName,
        report: &NodeReport,
    ) -> Result<ReportTaken, SourceError> {
        Ok(Self::report(self, node, report).await?)
    }
}

#[async_trait]
impl Source for Registry {
    async fn catalogue(
        &self,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Option<NodeCatalogue>, SourceError> {
        Ok(self.follow(after, wait).await)
    }

    async fn document(
        &self,
        name: &FilterName,
        id: VersionId,
    ) -> Result<VersionDocument, SourceError> {
        let json = Self::document(self, name, id).await?;
        let json = json.ok_or_else(|| SourceError::Missing(format!("version {id} of {name}")))?;
        serde_json::from_slice(&json).map_err(|error| SourceError::Damaged(error.to_string()))
    }

    async fn blob(&self, digest: Digest) -> Result<Bytes, SourceError> {
        let blob = Self::blob(self, digest).await?;
        blob.ok_or_else(|| SourceError::Missing(format!("component {digest}")))
    }

    async fn report(
        &self,
        node: &NodeName,
        report: &NodeReport,
    ) -> Result<ReportTaken, SourceError> {
        Ok(Self::report(self, node, report.clone(), None).await?)
    }
}

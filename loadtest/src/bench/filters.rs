//! What filters cost: requests through an active chain beside requests without one; and how long a
//! change of a filter takes until all nodes run it, with viewers who must notice nothing.

mod artifact;
mod cost;
mod fleet;
mod looping;
mod registry;
mod report;
mod swaps;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::objects::Object;
use super::parent::Parent;
use super::{Certificates, Settings};

pub use cost::{Chain, Cost};
pub use looping::{Attack, Looping};
pub use swaps::{Change, Crowd, Swap, Swaps};

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Filters {
    /// Cached requests with and without filters.
    pub costs: Vec<Cost>,
    /// Changes of a filter, until all nodes run what is wanted.
    pub swaps: Vec<Swaps>,
    /// Viewers beside a filter that loops; none when that could not be built.
    pub looping: Vec<Looping>,
}

/// The programs and files that this section needs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    edge: PathBuf,
    origin: PathBuf,
    weirctl: PathBuf,
    /// Where the filters are that ship.
    shipped: PathBuf,
}

impl Programs {
    /// `None`: one of the programs was not named.
    pub(super) fn of(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let (Some(edge), Some(origin), Some(weirctl)) =
            (&settings.edge, &settings.origin, &settings.weirctl)
        else {
            return Ok(None);
        };
        // They run in other directories, where a relative path names nothing.
        let absolute = |path: &Path| {
            path.canonicalize()
                .with_context(|| path.display().to_string())
        };
        Ok(Some(Self {
            edge: absolute(&edge.binary)?,
            origin: absolute(origin)?,
            weirctl: absolute(weirctl)?,
            shipped: absolute(&settings.filters)?,
        }))
    }
}

/// What both measurements are made with.
struct Bench<'a> {
    settings: &'a Settings,
    programs: &'a Programs,
    certificates: &'a Certificates,
    parent: &'a Parent,
    /// A small playlist, which every edge has in its cache.
    object: &'a Object,
    /// The same, with the fields that the filter sets, from the parent.
    answered: &'a Object,
    directory: PathBuf,
}

/// Measures the cost, then the changes. The nodes of one are gone before those of the other start.
pub(super) async fn run(
    settings: &Settings,
    programs: &Programs,
    certificates: &Certificates,
    objects: &[Object],
) -> anyhow::Result<Filters> {
    let directory = settings.directory.canonicalize()?.join("filters");
    if directory.exists() {
        // Nodes that remember the filters of an earlier run would start with them.
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let object = objects.first().context("no object")?;
    let answered = object.with_fields(format!("{}&_HLS_skip=YES", object.path), artifact::FIELDS);
    let served = [object.clone(), answered.clone()];
    let parent = Parent::start(&served, settings.base_port + 10).await?;
    let bench = Bench {
        settings,
        programs,
        certificates,
        parent: &parent,
        object,
        answered: &answered,
        directory,
    };
    let costs = cost::run(&bench).await.context("cached requests")?;
    let swaps = swaps::run(&bench).await.context("changes")?;
    let looping = match looping::build(&bench).await {
        Ok(component) => looping::run(&bench, component)
            .await
            .context("a filter that loops")?,
        Err(error) => {
            tracing::warn!("no filter that loops could be built: {error:#}");
            Vec::new()
        }
    };
    Ok(Filters {
        costs,
        swaps,
        looping,
    })
}

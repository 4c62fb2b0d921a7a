//! `weirctl status`, `streams` and `purge`, as typed.

use clap::Args;
use reqwest::Url;

use crate::config::base_url;

/// An edge or origin as the demonstration and the default configuration bind it.
const STREAMS_DEFAULT: &str = "http://127.0.0.1:8080";

/// `status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// A node's admin listener; several times for several [default: `nodes` of the file, or the registry's node]
    #[arg(long = "node", value_name = "URL", value_parser = base_url)]
    pub(crate) nodes: Vec<Url>,
}

/// `streams`
#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// An origin or edge, as viewers reach it
    #[arg(value_name = "URL", default_value = STREAMS_DEFAULT, value_parser = base_url)]
    pub(crate) from: Url,
}

/// `purge`
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// The object: its URL, or its path
    #[arg(required_unless_present = "stream", conflicts_with = "stream", value_parser = object_path)]
    pub(crate) path: Option<String>,
    /// All objects of a stream
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: Option<String>,
    /// An edge's admin listener; several times for several [default: `nodes` of the file]
    #[arg(long = "node", value_name = "URL", value_parser = base_url)]
    pub(crate) nodes: Vec<Url>,
}

/// The path (and query) of a URL, or the path itself.
fn object_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let url = Url::parse(text).ok().filter(Url::has_host);
    let url =
        url.ok_or_else(|| format!("{text:?} is neither a URL nor a path that begins with /"))?;
    Ok(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

//! `weirctl purge`: takes objects out of edges' caches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::NodeClient;
use crate::args::Purge;
use crate::config::Target;
use crate::failure::Failure;
use crate::output::{Output, count};

/// What is purged, as an edge's admin API takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Wanted<'a> {
    /// One object, by its path.
    Path(&'a str),
    /// Everything of a stream.
    Stream(&'a str),
}

/// An edge's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Purged {
    /// Objects that were there, and are not any more.
    purged: u64,
}

/// `weirctl purge`
///
/// # Errors
/// No node was named, or one of them refused; the others are asked all the same.
pub(crate) async fn run(target: &Target, output: Output, wanted: &Purge) -> Result<(), Failure> {
    let nodes = if wanted.nodes.is_empty() {
        &target.nodes
    } else {
        &wanted.nodes
    };
    if nodes.is_empty() {
        return Err(Failure::usage(
            "no edge is named: --node URL of its admin listener",
        ));
    }
    let what = match (&wanted.path, &wanted.stream) {
        (Some(path), _) => Wanted::Path(path),
        (None, Some(stream)) => Wanted::Stream(stream),
        (None, None) => return Err(Failure::usage("neither a URL nor --stream NAME")),
    };
    let client = NodeClient::new(target)?;
    let mut purged = BTreeMap::new();
    let mut failed = Vec::new();
    for node in nodes {
        match client.post::<Purged>(node, "/v1/purge", &what).await {
            Ok(Some(answer)) => {
                purged.insert(node.as_str(), answer.purged);
            }
            Ok(None) => failed.push(format!(
                "{node} has no cache to purge: is it an edge's admin listener?"
            )),
            Err(failure) => failed.extend(failure.line()),
        }
    }
    output.show(&purged, |purged, _| {
        let lines = purged.iter();
        let lines = lines.map(|(node, n)| format!("{node}  {} purged\n", count(*n)));
        lines.collect()
    })?;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(failed.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent() {
        let json = |wanted: &Wanted<'_>| serde_json::to_string(wanted).unwrap();
        assert_eq!(
            json(&Wanted::Path("/live/a/b.mp4")),
            r#"{"path":"/live/a/b.mp4"}"#
        );
        assert_eq!(json(&Wanted::Stream("demo")), r#"{"stream":"demo"}"#);
    }
}

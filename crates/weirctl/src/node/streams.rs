//! `weirctl streams`: what is being broadcast, as viewers are told.

use serde::{Deserialize, Serialize};

use super::client::NodeClient;
use crate::args::Streams;
use crate::config::Target;
use crate::failure::Failure;
use crate::output::{Cell, Output, Style, Table, count, printable};

/// `GET /api/streams` of an origin or edge.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    streams: Vec<Stream>,
}

/// One stream; fields that a later node adds are left out.
#[derive(Debug, Serialize, Deserialize)]
struct Stream {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    started_at: String,
    renditions: Vec<String>,
    width: u32,
    height: u32,
    fps: f64,
    passthrough: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    viewers: Option<u32>,
}

/// `weirctl streams`
///
/// # Errors
/// The node cannot be reached, or is none.
pub(crate) async fn run(target: &Target, output: Output, wanted: &Streams) -> Result<(), Failure> {
    // What viewers may ask needs no token, and this is not the server that ours is for.
    let public = Target {
        token: None,
        ..target.clone()
    };
    let client = NodeClient::new(&public)?;
    let list = client.get::<List>(&wanted.from, "/api/streams").await?;
    let list = list.ok_or_else(|| {
        Failure::failed(format!("{} is neither an origin nor an edge", wanted.from))
    })?;
    output.show(&list, render)
}

fn render(list: &List, style: Style) -> String {
    let columns = [
        "STREAM",
        "PICTURE",
        "RENDITIONS",
        "LADDER",
        "SINCE",
        "VIEWERS",
        "TITLE",
    ];
    let mut table = Table::new(columns);
    for stream in &list.streams {
        let picture = format!("{}x{} {:.4}", stream.width, stream.height, stream.fps);
        let picture = picture
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned();
        let ladder = if stream.passthrough {
            "source passes"
        } else {
            "encoded"
        };
        let since = stream.started_at.split('.').next().unwrap_or_default();
        let since = since.trim_end_matches('Z');
        table.row([
            Cell::from(stream.name.as_str()),
            picture.into(),
            stream.renditions.join(",").into(),
            ladder.into(),
            format!("{since}Z").into(),
            stream
                .viewers
                .map_or_else(|| "-".to_owned(), |viewers| count(viewers.into()))
                .into(),
            printable(stream.title.as_deref().unwrap_or_default()).into(),
        ]);
    }
    if table.is_empty() {
        return "nothing is being broadcast".to_owned();
    }
    table.render(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_in_a_table() {
        let json = r#"{"streams": [
            {"name": "demo", "title": "Weir demonstration", "started_at": "2026-11-21T15:00:00.250Z",
             "renditions": ["720p", "360p", "audio"], "width": 1280, "height": 720, "fps": 30.0,
             "passthrough": true, "viewers": 3},
            {"name": "b", "started_at": "2026-11-21T15:00:00Z",
             "renditions": ["audio"], "width": 640, "height": 360, "fps": 29.97, "passthrough": false}]}"#;
        let list: List = serde_json::from_str(json).unwrap();
        let expected = "\
STREAM  PICTURE        RENDITIONS       LADDER         SINCE                 VIEWERS  TITLE
demo    1280x720 30    720p,360p,audio  source passes  2026-11-21T15:00:00Z  3        Weir demonstration
b       640x360 29.97  audio            encoded        2026-11-21T15:00:00Z  -
";
        let text = render(&list, Style::Plain);
        assert_eq!(text, expected, "\n{text}");
        let none = List {
            streams: Vec::new(),
        };
        assert_eq!(render(&none, Style::Plain), "nothing is being broadcast");
    }
}

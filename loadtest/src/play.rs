//! A headless LL-HLS player: follows playlists by Blocking Playlist Reload, loads every Part, and
//! keeps the books of a buffer. It decodes nothing.
//!
//! Plays the way hls.js does: a Part is asked for when it is listed, not when it is hinted.

mod buffer;
mod follow;
mod report;
mod timeline;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;

use crate::client::{Client, Protocol, Target, Trust};

pub use report::{RenditionReport, Report};

/// Longest watch.
pub const DURATION_MAX: Duration = Duration::from_secs(3600);

/// What to watch, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// A Multivariant or a Media Playlist.
    pub url: String,
    /// Over which protocol.
    pub protocol: Protocol,
    /// Whose certificate is good enough.
    pub trust: Trust,
    /// For how long.
    pub duration: Duration,
}

impl Plan {
    /// A client of the server.
    ///
    /// # Errors
    /// The URL is none, or nobody answers there.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.url, self.protocol, &self.trust).await?)
    }
}

/// Watches. Of a Multivariant Playlist: its first Variant, and the first audio Rendition.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    ensure!(
        plan.duration <= DURATION_MAX,
        "longer than {DURATION_MAX:?}"
    );
    let (_, path) = Target::split(&plan.url)?;
    let client = plan.connect().await?;
    let fetched = client.fetch(&path, &[]).await?;
    ensure!(
        fetched.status == 200 && fetched.is_whole(),
        "{} answered {}, broken: {:?}",
        plan.url,
        fetched.status,
        fetched.broken
    );
    let renditions = renditions(&path, &fetched.text())?;
    let watching = renditions
        .iter()
        .map(|path| follow::follow(&client, path, plan.duration));
    let renditions = join_all(watching)
        .await
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Report { renditions })
}

/// The paths of the Media Playlists to follow.
fn renditions(path: &str, text: &str) -> anyhow::Result<Vec<String>> {
    if !text.contains("#EXT-X-STREAM-INF") {
        return Ok(vec![path.to_owned()]);
    }
    let mut lines = text.lines();
    let mut found = Vec::new();
    let variant = loop {
        let Some(line) = lines.next() else {
            bail!("a Multivariant Playlist without a Variant:\n{text}");
        };
        if line.starts_with("#EXT-X-STREAM-INF") {
            break lines.next().context("a Variant without a URI")?;
        }
    };
    found.push(resolve(path, variant));
    let audio = text
        .lines()
        .find(|line| line.starts_with("#EXT-X-MEDIA:") && line.contains("TYPE=AUDIO"));
    if let Some(uri) = audio.and_then(|line| quoted(line, "URI")) {
        found.push(resolve(path, uri));
    }
    Ok(found)
}

/// The value of a quoted-string attribute.
fn quoted<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// A relative reference against the path of the playlist that holds it. Tokens in the playlist's
/// query are carried on.
fn resolve(base: &str, reference: &str) -> String {
    let (path, query) = base.split_once('?').unwrap_or((base, ""));
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let token = query.split('&').find(|pair| pair.starts_with("token="));
    let separator = if reference.contains('?') { '&' } else { '?' };
    match token {
        Some(token) => format!("{directory}/{reference}{separator}{token}"),
        None => format!("{directory}/{reference}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_variant_and_its_audio() {
        let text = "#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"a\",URI=\"audio/index.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1\n720p/index.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1\n480p/index.m3u8\n";
        assert_eq!(
            renditions("/live/a/index.m3u8?token=t", text).unwrap(),
            [
                "/live/a/720p/index.m3u8?token=t",
                "/live/a/audio/index.m3u8?token=t"
            ]
        );
        let media = "/live/a/720p/index.m3u8";
        assert_eq!(renditions(media, "#EXTM3U\n").unwrap(), [media]);
    }
}

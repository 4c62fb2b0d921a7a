//! An origin in this process, a publisher beside it, a client.

use std::process::Command;

use bytes::Bytes;
use hls::media::MediaPlaylist;
use http::{HeaderMap, Method, StatusCode};
use origin::app::Addresses;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, run};
pub(crate) use crate::support::{KEY, PATIENCE, Publisher, eventually};

/// Rungs of a small ladder: name, height, kbit/s.
pub(crate) type Ladder<'a> = &'a [(&'a str, u32, u32)];

pub(crate) fn configuration(ladder: Ladder<'_>, more: &str) -> String {
    let mut text = format!(
        "[rtmp]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [[streams]]\nname = \"demo\"\npublish_key = \"{KEY}\"\ntitle = \"A test\"\n"
    );
    for (name, height, kbps) in ladder {
        text.push_str(&format!(
            "[[ladder]]\nname = \"{name}\"\nheight = {height}\nvideo_bitrate_kbps = {kbps}\n"
        ));
    }
    text + more
}

pub(crate) struct Origin {
    addresses: Addresses,
    client: Client,
    stop: CancellationToken,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Origin {
    /// An origin whose encoder is as cheap as it gets. A machine that is busy with tests does not
    /// decide which renditions there are.
    pub(crate) async fn start(ladder: Ladder<'_>, more: &str) -> Self {
        let fast = if more.contains("[transcode]") {
            ""
        } else {
            "[transcode]\npreset = \"ultrafast\"\nshed_lag_ms = 0\n"
        };
        Self::from(&configuration(ladder, &format!("{fast}{more}"))).await
    }

    /// One that holds a single request.
    pub(crate) async fn start_with_one_place(ladder: Ladder<'_>, more: &str) -> Self {
        let text = configuration(ladder, more);
        let text = text.replacen("[http]\n", "[http]\nheld_requests_max = 1\n", 1);
        Self::from(&text).await
    }

    /// One whose admin listener has a token.
    pub(crate) async fn start_with_token(ladder: Ladder<'_>, token: &str) -> Self {
        let text = configuration(ladder, "[transcode]\npreset = \"ultrafast\"\n");
        let admin = format!("[admin]\ntoken = \"{token}\"\n");
        Self::from(&text.replacen("[admin]\n", &admin, 1)).await
    }

    async fn from(text: &str) -> Self {
        let (addresses, stop, _) = run(text).await;
        Self {
            addresses,
            client: Client::new(),
            stop,
        }
    }

    /// Ends it, and waits until it has noted in this directory where its stream `demo` stands.
    pub(crate) async fn left_behind(self, state_dir: &std::path::Path) {
        self.drain();
        eventually("the end of the origin", async || {
            let ended = tokio::net::TcpStream::connect(self.addresses.http).await;
            ended.err()
        })
        .await;
        let kept = std::fs::read_to_string(state_dir.join("numbers.json")).unwrap();
        assert!(kept.contains("\"demo\""), "{kept}");
    }

    /// Begins the end, as SIGTERM would.
    pub(crate) fn drain(&self) {
        self.stop.cancel();
    }

    pub(crate) fn publish_url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.addresses.rtmp.unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses.http)
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let to = (self.addresses.http, path);
        let headers = headers.iter().copied();
        let answer = self.client.send(method, to, headers, Bytes::new()).await;
        let (head, body) = answer.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// Asks the admin listener.
    pub(crate) async fn admin(&self, path: &str, token: Option<&str>) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers = bearer
            .iter()
            .map(|bearer| ("authorization", bearer.as_str()));
        let to = (self.addresses.admin, path);
        let answer = self
            .client
            .send(Method::GET, to, headers, Bytes::new())
            .await;
        let (head, body) = answer.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[]).await
    }

    /// A rendition's playlist of the stream `demo`, which must be there and valid.
    pub(crate) async fn playlist(&self, rendition: &str, query: &str) -> MediaPlaylist {
        let path = format!("/live/demo/{rendition}/index.m3u8{query}");
        let answer = self.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        hls::media::parse(answer.text()).unwrap()
    }

    /// Waits until the stream `demo` has a playlist with at least so many segments.
    pub(crate) async fn segments(&self, rendition: &str, count: usize) -> MediaPlaylist {
        eventually("segments", async || {
            let path = format!("/live/demo/{rendition}/index.m3u8");
            let answer = self.get(&path).await;
            if answer.status != StatusCode::OK {
                return None;
            }
            let playlist = hls::media::parse(answer.text()).unwrap();
            (playlist.segments.len() >= count).then_some(playlist)
        })
        .await
    }

    pub(crate) async fn metric(&self, line: &str) -> Option<f64> {
        self.client.metric(self.addresses.admin, line).await
    }
}

impl Publisher {
    /// Makes it silent without ending it.
    pub(crate) fn stop(&self) {
        kill("-STOP", self.child.id());
    }

    /// Ends it as Ctrl-C would.
    pub(crate) fn interrupt(&self) {
        kill("-INT", self.child.id());
    }
}

/// Sends a signal with the tool that every system has.
pub(crate) fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// The process whose command line holds this text and whose parent is `parent`.
pub(crate) fn child_with(text: &str, parent: u32) -> Option<u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).ok();
            let stat = String::from_utf8(read("stat")?).ok()?;
            // "pid (name) state ppid": the name may hold anything.
            let (_, after) = stat.rsplit_once(") ")?;
            let own_parent: u32 = after.split(' ').nth(1)?.parse().ok()?;
            let command_line = String::from_utf8_lossy(&read("cmdline")?).into_owned();
            (own_parent == parent && command_line.contains(text)).then_some(pid)
        })
}

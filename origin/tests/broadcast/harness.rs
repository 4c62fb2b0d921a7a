//! An origin in this process, a publisher beside it, a client.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use hls::media::MediaPlaylist;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use origin::app::{Addresses, App};
use origin::config;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) const KEY: &str = "key-of-the-demo-stream";
/// For what a loaded machine does in its own time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(25);

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
    client: Client<HttpConnector, Empty<Bytes>>,
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
    /// An origin whose encoder is as cheap as it gets.
    pub(crate) async fn start(ladder: Ladder<'_>, more: &str) -> Self {
        let fast = if more.contains("[transcode]") {
            ""
        } else {
            "[transcode]\npreset = \"ultrafast\"\n"
        };
        Self::from(&configuration(ladder, &format!("{fast}{more}"))).await
    }

    /// One that holds a single request.
    pub(crate) async fn start_with_one_place(ladder: Ladder<'_>, more: &str) -> Self {
        let text = configuration(ladder, more);
        let text = text.replacen("[http]\n", "[http]\nheld_requests_max = 1\n", 1);
        Self::from(&text).await
    }

    async fn from(text: &str) -> Self {
        let settings = config::parse(Path::new("test.toml"), text).unwrap();
        let app = App::bind(settings).await.unwrap();
        let addresses = app.addresses().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(app.run(stop.clone()));
        Self {
            addresses,
            client: Client::builder(TokioExecutor::new()).build_http(),
            stop,
        }
    }

    /// Begins the end, as SIGTERM would.
    pub(crate) fn drain(&self) {
        self.stop.cancel();
    }

    pub(crate) fn publish_url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.addresses.rtmp.unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        url(self.addresses.http, path)
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).unwrap();
        let answer = timeout(PATIENCE, self.client.request(request)).await;
        let (head, body) = answer.expect("an answer in time").unwrap().into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
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
        let url = url(self.addresses.admin, "/metrics");
        let answer = self.client.get(url.parse().unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let found = text.lines().find_map(|own| own.strip_prefix(line));
        found.and_then(|value| value.trim().parse().ok())
    }
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

/// Looks again and again until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} in {PATIENCE:?}");
        sleep(LOOK).await;
    }
}

/// A publishing ffmpeg; it is killed when dropped.
pub(crate) struct Publisher {
    child: Child,
}

impl Publisher {
    /// A moving picture of 640x360 at 30 fps with the given GOP, and a tone.
    pub(crate) fn start(url: &str, gop_frames: u32) -> Self {
        Self::with(url, gop_frames, &["-c:a", "aac", "-b:a", "64k", "-ac", "2"])
    }

    /// The same with other output options.
    pub(crate) fn with(url: &str, gop_frames: u32, options: &[&str]) -> Self {
        let gop = gop_frames.to_string();
        let mut command = Command::new("ffmpeg");
        command
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re"])
            .args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
            ])
            .args(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"])
            .args(["-pix_fmt", "yuv420p", "-b:v", "600k", "-bf", "0"])
            .args(options)
            .args(["-f", "flv", url]);
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            child: command.spawn().expect("ffmpeg is installed"),
        }
    }

    /// Waits for it to exit by itself; whether it was content.
    pub(crate) async fn exited(&mut self) -> bool {
        eventually("exit of the publisher", async || {
            self.child.try_wait().unwrap()
        })
        .await
        .success()
    }

    /// Makes it silent without ending it.
    pub(crate) fn stop(&self) {
        kill("-STOP", self.child.id());
    }

    /// Ends it as Ctrl-C would.
    pub(crate) fn interrupt(&self) {
        kill("-INT", self.child.id());
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
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

//! Publishes by HTTP POST over one connection that is kept: nchan has no other way.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::client::Target;

use super::dialect::Say;
use super::stamp::number;
use super::swarm::Swarm;

/// Longest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Posts what comes, one after the other, until the sender is gone. An error ends it.
pub(super) async fn post(swarm: Arc<Swarm>, url: String, mut outbox: mpsc::Receiver<Say>) {
    if let Err(error) = post_all(&swarm, &url, &mut outbox).await {
        swarm.note_end(&format!("post: {error:#}"));
    }
}

async fn post_all(
    swarm: &Swarm,
    url: &str,
    outbox: &mut mpsc::Receiver<Say>,
) -> anyhow::Result<()> {
    let (target, path) = Target::split(url)?;
    if target.tls() {
        bail!("{url}: only plain HTTP is posted to");
    }
    let mut stream = TcpStream::connect(target.resolve().await?).await?;
    stream.set_nodelay(true)?;
    let authority = target.authority();
    let mut answer = Vec::new();
    while let Some(say) = outbox.recv().await {
        let (_, text) = swarm.plan.dialect.say(say, swarm.text_bytes, swarm.run);
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n",
            text.len()
        )
        .into_bytes();
        request.extend_from_slice(&text);
        stream.write_all(&request).await?;
        accepted(&mut stream, &mut answer).await?;
        swarm.heard.lock().talk.accepted += 1;
    }
    Ok(())
}

/// Reads one answer, which must be a success with a length.
async fn accepted(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    answer.clear();
    loop {
        if let Some(length) = length(answer)?
            && answer.len() >= length
        {
            return Ok(());
        }
        if answer.len() > ANSWER_BYTES_MAX || stream.read_buf(answer).await? == 0 {
            bail!("an answer without an end");
        }
    }
}

/// Bytes of the whole answer; none while its header is not whole.
fn length(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default());
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 2") {
        bail!("{status}");
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| number(value.trim().as_bytes()))?
    });
    let (length, _) = length.context("an answer without a length")?;
    Ok(Some(end + 4 + usize::try_from(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(length(whole).unwrap(), Some(whole.len()));
        assert_eq!(length(&whole[..20]).unwrap(), None);
        assert!(length(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}

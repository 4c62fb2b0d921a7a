//! One transcode job for two streams.

use http::StatusCode;

use crate::harness::{KEY, Origin, Publisher, eventually};

const OTHER: &str = "another-publish-key";

/// GOPs in frames: 2 s passes through, 4 s does not.
const PASSES: u32 = 60;
const DOES_NOT_PASS: u32 = 120;

async fn metric(origin: &Origin, line: &str, value: f64) {
    eventually(line, async || {
        (origin.metric(line).await == Some(value)).then_some(())
    })
    .await;
}

/// Which renditions the other stream has, once it plays.
async fn renditions(origin: &Origin) -> Vec<String> {
    eventually("the other stream", async || {
        let answer = origin.get("/live/other/index.m3u8").await;
        if answer.status != StatusCode::OK {
            return None;
        }
        let uris = answer.text().lines().filter(|line| !line.starts_with('#'));
        Some(uris.map(|uri| uri.replace("/index.m3u8", "")).collect())
    })
    .await
}

#[tokio::test]
async fn beyond_the_limit_a_stream_is_its_source_or_nothing_until_a_job_ends() {
    let more = format!(
        "[transcode]\npreset = \"ultrafast\"\njobs_max = 1\n[packaging]\nlinger_seconds = 0\n\
         [[streams]]\nname = \"other\"\npublish_key = \"{OTHER}\"\n"
    );
    let origin = Origin::start(&[("248p", 248, 400)], &more).await;
    metric(&origin, "origin_transcode_jobs_max", 1.0).await;
    let first = Publisher::start(&origin.publish_url(KEY), DOES_NOT_PASS);
    metric(&origin, "origin_transcode_jobs", 1.0).await;

    let alone = Publisher::start(&origin.publish_url(OTHER), PASSES);
    assert_eq!(renditions(&origin).await, ["360p"], "the source, alone");
    let outcome = |name| format!("origin_transcode_jobs_refused_total{{outcome=\"{name}\"}}");
    metric(&origin, &outcome("passthrough"), 1.0).await;
    drop(alone);
    eventually("its end", async || {
        let gone = origin.get("/live/other/index.m3u8").await;
        (gone.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;

    let mut refused = Publisher::start(&origin.publish_url(OTHER), DOES_NOT_PASS);
    let (was_content, said) = refused.exited().await;
    assert!(!was_content, "{said}");
    metric(&origin, &outcome("refused"), 1.0).await;
    metric(&origin, "origin_transcode_jobs", 1.0).await;

    first.interrupt();
    metric(&origin, "origin_transcode_jobs", 0.0).await;
    let _second = Publisher::start(&origin.publish_url(OTHER), DOES_NOT_PASS);
    assert_eq!(renditions(&origin).await, ["248p"]);
    metric(&origin, "origin_transcode_jobs", 1.0).await;
}

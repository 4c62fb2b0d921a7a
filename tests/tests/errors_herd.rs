//! A herd on something that fails: the parent is not stampeded, and nobody waits for long.

use std::time::{Duration, Instant};

use loadtest::herd::Report;
use tests::edge::Edge;
use tests::herds::{self, Herd};
use tests::node::{self, Settings};
use tests::parent::{Cut, Gate, Parent, Reply, pattern};

const MEMBERS: usize = 200;
const PART: &str = "/live/demo/720p/100.3.m4s";

/// `cache.error_memo_ms`: the failure of a fetch answers everybody for this long.
const MEMO: Duration = Duration::from_millis(500);

/// `parents.head_timeout_ms` in the test of the silent parent.
const HEAD_TIMEOUT: Duration = Duration::from_millis(1500);

/// Everybody has been answered by then, on a machine that is busy with the herd itself.
const BOUND: Duration = Duration::from_secs(10);

async fn leaf(parent: &str, h2c: bool) -> anyhow::Result<Edge> {
    let settings = Settings::default()
        .set("parents", "h2c", h2c)
        .set(
            "parents",
            "head_timeout_ms",
            i64::try_from(HEAD_TIMEOUT.as_millis())?,
        )
        .set("cache", "error_memo_ms", i64::try_from(MEMO.as_millis())?);
    Edge::start_with("leaf", &[parent.to_owned()], &settings).await
}

/// Sends the herd; answers its report, and how often the parent may have been asked at most: once,
/// and once more for each memo that can have expired meanwhile.
async fn stampede(leaf: &Edge) -> anyhow::Result<(Report, usize)> {
    let clients = herds::clients(leaf, MEMBERS).await?;
    let began = Instant::now();
    let report = Herd::start(clients, &[PART.to_owned()], MEMBERS)
        .report()
        .await?;
    let took = began.elapsed();
    assert!(took < BOUND, "the last answer took {took:?}: {report}");
    assert_eq!(report.timed_out, 0, "{report}");
    let memos = took.as_millis() / MEMO.as_millis();
    Ok((report, 1 + usize::try_from(memos)?))
}

#[tokio::test]
async fn errors_with_a_status_are_passed_on_and_shared() -> anyhow::Result<()> {
    for h2c in [true, false] {
        for status in [404, 500, 503] {
            let parent = Parent::start().await?;
            let leaf = leaf(&parent.url(), h2c).await?;
            // The whole herd waits for this one answer.
            let gate = Gate::new();
            let error = Reply::status(status).header("Cache-Control", "no-store");
            parent.on(PART, error.held(&gate));
            let clients = herds::clients(&leaf, MEMBERS).await?;
            let herd = Herd::start(clients, &[PART.to_owned()], MEMBERS);
            herd.arrived(&leaf, MEMBERS).await?;
            gate.open();
            let report = herd.report().await?;
            assert_eq!(parent.requests(PART), 1, "h2c {h2c}, {status}: {report}");
            assert_eq!(report.whole, MEMBERS, "h2c {h2c}, {status}: {report}");
            let expected = if status == 404 {
                &[404][..]
            } else {
                &[status, 502]
            };
            let told: usize = expected.iter().map(|s| report.with_status(*s)).sum();
            assert_eq!(told, MEMBERS, "h2c {h2c}, {status}: {report}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_reset_right_after_the_header_is_no_stampede() -> anyhow::Result<()> {
    for h2c in [true, false] {
        for cut in [Cut::Close, Cut::Reset] {
            let parent = Parent::start().await?;
            let leaf = leaf(&parent.url(), h2c).await?;
            let open = Gate::new();
            open.open();
            parent.on(PART, Reply::ok(pattern(100_000)).cut_after(0, &open, cut));
            let (report, at_most) = stampede(&leaf).await?;
            assert_eq!(report.with_status(200), report.broken, "{report}");
            let asked = parent.requests(PART);
            assert!(
                asked <= at_most,
                "h2c {h2c}, {cut:?}: asked {asked} times, {report}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_parent_that_hangs_up_is_no_stampede() -> anyhow::Result<()> {
    for h2c in [true, false] {
        let parent = Parent::start().await?;
        let leaf = leaf(&parent.url(), h2c).await?;
        parent.on(PART, Reply::hang_up());
        let (report, at_most) = stampede(&leaf).await?;
        assert_eq!(bad_gateway(&report), MEMBERS, "h2c {h2c}: {report}");
        let asked = parent.requests(PART);
        assert!(asked <= at_most, "h2c {h2c}: asked {asked} times, {report}");
    }
    Ok(())
}

#[tokio::test]
async fn a_parent_that_is_not_there_is_reported_quickly() -> anyhow::Result<()> {
    let nobody = format!("http://127.0.0.1:{}", node::free_port()?);
    let leaf = leaf(&nobody, true).await?;
    let (report, at_most) = stampede(&leaf).await?;
    assert_eq!(bad_gateway(&report), MEMBERS, "{report}");
    let tried = leaf.upstream_requests().await?;
    assert!(tried <= at_most as f64, "tried {tried} times, {report}");
    Ok(())
}

#[tokio::test]
async fn a_silent_parent_is_waited_for_once() -> anyhow::Result<()> {
    for h2c in [true, false] {
        let parent = Parent::start().await?;
        let leaf = leaf(&parent.url(), h2c).await?;
        parent.on(PART, Reply::silence());
        let (report, at_most) = stampede(&leaf).await?;
        assert_eq!(bad_gateway(&report), MEMBERS, "h2c {h2c}: {report}");
        let asked = parent.requests(PART);
        assert!(asked <= at_most, "h2c {h2c}: asked {asked} times, {report}");
    }
    Ok(())
}

/// Whole answers that blame the parent.
fn bad_gateway(report: &Report) -> usize {
    let statuses = [502, 503, 504];
    statuses.iter().map(|s| report.with_status(*s)).sum()
}

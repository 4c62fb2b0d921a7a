//! Ten thousand wait for one object, whatever becomes of it: the parent is asked once, exactly.

use std::time::Duration;

use loadtest::client::{Client, Protocol};
use loadtest::herd::Report;
use tests::edge::Edge;
use tests::herds::Herd;
use tests::node::Settings;
use tests::parent::{Cut, Gate, Parent, Reply, pattern};

const WAITERS: usize = 10_000;
/// Below the 100 streams that a connection may have.
const WAITERS_PER_CONNECTION: usize = 90;
const BODY_BYTES: usize = 12_000;
/// For a head, and for more of a body: longer than ten thousand need to arrive, on a busy machine.
const PARENT_PATIENCE: Duration = Duration::from_secs(30);

struct Crowd {
    parent: Parent,
    leaf: Edge,
    clients: Vec<Client>,
}

impl Crowd {
    async fn gather() -> anyhow::Result<Self> {
        let parent = Parent::start().await?;
        let patience = i64::try_from(PARENT_PATIENCE.as_millis())?;
        let settings = Settings::default()
            .set("parents", "head_timeout_ms", patience)
            .set("parents", "body_timeout_ms", patience);
        let leaf = Edge::start_with("leaf", &[parent.url()], &settings).await?;
        let connections = WAITERS.div_ceil(2 * WAITERS_PER_CONNECTION);
        let mut clients = leaf.clients(Protocol::H2, connections).await?;
        clients.extend(leaf.clients(Protocol::H3, connections).await?);
        Ok(Self {
            parent,
            leaf,
            clients,
        })
    }

    fn asks(&self, path: &str) -> Herd {
        Herd::start(self.clients.clone(), &[path.to_owned()], WAITERS)
    }

    /// All of them wait when `gate` opens. The parent has been asked once then, and stays so.
    async fn waits(&self, path: &str, reply: Reply, gate: &Gate) -> anyhow::Result<Report> {
        self.parent.on(path, reply);
        let herd = self.asks(path);
        herd.arrived(&self.leaf, WAITERS).await?;
        gate.open();
        let report = herd.report().await?;
        assert_eq!(self.parent.requests(path), 1, "{path}: {report}");
        assert_eq!(report.unanswered + report.timed_out, 0, "{path}: {report}");
        Ok(report)
    }
}

fn path(name: &str) -> String {
    format!("/live/demo/{name}/1.m4s")
}

#[tokio::test]
async fn ten_thousand_waiters_cost_one_request_whatever_comes_of_it() -> anyhow::Result<()> {
    let crowd = Crowd::gather().await?;
    let body = || Reply::ok(pattern(BODY_BYTES));

    // Nothing is held: the first are answered while the last ask.
    crowd.parent.on(&path("fast"), body());
    let report = crowd.asks(&path("fast")).report().await?;
    assert_eq!(crowd.parent.requests(&path("fast")), 1, "{report}");
    assert!(report.all_whole_with(200), "{report}");

    let gate = Gate::new();
    let slow = body().held(&gate);
    let report = crowd.waits(&path("slow"), slow, &gate).await?;
    assert!(report.all_whole_with(200), "{report}");
    assert_eq!(
        report.distinct_bodies.values().sum::<usize>(),
        1,
        "{report}"
    );

    let gate = Gate::new();
    let uncacheable = body().header("Cache-Control", "no-store").held(&gate);
    let report = crowd
        .waits(&path("uncacheable"), uncacheable, &gate)
        .await?;
    assert!(report.all_whole_with(200), "{report}");

    for status in [404, 500] {
        let gate = Gate::new();
        let error = Reply::status(status).header("Cache-Control", "no-store");
        let name = format!("status{status}");
        let report = crowd.waits(&path(&name), error.held(&gate), &gate).await?;
        assert!(report.all_whole_with(status), "{report}");
    }

    let gate = Gate::new();
    let reset = body().cut_after(BODY_BYTES / 2, &gate, Cut::Reset);
    let report = crowd.waits(&path("reset"), reset, &gate).await?;
    assert_eq!(report.with_status(200), WAITERS, "{report}");
    assert_eq!(
        report.broken, WAITERS,
        "no half is taken for a whole: {report}"
    );

    let open = Gate::new();
    open.open();
    let report = crowd
        .waits(&path("silent"), Reply::silence(), &open)
        .await?;
    assert!(report.all_whole_with(504), "{report}");
    Ok(())
}

#[tokio::test]
async fn the_first_who_asked_may_leave() -> anyhow::Result<()> {
    let crowd = Crowd::gather().await?;
    let path = path("left");
    let gate = Gate::new();
    let reply = Reply::ok(pattern(BODY_BYTES)).held(&gate);
    crowd.parent.on(&path, reply.clone());
    let first = crowd.leaf.client(Protocol::H2).await?;
    let asked = path.clone();
    let first = tokio::spawn(async move { first.fetch(&asked, &[]).await.is_ok() });
    crowd.parent.asked(&path, 1).await?;
    first.abort();
    assert!(first.await.is_err(), "it was still waiting");

    let report = crowd.waits(&path, reply, &gate).await?;
    assert!(report.all_whole_with(200), "{report}");
    assert_eq!(crowd.parent.abandoned(), 0, "the flight went on");
    Ok(())
}

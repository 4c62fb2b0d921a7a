//! What one playlist request costs: render, render as a delta, parse its directives.

#![expect(clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use hls::{
    DeliveryDirectives, LiveConfig, LivePlaylist, Msn, NewPart, ProgramDateTime, RenderRequest,
    RenditionName, RenditionReport, Skip, media,
};

/// A playlist that has been live for longer than its window.
fn live(window: Duration) -> LivePlaylist {
    let mut live = LivePlaylist::new(LiveConfig {
        rendition: RenditionName::new("720p").expect("a plain name"),
        target_duration: Duration::from_secs(2),
        part_target: Duration::from_millis(350),
        part_hold_back: Duration::from_millis(1_050),
        window,
        removed_max: Duration::from_secs(14_400),
        start_msn: Msn::new(28_000_000),
        start_discontinuity_sequence: 28_000_000,
        start_time: ProgramDateTime::from_unix_millis(1_767_225_600_000),
    })
    .expect("correct settings");
    let segments = window.as_secs();
    for _ in 0..segments {
        for part in 0..6 {
            live.push_part(part_of(part)).expect("room for a part");
        }
        live.close_segment().expect("a segment of parts");
    }
    for part in 0..3 {
        live.push_part(part_of(part)).expect("room for a part");
    }
    live
}

fn part_of(part: u32) -> NewPart {
    NewPart {
        duration: Duration::from_secs(1) / 3,
        independent: part == 0,
        gap: false,
    }
}

fn reports() -> Vec<RenditionReport> {
    ["480p", "audio"]
        .map(|name| RenditionReport {
            uri: format!("../{name}/index.m3u8"),
            last_msn: Msn::new(28_000_030),
            last_part: None,
        })
        .to_vec()
}

fn render(criterion: &mut Criterion) {
    let reports = reports();
    for (name, window) in [("30s", 30), ("5min", 300), ("4h", 14_400)] {
        let live = live(Duration::from_secs(window));
        let whole = RenderRequest {
            skip: None,
            reports: &reports,
        };
        let delta = RenderRequest {
            skip: Some(Skip::Yes),
            ..whole
        };
        criterion.bench_function(&format!("render/{name}"), |bench| {
            bench.iter(|| live.render(black_box(&whole)));
        });
        criterion.bench_function(&format!("render_delta/{name}"), |bench| {
            bench.iter(|| live.render(black_box(&delta)));
        });
        // The whole document made and written anew: what a version cost before text settled.
        criterion.bench_function(&format!("document/{name}"), |bench| {
            bench.iter(|| live.snapshot(black_box(&whole)).to_string());
        });
        criterion.bench_function(&format!("i_frames/{name}"), |bench| {
            bench.iter(|| black_box(&live).render_i_frames());
        });
        let text = live.render(&whole);
        criterion.bench_function(&format!("parse/{name}"), |bench| {
            bench.iter(|| media::parse(black_box(&text)));
        });
    }
}

fn directives(criterion: &mut Criterion) {
    let live = live(Duration::from_secs(30));
    let query = "_HLS_msn=28000030&_HLS_part=3&_HLS_skip=YES&token=0123456789abcdef";
    criterion.bench_function("directives/parse", |bench| {
        bench.iter(|| DeliveryDirectives::parse(black_box(query)));
    });
    criterion.bench_function("directives/decide", |bench| {
        bench.iter(|| live.decide_query(black_box(query)));
    });
}

fn push(criterion: &mut Criterion) {
    let mut live = live(Duration::from_secs(30));
    let mut part = 3;
    criterion.bench_function("push_part", |bench| {
        bench.iter(|| {
            if part == 6 {
                part = 0;
                live.close_segment().expect("a segment of parts");
            }
            let added = live.push_part(part_of(part));
            part += 1;
            added
        });
    });
}

criterion_group!(benches, render, directives, push);
criterion_main!(benches);

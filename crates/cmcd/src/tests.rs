use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Report, Malformed> {
    let mut report = Report::default();
    report.read(text.as_bytes()).map(|()| report)
}

#[test]
fn version_1_as_players_send_it() {
    let report = read(
        "bl=21300,br=3200,bs,cid=\"faec5fc2-ac30-11ea-bb37-0242ac130002\",d=4004,dl=18500,mtp=48100,\
         nor=\"..%2F300kbps%2Ftrack.m4v\",nrr=\"12323-48763\",ot=v,pr=1.08,rtp=12000,sf=d,\
         sid=\"6e2fb550-c457-11e9-bb97-0800200c9a66\",st=v,su,tb=6000",
    )
    .unwrap();
    assert_eq!(report.buffer_ms, Some(21_300));
    assert_eq!(report.bitrate_kbps, Some(3_200));
    assert_eq!(report.throughput_kbps, Some(48_100));
    assert!(report.starved && report.startup);
    assert!(report.session.is_some());
    assert_eq!((report.version, report.wrong, report.keys), (None, 0, 17));
}

#[test]
fn version_2_has_lists_and_latency() {
    let report = read(
        "bl=(1800;v 2400;a), br=(2800;v 128;a),bsd=(300;v 200),ltc=1240,msd=810,mtp=(9000),\
         nor=(\"7.m4s\";r=\"0-99\" \"8.m4s\"),sta=p,ts=@1750000000,v=2,com.example-Key=:YQ==:,bs=?0",
    )
    .unwrap();
    assert_eq!(report.buffer_ms, Some(1_800), "the buffer that ends first");
    assert_eq!(report.bitrate_kbps, Some(2_800));
    assert_eq!(report.starved_ms, Some(500));
    assert_eq!(report.latency_ms, Some(1_240));
    assert_eq!(report.start_delay_ms, Some(810));
    assert_eq!(report.throughput_kbps, Some(9_000));
    assert_eq!(report.version, Some(2));
    assert!(!report.starved && !report.startup);
    assert_eq!((report.wrong, report.keys), (0, 12));
}

#[test]
fn fields_add_up_and_a_broken_one_changes_nothing() {
    let mut report = read("bl=100").unwrap();
    report.read(b"mtp=200").unwrap();
    let before = report;
    for broken in [
        "bl=1,,",
        "bl=",
        "bl=(1",
        "=1",
        "sid=\"a",
        "bl=1 br=2",
        "bl=1.",
        "a=?2",
        "é",
    ] {
        assert_eq!(
            report.read(broken.as_bytes()),
            Err(Malformed::Syntax),
            "{broken}"
        );
        assert_eq!(report, before, "{broken}");
    }
    assert_eq!(report.buffer_ms, Some(100));
    assert_eq!(report.throughput_kbps, Some(200));
}

#[test]
fn what_has_another_type_is_left_out_and_counted() {
    for text in [
        "bl=-1",
        "bl=(5 -1)",
        "br=(-5 3)",
        "bl=4294967296",
        "bl=fast",
        "bl",
        "bl=()",
        "bl=(1 a)",
        "bs=1",
        "sid=abc",
        "sid=\"\"",
        "sid=\"01234567890123456789012345678901234567890123456789012345678901234\"",
    ] {
        let report = read(text).unwrap();
        let expect = Report {
            wrong: 1,
            keys: 1,
            ..Report::default()
        };
        assert_eq!(report, expect, "{text}");
    }
}

#[test]
fn bounds() {
    assert_eq!(
        read(&"a".repeat(TEXT_BYTES_MAX + 1)),
        Err(Malformed::TooLong)
    );
    let keys = |count: usize| vec!["a"; count].join(",");
    assert_eq!(read(&keys(KEYS_MAX)).unwrap().keys, 64);
    assert_eq!(read(&keys(KEYS_MAX + 1)), Err(Malformed::TooLong));
    assert_eq!(read("bl=1234567890123456"), Err(Malformed::Syntax));
    assert!(read("").unwrap().is_empty());
}

#[test]
fn the_query_parameter_is_decoded() {
    let query = |query: &str| {
        let mut report = Report::default();
        report.read_query(query).map(|found| (found, report))
    };
    let (found, report) =
        query("_HLS_msn=1&CMCD=bl%3D900%2Cbs%2csid%3D%22a%20b%22&CMCD=bl%3D1").unwrap();
    assert!(found && report.starved);
    assert_eq!(report.buffer_ms, Some(900));
    for none in ["", "cmcd=bl%3D1", "xCMCD=bl%3D1", "CMCD"] {
        assert_eq!(query(none), Ok((false, Report::default())), "{none}");
    }
    assert_eq!(query("CMCD=%"), Err(Malformed::Encoding));
    assert_eq!(query("CMCD=%4"), Err(Malformed::Encoding));
    assert_eq!(query("CMCD=%zz"), Err(Malformed::Encoding));
    let long = format!("CMCD={}", "%61".repeat(TEXT_BYTES_MAX + 1));
    assert_eq!(query(&long), Err(Malformed::TooLong));
}

#[test]
fn sessions_are_told_apart() {
    let session = |sid: &str| read(&format!("sid=\"{sid}\"")).unwrap().session.unwrap();
    assert_eq!(session("a"), session("a"));
    let hashes: std::collections::HashSet<u64> = (0..10_000)
        .map(|n| session(&n.to_string()).hash() >> 40)
        .collect();
    assert!(hashes.len() > 9_900, "{}", hashes.len());
}

proptest! {
    #[test]
    fn numbers_come_back(bl in 0..=u32::MAX, br: u32, bs: bool, sid in "[a-z0-9-]{1,64}") {
        let flag = if bs { ",bs" } else { "" };
        let report = read(&format!("bl={bl},br=(1;v {br};a){flag}, sid=\"{sid}\"")).unwrap();
        prop_assert_eq!(report.buffer_ms, Some(bl));
        prop_assert_eq!(report.bitrate_kbps, Some(br.max(1)));
        prop_assert_eq!(report.starved, bs);
        prop_assert_eq!(report.wrong, 0);
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..3000), query in ".{0,300}") {
        let mut report = Report::default();
        let _ = report.read(&bytes);
        let _ = report.read_query(&format!("CMCD={query}"));
    }
}

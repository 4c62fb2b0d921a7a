use quinn_proto::ConnectionIdGenerator as _;

use super::*;

fn meta(peer: &str, len: usize, stride: usize) -> RecvMeta {
    RecvMeta {
        addr: peer.parse().unwrap(),
        len,
        stride,
        ecn: Some(EcnCodepoint::Ect0),
        dst_ip: Some("192.0.2.7".parse().unwrap()),
    }
}

fn datagram(ids: &mut Ids, fill: u8) -> Vec<u8> {
    [&[0x40], &*ids.generate_cid(), &[fill; 40]].concat()
}

#[test]
fn what_is_handed_on_arrives_as_it_was() {
    for peer in [
        "203.0.113.9:4433",
        "[::ffff:203.0.113.9]:4433",
        "[2001:db8::1]:1",
        "[fe80::1%3]:9",
    ] {
        for to in [
            None,
            Some("192.0.2.7"),
            Some("::ffff:192.0.2.7"),
            Some("::1"),
        ] {
            let mut sent = meta(peer, 3, 3);
            sent.dst_ip = to.map(|to| to.parse().unwrap());
            let message = [&head_of(&sent)[..], b"abc"].concat();
            let (received, datagram) = open(&message).unwrap();
            assert_eq!(received.addr, sent.addr);
            assert_eq!((received.ecn, received.dst_ip), (sent.ecn, sent.dst_ip));
            assert_eq!(
                (received.len, received.stride, datagram),
                (3, 3, &b"abc"[..])
            );
        }
    }
    assert!(open(&[0; HEAD_BYTES - 1]).is_none());
}

/// Datagrams that came in one buffer are told apart one by one, and what is left moves together.
#[test]
fn a_batch_is_sorted_by_whose_it_is() {
    let mut old = Ids::new();
    let mut new = Ids::of(old.key(), 1);
    let (to, from) = way().unwrap();
    from.set_nonblocking(true).unwrap();
    let way = Arc::new(to);
    let route = Route { generation: 0, way };
    let switch = Switch::new(new, vec![route]);
    let pieces: Vec<Vec<u8>> = [(true, 1), (false, 2), (true, 3), (true, 4), (false, 5)]
        .into_iter()
        .map(|(is_old, fill)| datagram(if is_old { &mut old } else { &mut new }, fill))
        .collect();
    let size = pieces[0].len();
    let (mut first, mut second) = (pieces[..3].concat(), pieces[3].clone());
    let mut third = pieces[4].clone();
    let mut metas = [
        meta("[::1]:1", size * 3, size),
        meta("[::1]:2", size, size),
        meta("[::1]:3", size, size),
    ];
    let mut bufs = [&mut first, &mut second, &mut third].map(|it| IoSliceMut::new(it));
    let routes = switch.routes();
    let left = switch.sort(&routes, &mut bufs, &mut metas, 3);
    assert_eq!(left, 2);
    assert_eq!((metas[0].len, metas[0].addr.port()), (size, 1));
    assert_eq!((metas[1].len, metas[1].addr.port()), (size, 3));
    assert_eq!(bufs[0][..size], pieces[1][..]);
    assert_eq!(bufs[1][..size], pieces[4][..]);
    assert_eq!(switch.counts(), (3, 0));
    let mut message = [0; 200];
    for (piece, port) in [(0, 1), (2, 1), (3, 2)] {
        let read = from.recv(&mut message).unwrap();
        let (received, datagram) = open(&message[..read]).unwrap();
        assert_eq!(datagram, pieces[piece]);
        assert_eq!(received.addr.port(), port);
    }
}

/// An older process that is gone is forgotten with the first datagram for it; one that does not
/// read holds nobody up.
#[test]
fn an_older_process_that_is_gone_or_stuck_is_in_nobodys_way() {
    let mut old = Ids::new();
    let new = Ids::of(old.key(), 1);
    let (to, from) = way().unwrap();
    let way = Arc::new(to);
    let route = Route { generation: 0, way };
    let switch = Switch::new(new, vec![route]);
    let piece = datagram(&mut old, 7);
    let meta = meta("[::1]:1", piece.len(), piece.len());
    let forward = || switch.forward(&switch.routes(), &meta, &piece);
    for _ in 0..100_000 {
        assert!(forward());
    }
    assert!(switch.counts().1 > 0, "nothing bounds what waits");
    assert_eq!(switch.routes().len(), 1);
    drop(from);
    assert!(forward());
    assert_eq!(switch.routes().len(), 0);
    assert!(!forward());
}

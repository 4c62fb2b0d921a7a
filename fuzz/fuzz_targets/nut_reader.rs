//! A NUT pipe in pieces: the same frames as in one piece, and no more memory than one of them. What
//! the frames hold becomes samples that are no longer than a little more than they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nut::{Av1, Hevc, NutError, Packet, Reader, Stream};

type Read = (Vec<Packet>, Option<Stream>, Option<NutError>);

fn read(data: &[u8], piece_bytes: usize) -> Read {
    let mut reader = Reader::new();
    let mut packets = Vec::new();
    for piece in data.chunks(piece_bytes) {
        reader.push(piece);
        loop {
            match reader.poll() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, reader.stream().cloned(), Some(error)),
            }
        }
    }
    (packets, reader.stream().cloned(), None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, data)) = data.split_first() else {
        return;
    };
    let pieces = read(data, usize::from(size) + 1);
    let whole = read(data, data.len().max(1));
    assert_eq!(pieces, whole);
    let (packets, stream, _) = whole;
    let codec_data = stream.map(|stream| stream.codec_data).unwrap_or_default();
    for bytes in packets.iter().map(|packet| &packet.data[..]).chain([&codec_data[..], data]) {
        // A NAL unit has a startcode of three bytes at least, and gets a length of four.
        assert!(Hevc::sample(bytes).len() <= 2 * bytes.len());
        assert!(Av1::sample(bytes).len() <= bytes.len() + 8);
        drop(Hevc::new(bytes));
        if let Ok(av1) = Av1::new(bytes) {
            assert_eq!(av1.record()[0], 0x81);
        }
    }
});

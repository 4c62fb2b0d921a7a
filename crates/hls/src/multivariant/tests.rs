use super::*;

fn variant(name: &str) -> Variant {
    Variant {
        rendition: RenditionName::new(name).unwrap(),
        bandwidth: 1_000,
        average_bandwidth: None,
        codecs: vec!["avc1.64001f".to_owned()],
        resolution: Some((1_280, 720)),
        frame_rate: FrameRate::new(30, 1),
        video_range: None,
        score: None,
    }
}

fn audio(name: &str) -> AudioRendition {
    AudioRendition {
        rendition: RenditionName::new("audio").unwrap(),
        name: name.to_owned(),
        language: None,
        channels: None,
        default: true,
    }
}

#[test]
fn frame_rates_have_three_digits() {
    for (numerator, denominator, text) in [
        (30, 1, "30.000"),
        (30_000, 1_001, "29.970"),
        (24_000, 1_001, "23.976"),
        (25, 2, "12.500"),
    ] {
        assert_eq!(
            FrameRate::new(numerator, denominator).unwrap().to_string(),
            text
        );
    }
    assert_eq!(FrameRate::new(0, 1), None);
    assert_eq!(FrameRate::new(1, 0), None);
}

#[test]
fn no_text_escapes_its_quotes() {
    for bad in ["a\"b", "a\nb", "a\rb"] {
        let playlist = Multivariant {
            variants: vec![variant("720p")],
            audio: vec![audio(bad)],
            ..Multivariant::default()
        };
        assert_eq!(
            playlist.render(),
            Err(MultivariantError::Quoted { attribute: "NAME" })
        );
        let mut bad_codec = variant("720p");
        bad_codec.codecs = vec![bad.to_owned()];
        let playlist = Multivariant {
            variants: vec![bad_codec],
            audio: Vec::new(),
            ..Multivariant::default()
        };
        assert_eq!(
            playlist.render(),
            Err(MultivariantError::Quoted {
                attribute: "CODECS"
            })
        );
    }
}

#[test]
fn contradictions_are_refused() {
    let render = |variants, audio| {
        Multivariant {
            variants,
            audio,
            ..Multivariant::default()
        }
        .render()
    };
    assert_eq!(
        render(Vec::new(), Vec::new()),
        Err(MultivariantError::NoVariant)
    );
    let scored = Variant {
        score: Some(2),
        ..variant("720p")
    };
    assert_eq!(
        render(vec![scored, variant("480p")], Vec::new()),
        Err(MultivariantError::Scores)
    );
    let (one, two) = (audio("one"), audio("two"));
    assert_eq!(
        render(vec![variant("720p")], vec![one.clone(), two]),
        Err(MultivariantError::Defaults)
    );
    assert_eq!(
        render(vec![variant("720p")], vec![one.clone(), one]),
        Err(MultivariantError::SameName("one".to_owned()))
    );
}

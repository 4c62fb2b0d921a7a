use super::*;

fn message(error: CallError) -> (TrapKind, String) {
    match error {
        CallError::Trap { kind, message, .. } => (kind, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn kinds_by_error() {
    for (error, kind) in [
        (LimitHit::Cpu(10).into(), TrapKind::Cpu),
        (LimitHit::Deadline(10).into(), TrapKind::Deadline),
        (
            LimitHit::Memory { wanted: 2, max: 1 }.into(),
            TrapKind::Memory,
        ),
        (
            LimitHit::Table { wanted: 2, max: 1 }.into(),
            TrapKind::Table,
        ),
        (LimitHit::HostCalls(1).into(), TrapKind::HostCalls),
        (Trap::StackOverflow.into(), TrapKind::Stack),
        (Trap::UnreachableCodeReached.into(), TrapKind::Unreachable),
        (Trap::MemoryOutOfBounds.into(), TrapKind::Other),
        (wasmtime::Error::msg("something"), TrapKind::Other),
    ] {
        let error: wasmtime::Error = error;
        assert_eq!(message(classify(&error, "")).0, kind, "{error}");
        let inside = error.context("while it ran");
        assert_eq!(message(classify(&inside, "")).0, kind, "{inside}");
    }
}

#[test]
fn every_kind_has_a_word_of_its_own() {
    let mut words: Vec<_> = TrapKind::ALL.iter().map(|kind| kind.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), TrapKind::ALL.len());
}

#[test]
fn messages_are_bounded_and_keep_the_end_of_standard_error() {
    let stderr = format!("{}panicked at the end\n", "ä".repeat(10_000));
    let (_, text) = message(trap(TrapKind::Unreachable, "unreachable", &stderr, None));
    assert!(text.len() <= MESSAGE_BYTES_MAX);
    assert!(text.starts_with("unreachable; it wrote: ä"));
    assert!(text.ends_with("panicked at the end"));

    let (_, text) = message(trap(TrapKind::Other, &"ä".repeat(10_000), "", None));
    assert!(text.len() <= MESSAGE_BYTES_MAX);
}

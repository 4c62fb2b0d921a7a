use super::*;

fn names() -> Names {
    let mut names = Names::default();
    names.reserve(["demo".to_owned()]);
    names
}

#[test]
fn who_looks_like_somebody_else_is_refused() {
    let mut names = names();
    assert_eq!(
        names.take("u1", "  Paul  Smith ", 0, 10).unwrap(),
        "Paul Smith"
    );
    // Cyrillic а, a full-width letter, case, punctuation, a look-alike digit.
    for other in [
        "Pаul Smith",
        "Ｐaul Smith",
        "PAUL SMITH",
        "paul.smith",
        "PauI Smith",
        "Pau1 Smith",
    ] {
        assert_eq!(
            names.take("u2", other, 0, 10),
            Err(NameError::Taken),
            "{other}"
        );
    }
    assert!(names.take("u2", "Pauline", 0, 10).is_ok());
    assert!(
        names.take("u1", "paul smith", 0, 20).is_ok(),
        "it is theirs"
    );
    assert_eq!(
        names.take("u2", "Paul Smith", 15, 30),
        Err(NameError::Taken)
    );
    assert!(
        names.take("u2", "Paul Smith", 20, 30).is_ok(),
        "its time was over"
    );
}

#[test]
fn nobody_speaks_for_the_house() {
    let mut names = names();
    for name in ["Admin", "aԁmin", "M o d", "Weir", "DEMO", "system."] {
        assert_eq!(names.take("u", name, 0, 1), Err(NameError::Taken), "{name}");
    }
}

#[test]
fn names_are_names() {
    let mut names = names();
    for (at, good) in [
        "Ann",
        "李小龍",
        "José-María",
        "Ngọc",
        "अनिल",
        "O’Neil",
        "علي",
    ]
    .iter()
    .enumerate()
    {
        let user = format!("u{at}");
        assert_eq!(names.take(&user, good, 0, 1).as_deref(), Ok(*good));
    }
    for bad in [
        "",
        "a",
        " ",
        "--",
        "<b>x</b>",
        "a\u{202e}b",
        "a\u{200b}b",
        "x\ny\0",
        &"a".repeat(25),
        "a\u{301}\u{301}\u{301}\u{301}\u{301}b",
        "@ann",
        "a/b",
    ] {
        assert_eq!(
            names.take("u", bad, 0, 1),
            Err(NameError::Malformed),
            "{bad:?}"
        );
    }
}

#[test]
fn an_operator_names_nobody_like_a_guest() {
    let mut names = names();
    names.take("u1", "Judge", 0, 10).unwrap();
    assert!(!names.give("op", "judge", 5, 20));
    assert!(names.give("op", "judge", 10, 20), "not a guest's any more");
    assert!(names.give("op2", "Judge", 11, 20), "given again");
    assert!(names.give("op", "Admin", 0, 10), "the house's own");
    assert_eq!(names.take("u1", "Judge", 12, 30), Err(NameError::Taken));
    assert!(names.forget("op2") && !names.forget("op2"));
    assert!(names.take("u1", "Judge", 12, 30).is_ok());
}

#[test]
fn accounts_and_guests_share_names() {
    let mut names = names();
    assert_eq!(names.own("u-1", " Ann  Lee ", 0).unwrap(), "Ann Lee");
    assert_eq!(names.take("g", "ann lee", 0, 10), Err(NameError::Taken));
    assert_eq!(names.own("u-2", "АNN.LEE", 0), Err(NameError::Taken));
    assert!(!names.give("op", "Ann Lee", 0, 10) && names.give("u-1", "Ann Lee", 0, 10));
    assert!(names.own("u-1", "ann-lee", 0).is_ok(), "it is theirs");
    names.take("g", "Ben", 0, 10).unwrap();
    assert_eq!(names.own("u-2", "ben", 9), Err(NameError::Taken));
    assert!(
        names.own("u-2", "ben", 10).is_ok(),
        "not a guest's any more"
    );
    assert_eq!(names.own("u-3", "Moderator", 0), Err(NameError::Taken));
    assert_eq!(names.own("u-3", "a\u{1}b", 0), Err(NameError::Malformed));
    // Accounts' names are not forgotten with time, nor by whoever has not got them.
    names.sweep(u64::MAX);
    names.disown("u-1", "Ben", None);
    names.disown("u-2", "Ben", Some("ben."));
    names.pass_on("u-1", "u-3", "Ben");
    assert_eq!(names.take("g", "Ben", 50, 60), Err(NameError::Taken));
    names.pass_on("u-2", "u-3", "Ben");
    names.disown("u-3", "BEN", Some("Bert"));
    assert!(names.take("g", "Ben", 50, 60).is_ok());
    names.recall("u-4", "Admin");
    names.recall("u-5", "admin");
    assert!(names.give("u-4", "Admin", 50, 60) && !names.give("u-5", "Admin", 50, 60));
    let text = serde_json::to_string(&names).unwrap();
    let names: Names = serde_json::from_str(&text).unwrap();
    assert!(names.owned.is_empty(), "they are in the accounts' store");
}

#[test]
fn a_changed_name_is_free_again() {
    let mut names = names();
    names.take("u1", "Ann", 0, 10).unwrap();
    names.release("u2", "Ann");
    assert!(names.take("u2", "Ann", 0, 10).is_err());
    names.release("u1", "Ann");
    assert!(names.take("u2", "Ann", 0, 10).is_ok());
    names.sweep(10);
    assert_eq!(names.len(), 0);
}

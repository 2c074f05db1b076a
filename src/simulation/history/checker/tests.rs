use super::*;

const LIMITS: Limits = Limits {
    ordered: true,
    cache_ms: 5_000,
    idle_ms: 600_000,
    absolute_ms: 3_600_000,
};

fn served(at: u64, marks: &[Mark]) -> Observation {
    Observation {
        at,
        what: What::Served {
            browser: 0,
            sent: at,
            session: "s".to_owned(),
            created: 0,
            is_thief: false,
            guest: false,
            marks: marks.iter().copied().collect(),
            degraded: false,
            origin: "a".to_owned(),
        },
    }
}

fn observed(at: u64, what: What) -> Observation {
    Observation { at, what }
}

fn kept(at: u64, mark: Mark) -> Observation {
    let session = "s".to_owned();
    observed(
        at,
        What::Kept {
            browser: 0,
            session,
            mark,
        },
    )
}

fn over(at: u64) -> Observation {
    let session = "s".to_owned();
    observed(at, What::Over { session })
}

fn broken(history: &[Observation]) -> Vec<&'static str> {
    check(history, &LIMITS)
        .into_iter()
        .map(|violation| violation.0)
        .collect()
}

#[test]
fn valid_history_has_no_violation() {
    let history = [
        served(0, &[]),
        kept(10, 1),
        served(20, &[1]),
        kept(30, 2),
        served(40, &[1, 2]),
        over(50),
        served(5_050, &[1, 2]),
    ];
    assert_eq!(broken(&history), [""; 0]);
}

#[test]
fn stale_read_is_detected() {
    assert_eq!(broken(&[kept(10, 1), served(20, &[])]), ["G1"]);
    let seen = What::Seen {
        browser: 0,
        session: "s".to_owned(),
        marks: BTreeSet::from([1]),
    };
    assert_eq!(broken(&[observed(10, seen), served(20, &[])]), ["G2"]);
}

#[test]
fn lost_update_is_detected() {
    let rests = What::Rests {
        session: "s".to_owned(),
        marks: BTreeSet::from([2]),
    };
    assert_eq!(
        broken(&[kept(10, 1), kept(11, 2), observed(20, rests)]),
        ["G3"]
    );
}

#[test]
fn resurrected_session_is_detected() {
    assert_eq!(broken(&[over(10), served(5_011, &[])]), ["G4"]);
}

#[test]
fn double_rotation_is_detected() {
    let replaced = |to: &str| {
        let (from, to) = ("a".to_owned(), to.to_owned());
        observed(1, What::Replaced { from, to })
    };
    assert_eq!(broken(&[replaced("b"), replaced("b")]), [""; 0]);
    assert_eq!(broken(&[replaced("b"), replaced("c")]), ["G5"]);
}

#[test]
fn foreign_data_moves_and_exceeded_limits_are_detected() {
    assert_eq!(broken(&[served(1, &[7 << 32])]), ["G6"]);
    let mut moved = served(2, &[]);
    if let What::Served { origin, .. } = &mut moved.what {
        *origin = "b".to_owned();
    }
    assert_eq!(broken(&[served(1, &[]), moved]), ["G7"]);
    assert_eq!(broken(&[served(3_600_000, &[])]), ["G8"]);
    let refused = What::Refused {
        browser: 0,
        sent: 20,
        session: "s".to_owned(),
        created: 0,
        reason: "unknown".to_owned(),
    };
    assert_eq!(broken(&[served(10, &[]), observed(20, refused)]), ["G8"]);
}

#[test]
fn end_of_all_sessions_spares_later_ones() {
    let signing_in = |sent| {
        let session = "s".to_owned();
        observed(sent, What::SigningIn { session, sent })
    };
    let everywhere = || {
        let (browser, session) = (0, None);
        observed(20, What::Ending { browser, session })
    };
    let refused = |created| {
        let what = What::Refused {
            browser: 0,
            sent: 90_000,
            session: "s".to_owned(),
            created,
            reason: "unknown".to_owned(),
        };
        observed(90_000, what)
    };
    assert_eq!(broken(&[signing_in(10), everywhere(), refused(0)]), [""; 0]);
    let after = [everywhere(), signing_in(60_000), refused(0)];
    assert_eq!(broken(&after), ["G8"]);
    let all = || observed(20, What::EndingAll);
    assert_eq!(broken(&[all(), refused(10)]), [""; 0]);
    assert_eq!(broken(&[all(), refused(60_000)]), ["G8"]);
}

#[test]
fn remaining_data_is_detected() {
    let what = "a row".to_owned();
    assert_eq!(broken(&[observed(1, What::Remains { what })]), ["G11"]);
}

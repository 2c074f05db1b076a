use super::*;

fn broken(history: Vec<(u64, What)>) -> Vec<&'static str> {
    let history: Vec<Observation> = history
        .into_iter()
        .map(|(at, what)| Observation { at, what })
        .collect();
    check(&history).into_iter().map(|fault| fault.0).collect()
}

fn put(number: u64) -> What {
    What::Put {
        key: "k".to_owned(),
        writer: 1,
        number: Some(number),
    }
}

fn submitted(number: u64) -> What {
    What::Submitted {
        key: "k".to_owned(),
        isolate: 1,
        number,
        driver: number,
    }
}

fn asked(driver: u64, attempt: u32) -> What {
    What::Asked {
        isolate: 1,
        driver,
        attempt,
        question: "k".to_owned(),
        is_read: false,
    }
}

fn heard(driver: u64, failed: Option<Cause>) -> What {
    What::Heard {
        isolate: 1,
        driver,
        is_read: true,
        failed,
    }
}

fn read(driver: u64) -> What {
    What::Asked {
        isolate: 1,
        driver,
        attempt: 1,
        question: driver.to_string(),
        is_read: true,
    }
}

#[test]
fn excessive_puts_are_detected() {
    assert_eq!(broken(vec![(0, put(1)), (1_000, put(2))]), [""; 0]);
    assert_eq!(broken(vec![(0, put(1)), (999, put(2))]), ["P7"]);
}

#[test]
fn older_value_after_a_newer_one_is_detected() {
    let both = |first, second| {
        vec![
            (0, submitted(1)),
            (0, submitted(2)),
            (0, put(first)),
            (500, put_done(first, false)),
            (1_000, put(second)),
        ]
    };
    assert_eq!(broken(both(2, 2)), [""; 0]);
    assert_eq!(broken(both(2, 1)), ["P8", "P9"]);
}

#[test]
fn unreported_lost_value_is_detected() {
    assert_eq!(broken(vec![(0, submitted(1))]), ["P9"]);
    for excuse in [
        What::Cancelled { number: 1 },
        What::Lost { isolate: 1 },
        What::Died { isolate: 1 },
    ] {
        assert_eq!(broken(vec![(0, submitted(1)), (1, excuse)]), [""; 0]);
    }
}

#[test]
fn reads_with_an_open_breaker_are_detected() {
    let outage = |then: Vec<(u64, What)>| {
        let failures = (1..=3).map(|driver| (0, heard(driver, Some(Cause::Other))));
        broken(failures.chain(then).collect())
    };
    let failed = || heard(4, Some(Cause::Other));
    assert_eq!(outage(vec![(999, read(4))]), ["P10"]);
    assert_eq!(outage(vec![(1_000, read(4)), (2_000, read(5))]), [""; 0]);
    assert_eq!(outage(vec![(1_000, read(4)), (1_001, read(5))]), ["P10"]);
    let after = |outcome, at| vec![(1_000, read(4)), (1_100, outcome), (at, read(5))];
    assert_eq!(outage(after(failed(), 2_100)), [""; 0]);
    assert_eq!(outage(after(failed(), 2_099)), ["P10"]);
    assert_eq!(outage(after(heard(4, None), 1_101)), [""; 0]);
    // A read from before the failures does not count.
    assert_eq!(outage(after(heard(9, None), 1_101)), ["P10"]);
}

#[test]
fn duplicate_call_is_detected() {
    let answered = What::Answered {
        isolate: 1,
        driver: 1,
        question: "k".to_owned(),
    };
    let again = |at| vec![(0, asked(1, 1)), (at, asked(2, 1))];
    assert_eq!(broken(again(300)), [""; 0]);
    assert_eq!(broken(again(299)), ["P11"]);
    let after = vec![(0, asked(1, 1)), (1, answered), (1, asked(2, 1))];
    assert_eq!(broken(after), [""; 0]);
}

#[test]
fn excessive_retries_are_detected() {
    let again = |cause, attempt| {
        let failed = What::Heard {
            isolate: 1,
            driver: 1,
            is_read: false,
            failed: Some(cause),
        };
        vec![(0, asked(1, 1)), (10, failed), (60, asked(1, attempt))]
    };
    assert_eq!(broken(again(Cause::Other, 2)), [""; 0]);
    assert_eq!(broken(again(Cause::Other, 4)), ["P12"]);
    assert_eq!(broken(again(Cause::Overloaded, 2)), ["P12"]);
    assert_eq!(broken(vec![(0, asked(1, 1)), (9, asked(1, 2))]), ["P12"]);
}

#[test]
fn hanging_request_is_detected() {
    assert_eq!(broken(vec![(0, What::Hangs { browser: 0 })]), ["P13"]);
    assert_eq!(broken(vec![(0, What::NeverRests)]), ["P13"]);
}

fn put_done(number: u64, acknowledged: bool) -> What {
    What::PutDone {
        key: "k".to_owned(),
        isolate: 1,
        number,
        acknowledged,
    }
}

#[test]
fn concurrent_puts_are_detected() {
    let again = |then: Vec<(u64, What)>| {
        let first = [(0, submitted(1)), (0, put(1))];
        broken(first.into_iter().chain(then).collect())
    };
    assert_eq!(again(vec![(2_000, put(1))]), ["P15"]);
    assert_eq!(again(vec![(5_000, put(1))]), [""; 0]);
    let failed = (1_000, put_done(1, false));
    assert_eq!(again(vec![failed, (2_000, put(1))]), [""; 0]);
}

#[test]
fn waiting_after_three_failures_is_detected() {
    let drives = |driver| (9_000, What::Drives { driver });
    let failing = |failures: u64, then| {
        let puts =
            (0..failures).flat_map(|n| [(n * 2_000, put(1)), (n * 2_000 + 1, put_done(1, false))]);
        let history = [(0, submitted(1))].into_iter().chain(puts);
        broken(history.chain([then]).collect())
    };
    assert_eq!(failing(2, drives(1)), [""; 0]);
    assert_eq!(failing(3, drives(1)), ["P14"]);
}

#[test]
fn following_an_ended_call_is_detected() {
    let answered = What::Answered {
        isolate: 1,
        driver: 1,
        question: "k".to_owned(),
    };
    let follows = |leader| What::Follows {
        leader,
        question: "k".to_owned(),
    };
    let history = |leader| {
        vec![
            (0, asked(1, 1)),
            (1, answered.clone()),
            (2, follows(leader)),
        ]
    };
    assert_eq!(broken(history(2)), [""; 0]);
    assert_eq!(broken(history(1)), ["P16"]);
}

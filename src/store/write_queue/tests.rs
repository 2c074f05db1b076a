use super::*;
use crate::clock::Seconds;

mod interleavings;

const START: u64 = 1_700_000_000_000;

fn at(ms: u64) -> UnixMillis {
    UnixMillis(START + ms)
}

/// Creates a queue with small limits.
fn small() -> WriteQueue {
    WriteQueue {
        max_keys: 100,
        max_pending_bytes: 1_000,
        ..WriteQueue::default()
    }
}

fn write(key: &str, value: &str) -> Write {
    Write {
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
        ttl: Seconds(60),
    }
}

/// Expects a put now.
fn put(queue: &mut WriteQueue, submission: &Submission, ms: u64) -> Attempt {
    match queue.next(submission, at(ms)) {
        Next::Put(attempt) => attempt,
        other => panic!("{other:?} at {ms}"),
    }
}

/// Expects a wait now, and returns its milliseconds.
fn wait(queue: &mut WriteQueue, submission: &Submission, ms: u64) -> u64 {
    match queue.next(submission, at(ms)) {
        Next::Wait(wait) => wait,
        other => panic!("{other:?} at {ms}"),
    }
}

/// Expects an outcome now.
fn outcome(queue: &mut WriteQueue, submission: &Submission, ms: u64) -> Outcome {
    match queue.next(submission, at(ms)) {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?} at {ms}"),
    }
}

/// Returns the numbers of coalesced and lost values since the last call.
fn counts(queue: &mut WriteQueue) -> (u32, usize) {
    let report = queue.take_report();
    (report.coalesced, report.lost.len())
}

#[test]
fn put_after_a_read_takes_the_latest_value_and_spaces_the_next() {
    let mut queue = WriteQueue::default();
    let first = queue.submit(write("k", "1"), at(0));
    let attempt = put(&mut queue, &first, 0);
    let second = queue.submit(write("k", "2"), at(100));
    assert_eq!(wait(&mut queue, &second, 100), 900);
    let renewed = queue.renew(&attempt, at(300)).unwrap();
    assert_eq!(renewed.write.value, b"2");
    assert_eq!(counts(&mut queue), (1, 0));
    queue.finish(&renewed, true, at(310));
    assert_eq!(outcome(&mut queue, &first, 310), Outcome::Stored);
    assert_eq!(outcome(&mut queue, &second, 310), Outcome::Stored);
    let third = queue.submit(write("k", "3"), at(400));
    assert_eq!(wait(&mut queue, &third, 400), 900);
}

#[test]
fn attempt_whose_read_took_too_long_puts_nothing() {
    let mut queue = WriteQueue::default();
    let first = queue.submit(write("k", "1"), at(0));
    let attempt = put(&mut queue, &first, 0);
    assert!(queue.renew(&attempt, at(PUT_DEADLINE_MS)).is_none());
    // Another driver's attempt goes on.
    assert_eq!(wait(&mut queue, &first, PUT_DEADLINE_MS), 1_000);
    let again = put(&mut queue, &first, PUT_DEADLINE_MS + 1_000);
    let later = PUT_DEADLINE_MS + 1_100;
    assert!(queue.renew(&attempt, at(later)).is_none());
    assert!(queue.renew(&again, at(later)).is_some());
}

#[test]
fn value_is_put_at_once_and_reported_when_acknowledged() {
    let mut queue = WriteQueue::default();
    let submission = queue.submit(write("k", "1"), at(0));
    let attempt = put(&mut queue, &submission, 0);
    assert_eq!(attempt.write.value, b"1");
    queue.finish(&attempt, true, at(40));
    assert_eq!(outcome(&mut queue, &submission, 40), Outcome::Stored);
    assert_eq!(counts(&mut queue), (0, 0));
    assert_eq!(queue.size().1, 0);
}

#[test]
fn writes_of_one_key_are_a_second_apart_and_other_keys_do_not_wait() {
    let mut queue = WriteQueue::default();
    let first = queue.submit(write("k", "1"), at(0));
    let attempt = put(&mut queue, &first, 0);
    queue.finish(&attempt, true, at(40));
    let second = queue.submit(write("k", "2"), at(100));
    assert_eq!(wait(&mut queue, &second, 100), 900);
    let other = queue.submit(write("l", "1"), at(100));
    put(&mut queue, &other, 100);
    assert_eq!(wait(&mut queue, &second, 999), 1);
    assert_eq!(put(&mut queue, &second, 1_000).write.value, b"2");
}

#[test]
fn latest_value_is_put_by_the_first_driver() {
    let mut queue = WriteQueue::default();
    let submissions = ["1", "2", "3"].map(|value| queue.submit(write("k", value), at(0)));
    assert_eq!(counts(&mut queue), (2, 0));
    let attempt = put(&mut queue, &submissions[0], 0);
    assert_eq!(attempt.write.value, b"3");
    for submission in &submissions {
        assert_eq!(wait(&mut queue, submission, 1), 1_000);
    }
    queue.finish(&attempt, true, at(40));
    for submission in &submissions {
        assert_eq!(outcome(&mut queue, submission, 1_001), Outcome::Stored);
    }
}

#[test]
fn value_of_a_cancelled_driver_is_put_by_another() {
    let mut queue = WriteQueue::default();
    let gone = queue.submit(write("k", "1"), at(0));
    let other = queue.submit(write("k", "2"), at(0));
    // This driver puts the other's value and vanishes.
    let lost = put(&mut queue, &gone, 0);
    assert_eq!(lost.write.value, b"2");
    let mut ms = 0;
    let attempt = loop {
        match queue.next(&other, at(ms)) {
            Next::Put(attempt) => break attempt,
            Next::Wait(wait) => ms += wait,
            Next::Done(outcome) => panic!("{outcome:?} at {ms}"),
        }
    };
    assert_eq!(attempt.write.value, b"2");
    assert!(
        (PUT_DEADLINE_MS..PUT_DEADLINE_MS + 2_000).contains(&ms),
        "{ms}"
    );
}

#[test]
fn failed_put_is_retried_twice_then_lost_once() {
    let mut queue = WriteQueue::default();
    let submission = queue.submit_durable(write("k", "1"), at(0));
    let other = queue.submit(write("k", "2"), at(0));
    let mut begun = Vec::new();
    let mut ms = 0;
    loop {
        match queue.next(&submission, at(ms)) {
            Next::Put(attempt) => {
                begun.push(ms);
                ms += 10;
                queue.finish(&attempt, false, at(ms));
            }
            Next::Wait(wait) => ms += wait,
            Next::Done(outcome) => {
                assert_eq!(outcome, Outcome::Lost);
                break;
            }
        }
    }
    assert_eq!(begun, [0, 1_010, 4_020]);
    assert_eq!(counts(&mut queue), (1, 1));
    assert_eq!(outcome(&mut queue, &other, ms), Outcome::Lost);
    assert_eq!(counts(&mut queue), (0, 0), "said once");
    assert_eq!(queue.size().1, 0);
}

#[test]
fn older_value_is_not_retried_after_a_newer_one() {
    let mut queue = WriteQueue::default();
    let older = queue.submit_durable(write("k", "1"), at(0));
    let first = put(&mut queue, &older, 0);
    let newer = queue.submit(write("k", "2"), at(10));
    queue.finish(&first, false, at(20));
    let second = put(&mut queue, &newer, 1_000);
    assert_eq!(second.write.value, b"2");
    assert_eq!(wait(&mut queue, &older, 1_001), DURABLE_POLL_MS);
    queue.finish(&second, true, at(1_040));
    // A later value contains the change of an earlier one.
    assert_eq!(outcome(&mut queue, &older, 1_051), Outcome::Stored);
    assert_eq!(counts(&mut queue), (0, 0));
}

#[test]
fn queued_value_is_dropped_when_a_client_waits_for_a_later_one() {
    let mut queue = WriteQueue::default();
    let first = queue.submit(write("k", "1"), at(0));
    let attempt = put(&mut queue, &first, 0);
    queue.finish(&attempt, true, at(40));
    let waiting = queue.submit(write("k", "2"), at(100));
    let durable = queue.submit_durable(write("k", "3"), at(200));
    let attempt = put(&mut queue, &durable, 1_000);
    assert_eq!(attempt.write.value, b"3");
    queue.finish(&attempt, true, at(1_040));
    assert_eq!(outcome(&mut queue, &durable, 1_040), Outcome::Stored);
    assert_eq!(outcome(&mut queue, &waiting, 1_100), Outcome::Stored);
}

#[test]
fn values_that_clients_wait_for_are_a_second_apart() {
    let mut queue = WriteQueue::default();
    let first = queue.submit_durable(write("k", "1"), at(0));
    let attempt = put(&mut queue, &first, 0);
    let second = queue.submit_durable(write("k", "2"), at(0));
    assert_eq!(wait(&mut queue, &second, 0), 1_000);
    queue.finish(&attempt, true, at(40));
    assert_eq!(outcome(&mut queue, &first, 40), Outcome::Stored);
    assert_eq!(put(&mut queue, &second, 1_000).write.value, b"2");
}

#[test]
fn client_wait_is_bounded_while_later_values_fail() {
    let mut queue = WriteQueue::default();
    let submission = queue.submit_durable(write("k", "0"), at(0));
    let mut ms = 0;
    let mut failed = 0;
    while let next @ (Next::Put(_) | Next::Wait(_)) = queue.next(&submission, at(ms)) {
        match next {
            Next::Put(attempt) => {
                queue.finish(&attempt, false, at(ms));
                failed += 1;
                queue.submit(write("k", "later"), at(ms));
            }
            Next::Wait(wait) => ms += wait,
            Next::Done(_) => {}
        }
    }
    assert_eq!(failed, 3);
    assert_eq!(outcome(&mut queue, &submission, ms), Outcome::Lost);
}

#[test]
fn late_put_still_counts() {
    let mut queue = WriteQueue::default();
    let submission = queue.submit(write("k", "1"), at(0));
    let slow = put(&mut queue, &submission, 0);
    assert_eq!(wait(&mut queue, &submission, 4_500), 500);
    let retry = wait(&mut queue, &submission, PUT_DEADLINE_MS);
    assert_eq!(retry, 1_000);
    queue.finish(&slow, true, at(PUT_DEADLINE_MS + 10));
    let later = PUT_DEADLINE_MS + 20;
    assert_eq!(outcome(&mut queue, &submission, later), Outcome::Stored);
    assert_eq!(queue.size().1, 0);
}

#[test]
fn clock_set_back_does_not_delay_writes() {
    let mut queue = WriteQueue::default();
    let submission = queue.submit(write("k", "1"), at(10_000_000));
    let attempt = put(&mut queue, &submission, 10_000_000);
    queue.finish(&attempt, false, at(10_000_000));
    assert!(wait(&mut queue, &submission, 0) <= MAX_RETRY_DELAY_MS);
    put(&mut queue, &submission, MAX_RETRY_DELAY_MS);
}

#[test]
fn keys_are_forgotten_once_nothing_depends_on_them() {
    let mut queue = small();
    for number in 0..3 * queue.max_keys {
        let key = number.to_string();
        let submission = queue.submit(write(&key, "1"), at(0));
        let attempt = put(&mut queue, &submission, 0);
        queue.finish(&attempt, true, at(0));
        assert!(queue.size().0 <= queue.max_keys);
    }
    queue.submit(write("one more", "1"), at(SWEEP_INTERVAL_MS));
    assert_eq!(queue.size(), (1, 1));
    assert_eq!(counts(&mut queue), (0, 0));
}

#[test]
fn abandoned_value_is_given_up_and_reported() {
    let mut queue = WriteQueue::default();
    drop(queue.submit(write("k", "1"), at(0)));
    queue.submit(write("l", "1"), at(ABANDONED_AFTER_MS));
    assert_eq!(counts(&mut queue), (0, 1));
    assert_eq!(queue.size(), (1, 1));
}

#[test]
fn value_beyond_the_limit_is_rejected_and_reported() {
    let mut queue = small();
    for number in 0..queue.max_keys {
        queue.submit(write(&number.to_string(), "1"), at(0));
    }
    let refused = queue.submit_durable(write("one more", "1"), at(0));
    assert_eq!(outcome(&mut queue, &refused, 0), Outcome::Lost);
    assert_eq!(counts(&mut queue), (0, 1));
    assert_eq!(queue.size().0, queue.max_keys);

    let mut queue = small();
    let large = "x".repeat(queue.max_pending_bytes);
    let submission = queue.submit(write("k", &large), at(0));
    let refused = queue.submit(write("l", "1"), at(0));
    assert_eq!(outcome(&mut queue, &refused, 0), Outcome::Lost);
    // A replacement of the large value needs no more room.
    queue.submit(write("k", "2"), at(0));
    assert_eq!(queue.size(), (1, 1));
    assert_eq!(put(&mut queue, &submission, 0).write.value, b"2");
}

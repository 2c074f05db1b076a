use super::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn later(seconds: u64) -> UnixMillis {
    UnixMillis(NOW.0 + seconds * 1_000)
}

fn arrival(id: u32) -> Arrival {
    Arrival {
        at: UnixMillis(NOW.0 + u64::from(id)),
        id,
    }
}

fn ask(queue: &mut WaitingQueue, id: u32, room: u32, now: UnixMillis) -> Turn {
    let ask = Ask {
        arrival: arrival(id),
        room,
        places: 3,
        timeout: Seconds(60),
    };
    queue.ask(&ask, now)
}

use Turn::Waits;

#[test]
fn newcomers_are_admitted_in_order_of_arrival() {
    let mut queue = WaitingQueue::default();
    assert_eq!(ask(&mut queue, 1, 0, NOW), Waits(1));
    assert_eq!(ask(&mut queue, 2, 0, NOW), Waits(2));
    assert_eq!(ask(&mut queue, 2, 1, later(5)), Waits(2), "1 is first");
    assert_eq!(ask(&mut queue, 3, 1, later(5)), Waits(3), "3 is new");
    assert_eq!(ask(&mut queue, 1, 1, later(5)), Turn::Admitted);
    assert_eq!(ask(&mut queue, 2, 1, later(6)), Waits(1), "1 has the room");
    assert_eq!(ask(&mut queue, 2, 1, later(10)), Turn::Admitted);
    assert_eq!(queue.waiting(later(10)), 1);
}

#[test]
fn room_for_several_admits_several() {
    let mut queue = WaitingQueue::default();
    for id in 1..=3 {
        ask(&mut queue, id, 0, NOW);
    }
    assert_eq!(ask(&mut queue, 2, 2, later(5)), Turn::Admitted);
    assert_eq!(ask(&mut queue, 3, 2, later(5)), Waits(2));
    assert_eq!(ask(&mut queue, 1, 2, later(5)), Turn::Admitted);
}

#[test]
fn newcomer_beyond_the_last_place_is_refused() {
    let mut queue = WaitingQueue::default();
    for id in 1..=3 {
        ask(&mut queue, id, 0, NOW);
    }
    assert_eq!(ask(&mut queue, 4, 0, NOW), Turn::Refused);
    assert_eq!(ask(&mut queue, 3, 0, later(5)), Waits(3), "it has a place");
}

#[test]
fn place_that_is_not_asked_for_again_is_given_up() {
    let mut queue = WaitingQueue::default();
    ask(&mut queue, 1, 0, NOW);
    ask(&mut queue, 2, 0, NOW);
    ask(&mut queue, 2, 0, later(5));
    queue.forget(later(10));
    assert_eq!(queue.take_given_up(), 1, "1 came once only");
    queue.forget(later(64));
    assert_eq!((queue.take_given_up(), queue.waiting(later(64))), (0, 1));
    queue.forget(later(65));
    assert_eq!((queue.take_given_up(), queue.waiting(later(65))), (1, 0));
}

#[test]
fn late_place_delays_nobody_and_keeps_its_turn() {
    let mut queue = WaitingQueue::default();
    for id in 1..=2 {
        ask(&mut queue, id, 0, NOW);
        ask(&mut queue, id, 0, later(5));
    }
    assert_eq!(ask(&mut queue, 2, 1, later(10)), Waits(2));
    assert_eq!(ask(&mut queue, 2, 1, later(13)), Turn::Admitted);
    assert_eq!(ask(&mut queue, 3, 0, later(20)), Waits(1));
    assert_eq!(ask(&mut queue, 1, 0, later(21)), Waits(1));
    assert_eq!(ask(&mut queue, 3, 0, later(22)), Waits(2));
}

#[test]
fn lost_queue_is_in_order_again_by_the_tickets() {
    let mut queue = WaitingQueue::default();
    assert_eq!(ask(&mut queue, 3, 0, later(5)), Waits(1));
    assert_eq!(ask(&mut queue, 1, 0, later(6)), Waits(1));
    assert_eq!(ask(&mut queue, 2, 0, later(7)), Waits(2));
    assert_eq!(ask(&mut queue, 3, 0, later(8)), Waits(3));
}

#[test]
fn ticket_admits_once_more_in_case_that_the_answer_was_lost() {
    let mut queue = WaitingQueue::default();
    assert_eq!(ask(&mut queue, 1, 1, NOW), Turn::Admitted);
    assert_eq!(
        ask(&mut queue, 1, 0, later(1)),
        Waits(1),
        "if there is room"
    );
    assert_eq!(ask(&mut queue, 1, 1, later(5)), Turn::Admitted);
    assert_eq!(ask(&mut queue, 1, 9, later(10)), Turn::Spent);
    // It stays so as long as the ticket is valid, which each question prolongs.
    assert_eq!(ask(&mut queue, 1, 9, later(69)), Turn::Spent);
    assert_eq!(ask(&mut queue, 1, 9, later(128)), Turn::Spent);
}

#[test]
fn those_in_front_ask_more_often() {
    let after = |place| retry_after(place, Seconds(60));
    assert_eq!(
        [Some(1), Some(51), Some(501), None].map(after),
        [5, 10, 20, 10]
    );
    assert_eq!(retry_after(Some(501), Seconds(3)), 1);
}

#[test]
fn remembered_admissions_are_bounded() {
    let mut queue = WaitingQueue::default();
    for id in 0..20_000 {
        ask(&mut queue, id, u32::MAX, NOW);
    }
    assert_eq!(queue.admitted.len(), MAX_ADMITTED);
}

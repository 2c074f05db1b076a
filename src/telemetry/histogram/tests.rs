use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

#[test]
fn buckets_are_read_from_a_setting() {
    for (setting, bounds) in [
        ("0.1,0.3,0.5,1,3", Some(vec![100, 300, 500, 1_000, 3_000])),
        (" 0.001 , 3600 ", Some(vec![1, 3_600_000])),
        ("2.50", Some(vec![2_500])),
        ("", None),
        ("0", None),
        ("0.0005", None),
        ("1,1", None),
        ("3,1", None),
        ("1,", None),
        ("-1", None),
        ("+1", None),
        (".5", None),
        ("1e3", None),
        ("3600.001", None),
        ("99999999999", None),
        ("1s", None),
    ] {
        let parsed = Bounds::parse(setting);
        let parsed = parsed.map(|bounds| bounds.as_slice().to_vec());
        assert_eq!(parsed, bounds, "{setting}");
    }
    let many = |count: u32| {
        (1..=count)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    assert!(Bounds::parse(&many(30)).is_some());
    assert!(Bounds::parse(&many(31)).is_none());
    let default = [0.1, 0.3, 0.5, 1.0, 3.0];
    let own = Histogram::within(Bounds::of_setting(Some("rubbish"))).to_json();
    let own = own["bounds"].as_array().unwrap();
    assert!(default.iter().all(|bound| own.contains(&json!(bound))));
}

#[test]
fn a_bound_belongs_to_its_bucket() {
    let mut histogram = Histogram::within(Bounds::parse("0.1,0.3").unwrap());
    for ms in [0, 100, 101, 300, 301] {
        histogram.observe(ms);
    }
    assert_eq!(histogram.counts(), [2, 2, 1]);
    assert_eq!((histogram.count(), histogram.sum_ms), (5, 802));
}

#[test]
fn entry_of_a_later_release_is_left_out_and_a_broken_one_is_none() {
    let read = |entry: &Value| Histogram::read(entry.as_array().unwrap());
    for bounds in [json!([]), json!([5, 1]), json!([0.5]), json!([-1])] {
        assert_eq!(read(&json!([1, [1, 2], bounds])), Some(None));
    }
    for broken in [
        json!([]),
        json!([1]),
        json!([1, 2]),
        json!([1, [-1]]),
        json!([1, [1], 1]),
    ] {
        assert_eq!(read(&broken), None, "{broken}");
    }
}

fn bounds() -> impl Strategy<Value = Bounds> {
    btree_set(1..20_000_u32, 1..=MAX_BOUNDS)
        .prop_map(|bounds| Bounds::of(bounds.into_iter().collect()).unwrap())
}

proptest! {
    /// The law of merging: nothing is lost, and no duration appears shorter than it was.
    #[test]
    fn merging_other_bounds_keeps_sum_and_count_and_shortens_nothing(
        own in bounds(),
        others in bounds(),
        durations in vec(0..30_000_u64, 0..60),
    ) {
        let mut other = Histogram::within(others);
        durations.iter().for_each(|ms| other.observe(*ms));
        let mut merged = Histogram::within(own.clone());
        merged.merge(&other);
        prop_assert_eq!((merged.count(), merged.sum_ms), (other.count(), other.sum_ms));
        let at_most = |histogram: &Histogram, bound: u32| -> u64 {
            let reached = histogram.bounds().iter().take_while(|own| **own <= bound).count();
            histogram.counts().iter().take(reached).sum()
        };
        for bound in own.as_slice() {
            let truly = durations.iter().filter(|ms| **ms <= u64::from(*bound)).count() as u64;
            prop_assert!(at_most(&merged, *bound) <= truly);
            // Nothing moves further than to the next own bound.
            prop_assert_eq!(at_most(&merged, *bound), at_most(&other, *bound));
        }
    }

    #[test]
    fn entries_round_trip(own in bounds(), durations in vec(0..30_000_u64, 0..20)) {
        let mut histogram = Histogram::within(own);
        durations.iter().for_each(|ms| histogram.observe(*ms));
        let entry = histogram.to_entry("name", "labels");
        let read = Histogram::read(&entry.as_array().unwrap()[2..]);
        prop_assert_eq!(read, Some(Some(histogram)));
    }
}

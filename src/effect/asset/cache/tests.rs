use super::*;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const NAME: &str = "acme/https://cdn.example/logo";

fn at(ms: u64) -> UnixMillis {
    UnixMillis(1_700_000_000_000 + ms)
}

/// Makes a file that its source returned at this time.
fn file(bytes: &'static str, fetched: u64) -> File<&'static str> {
    File {
        media_type: "image/png".to_owned(),
        hash: "aa".to_owned(),
        length: 3,
        fetched: at(fetched),
        bytes,
    }
}

fn known(bytes: &'static str) -> AssetCache<&'static str> {
    let mut cache = AssetCache::default();
    let (outcome, update) = cache.renew(NAME, None, Ok(file(bytes, 0)), at(0));
    assert_eq!(outcome.unwrap().file.bytes, bytes);
    assert_eq!(update, LocationUpdate::Put(file(bytes, 0)));
    cache
}

fn shown(lookup: Lookup<&'static str>) -> (&'static str, Option<Trouble>) {
    match lookup {
        Lookup::Decided(Ok(shown)) => (shown.file.bytes, shown.trouble),
        other => panic!("{other:?}"),
    }
}

#[test]
fn file_is_fresh_for_five_minutes_then_revalidated() {
    let mut cache = known("one");
    let bytes = |file: Option<File<_>>| file.map(|file| file.bytes);
    assert_eq!(bytes(cache.fresh(NAME, at(5 * MINUTE - 1))), Some("one"));
    assert_eq!(bytes(cache.fresh(NAME, at(5 * MINUTE))), None);
    assert_eq!(bytes(cache.fresh("globex/logo", at(0))), None);
    let ask = cache.lookup(NAME, None, at(5 * MINUTE));
    assert_eq!(ask, Lookup::Ask(Some(file("one", 0))));
    let given = Ok(file("two", 5 * MINUTE));
    let (outcome, _) = cache.renew(NAME, Some(file("one", 0)), given, at(5 * MINUTE));
    assert_eq!(outcome.unwrap().file.bytes, "two");
    assert_eq!(bytes(cache.fresh(NAME, at(6 * MINUTE))), Some("two"));
}

#[test]
fn newer_copy_wins() {
    let mut cache = known("own");
    let now = at(6 * MINUTE);
    let older = cache.lookup(NAME, Some(file("location's", 0)), now);
    assert_eq!(older, Lookup::Ask(Some(file("own", 0))));
    let younger = cache.lookup(NAME, Some(file("location's", 2 * MINUTE)), now);
    assert_eq!(shown(younger), ("location's", None));
    assert!(cache.fresh(NAME, now).is_some(), "it is remembered here");
    let mut empty = AssetCache::default();
    assert_eq!(
        shown(empty.lookup(NAME, Some(file("location's", 2 * MINUTE)), now)).0,
        "location's"
    );
    assert_eq!(empty.lookup("other", None, now), Lookup::Ask(None));
}

#[test]
fn failing_source_is_retried_after_ten_seconds_and_stale_file_served_for_a_day() {
    let mut cache = known("one");
    let now = 10 * MINUTE;
    let trouble = Trouble::Status(500);
    let usable = Some(file("one", 0));
    let (outcome, update) = cache.renew(NAME, usable, Err(trouble), at(now));
    assert_eq!(outcome.unwrap().trouble, Some(trouble));
    assert_eq!(update, LocationUpdate::None);
    let soon = cache.lookup(NAME, None, at(now + 9_999));
    assert_eq!(shown(soon), ("one", Some(trouble)));
    let later = cache.lookup(NAME, None, at(now + 10_000));
    assert_eq!(later, Lookup::Ask(Some(file("one", 0))));
    let last = cache.lookup(NAME, None, at(DAY - 1));
    assert_eq!(last, Lookup::Ask(Some(file("one", 0))));
    assert_eq!(cache.lookup(NAME, None, at(DAY)), Lookup::Ask(None));
    let (outcome, _) = cache.renew(NAME, None, Err(trouble), at(DAY));
    assert_eq!(outcome, Err(trouble));
    let soon = cache.lookup(NAME, None, at(DAY + 1));
    assert_eq!(soon, Lookup::Decided(Err(trouble)));
}

#[test]
fn deleted_file_is_evicted_at_once() {
    for trouble in [Trouble::Status(404), Trouble::Status(410), Trouble::Absent] {
        let mut cache = known("one");
        let now = at(6 * MINUTE);
        let (outcome, update) = cache.renew(NAME, Some(file("one", 0)), Err(trouble), now);
        assert_eq!(outcome, Err(trouble));
        assert_eq!(update, LocationUpdate::Delete);
        // The location's cache may delete late.
        let near = Some(file("one", MINUTE));
        let near = near.map(|file| File {
            fetched: at(0),
            ..file
        });
        assert_eq!(cache.lookup(NAME, near, now), Lookup::Decided(Err(trouble)));
        assert_eq!((cache.files.len(), cache.held), (0, 0));
    }
}

#[test]
fn recovered_source_clears_its_failure() {
    let mut cache = known("one");
    let now = 10 * MINUTE;
    let _ = cache.renew(NAME, None, Err(Trouble::NoAnswer), at(now));
    let _ = cache.renew(NAME, None, Ok(file("two", now)), at(now));
    let much_later = cache.lookup(NAME, None, at(now + 5 * MINUTE));
    assert_eq!(much_later, Lookup::Ask(Some(file("two", now))));
    assert!(cache.troubles.is_empty());
}

#[test]
fn least_recently_used_files_are_evicted_first() {
    let mut cache = AssetCache::default();
    let large = |bytes| File {
        length: 5 * 1024 * 1024,
        ..file(bytes, 0)
    };
    for name in ["a", "b", "c"] {
        let _ = cache.renew(name, None, Ok(large(name)), at(0));
    }
    assert!(cache.fresh("a", at(1)).is_some());
    let _ = cache.renew("d", None, Ok(large("d")), at(2));
    let here = |cache: &mut AssetCache<_>| {
        let names = ["a", "b", "c", "d"];
        names.map(|name| cache.fresh(name, at(3)).is_some())
    };
    assert_eq!(here(&mut cache), [true, false, true, true]);
    // Another version of a cached file takes no more room.
    let _ = cache.renew("c", None, Ok(large("c")), at(4));
    assert_eq!(here(&mut cache), [true, false, true, true]);
}

#[test]
fn empty_files_are_bounded_too() {
    let mut cache = AssetCache::default();
    let most = MAX_BYTES / OVERHEAD;
    for number in 0..most + 100 {
        let empty = File {
            length: 0,
            ..file("", 0)
        };
        let _ = cache.renew(&number.to_string(), None, Ok(empty), at(0));
        assert!(cache.held <= MAX_BYTES);
    }
    assert_eq!(cache.files.len() as u64, most);
    let mut cache = AssetCache::<()>::default();
    for number in 0..3 * MAX_TROUBLES {
        let _ = cache.renew(&number.to_string(), None, Err(Trouble::NoAnswer), at(0));
        assert!(cache.troubles.len() <= MAX_TROUBLES);
    }
}

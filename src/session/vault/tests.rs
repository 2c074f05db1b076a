use super::*;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

fn kept(line: &str) -> StoredCookie {
    StoredCookie::parse(line, "/project/file", NOW).unwrap()
}

fn vault(lines: &[&str]) -> Vault {
    let mut vault = Vault::default();
    for line in lines {
        let _ = vault.set(kept(line), NOW);
    }
    vault
}

#[test]
fn vault_cookies_follow_path_and_secure_rules() {
    let vault = vault(&[
        "a=1; Path=/; HttpOnly",
        "b=2",
        "c=3; Path=/project/",
        "d=4; Path=nonsense",
    ]);
    assert_eq!(vault.header("/project/x", NOW), "c=3; b=2; d=4; a=1");
    assert_eq!(vault.header("/project", NOW), "b=2; d=4; a=1");
    assert_eq!(vault.header("/projects", NOW), "a=1");
}

#[test]
fn vault_cookie_is_replaced_deleted_and_expires() {
    assert_eq!(
        vault(&["a=1; Path=/", "a=2; Path=/"]).header("/", NOW),
        "a=2"
    );
    for gone in [
        "a=; Path=/; Max-Age=0",
        "a=; Path=/; Max-Age=-1",
        "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "a=; Path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT; HttpOnly",
    ] {
        assert_eq!(vault(&["a=1; Path=/", gone]).header("/", NOW), "", "{gone}");
    }
    let hour = vault(&["a=1; Path=/; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
    assert_eq!(hour.header("/", NOW), "a=1");
    assert_eq!(hour.header("/", NOW + crate::clock::Seconds(3_600)), "");
    let other_path = vault(&["a=1; Path=/x", "a=; Path=/; Max-Age=0"]);
    assert_eq!(other_path.header("/x", NOW), "a=1");
}

#[test]
fn oversized_cookie_is_dropped_with_its_predecessor() {
    let mut vault = vault(&["a=1; Path=/"]);
    let largest = "x".repeat(LARGEST - 1);
    let one_more = kept(&format!("a=x{largest}; Path=/"));
    assert!(vault.set(one_more, NOW).is_err());
    assert_eq!(vault.header("/", NOW), "");
    let long_path = kept(&format!("a={largest}; Path=/{}", "p".repeat(1_000)));
    assert_eq!(vault.set(long_path, NOW), Ok(()), "the path is not counted");
    let mut vault = Vault::default();
    for number in 0..MAX_COUNT {
        assert_eq!(vault.set(kept(&format!("c{number}=1")), NOW), Ok(()));
    }
    assert!(vault.set(kept("more=1"), NOW).is_err());
}

#[test]
fn vault_round_trips_and_debug_output_hides_values() {
    let vault = vault(&["a=secret; Path=/; Max-Age=9", "b=\"x=y\"; Path=/"]);
    assert_eq!(Vault::from_json(&vault.to_json()), vault);
    assert!(!format!("{vault:?}").contains("secret"));
    assert!(vault.header("/", NOW).ends_with("b=\"x=y\""));
}

#[test]
fn malformed_set_cookie_never_panics() {
    for line in [
        "",
        "=",
        "a",
        "=v",
        ";;;",
        "a=1; Max-Age=99999999999999999999",
        "a=1; Max-Age=-",
    ] {
        let _ = StoredCookie::parse(line, "", NOW);
    }
    for ignored in ["", "=", " ; Path=/", "a=\u{1}", "\u{7f}=b"] {
        assert_eq!(StoredCookie::parse(ignored, "/", NOW), None, "{ignored:?}");
    }
    let path = format!("a=1; Path=/{}; Max-Age=0; Max-Age=junk", "p".repeat(1_024));
    let odd = kept(&path);
    assert_eq!(
        (odd.path.as_str(), odd.has_run_out(NOW)),
        ("/project", true)
    );
}

#[test]
fn nameless_cookie_is_sent_as_a_browser_does() {
    for (line, sent) in [("=v", "v"), ("v", "v"), ("=v=w", "v=w"), (" = v ", "v")] {
        assert_eq!(vault(&[line]).header("/project", NOW), sent, "{line:?}");
    }
    assert_eq!(vault(&["=v", "w", "a=1"]).header("/project", NOW), "w; a=1");
    assert_eq!(vault(&["=v", "=w; Max-Age=0"]).header("/project", NOW), "");
    let nameless = vault(&["=v"]);
    assert_eq!(Vault::from_json(&nameless.to_json()), nameless);
}

proptest::proptest! {
    /// The cookies that remain equal those of a vault that applies every line in order.
    #[test]
    fn vault_holds_what_a_browser_would(
        steps in proptest::collection::vec((0_usize..3, 0_usize..2, 0_usize..3), 0..12),
    ) {
        let lines: Vec<String> = steps.iter().enumerate().map(|(at, (name, path, how))| {
            let how = ["", "; Max-Age=0", "; Max-Age=60"][*how];
            format!("{}={at}; Path={}{how}", ["a", "b", ""][*name], ["/", "/project"][*path])
        }).collect();
        let all: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut left = Vault::default();
        for cookie in left_of(lines.iter().map(|line| kept(line)).collect(), NOW) {
            proptest::prop_assert!(!cookie.has_run_out(NOW));
            let _ = left.set(cookie, NOW);
        }
        proptest::prop_assert_eq!(left, vault(&all));
    }
}

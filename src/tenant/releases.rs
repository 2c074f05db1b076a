//! Converts the rules for gray releases into those that decisions use, and checks them.

use super::faults::Faults;
use crate::balancer::pool::Pool;
use crate::balancer::releases::Releases;
use crate::balancer::releases::rules::{HeaderCondition, MAX_PATTERN, ReleaseRule, Test};
use crate::config::model::{CanaryRelease, Routing};
use crate::config::releases::{DeviceKind, HeaderTest, ReleaseRuleEntry, RuleBy};
use crate::http::{header_name, reserved_headers};

/// Maximum number of rules.
const MAX_RULES: usize = 32;

/// Maximum number of releases: finding a handle of one costs draws in proportion.
const MAX_RELEASES: usize = 8;

/// Maximum number of headers that one rule looks at.
const MAX_HEADERS: usize = 8;

/// Reads the rules of a tenant: its list, or the two rules that `canary` is short for.
pub(super) fn rules(routing: &Routing, faults: &mut Faults) -> Vec<ReleaseRule> {
    let entries = &routing.releases.0;
    if entries.len() > MAX_RULES {
        faults.add("routing.releases", format!("use up to {MAX_RULES} rules"));
    }
    // Not sorted: that would bring a sort into the Worker.
    let mut names: Vec<&str> = Vec::new();
    for entry in entries {
        let name = entry.release.0.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MAX_RELEASES {
        faults.add(
            "routing.releases",
            format!("use up to {MAX_RELEASES} releases"),
        );
    }
    let rules = entries.iter().enumerate();
    let rules = rules.map(|(at, entry)| rule(at, entry, faults)).collect();
    match &routing.canary {
        None => rules,
        Some(canary) if entries.is_empty() => of_canary(canary),
        Some(_) => {
            faults.add(
                "routing.canary",
                "routing.releases is set, too; write the canary as a rule of it, for example { \"release\": \"v2\", \"percent\": 10 }",
            );
            rules
        }
    }
}

/// Converts the rules together with the servers they name.
#[inline(never)]
pub(super) fn releases(rules: Vec<ReleaseRule>, pool: &Pool) -> Option<Releases> {
    Releases::new(rules, || pool.iter())
}

/// A request with the header always, and of all others a share.
#[inline(never)]
fn of_canary(canary: &CanaryRelease) -> Vec<ReleaseRule> {
    let share = ReleaseRule {
        release: canary.release.0.clone(),
        percent: canary.percent.0,
        is_off: canary.off,
        by_user: false,
        headers: Vec::new(),
        users: Vec::new(),
        groups: Vec::new(),
        countries: Vec::new(),
        devices: Vec::new(),
    };
    let asked = canary.header.as_ref().map(|header| ReleaseRule {
        percent: 100,
        headers: vec![HeaderCondition {
            name: header.name.0.to_ascii_lowercase(),
            test: Test::Exact(header.value.clone()),
        }],
        ..share.clone()
    });
    asked.into_iter().chain([share]).collect()
}

#[inline(never)]
fn rule(at: usize, entry: &ReleaseRuleEntry, faults: &mut Faults) -> ReleaseRule {
    let wanted = &entry.r#match;
    let path = format!("routing.releases[{at}].match");
    if wanted.headers.len() > MAX_HEADERS {
        faults.add(
            &format!("{path}.headers"),
            format!("use up to {MAX_HEADERS} headers"),
        );
    }
    let headers = wanted.headers.iter().enumerate().filter_map(|(at, test)| {
        let checked = condition(test);
        checked
            .map_err(|problem| faults.add(&format!("{path}.headers[{at}]"), problem))
            .ok()
    });
    ReleaseRule {
        release: entry.release.0.clone(),
        percent: entry.percent.0,
        is_off: entry.off,
        by_user: entry.by == RuleBy::User,
        headers: headers.collect(),
        users: wanted.users.clone(),
        groups: wanted.groups.clone(),
        countries: wanted
            .countries
            .iter()
            .map(|country| country.0.clone())
            .collect(),
        devices: wanted.devices.iter().copied().map(device).collect(),
    }
}

#[inline(never)]
fn device(kind: DeviceKind) -> String {
    kind.as_str().to_owned()
}

fn condition(test: &HeaderTest) -> Result<HeaderCondition, &'static str> {
    let name = test.name.0.to_ascii_lowercase();
    if reserved_headers::is_ours(&header_name::fold(&name)) {
        return Err("clients cannot send this header; use another");
    }
    let tests = [
        test.exact.clone().map(Test::Exact),
        test.prefix.clone().map(Test::Prefix),
        test.contains.clone().map(Test::Contains),
        test.pattern.clone().map(Test::Pattern),
    ];
    let mut tests = tests.into_iter().flatten();
    let (Some(test), None) = (tests.next(), tests.next()) else {
        return Err("use one of exact, prefix, contains and pattern");
    };
    let (Test::Exact(text) | Test::Prefix(text) | Test::Contains(text) | Test::Pattern(text)) =
        &test;
    if text.is_empty() || text.len() > MAX_PATTERN {
        return Err("use a text of 1 to 256 bytes");
    }
    Ok(HeaderCondition { name, test })
}

//! Tests that a request does what its explanation says, after any past.

use proptest::prelude::*;

use super::super::header_value;
use super::super::past::{past, replay, settings};
use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After any past a request does what its explanation says.
    #[test]
    fn explanation_matches_what_happens(
        settings in settings(),
        pasts in prop::collection::vec(past(), 0..7),
        which in any::<prop::sample::Index>(),
        navigates: bool,
    ) {
        let mut world = world(&settings);
        let mut jars = vec!["__Host-session=forged".to_owned()];
        for past in &pasts {
            replay(&mut world, past, &mut jars);
        }
        jars.extend(world.jar.clone());
        // The cookie may be an older one.
        world.jar = Some(jars[which.index(jars.len())].clone());
        let mode = if navigates { "navigate" } else { "cors" };
        let headers = [("sec-fetch-mode", mode)];
        let question = described(&world, "/chat", &headers);
        let stored = world.io.namespace.clone();
        world.gateway.recorder.take_events();
        let explanation = explain(&mut world, &question);
        prop_assert_eq!(&world.io.namespace, &stored);
        prop_assert!(world.gateway.recorder.take_events().is_empty());
        prop_assert_eq!(&explain(&mut world, &question), &explanation);

        let outcome = &explanation["outcome"];
        match world.send("GET", "/chat", &headers, &mut Answers::default()) {
            Step::Forward(forward) => {
                prop_assert_eq!(&outcome["does"], "forward", "{}", explanation);
                let is_new = header_value(&forward, "x-session-state") == Some("new");
                prop_assert_eq!(explanation["choice"].is_null(), is_new, "{}", explanation);
                if !is_new {
                    prop_assert_eq!(&explanation["choice"]["origin"], forward.origin.as_str(), "{}", explanation);
                    prop_assert_eq!(&explanation["session"]["handle"], public_name(&forward));
                    let takes_over = header_value(&forward, "x-session-state") == Some("takeover");
                    let degraded = header_value(&forward, "x-session-state") == Some("degraded");
                    prop_assert!(degraded || explanation["choice"]["takeover"] == takes_over, "{}", explanation);
                }
            }
            // An explanation cannot predict the origin of a new session, which may be lost.
            Step::Answer(answer) if answer.status == 502 && outcome["does"] == "forward" => {
                prop_assert!(explanation["choice"].is_null(), "{}", explanation);
                prop_assert!(explanation["origins"].to_string().contains("\"ejected\":true"));
            }
            Step::Answer(answer) => {
                prop_assert_eq!(&outcome["does"], "answer", "{}", explanation);
                prop_assert_eq!(&outcome["status"], answer.status, "{}", explanation);
                let problem = outcome["problem"].as_str().unwrap_or_default();
                if !navigates {
                    prop_assert_eq!(problem, code(&answer), "{}", explanation);
                }
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

//! Tests that a request does what its explanation says, after any past.

use proptest::prelude::*;

use super::super::past::{live_through, past, settings};
use super::super::told as header;
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
            live_through(&mut world, past, &mut jars);
        }
        jars.extend(world.jar.clone());
        // The cookie may be an older one.
        world.jar = Some(jars[which.index(jars.len())].clone());
        let mode = if navigates { "navigate" } else { "cors" };
        let headers = [("sec-fetch-mode", mode)];
        let question = described(&world, "/chat", &headers);
        let stored = world.outside.namespace.clone();
        world.gateway.recorder.take_events();
        let told = explain(&mut world, &question);
        prop_assert_eq!(&world.outside.namespace, &stored);
        prop_assert!(world.gateway.recorder.take_events().is_empty());
        prop_assert_eq!(&explain(&mut world, &question), &told);

        let outcome = &told["outcome"];
        match world.ask("GET", "/chat", &headers, &mut Answers::default()) {
            Step::Forward(forward) => {
                prop_assert_eq!(&outcome["does"], "forward", "{}", told);
                let is_new = header(&forward, "x-session-state") == Some("new");
                prop_assert_eq!(told["choice"].is_null(), is_new, "{}", told);
                if !is_new {
                    prop_assert_eq!(&told["choice"]["origin"], &forward.origin, "{}", told);
                    prop_assert_eq!(&told["session"]["handle"], told_id(&forward));
                    let takes_over = header(&forward, "x-session-state") == Some("takeover");
                    let degraded = header(&forward, "x-session-state") == Some("degraded");
                    prop_assert!(degraded || told["choice"]["takeover"] == takes_over, "{}", told);
                }
            }
            // An explanation cannot predict the origin of a new session, which may be lost.
            Step::Answer(answer) if answer.status == 502 && outcome["does"] == "forward" => {
                prop_assert!(told["choice"].is_null(), "{}", told);
                prop_assert!(told["origins"].to_string().contains("\"ejected\":true"));
            }
            Step::Answer(answer) => {
                prop_assert_eq!(&outcome["does"], "answer", "{}", told);
                prop_assert_eq!(&outcome["status"], answer.status, "{}", told);
                let problem = outcome["problem"].as_str().unwrap_or_default();
                if !navigates {
                    prop_assert_eq!(problem, code(&answer), "{}", told);
                }
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

use super::*;

fn stage(name: &str, begun: u64, ended: u64) -> Stage {
    let (name, result) = (name.to_owned(), "ok".to_owned());
    Stage {
        name,
        begun,
        ended,
        result,
        parent: String::new(),
    }
}

fn request(status: u16, members: &str) -> Request {
    Request {
        status,
        begun: 1_000,
        ended: 1_050,
        origin: None,
        scheme: "https".to_owned(),
        members: members.to_owned(),
        stages: Vec::new(),
    }
}

#[test]
fn collector_settings_are_parsed_as_opentelemetry_says() {
    for endpoint in ["https://collector.example", "https://collector.example//"] {
        assert_eq!(traces_url(endpoint), "https://collector.example/v1/traces");
    }
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (setting, expected) in [
        ("", vec![]),
        ("rubbish,,", vec![]),
        (
            "authorization=Bearer%20a=b",
            vec![pair("authorization", "Bearer a=b")],
        ),
        (" a = 1 ,b=2+3", vec![pair("a", "1"), pair("b", "2+3")]),
        ("a=100%zz", vec![pair("a", "100%zz")]),
        ("a=%C3", vec![pair("a", "%C3")]),
    ] {
        assert_eq!(headers(setting), expected, "{setting}");
    }
}

const TRACED: &str =
    "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"00000000000000a0\",";

/// Name, id and parent's id of each span; beginnings and ends in milliseconds; the spans themselves.
type Exported = (Vec<[String; 3]>, Vec<(u64, u64)>, Vec<Value>);

fn spans(requests: &[Request]) -> Exported {
    let exported = export(requests, "chat");
    let body: Value = serde_json::from_str(&exported.body).unwrap();
    let resource = &body["resourceSpans"][0]["resource"]["attributes"][0];
    assert_eq!(*resource, attribute("service.name", "chat"));
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        .as_array()
        .unwrap();
    assert_eq!(exported.spans, spans.len() as u64);
    let names = spans.iter().map(|span| {
        ["name", "spanId", "parentSpanId"].map(|name| {
            let text = span[name].as_str().unwrap();
            text.trim_start_matches('0').to_owned()
        })
    });
    let ms =
        |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap() / 1_000_000;
    let times = spans
        .iter()
        .map(|span| (ms(span, "startTimeUnixNano"), ms(span, "endTimeUnixNano")));
    (names.collect(), times.collect(), spans.clone())
}

#[test]
fn a_request_is_a_span_with_one_for_each_stage() {
    let members = [
        TRACED,
        "\"parent_id\":\"b7ad6b7169203331\",\"method\":\"GET\",\"session\":\"miss\",\"origin\":\"a\",",
        "\"tenant\":\"acme\"",
    ]
    .concat();
    let (names, times, spans) = spans(&[
        Request {
            origin: Some(Wait {
                sent: 1_010,
                ended: 1_040,
                is_answered: true,
            }),
            stages: vec![
                Stage {
                    parent: LOOKUP.to_owned(),
                    ..stage("kv", 1_001, 1_010)
                },
                Stage {
                    result: "345".to_owned(),
                    ..stage("serialise", 1_050, 1_050)
                },
                stage("write-back", 1_050, 1_080),
            ],
            ..request(503, &members)
        },
        request(200, "\"span_id\":\"zz\""),
        request(200, "rubbish"),
    ]);
    assert_eq!(
        names,
        [
            ["GET", "a0", "b7ad6b7169203331"],
            ["origin", "a1", "a0"],
            ["session lookup", "a2", "a0"],
            ["cookie", "a3", "a2"],
            ["cache", "a4", "a2"],
            ["choose origin", "a5", "a0"],
            ["kv", "a6", "a2"],
            ["serialise session", "a7", "a0"],
            ["write-back", "a8", "a0"],
        ]
    );
    assert_eq!(
        times,
        [
            (1_000, 1_080),
            (1_010, 1_040),
            (1_000, 1_010),
            (1_000, 1_000),
            (1_000, 1_000),
            (1_000, 1_000),
            (1_001, 1_010),
            (1_050, 1_050),
            (1_050, 1_080),
        ]
    );
    assert_eq!(spans[0]["status"]["code"], 2);
    assert_eq!(
        spans[7]["attributes"],
        json!([number("vestibule.bytes", "345")])
    );
    assert_eq!(spans[7]["kind"], INTERNAL);
}

#[test]
fn a_sign_in_has_its_stages_below_it() {
    let part = |name: &str, begun, ended| Stage {
        parent: SIGN_IN.to_owned(),
        ..stage(name, begun, ended)
    };
    let stages = || {
        vec![
            part("object", 1_002, 1_010),
            part("login", 1_010, 1_030),
            stage("object", 1_030, 1_040),
        ]
    };
    let with = |members: &str| {
        let members = format!("{TRACED}\"session\":\"none\",\"method\":\"POST\"{members}");
        spans(&[Request {
            stages: stages(),
            ..request(303, &members)
        }])
    };
    let (names, times, of) = with(",\"sign_in\":\"password\",\"sign_in_result\":\"ok\"");
    assert_eq!(
        names[3..],
        [
            ["sign in", "a4", "a0"],
            ["object", "a5", "a4"],
            ["login", "a6", "a4"],
            ["object", "a7", "a0"],
        ]
    );
    assert_eq!(times[3], (1_002, 1_030));
    let outcome = json!([
        attribute("vestibule.sign_in.method", "password"),
        attribute("vestibule.sign_in.result", "ok"),
    ]);
    assert_eq!(of[3]["attributes"], outcome);
    assert_eq!(of[3]["status"], json!({}));
    let (_, _, failed) = with(",\"sign_in\":\"oidc\",\"sign_in_result\":\"failed\"");
    assert_eq!(failed[3]["status"]["code"], 2);
    // What is only begun is none yet.
    let (names, ..) = with("");
    assert_eq!(names[3], ["object", "a4", "a0"]);
}

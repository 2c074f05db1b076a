//! Holds responses of the code to their description in `www/openapi.json`, whatever a test sends.

use std::sync::OnceLock;

use serde_json::Value;

use super::routes;
use crate::response::Answer;
use crate::response::problem::Problem;

/// Returns the description.
fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION
        .get_or_init(|| serde_json::from_str(include_str!("../../www/openapi.json")).unwrap())
}

/// Follows a reference.
fn resolved(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(path) => description()
            .pointer(path.strip_prefix('#').unwrap())
            .unwrap_or_else(|| panic!("{path} does not exist")),
        None => value,
    }
}

/// Finds the description of a status; `None` if the path is none of ours.
fn described(path: &str, method: &str, status: u16) -> Option<&'static Value> {
    let (route, _) = routes::find(path)?;
    let method = match method {
        "HEAD" => "get".to_owned(),
        method => method.to_ascii_lowercase(),
    };
    // The `Allow` header answers other methods.
    let operation = description()["paths"][route].get(&method)?;
    let response = operation["responses"].get(status.to_string());
    Some(resolved(response.unwrap_or_else(|| {
        panic!("{method} {route} answers {status}, which www/openapi.json does not list")
    })))
}

/// Checks that a problem is listed for the path.
pub(crate) fn check_problem(path: &str, method: &str, problem: &Problem) {
    let Some(response) = described(path, method, problem.status()) else {
        return;
    };
    let schema = &response["content"]["application/problem+json"]["schema"];
    let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
    let is_listed = codes.is_some_and(|all| all.contains(&problem.code().into()));
    assert!(
        is_listed,
        "{method} {path} answers {}, which www/openapi.json does not list",
        problem.code()
    );
}

/// Checks status, media type and members of a response.
pub(crate) fn check_answer(path: &str, method: &str, answer: &Answer) {
    let Some(response) = described(path, method, answer.status) else {
        return;
    };
    let media_type = answer
        .headers
        .iter()
        .find(|(name, _)| *name == "content-type");
    let Some((_, media_type)) = media_type.filter(|_| !answer.body.is_empty()) else {
        return;
    };
    let media_type = media_type.split(';').next().unwrap();
    let content = response["content"].get(media_type);
    let content =
        content.unwrap_or_else(|| panic!("{method} {path} answers {media_type}: {response}"));
    if media_type == "application/json" {
        let body = serde_json::from_str(&answer.body).unwrap();
        let at = format!("{method} {path} {}", answer.status);
        check(&content["schema"], &body, &at).unwrap_or_else(|fault| panic!("{fault}: {body}"));
    }
}

/// Checks a value against a schema with the keywords that `www/openapi/` uses.
fn check(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolved(schema);
    for (keyword, wanted) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "type" => check_type(wanted, value, at)?,
            "enum" | "const" => {
                let is_one = match wanted {
                    Value::Array(all) => all.contains(value),
                    one => one == value,
                };
                require(is_one, || format!("{at} is not one of {wanted}"))?;
            }
            "properties" => {
                for (name, member) in wanted.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(member, value, &format!("{at}.{name}"))?;
                    }
                }
            }
            "required" if value.is_object() => {
                for name in wanted.as_array().unwrap() {
                    let is_there = value.get(name.as_str().unwrap()).is_some();
                    require(is_there, || format!("{at}.{name} is missing"))?;
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    let at = format!("{at}.{name}");
                    require(wanted != &Value::Bool(false), || {
                        format!("{at} is not described")
                    })?;
                    if wanted.is_object() {
                        check(wanted, value, &at)?;
                    }
                }
            }
            "items" => {
                for value in value.as_array().into_iter().flatten() {
                    check(wanted, value, &format!("{at}[]"))?;
                }
            }
            "oneOf" | "anyOf" => {
                let all = wanted.as_array().unwrap().iter();
                let fits = all.filter(|one| check(one, value, at).is_ok()).count();
                require(fits >= 1 && (fits == 1 || keyword == "anyOf"), || {
                    format!("{at} fits {fits} alternatives of {wanted}")
                })?;
            }
            "allOf" => {
                for one in wanted.as_array().unwrap() {
                    check(one, value, at)?;
                }
            }
            "minimum" => require(
                value.as_f64() >= wanted.as_f64() || !value.is_number(),
                || format!("{at} is too small"),
            )?,
            "maximum" => require(
                value.as_f64() <= wanted.as_f64() || !value.is_number(),
                || format!("{at} is too large"),
            )?,
            // Words for people, and forms of texts, which schemathesis checks.
            "description" | "title" | "format" | "pattern" | "default" | "writeOnly"
            | "minLength" | "maxLength" | "minItems" | "maxItems" | "required" | "uniqueItems"
            | "propertyNames" | "maxProperties" | "minProperties" => {}
            other => panic!("{at}: the keyword {other} is not checked here"),
        }
    }
    Ok(())
}

fn check_type(wanted: &Value, value: &Value, at: &str) -> Result<(), String> {
    let one = [wanted.clone()];
    let all = wanted.as_array().map_or(&one[..], Vec::as_slice);
    let fits = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{at}: the type {other} is not known"),
    };
    require(all.iter().any(fits), || format!("{at} is no {wanted}"))
}

fn require(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_has_the_routes_and_methods_of_the_code_and_no_others() {
        let mut described: Vec<(String, Vec<String>)> = description()["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                let methods = methods.filter(|name| *name != "parameters");
                (
                    path.clone(),
                    methods.map(|name| name.to_uppercase()).collect(),
                )
            })
            .collect();
        let mut served: Vec<(String, Vec<String>)> = routes::ROUTES
            .iter()
            .map(|(path, methods)| {
                let methods = methods.split(", ").filter(|name| *name != "HEAD");
                ((*path).to_owned(), methods.map(str::to_owned).collect())
            })
            .collect();
        for (_, methods) in described.iter_mut().chain(&mut served) {
            methods.sort_unstable();
        }
        described.sort_unstable();
        served.sort_unstable();
        assert_eq!(described, served);
    }

    #[test]
    fn examples_fit_their_schemas() {
        let mut checked = 0;
        let mut open = vec![description()];
        while let Some(value) = open.pop() {
            let children: Box<dyn Iterator<Item = &'static Value>> = match value {
                Value::Object(members) => Box::new(members.values()),
                Value::Array(items) => Box::new(items.iter()),
                _ => continue,
            };
            open.extend(children);
            if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
                check(schema, example, "example").unwrap_or_else(|fault| panic!("{fault}"));
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked} examples");
    }

    #[test]
    #[should_panic(expected = "which www/openapi.json does not list")]
    fn problem_that_is_not_described_fails_a_test() {
        check_problem("/me", "GET", &Problem::NotAllowed);
    }

    #[test]
    fn check_finds_what_differs() {
        let session = &description()["components"]["schemas"]["Lease"];
        let good = serde_json::json!({ "token": 1, "until": 2, "exclusive": true });
        assert_eq!(check(session, &good, "lease"), Ok(()));
        for (member, value, fault) in [
            ("token", serde_json::json!("1"), "lease.token is no"),
            ("more", serde_json::json!(1), "lease.more is not described"),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            let found = check(session, &bad, "lease").unwrap_err();
            assert!(found.starts_with(fault), "{found}");
        }
        let found = check(session, &serde_json::json!({ "token": 1 }), "lease").unwrap_err();
        assert!(found.ends_with("is missing"), "{found}");
    }
}

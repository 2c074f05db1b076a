//! Reads the rules for gray releases from the one line of a variable.
//!
//! ```text
//! rules     = rule *( ";" rule )
//! rule      = release ":" share [ "by user" ] [ "if" condition *( "and" condition ) ]
//! share     = "off" / 1*3DIGIT [ "%" ]
//! condition = ( "user" / "group" / "country" / "device" ) "is" value *( "|" value )
//!           / header ( "is" / "begins" / "contains" / "like" ) value
//! ```
//!
//! A value with a space, `;` or `"` in it stands in double quotes, where `\` escapes the next character.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::encoding::json;
use crate::encoding::quoted;

/// What is wrong with a line of rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadRule {
    /// A rule does not begin with a release and a share.
    #[error("rule {0} needs a release and a share, such as v2: 10%")]
    Share(usize),
    /// A word stands where another is expected.
    #[error("rule {0} has {found} where {expected} should be", found = quoted(.1), expected = .2)]
    Word(usize, String, &'static str),
    /// A rule ends where a word is expected.
    #[error("rule {0} ends where {1} should be")]
    Ends(usize, &'static str),
    /// A quotation mark has no counterpart.
    #[error("a quoted value does not end")]
    Quote,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word, or a quoted value.
    Text(String),
    /// The end of a rule.
    End,
}

/// Reads a line of rules; returns them as a document has them.
///
/// # Errors
/// What is wrong, and with which rule.
pub(crate) fn parse(line: &str) -> Result<Value, BadRule> {
    let tokens = tokens(line)?;
    let rules = tokens.split(|token| *token == Token::End);
    let rules = rules.filter(|rule| !rule.is_empty()).enumerate();
    rules
        .map(|(at, rule)| Words { at: at + 1, rule }.rule())
        .collect()
}

fn tokens(line: &str) -> Result<Vec<Token>, BadRule> {
    let mut tokens = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(&next) = chars.peek() {
        match next {
            ';' => {
                chars.next();
                tokens.push(Token::End);
            }
            '"' => {
                chars.next();
                let mut text = String::new();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => text.push(chars.next().ok_or(BadRule::Quote)?),
                        Some(other) => text.push(other),
                        None => return Err(BadRule::Quote),
                    }
                }
                tokens.push(Token::Text(text));
            }
            space if space.is_whitespace() => drop(chars.next()),
            _ => {
                let mut text = String::new();
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !"\";".contains(*c))
                {
                    text.push(next);
                    // A release may stand right before its share.
                    if next == ':' && !is_rule_begun(&tokens) {
                        break;
                    }
                }
                tokens.push(Token::Text(text));
            }
        }
    }
    Ok(tokens)
}

fn is_rule_begun(tokens: &[Token]) -> bool {
    matches!(tokens.last(), Some(Token::Text(_)))
}

/// The words of one rule that are not read yet.
struct Words<'t> {
    /// Which rule it is, from 1.
    at: usize,
    rule: &'t [Token],
}

impl<'t> Words<'t> {
    fn rule(mut self) -> Result<Value, BadRule> {
        let mut rule = Map::new();
        let release = self.next("a release")?;
        let release = match release.strip_suffix(':') {
            Some(release) => release,
            // In quotes, or with a space before the colon.
            None if self.end() == Some(":") => release,
            None => return Err(BadRule::Share(self.at)),
        };
        rule.insert("release".to_owned(), json!(release));
        let share = self.next("a share")?;
        if share == "off" {
            rule.insert("off".to_owned(), json!(true));
        } else {
            let percent = share.strip_suffix('%').unwrap_or(share);
            let percent: u64 = percent.parse().map_err(|_| BadRule::Share(self.at))?;
            rule.insert("percent".to_owned(), json!(percent));
        }
        let mut next = self.end();
        if next == Some("by") {
            self.expect("user", "by user")?;
            rule.insert("by".to_owned(), json!("user"));
            next = self.end();
        }
        match next {
            None => {}
            Some("if") => {
                let conditions = self.conditions()?;
                rule.insert("match".to_owned(), conditions);
            }
            Some(other) => {
                return Err(BadRule::Word(self.at, other.to_owned(), "if or by user"));
            }
        }
        Ok(Value::Object(rule))
    }

    fn conditions(&mut self) -> Result<Value, BadRule> {
        let mut conditions = Map::new();
        let mut add = |member: &str, value: Value| {
            let list = conditions.entry(member.to_owned());
            let list = list.or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = list.as_array_mut() {
                list.push(value);
            }
        };
        loop {
            let name = self.next("a condition")?;
            let test = self.next("is, begins, contains or like")?;
            let value = self.next("a value")?;
            let list = match name {
                "user" => Some("users"),
                "group" => Some("groups"),
                "country" => Some("countries"),
                "device" => Some("devices"),
                _ => None,
            };
            match (list, test) {
                (Some(list), "is") => value.split('|').for_each(|one| add(list, json!(one))),
                (Some(_), other) => return Err(BadRule::Word(self.at, other.to_owned(), "is")),
                (None, _) => {
                    let member = match test {
                        "is" => "exact",
                        "begins" => "prefix",
                        "contains" => "contains",
                        "like" => "pattern",
                        other => {
                            return Err(BadRule::Word(
                                self.at,
                                other.to_owned(),
                                "is, begins, contains or like",
                            ));
                        }
                    };
                    let mut header = Map::new();
                    header.insert("name".to_owned(), json!(name));
                    header.insert(member.to_owned(), json!(value));
                    add("headers", Value::Object(header));
                }
            }
            match self.end() {
                None => return Ok(Value::Object(conditions)),
                Some("and") => {}
                Some(other) => return Err(BadRule::Word(self.at, other.to_owned(), "and")),
            }
        }
    }

    /// Takes the next word, if there is one.
    fn end(&mut self) -> Option<&'t str> {
        let (first, rest) = self.rule.split_first()?;
        self.rule = rest;
        match first {
            Token::Text(text) => Some(text),
            Token::End => None,
        }
    }

    fn next(&mut self, expected: &'static str) -> Result<&'t str, BadRule> {
        self.end().ok_or(BadRule::Ends(self.at, expected))
    }

    fn expect(&mut self, word: &str, expected: &'static str) -> Result<(), BadRule> {
        match self.next(expected)? {
            found if found == word => Ok(()),
            found => Err(BadRule::Word(self.at, found.to_owned(), expected)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_become_rules() {
        for (line, rules) in [
            ("", json!([])),
            ("v2:10", json!([{ "release": "v2", "percent": 10 }])),
            ("v2: off;", json!([{ "release": "v2", "off": true }])),
            (
                "v2: 10% if user-agent contains MobileApp",
                json!([{
                    "release": "v2",
                    "percent": 10,
                    "match": { "headers": [{ "name": "user-agent", "contains": "MobileApp" }] },
                }]),
            ),
            (
                "v2: 100 if group is staff|testers and country is DE; v3: 5% by user",
                json!([
                    {
                        "release": "v2",
                        "percent": 100,
                        "match": { "groups": ["staff", "testers"], "countries": ["DE"] },
                    },
                    { "release": "v3", "percent": 5, "by": "user" },
                ]),
            ),
            (
                r#""new one": 1 if x-a is "a; \"b\" :c" and x-b begins p:q and x-c like *z and device is phone and user is u"#,
                json!([{
                    "release": "new one",
                    "percent": 1,
                    "match": {
                        "headers": [
                            { "name": "x-a", "exact": "a; \"b\" :c" },
                            { "name": "x-b", "prefix": "p:q" },
                            { "name": "x-c", "pattern": "*z" },
                        ],
                        "devices": ["phone"],
                        "users": ["u"],
                    },
                }]),
            ),
        ] {
            assert_eq!(parse(line), Ok(rules), "{line}");
        }
    }

    #[test]
    fn fault_names_the_rule_and_what_is_expected() {
        for (line, fault) in [
            ("v2", "rule 1 needs a release and a share, such as v2: 10%"),
            (
                "v2: ten",
                "rule 1 needs a release and a share, such as v2: 10%",
            ),
            ("v2:", "rule 1 ends where a share should be"),
            (
                "v2:1; v3: 1 for all",
                "rule 2 has \"for\" where if or by user should be",
            ),
            (
                "v2:1 by session",
                "rule 1 has \"session\" where by user should be",
            ),
            ("v2:1 if", "rule 1 ends where a condition should be"),
            ("v2:1 if a is", "rule 1 ends where a value should be"),
            (
                "v2:1 if a has b",
                "rule 1 has \"has\" where is, begins, contains or like should be",
            ),
            (
                "v2:1 if group like b",
                "rule 1 has \"like\" where is should be",
            ),
            (
                "v2:1 if a is b or c",
                "rule 1 has \"or\" where and should be",
            ),
            ("v2:1 if a is \"b", "a quoted value does not end"),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), fault, "{line}");
        }
    }
}

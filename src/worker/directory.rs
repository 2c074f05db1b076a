//! What `directory-object.js` calls: what a tenant's directory object makes of a command, and the statements by
//! which its rows are read and written.

use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

use super::{log, millis};
use crate::clock::UnixSeconds;
use crate::store::directory::object::{self, DirectoryObject, Listing, Revoked, Tables, Unkept};
use crate::telemetry::log::{Event, Level};

const TABLES: &str = "
  CREATE TABLE IF NOT EXISTS revoked (subject TEXT PRIMARY KEY, epoch INTEGER, until INTEGER);
  CREATE INDEX IF NOT EXISTS revoked_by_epoch ON revoked (epoch);
  CREATE TABLE IF NOT EXISTS sessions
    (session TEXT PRIMARY KEY, user TEXT, created INTEGER, until INTEGER);
  CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user, created);
  CREATE INDEX IF NOT EXISTS sessions_by_age ON sessions (created, session);
";

#[wasm_bindgen]
extern "C" {
    /// The storage of a directory object. What fails returns nothing, and is told by the object itself.
    pub type Rows;

    /// Runs a statement with these values, a JSON array; returns its rows as JSON.
    #[wasm_bindgen(method)]
    fn run(this: &Rows, statement: &str, values: &str) -> Option<String>;

    #[wasm_bindgen(method)]
    fn last(this: &Rows) -> Option<f64>;

    #[wasm_bindgen(method, js_name = setLast)]
    fn set_last(this: &Rows, epoch: f64) -> Option<bool>;
}

/// What a directory object's rows are kept in.
#[wasm_bindgen(js_name = directoryTables)]
#[must_use]
pub fn directory_tables() -> String {
    TABLES.to_owned()
}

/// What a command came to.
#[wasm_bindgen]
pub struct DirectoryObeyed {
    answer: Option<String>,
    surplus: Vec<String>,
    end: String,
    forgot: f64,
}

#[wasm_bindgen]
impl DirectoryObeyed {
    /// What the caller is told; none if it came to nothing.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn answer(&self) -> Option<String> {
        self.answer.clone()
    }

    /// The sessions to be ended.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn surplus(&self) -> Vec<String> {
        self.surplus.clone()
    }

    /// What to say to their objects.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn end(&self) -> String {
        self.end.clone()
    }

    /// For the next command.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn forgot(&self) -> f64 {
        self.forgot
    }
}

/// Obeys a command. `forgot` is what the one before returned; 0 at first.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
#[wasm_bindgen(js_name = directoryCommand)]
#[must_use]
pub fn directory_command(rows: &Rows, command: &str, now: f64, forgot: f64) -> DirectoryObeyed {
    let mut directory = DirectoryObject {
        forgot: millis(forgot),
    };
    // The caller adds the tenant to what names a session.
    match directory.command(&mut Sql(rows), "", command, millis(now)) {
        Ok(outcome) => DirectoryObeyed {
            answer: Some(outcome.answer),
            end: outcome
                .surplus
                .first()
                .map(|one| one.command.clone())
                .unwrap_or_default(),
            surplus: outcome.surplus.into_iter().map(|one| one.session).collect(),
            forgot: directory.forgot.0 as f64,
        },
        Err(failure) => {
            if failure == object::Failure::Unknown {
                log::write(&Event::new(Level::Error, "directory_command_unreadable"));
            }
            DirectoryObeyed {
                answer: None,
                surplus: Vec::new(),
                end: String::new(),
                forgot: directory.forgot.0 as f64,
            }
        }
    }
}

struct Sql<'a>(&'a Rows);

impl Sql<'_> {
    fn rows(&self, statement: &str, values: &Value) -> Result<Vec<Value>, Unkept> {
        let rows = self.0.run(statement, &values.to_string()).ok_or(Unkept)?;
        serde_json::from_str(&rows).map_err(|_| Unkept)
    }

    fn run(&self, statement: &str, values: &Value) -> Result<(), Unkept> {
        self.rows(statement, values).map(drop)
    }

    fn listings(&self, statement: &str, values: &Value) -> Result<Vec<Listing>, Unkept> {
        let rows = self.rows(statement, values)?;
        let one = |row: Value| {
            Some(Listing {
                session: text(&row, 0)?,
                user: text(&row, 1)?,
                created: number(&row, 2)?,
                until: UnixSeconds(number(&row, 3)?),
            })
        };
        rows.into_iter().map(|row| one(row).ok_or(Unkept)).collect()
    }
}

impl Tables for Sql<'_> {
    fn last(&mut self) -> Result<u64, Unkept> {
        self.0.last().map(|last| millis(last).0).ok_or(Unkept)
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
    fn set_last(&mut self, epoch: u64) -> Result<(), Unkept> {
        self.0.set_last(epoch as f64).map(drop).ok_or(Unkept)
    }

    fn revoked(&mut self, subject: &str) -> Result<Option<Revoked>, Unkept> {
        let statement = "SELECT epoch, until FROM revoked WHERE subject = ?";
        let rows = self.rows(statement, &json!([subject]))?;
        let one = |row: &Value| {
            Some(Revoked {
                epoch: number(row, 0)?,
                until: UnixSeconds(number(row, 1)?),
            })
        };
        rows.first().map(|row| one(row).ok_or(Unkept)).transpose()
    }

    fn revoked_after(&mut self, epoch: u64) -> Result<Vec<(String, u64)>, Unkept> {
        let statement = "SELECT subject, epoch FROM revoked WHERE epoch > ? ORDER BY epoch";
        let rows = self.rows(statement, &json!([epoch]))?;
        let one = |row: Value| Some((text(&row, 0)?, number(&row, 1)?));
        rows.into_iter().map(|row| one(row).ok_or(Unkept)).collect()
    }

    fn set_revoked(&mut self, subject: &str, revoked: Revoked) -> Result<(), Unkept> {
        self.run(
            "INSERT INTO revoked VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET epoch = ?2, until = ?3",
            &json!([subject, revoked.epoch, revoked.until.0]),
        )
    }

    fn set_listing(&mut self, listing: &Listing) -> Result<(), Unkept> {
        self.run(
            "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET user = ?2, created = ?3, until = ?4",
            &json!([
                listing.session,
                listing.user,
                listing.created,
                listing.until.0
            ]),
        )
    }

    fn remove_listing(&mut self, session: &str) -> Result<(), Unkept> {
        self.run("DELETE FROM sessions WHERE session = ?", &json!([session]))
    }

    fn listings_of(&mut self, user: &str) -> Result<Vec<Listing>, Unkept> {
        self.listings(
            "SELECT session, user, created, until FROM sessions WHERE user = ? ORDER BY rowid",
            &json!([user]),
        )
    }

    fn listings_after(
        &mut self,
        users: Option<&[String]>,
        after: Option<&(u64, String)>,
        most: usize,
    ) -> Result<Vec<Listing>, Unkept> {
        let mine = users.map_or_else(String::new, |users| {
            format!("user IN ({}) AND", vec!["?"; users.len()].join(", "))
        });
        let statement = format!(
            "SELECT session, user, created, until FROM sessions
             WHERE {mine} (created, session) > (?, ?)
             ORDER BY created, session LIMIT ?"
        );
        let mut values: Vec<Value> = users
            .unwrap_or_default()
            .iter()
            .map(|user| json!(user))
            .collect();
        values.extend(match after {
            Some((created, session)) => [json!(created), json!(session)],
            None => [json!(-1), json!("")],
        });
        values.push(json!(most));
        self.listings(&statement, &Value::Array(values))
    }

    fn forget_before(&mut self, now: UnixSeconds) -> Result<(), Unkept> {
        self.run("DELETE FROM revoked WHERE until < ?", &json!([now.0]))?;
        self.run("DELETE FROM sessions WHERE until < ?", &json!([now.0]))
    }
}

fn text(row: &Value, at: usize) -> Option<String> {
    row.get(at)?.as_str().map(str::to_owned)
}

fn number(row: &Value, at: usize) -> Option<u64> {
    row.get(at)?.as_u64()
}

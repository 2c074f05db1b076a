//! Stores the directory object's rows in SQLite.

use super::{Listing, Revoked, TableError, Tables};
use crate::clock::UnixSeconds;

/// Statements that create missing tables.
pub(crate) const SCHEMA: &str = "
  CREATE TABLE IF NOT EXISTS revoked (subject TEXT PRIMARY KEY, epoch INTEGER, until INTEGER);
  CREATE INDEX IF NOT EXISTS revoked_by_epoch ON revoked (epoch);
  CREATE TABLE IF NOT EXISTS sessions
    (session TEXT PRIMARY KEY, user TEXT, created INTEGER, until INTEGER);
  CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user, created);
  CREATE INDEX IF NOT EXISTS sessions_by_age ON sessions (created, session);
";

/// Value in a row or statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Integer that a double represents exactly.
    Integer(i64),
    /// Text.
    Text(String),
}

/// SQL database with storage for one number.
pub(crate) trait Database {
    /// Runs a statement with these values, and returns its rows.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn run(&mut self, statement: &str, values: Vec<Cell>) -> Result<Vec<Vec<Cell>>, TableError>;

    /// Returns the number; 0 if none was set.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn number(&mut self) -> Result<u64, TableError>;

    /// Sets the number.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn set_number(&mut self, number: u64) -> Result<(), TableError>;
}

/// Tables in a database.
#[derive(Debug)]
pub(crate) struct Sql<D>(pub D);

impl<D: Database> Sql<D> {
    fn listings(&mut self, statement: &str, values: Vec<Cell>) -> Result<Vec<Listing>, TableError> {
        let rows = self.0.run(statement, values)?;
        let one = |row: &Vec<Cell>| {
            Ok(Listing {
                session: text(row.first())?,
                user: text(row.get(1))?,
                created: number(row.get(2))?,
                until: UnixSeconds(number(row.get(3))?),
            })
        };
        rows.iter().map(one).collect()
    }
}

impl<D: Database> Tables for Sql<D> {
    fn last(&mut self) -> Result<u64, TableError> {
        self.0.number()
    }

    fn set_last(&mut self, epoch: u64) -> Result<(), TableError> {
        self.0.set_number(epoch)
    }

    fn revoked(&mut self, subject: &str) -> Result<Option<Revoked>, TableError> {
        let statement = "SELECT epoch, until FROM revoked WHERE subject = ?";
        let rows = self.0.run(statement, vec![subject.into()])?;
        let one = |row: &Vec<Cell>| {
            Ok(Revoked {
                epoch: number(row.first())?,
                until: UnixSeconds(number(row.get(1))?),
            })
        };
        rows.first().map(one).transpose()
    }

    fn revoked_after(&mut self, epoch: u64) -> Result<Vec<(String, u64)>, TableError> {
        let statement = "SELECT subject, epoch FROM revoked WHERE epoch > ? ORDER BY epoch";
        let rows = self.0.run(statement, vec![epoch.into()])?;
        let one = |row: &Vec<Cell>| Ok((text(row.first())?, number(row.get(1))?));
        rows.iter().map(one).collect()
    }

    fn set_revoked(&mut self, subject: &str, revoked: Revoked) -> Result<(), TableError> {
        let statement = "INSERT INTO revoked VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET epoch = ?2, until = ?3";
        let values = vec![subject.into(), revoked.epoch.into(), revoked.until.0.into()];
        self.0.run(statement, values).map(drop)
    }

    fn set_listing(&mut self, listing: &Listing) -> Result<(), TableError> {
        let statement = "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET user = ?2, created = ?3, until = ?4";
        let values = vec![
            listing.session.as_str().into(),
            listing.user.as_str().into(),
            listing.created.into(),
            listing.until.0.into(),
        ];
        self.0.run(statement, values).map(drop)
    }

    fn remove_listing(&mut self, session: &str) -> Result<(), TableError> {
        let statement = "DELETE FROM sessions WHERE session = ?";
        self.0.run(statement, vec![session.into()]).map(drop)
    }

    fn listings_of(&mut self, user: &str) -> Result<Vec<Listing>, TableError> {
        self.listings(
            "SELECT session, user, created, until FROM sessions WHERE user = ? ORDER BY rowid",
            vec![user.into()],
        )
    }

    fn listings_after(
        &mut self,
        users: Option<&[String]>,
        after: Option<&(u64, String)>,
        most: usize,
    ) -> Result<Vec<Listing>, TableError> {
        let mine = users.map_or_else(String::new, |users| {
            format!("user IN ({}) AND", vec!["?"; users.len()].join(", "))
        });
        let statement = format!(
            "SELECT session, user, created, until FROM sessions
             WHERE {mine} (created, session) > (?, ?)
             ORDER BY created, session LIMIT ?"
        );
        let mut values: Vec<Cell> = Vec::new();
        for user in users.unwrap_or_default() {
            values.push(user.as_str().into());
        }
        match after {
            Some((created, session)) => {
                values.extend([Cell::from(*created), session.as_str().into()]);
            }
            None => values.extend([Cell::Integer(-1), "".into()]),
        }
        values.push(Cell::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
        self.listings(&statement, values)
    }

    fn count_after(&mut self, now: UnixSeconds) -> Result<u64, TableError> {
        let statement = "SELECT COUNT(*) FROM sessions WHERE until > ?";
        let rows = self.0.run(statement, vec![now.0.into()])?;
        number(rows.first().and_then(|row| row.first()))
    }

    fn forget_before(&mut self, now: UnixSeconds) -> Result<(), TableError> {
        for statement in [
            "DELETE FROM revoked WHERE until < ?",
            "DELETE FROM sessions WHERE until < ?",
        ] {
            self.0.run(statement, vec![now.0.into()])?;
        }
        Ok(())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Cell {
    /// Converts a time or epoch, which is far below the maximum.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

fn text(cell: Option<&Cell>) -> Result<String, TableError> {
    match cell {
        Some(Cell::Text(text)) => Ok(text.clone()),
        Some(Cell::Integer(_)) | None => Err(TableError::Cell("a text")),
    }
}

fn number(cell: Option<&Cell>) -> Result<u64, TableError> {
    match cell {
        Some(Cell::Integer(number)) => {
            u64::try_from(*number).map_err(|_| TableError::Cell("a number"))
        }
        Some(Cell::Text(_)) | None => Err(TableError::Cell("a number")),
    }
}

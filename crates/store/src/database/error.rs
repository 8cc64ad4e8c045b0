//! Why the database did not do what was asked, sorted by what helps: asking again later, or a person.

/// Why the database did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// It can't be reached, is locked, or gave up; asking again later may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// It answered and would not: a damaged file, a schema of a newer version, a fault of ours.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl DatabaseError {
    /// Something that is kept can't be understood.
    pub(crate) fn unreadable(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{what} can't be understood: {error}"))
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
        let may_pass = match &error {
            Io(_) | Tls(_) | PoolTimedOut | PoolClosed | Protocol(_) | WorkerCrashed => true,
            sqlx::Error::Database(told) => told.code().is_some_and(|code| may_pass(&code)),
            _ => false,
        };
        if may_pass { Self::Unavailable(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

/// Whether a fault of this code may be gone later. PostgreSQL's codes have five letters and digits, of which the first
/// two are the class (its manual, "PostgreSQL Error Codes"); SQLite's are numbers whose low byte is the fault ("Result
/// and Error Codes").
fn may_pass(code: &str) -> bool {
    /// Connection, transaction given up, resources, lock not to be had, operator's doing, the system's own.
    const POSTGRES: [&str; 7] = ["08", "25", "40", "53", "55", "57", "58"];
    /// Busy, locked, out of memory, interrupted, input and output, full, can't be opened, locking protocol.
    const SQLITE: [u32; 8] = [5, 6, 7, 9, 10, 13, 14, 15];
    if code.len() == 5 {
        POSTGRES.iter().any(|class| code.starts_with(class))
    } else {
        code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xFF)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_may_pass_and_a_broken_rule_does_not() {
        for code in ["5", "517", "13", "266", "57P01", "55P03", "53300", "08006"] {
            assert!(may_pass(code), "{code}");
        }
        for code in ["11", "26", "19", "1555", "2067", "23505", "42P01", "28P01"] {
            assert!(!may_pass(code), "{code}");
        }
    }
}

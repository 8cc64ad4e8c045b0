//! Lists of calls, newest first, a page at a time. No page reads more rows than it shows: which calls it has is found in
//! indexes alone.

use jiff::Timestamp;
use sqlx::QueryBuilder;

use super::{Connection, Db, Result, facets, moment, word};
use crate::CallId;
use crate::database::operation::{ListCalls, On};
use crate::database::values::{CallFilter, CallSummary};

/// Of how many different [`facets`] the newest calls are looked up one by one. Of more, calls are looked through by
/// time: so many are rarely far apart.
const ONE_BY_ONE: usize = 100;

impl On<Db> for ListCalls {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<CallSummary>> {
        let facets = facets::wanted(connection, &self.filter).await?;
        if facets.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let after = match self.after {
            Some(id) => Some((place(connection, id).await?, id.to_string())),
            None => None,
        };
        let page = Page { filter: &self.filter, after, limit: i64::from(self.limit) };
        let rows: Vec<Row> = page.query(facets.as_deref()).build_query_as().fetch_all(connection).await?;
        rows.into_iter().map(summary).collect()
    }
}

/// When a call began, as far as lists go.
async fn place(connection: &mut Connection, id: CallId) -> Result<i64> {
    let known: Option<i64> = sqlx::query_scalar("SELECT started_at FROM calls WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(known.unwrap_or_else(|| id.began().as_microsecond()))
}

/// Where the calls of one part of a page are looked for.
enum Part<'a> {
    All,
    Facets(String),
    AnyOf(&'a [String]),
    Number(&'static str, &'a str, &'a [String]),
}

struct Page<'a> {
    filter: &'a CallFilter,
    after: Option<(i64, String)>,
    limit: i64,
}

impl Page<'_> {
    /// The first rows of each part are found in order, so they hold the first of the whole; to ask for all parts in
    /// one would sort everything that matches.
    fn query(&self, facets: Option<&[String]>) -> QueryBuilder<Db> {
        let mut query = QueryBuilder::new(
            "SELECT id, carrier, carrier_call_id, direction, status, end_reason, agent, from_number, to_number,
             started_at, answered_at, ended_at FROM calls WHERE id IN (SELECT id FROM (",
        );
        let all = facets.unwrap_or_default();
        let parts = match (self.filter.number.as_deref(), facets) {
            (Some(number), _) => {
                ["from_number", "to_number"].map(|column| Part::Number(column, number, all)).into()
            }
            (None, None) => vec![Part::All],
            (None, Some(some)) if some.len() <= ONE_BY_ONE => {
                some.iter().cloned().map(Part::Facets).collect()
            }
            (None, Some(many)) => vec![Part::AnyOf(many)],
        };
        for (n, part) in parts.iter().enumerate() {
            query.push(if n == 0 { "SELECT * FROM (" } else { " UNION SELECT * FROM (" });
            self.part(part, &mut query);
            query.push(") AS part");
        }
        query.push(") AS parts ORDER BY started_at DESC, id DESC LIMIT ").push_bind(self.limit);
        query.push(") ORDER BY started_at DESC, id DESC");
        query
    }

    fn part(&self, part: &Part<'_>, query: &mut QueryBuilder<Db>) {
        let Self { filter, after, limit } = self;
        query.push("SELECT id, started_at FROM calls WHERE started_at >= ");
        query.push_bind(filter.from.map_or(i64::MIN, Timestamp::as_microsecond));
        query.push(" AND started_at < ");
        // Said once more as a bound by itself: of a comparison of pairs beside another bound, SQLite begins at the other.
        let until = filter.until.map_or(i64::MAX, Timestamp::as_microsecond);
        query.push_bind(after.as_ref().map_or(until, |(at, _)| until.min(at.saturating_add(1))));
        if let Some((at, id)) = after {
            query.push(" AND (started_at, id) < (").push_bind(*at).push(", ").push_bind(id.clone()).push(")");
        }
        match part {
            Part::All => {}
            Part::Facets(facets) => {
                query.push(" AND facets = ").push_bind(facets.clone());
            }
            Part::AnyOf(facets) => any_of(facets, query),
            Part::Number(column, number, facets) => {
                query.push(" AND ").push(*column).push(" = ").push_bind((*number).to_owned());
                any_of(facets, query);
            }
        }
        query.push(" ORDER BY started_at DESC, id DESC LIMIT ").push_bind(*limit);
    }
}

/// None given: any.
fn any_of(facets: &[String], query: &mut QueryBuilder<Db>) {
    if facets.is_empty() {
        return;
    }
    // As an expression, so that no index by it is taken in the place of one that is in the list's order.
    query.push(" AND (facets || '') IN (");
    let mut list = query.separated(", ");
    for one in facets {
        list.push_bind(one.clone());
    }
    query.push(")");
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
);

fn summary(row: Row) -> Result<CallSummary> {
    let (id, carrier, carrier_call_id, direction, status, reason, agent, from, to, started, answered, ended) =
        row;
    Ok(CallSummary {
        id,
        carrier,
        carrier_call_id,
        direction: word("a call's direction", &direction)?,
        status: word("a call's status", &status)?,
        end_reason: reason.map(|reason| word("an end reason", &reason)).transpose()?,
        agent,
        from,
        to,
        started_at: moment(started)?,
        answered_at: answered.map(moment).transpose()?,
        ended_at: ended.map(moment).transpose()?,
    })
}

//! How the database does, for metrics and readiness. No call waits for it, so that it is away makes a server neither
//! unready nor dead: calls are answered, and what is told of them waits on the disk.

use std::fmt::Write as _;
use std::time::Duration;

use metrics::{Unit, describe_gauge, describe_histogram, gauge};
use store::Backlog;

use crate::Control;

/// How long the database may take to count as there.
const ANSWERS: Duration = Duration::from_secs(1);

/// Says what its metrics are. How long writes take is measured where they are made, in `store`.
pub(crate) fn describe_metrics() {
    describe_gauge!("trunkline_db_up", "Whether the database answers.");
    describe_gauge!("trunkline_db_writes_waiting", Unit::Count, "Writes that wait or are under way.");
    describe_gauge!("trunkline_db_backlog", Unit::Count, "What waits in the data folder for the database.");
    describe_histogram!(
        "trunkline_db_write_seconds",
        Unit::Seconds,
        "From the asking for a write to its commit."
    );
}

/// One line about it where that is wanted or something is wrong. Says whether all is well.
pub(crate) async fn describe(control: &Control, verbose: bool, text: &mut String) -> bool {
    let answers = answers(control).await;
    if answers && !verbose {
        return true;
    }
    let writes = control.database.waiting_writes();
    let Backlog { records, callbacks, .. } = control.store.backlog().await.unwrap_or_default();
    let (sign, word) = if answers { ('+', "ok") } else { ('~', "does not answer") };
    let _ = writeln!(
        text,
        "[{sign}]database {word}; {writes} writes, {records} calls and {callbacks} callbacks wait"
    );
    if !answers {
        text.push_str("degraded: database\n");
    }
    answers
}

/// Sets its gauges.
pub(crate) async fn measure(control: &Control) {
    gauge!("trunkline_db_up").set(if answers(control).await { 1.0 } else { 0.0 });
    gauge!("trunkline_db_writes_waiting").set(control.database.waiting_writes() as f64);
    // A folder that can't be read is the store's fault, which has a line of its own.
    let backlog = control.store.backlog().await.unwrap_or_default();
    gauge!("trunkline_db_backlog", "kind" => "calls").set(backlog.records as f64);
    gauge!("trunkline_db_backlog", "kind" => "callbacks").set(backlog.callbacks as f64);
}

async fn answers(control: &Control) -> bool {
    matches!(tokio::time::timeout(ANSWERS, control.database.ping()).await, Ok(Ok(())))
}

//! The one writer of this process. What several callers want written goes into one transaction, so that a disk's or a
//! server's time for one commit serves all of them; each has a savepoint of its own, so that one's fault is not
//! another's. The transaction takes a lock that all processes take first, so that writes are one after another
//! everywhere, numbers come in the order of commits, and no two transactions can wait for each other.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Pool};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::{Db, begin, tell};
use super::{Connection, Result};
use crate::database::error::DatabaseError;
use crate::database::operation::{On, Operation};

/// How many writes may wait.
const QUEUE: usize = 1024;
/// How many share one transaction.
const BATCH: usize = 256;
/// How long a caller waits for its write, and a reader for its answer.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long one transaction may take before its connection is given up.
const HANGS: Duration = Duration::from_secs(20);

type Running<'a> = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A write that waits, whatever it gives.
trait Waiting: Send {
    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> Running<'a>;
    fn end(self: Box<Self>, end: Result<()>);
    fn is_given_up(&self) -> bool;
}

struct Write<O: Operation> {
    operation: O,
    out: Option<O::Out>,
    reply: oneshot::Sender<Result<O::Out>>,
}

impl<O: On<Db>> Waiting for Write<O> {
    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> Running<'a> {
        Box::pin(async move {
            self.out = Some(self.operation.run(connection).await?);
            Ok(())
        })
    }

    fn end(self: Box<Self>, end: Result<()>) {
        let Self { out, reply, .. } = *self;
        let end = end.and_then(|()| out.ok_or_else(closed));
        // Whoever asked may have given up.
        let _ = reply.send(end);
    }

    fn is_given_up(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The database, open.
pub(crate) struct Engine {
    readers: Pool<Db>,
    writer: Pool<Db>,
    writes: mpsc::Sender<Box<dyn Waiting>>,
    /// How many callers wait for their write.
    waiting: AtomicUsize,
}

/// A caller that waits, counted until it has its answer or gives up.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Begins the writer's task; it ends with the last handle. `latest` is told the number of the latest event.
    pub(crate) fn new(writer: Pool<Db>, readers: Pool<Db>, latest: watch::Sender<i64>) -> Self {
        let (writes, queue) = mpsc::channel(QUEUE);
        tokio::spawn(work(writer.clone(), queue, latest));
        Self { readers, writer, writes, waiting: AtomicUsize::new(0) }
    }

    /// Reads.
    pub(crate) async fn read<O: On<Db>>(&self, operation: O) -> Result<O::Out> {
        let answer = tokio::time::timeout(PATIENCE, async {
            let mut connection = self.readers.acquire().await?;
            operation.run(&mut connection).await
        });
        answer.await.unwrap_or_else(|_| Err(late()))
    }

    /// Writes. When this says that it is done, it is with the disk.
    pub(crate) async fn write<O: On<Db>>(&self, operation: O) -> Result<O::Out> {
        let (_waiting, begun) = (Counted::new(&self.waiting), Instant::now());
        let (reply, answer) = oneshot::channel();
        let write = Box::new(Write { operation, out: None, reply });
        let ended = tokio::time::timeout(PATIENCE, async {
            self.writes.send(write).await.map_err(|_| closed())?;
            answer.await.unwrap_or_else(|_| Err(closed()))
        });
        let ended = ended.await.unwrap_or_else(|_| Err(late()));
        metrics::histogram!("trunkline_db_write_seconds", "outcome" => outcome(&ended))
            .record(begun.elapsed());
        ended
    }

    /// How many writes wait or are under way.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Closes the connections once nothing uses them.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

fn outcome<T>(ended: &Result<T>) -> &'static str {
    match ended {
        Ok(_) => "ok",
        Err(DatabaseError::Failed(_)) => "failed",
        Err(DatabaseError::Unavailable(_)) => "unavailable",
    }
}

fn late() -> DatabaseError {
    DatabaseError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))
}

fn closed() -> DatabaseError {
    DatabaseError::Unavailable("it is closed".to_owned())
}

async fn work(pool: Pool<Db>, mut queue: mpsc::Receiver<Box<dyn Waiting>>, latest: watch::Sender<i64>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        batch.retain(|write| !write.is_given_up());
        if batch.is_empty() {
            continue;
        }
        let (ends, seq) = match tokio::time::timeout(HANGS, transact(&pool, &mut batch)).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => (vec![Err(error); batch.len()], None),
            Err(_) => (vec![Err(late()); batch.len()], None),
        };
        if let Some(seq) = seq {
            crate::database::tell_here(&latest, seq);
        }
        for (write, end) in batch.drain(..).zip(ends) {
            write.end(end);
        }
    }
}

/// All writes in one transaction. Gives how each ended, and the latest number if there are new ones.
async fn transact(pool: &Pool<Db>, batch: &mut [Box<dyn Waiting>]) -> Result<(Vec<Result<()>>, Option<i64>)> {
    let mut connection = pool.acquire().await?;
    let end = transact_on(&mut connection, batch).await;
    if let Err(DatabaseError::Unavailable(_)) = end {
        // Whatever state it is in, the next write begins with another one.
        connection.detach().close_hard().await.ok();
    }
    end
}

async fn transact_on(
    connection: &mut Connection,
    batch: &mut [Box<dyn Waiting>],
) -> Result<(Vec<Result<()>>, Option<i64>)> {
    let (mut transaction, before) = begin(connection).await?;
    let mut ends = Vec::with_capacity(batch.len());
    for write in batch {
        match one(&mut transaction, write).await {
            ControlFlow::Continue(end) => ends.push(end),
            ControlFlow::Break(error) => return Err(error),
        }
    }
    let after: i64 = sqlx::query_scalar("SELECT last FROM counter WHERE name = 'seq'")
        .fetch_one(&mut *transaction)
        .await?;
    if after > before {
        tell(&mut transaction, after).await?;
    }
    transaction.commit().await?;
    Ok((ends, (after > before).then_some(after)))
}

/// One write, on a savepoint. Breaks off when the fault is not this write's.
async fn one(
    transaction: &mut Connection,
    write: &mut Box<dyn Waiting>,
) -> ControlFlow<DatabaseError, Result<()>> {
    let attempt = async {
        let mut savepoint = transaction.begin().await?;
        let end = write.run(&mut savepoint).await;
        match end {
            Ok(()) => savepoint.commit().await?,
            Err(error @ DatabaseError::Unavailable(_)) => return Err(error),
            Err(DatabaseError::Failed(_)) => savepoint.rollback().await?,
        }
        Ok(end)
    };
    match attempt.await {
        Ok(end) => ControlFlow::Continue(end),
        Err(error) => ControlFlow::Break(error),
    }
}

//! What happens, as it happens: server-sent events (WHATWG HTML, 9.2) from the database's own list of events. Each has
//! the number that the list gives it, so that who comes back asks for what came after the last one it saw: nothing is
//! lost on the way and nothing told twice.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, RawQuery, State};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use store::{CallId, Database, Scope, StoredEvent};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::event::Event;
use crate::Control;
use crate::auth::may;
use crate::problem::{BadRequest, Code, Forbidden, Mistake, Problem, ServerFault, Unauthorized, Unavailable};

/// How many may listen at once.
const LISTENERS: usize = 64;
/// How many events are asked of the database at once.
const BATCH: u32 = 200;
/// How many wait for a listener that is slow.
const WAITING: usize = 64;
/// After how long a listener that takes nothing is given up.
const SLOW: Duration = Duration::from_secs(30);
/// How often a listener hears that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long to wait before the database is asked again after it was: many events then come in one answer.
const PACE: Duration = Duration::from_millis(50);
/// After how long it is asked without having said that there is more, in case a word was lost.
const LOOK: Duration = Duration::from_secs(5);
/// After how long a listener whose connection broke should come back.
const COME_BACK: Duration = Duration::from_secs(2);

/// Places for those who listen.
#[derive(Debug, Clone)]
pub(crate) struct Listeners(Arc<Semaphore>);

impl Default for Listeners {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LISTENERS)))
    }
}

/// Which events.
#[derive(Debug, Default, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Only what came after the event of this number; 0 begins with the oldest. Without it, and without
    /// `Last-Event-ID`, only what comes from now on.
    #[param(minimum = 0)]
    since: Option<i64>,
    /// Only about this call.
    #[param(value_type = Option<String>, example = "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM")]
    call: Option<CallId>,
    /// `false` ends the answer after the events that are there now.
    #[param(value_type = Option<bool>, default = true)]
    follow: bool,
}

/// What happens to calls, as it happens
///
/// Server-sent events that go on until either side closes. Each has `id` (its number), `event` (the `kind`: `status`,
/// `talk`, `answered_by` and so on) and `data` (an `Event` as JSON). A client that lost its connection comes back with
/// the header `Last-Event-ID`, as browsers do by themselves, or with `since`, and misses nothing. Every 15 s at least
/// something is sent. A client that takes nothing for 30 s is given up.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", security(("key" = [])),
    params(EventQuery, ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event seen.")),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        BadRequest, Unauthorized, Forbidden, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn events(
    State(control): State<Arc<Control>>,
    Extension(listeners): Extension<Listeners>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let query = EventQuery::parse(query.as_deref().unwrap_or_default(), &headers)?;
    let full = || Problem::new(Code::Unavailable, format!("{LISTENERS} clients listen already."));
    let place = listeners.0.try_acquire_owned().map_err(|_| full())?;
    // Before the first events are read: what comes meanwhile is told.
    let news = control.database.subscribe();
    // A database that does not answer is said now, while there is a status to say it with.
    control.database.ping().await?;
    let last = query.since.unwrap_or_else(|| *news.borrow());
    let (sender, events) = mpsc::channel(WAITING);
    let feed = Feed { database: control.database.clone(), news, call: query.call, last, sender };
    tokio::spawn(feed.run(query.follow, control.stop.clone(), place));
    let events = stream::unfold(events, async |mut events| Some((events.recv().await?, events)));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    // nginx holds an answer back until it is whole, unless told otherwise.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What brings the events of the database to one listener.
struct Feed {
    database: Database,
    news: watch::Receiver<i64>,
    call: Option<CallId>,
    /// The number of the last event that was told.
    last: i64,
    sender: Sender,
}

/// The listener is gone.
struct Gone;

impl Feed {
    async fn run(mut self, follow: bool, stop: CancellationToken, place: OwnedSemaphorePermit) {
        // A number without data: who loses the connection before the first event comes back to here.
        let hello = Message::default().id(self.last.to_string()).retry(COME_BACK);
        if tell(&self.sender, hello).await.is_ok() {
            stop.run_until_cancelled(async {
                while self.catch_up().await.is_ok() && follow {
                    tokio::select! {
                        _ = self.news.changed() => sleep(PACE).await,
                        () = sleep(LOOK) => {}
                        () = self.sender.closed() => return,
                    }
                }
            })
            .await;
        }
        drop(place);
    }

    /// Tells all that is there.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        loop {
            self.news.borrow_and_update();
            let found = match self.database.events(self.call, self.last, BATCH).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::debug!(%error, "a listener's events can't be read now");
                    return Ok(());
                }
            };
            let is_all = found.len() < BATCH as usize;
            for stored in found {
                self.last = stored.seq;
                tell(&self.sender, message(stored)).await?;
            }
            if is_all {
                return Ok(());
            }
        }
    }
}

type Sender = mpsc::Sender<Result<Message, Infallible>>;

async fn tell(sender: &Sender, message: Message) -> Result<(), Gone> {
    match timeout(SLOW, sender.send(Ok(message))).await {
        Ok(sent) => sent.map_err(|_| Gone),
        Err(_) => {
            tracing::warn!("a listener of events takes nothing and is given up");
            Err(Gone)
        }
    }
}

fn message(stored: StoredEvent) -> Message {
    let event = Event::from(stored);
    let message = Message::default().id(event.seq.to_string()).event(event.said.kind());
    // Strings, numbers and maps of strings: there is nothing in it that JSON can't hold.
    message.data(serde_json::to_string(&event).unwrap_or_default())
}

impl EventQuery {
    fn parse(query: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut wanted = Self { follow: true, ..Self::default() };
        let mut mistakes = Vec::new();
        let mut seen = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let fault = match &*name {
                _ if seen.insert(name.clone().into_owned(), ()).is_some() => "is given twice",
                "since" => {
                    wanted.since = number(&value);
                    if wanted.since.is_some() { continue } else { "is a number from 0 on" }
                }
                "call" => {
                    wanted.call = value.parse().ok();
                    if wanted.call.is_some() { continue } else { "is no call's id" }
                }
                "follow" if matches!(&*value, "true" | "false") => {
                    wanted.follow = &*value == "true";
                    continue;
                }
                "follow" => "is true or false",
                _ => "is no parameter of this",
            };
            let shown: String = name.chars().filter(|letter| !letter.is_control()).take(40).collect();
            mistakes.push(Mistake::of(&shown, format!("`{shown}` {fault}.")));
        }
        // What a client saw last counts more than where it once began: browsers keep the URL and add the header.
        if let Some(last) = headers.get("last-event-id") {
            match last.to_str().ok().and_then(number) {
                Some(last) => wanted.since = Some(last),
                None => {
                    mistakes.push(Mistake::header("Last-Event-ID", "`Last-Event-ID` is no event's number."));
                }
            }
        }
        if mistakes.is_empty() {
            Ok(wanted)
        } else {
            Err(Problem::of_mistakes(Code::InvalidParameters, mistakes))
        }
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_last_counts_more_than_where_it_began() {
        let none = HeaderMap::new();
        let id = CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), [7; 10]);
        let wanted = EventQuery::parse(&format!("since=7&call={id}&follow=false"), &none).ok().unwrap();
        assert_eq!(wanted, EventQuery { since: Some(7), call: Some(id), follow: false });
        let back = HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from_static("9"))]);
        let wanted = EventQuery::parse("since=7", &back).ok().unwrap();
        assert_eq!(wanted, EventQuery { since: Some(9), call: None, follow: true });
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_takes_nothing_is_given_up() {
        let (sender, mut listener) = mpsc::channel(1);
        assert!(tell(&sender, Message::default()).await.is_ok());
        let began = tokio::time::Instant::now();
        assert!(tell(&sender, Message::default()).await.is_err());
        assert!(began.elapsed() >= SLOW);
        assert!(listener.recv().await.is_some());
        assert!(tell(&sender, Message::default()).await.is_ok(), "one that takes again is told again");
        drop(listener);
        assert!(tell(&sender, Message::default()).await.is_err());
    }

    #[test]
    fn every_fault_is_named() {
        let back = HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from_static("x"))]);
        let problem = EventQuery::parse("since=-1&call=x&follow=1&x=1&x=2", &back).unwrap_err();
        let problem = serde_json::to_value(problem).unwrap();
        let errors = problem["errors"].as_array().unwrap();
        let named: Vec<_> =
            errors.iter().map(|error| error["parameter"].as_str().unwrap_or("header")).collect();
        assert_eq!(named, ["since", "call", "follow", "x", "x", "header"]);
    }
}

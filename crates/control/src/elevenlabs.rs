//! ElevenLabs' post-call webhook: what an agent that is set up there found out about a call, signed. It is taken in with
//! the same care as a carrier's callback: once, in any order, and answered quickly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::routing::post;
use http::StatusCode;
use jiff::Timestamp;
use providers::elevenlabs::webhook::{Conversation, PostCall, SIGNATURE_HEADER, post_call, verify};
use records::{CallEvent, Fact, Witness};
use secrecy::SecretString;
use serde_json::json;
use store::{CallId, Database, DatabaseError, InboxEntry, Which};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Where it comes in.
const PATH: &str = "/elevenlabs/post-call";
/// A recording comes in one piece, as base64.
const LARGEST_BODY: usize = 64 << 20;
/// Larger bodies than this are taken in few at once: who sends them is only known when they are there.
const SMALL_BODY: u64 = 1 << 20;
const LARGE_AT_ONCE: usize = 2;
/// How long a large body waits for its turn, and may take.
const TURN: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(60);
/// What it is called in the inbox.
const VENDOR: &str = "elevenlabs";
const KIND: &str = "post_call";
/// After which nothing more is told of a conversation.
const FINAL: [&str; 2] = ["done", "failed"];

/// What the webhook needs.
struct Desk {
    database: Database,
    secret: SecretString,
    large: Semaphore,
}

/// The webhook's route. `secret` is what ElevenLabs shows when the webhook is set up.
pub fn post_call_route(database: Database, secret: SecretString) -> Router {
    Router::new().route(PATH, post(take)).with_state(Arc::new(Desk {
        database,
        secret,
        large: Semaphore::new(LARGE_AT_ONCE),
    }))
}

async fn take(State(desk): State<Arc<Desk>>, request: Request) -> StatusCode {
    let now = Timestamp::now();
    let (head, body) = request.into_parts();
    let signature = head.headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let Some(signature) = signature else { return StatusCode::UNAUTHORIZED };
    let is_small = body.size_hint().exact().is_some_and(|bytes| bytes <= SMALL_BODY);
    let _place = match is_small {
        true => None,
        false => match timeout(TURN, desk.large.acquire()).await {
            Ok(place) => place.ok(),
            Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
        },
    };
    let Ok(body) = timeout(READ, to_bytes(body, LARGEST_BODY)).await else {
        return StatusCode::REQUEST_TIMEOUT;
    };
    let Ok(body) = body else { return StatusCode::PAYLOAD_TOO_LARGE };
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    if let Err(why) = verify(signature, &body, &desk.secret, seconds) {
        tracing::warn!(%why, "a post-call webhook is not believed");
        // Whether it was noted changes nothing for whoever sent it.
        let _ = desk.database.refused(VENDOR, KIND, now).await;
        return StatusCode::UNAUTHORIZED;
    }
    match post_call(&body) {
        Ok(PostCall::Ended(conversation)) => desk.take_in(&conversation, now).await,
        Ok(PostCall::NeverBegan { conversation, reason }) => {
            tracing::warn!(conversation, reason, "a conversation never began");
            StatusCode::OK
        }
        // The call has its own recording; what is not known is none of ours.
        Ok(PostCall::Audio { .. } | PostCall::Other(_)) => StatusCode::OK,
        Err(why) => {
            tracing::warn!(%why, "a signed post-call webhook can't be read");
            StatusCode::BAD_REQUEST
        }
    }
}

impl Desk {
    async fn take_in(&self, conversation: &Conversation, now: Timestamp) -> StatusCode {
        let call: Option<CallId> = conversation.call.as_deref().and_then(|call| call.parse().ok());
        let Some(call) = call else {
            tracing::info!(conversation = conversation.id, "a conversation of no call of ours is over");
            return StatusCode::OK;
        };
        match keep(&self.database, call, conversation, now).await {
            Ok(is_news) => {
                let repeated = !is_news;
                tracing::info!(call_id = %call, conversation = conversation.id, repeated, "an agent has told of a call");
                StatusCode::OK
            }
            Err(error) => {
                tracing::error!(call_id = %call, %error, "what an agent told of a call can't be kept");
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

/// Keeps what is told of a conversation with its call, whoever told it. Says whether it is news: the same again changes
/// nothing.
pub(crate) async fn keep(
    database: &Database,
    call: CallId,
    conversation: &Conversation,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let entry = InboxEntry {
        carrier: VENDOR.to_owned(),
        kind: KIND.to_owned(),
        key: key(&conversation.id, &conversation.status),
        received_at: now,
        // Not what was said, nor what was found: that lies with the call.
        body: json!({ "conversation_id": conversation.id, "status": conversation.status }).to_string(),
    };
    let fact = Fact::AgentReport { fields: fields(conversation) };
    let event = CallEvent { at: now, from: Witness::Carrier, fact };
    let applied = database.apply(&Which::Id(call), vec![event], Some(entry)).await?;
    Ok(!applied.is_repeated)
}

/// Whether the last word on a conversation of this call has come.
pub(crate) async fn has_told(
    database: &Database,
    call: CallId,
    conversation: &str,
) -> Result<bool, DatabaseError> {
    let last = FINAL.map(|status| key(conversation, status));
    let told = database.callbacks(call).await?;
    Ok(told.iter().any(|told| told.carrier == VENDOR && told.kind == KIND && last.contains(&told.key)))
}

fn key(conversation: &str, status: &str) -> String {
    format!("{conversation}:{status}")
}

/// What is kept of a conversation beside what the call itself knows.
fn fields(conversation: &Conversation) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::from([
        ("conversation_id".to_owned(), conversation.id.clone()),
        ("agent_id".to_owned(), conversation.agent.clone()),
        ("status".to_owned(), conversation.status.clone()),
    ]);
    let more = [
        ("successful", conversation.successful.clone()),
        ("summary", conversation.summary.clone()),
        ("ended_because", conversation.ended_because.clone()),
        ("seconds", conversation.seconds.map(|seconds| seconds.to_string())),
        ("cost", conversation.cost.map(|cost| cost.to_string())),
    ];
    fields.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let results = conversation.results.iter();
    fields.extend(results.map(|(name, value)| (format!("result.{name}"), value.clone())));
    fields
}

//! ElevenLabs' conversational agents: signed URLs, the conversation's WebSocket, and what is told of a conversation
//! afterwards. The agent takes and gives mu-law, greets by itself, allows no override, and hears by level: a stretch of
//! sound is the world's next text, and the answer to it the world's next answer.
//!
//! What it does by key (a public agent's id is its key), beside what goes wrong everywhere: `x-format-NAME` (takes and
//! gives that format, known or not), `x-no-input-format` (does not say what it takes), `x-allows-overrides`,
//! `x-needs-variable` (wants `candidate_name`), `x-no-greeting`, `x-never-ready` (no metadata), `x-cut-once` (the
//! connection breaks in the first answer, and the next conversation works), `x-llm-timeout` and `x-crash` (close with
//! 1002 and 1011 in the first answer), `x-max-duration` (closes with 1000 in the first answer), `x-hangs-up` (ends the
//! call by its own tool after the first answer), `x-old` (no ids on words).

mod answer;
mod saying;
mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::access::{Guest, Parameters, parameters, refuse};
use super::socket::run;
use crate::vendors::World;

use session::Session;

/// Its paths.
pub(super) fn routes(world: &World) -> Router {
    let office = Office { world: world.clone(), book: Arc::default() };
    Router::new()
        .route("/v1/convai/conversation/get-signed-url", get(signed_url))
        .route("/v1/convai/conversation", get(socket))
        .route("/v1/convai/conversations/{id}", get(conversation))
        .with_state(office)
}

/// What all conversations share.
#[derive(Debug, Clone)]
struct Office {
    world: World,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    /// Whose each signature is; a signature is good for one conversation.
    signatures: BTreeMap<String, String>,
    signed: u32,
    /// What is told of each conversation.
    conversations: BTreeMap<String, Value>,
    /// How many conversations each key has begun.
    begun: BTreeMap<String, u32>,
}

impl Office {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another conversation of this key begins. Gives its id, and which of the key's it is.
    fn begin(&self, key: &str, agent: &str) -> (String, u32) {
        let mut book = self.book();
        let id = format!("conv_{}", book.conversations.len() + 1);
        let told = json!({ "agent_id": agent, "conversation_id": id, "status": "in-progress", "transcript": [],
            "metadata": {}, "conversation_initiation_client_data": {} });
        book.conversations.insert(id.clone(), told);
        let begun = book.begun.entry(key.to_owned()).or_default();
        *begun += 1;
        (id, *begun)
    }

    /// Changes what is told of a conversation.
    fn change(&self, id: &str, change: impl FnOnce(&mut Value)) {
        if let Some(told) = self.book().conversations.get_mut(id) {
            change(told);
        }
    }
}

/// `GET /v1/convai/conversation/get-signed-url`.
async fn signed_url(State(office): State<Office>, uri: Uri, headers: HeaderMap) -> Response {
    let guest = match Guest::admit(office.world.clone(), "elevenlabs/signed-url", &uri, &headers).await {
        Ok(guest) => guest,
        Err(refusal) => return refusal,
    };
    let asked: Parameters = parameters(&uri);
    let agent = asked.get("agent_id").cloned().unwrap_or_default();
    if agent.is_empty() {
        return guest.forbid(422, "missing_fields", "agent_id is missing");
    }
    if asked.keys().any(|name| {
        !["agent_id", "include_conversation_id", "branch_id", "environment"].contains(&name.as_str())
    }) {
        guest.breach("a parameter of a signed URL that is not known");
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signature = {
        let mut book = office.book();
        book.signed += 1;
        let signature = format!("signature{}", book.signed);
        book.signatures.insert(signature.clone(), text("xi-api-key").to_owned());
        signature
    };
    let place = format!("ws://{}/v1/convai/conversation", text("host"));
    let url = format!("{place}?agent_id={agent}&conversation_signature={signature}");
    Json(json!({ "signed_url": url })).into_response()
}

/// `GET /v1/convai/conversation` as a WebSocket.
async fn socket(
    State(office): State<Office>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let asked = parameters(&uri);
    let agent = asked.get("agent_id").cloned().unwrap_or_default();
    let signature = asked.get("conversation_signature");
    let key = match signature {
        Some(signature) => office.book().signatures.remove(signature),
        None => Some(agent.clone()),
    };
    let api = "elevenlabs/agent";
    let Some(key) = key else {
        let guest = Guest::known(office.world.clone(), api, &uri, "");
        return guest.forbid(403, "invalid_signature", "the signature is not known, or was used before");
    };
    let guest = Guest::known(office.world.clone(), api, &uri, &key);
    if agent.is_empty() {
        return guest.forbid(404, "agent_not_found", "agent_id is missing");
    }
    if signature.is_some() && headers.contains_key("xi-api-key") {
        guest.breach("a key where the address is signed");
    }
    if let Err(refusal) = guest.before_upgrade().await {
        return refusal;
    }
    let (id, nth) = office.begin(&key, &agent);
    // The browsers' client offers it.
    let upgrade = upgrade.protocols(["convai"]);
    upgrade.on_upgrade(move |socket| async move {
        let ending = (office.clone(), id.clone());
        run(socket, Session::new(guest, office, id, nth)).await;
        let (office, id) = ending;
        office.change(&id, |told| told["status"] = json!("done"));
    })
}

/// `GET /v1/convai/conversations/{id}`.
async fn conversation(
    State(office): State<Office>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = Guest::admit(office.world.clone(), "elevenlabs/conversation", &uri, &headers).await
    {
        return refusal;
    }
    let told = office.book().conversations.get(&id).cloned();
    match told {
        Some(told) => Json(told).into_response(),
        None => refuse(404, "conversation_not_found", "A conversation with that id was not found"),
    }
}

//! The first message: who calls, and what of our own settings goes before what is set at ElevenLabs. An override that
//! the agent's security settings do not allow closes the socket, so nothing is overridden that nobody asked for.

use serde_json::{Map, Value, json};

use crate::{ConverseSpec, Override, RoleOptions};

/// Names of variables that begin so are ElevenLabs' own.
const RESERVED: &str = "system__";

/// `conversation_initiation_client_data` for this call.
pub(super) fn first_message(role: &RoleOptions, spec: &ConverseSpec) -> Value {
    let mut first = json!({
        "type": "conversation_initiation_client_data",
        "source_info": { "source": "trunkline", "version": env!("CARGO_PKG_VERSION") },
        "dynamic_variables": variables(role, spec),
    });
    let has = |wanted| role.overrides.contains(&wanted);
    let mut overridden = json!({});
    if has(Override::Prompt) && !spec.system.is_empty() {
        overridden["agent"]["prompt"]["prompt"] = json!(spec.system);
    }
    if has(Override::Greeting) {
        overridden["agent"]["first_message"] = json!(spec.greeting);
    }
    if has(Override::Language) {
        let language = role.language.as_deref().unwrap_or(&spec.language);
        // ISO 639-1: the first part of BCP 47.
        let primary = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        overridden["agent"]["language"] = json!(primary);
    }
    if let Some(voice) = role.voice.as_ref().filter(|_| has(Override::Voice)) {
        overridden["tts"]["voice_id"] = json!(voice);
    }
    if overridden.as_object().is_some_and(|fields| !fields.is_empty()) {
        first["conversation_config_override"] = overridden;
    }
    lay(&mut first, &role.body);
    first
}

/// The same for a conversation that goes on after its connection broke: the agent does not greet again.
pub(super) fn without_greeting(mut first: Value) -> Value {
    if let Some(greeting) = first.pointer_mut("/conversation_config_override/agent/first_message") {
        *greeting = json!("");
    }
    first
}

/// What the agent's texts may refer to: our id of the call, and what came with the call.
fn variables(role: &RoleOptions, spec: &ConverseSpec) -> Map<String, Value> {
    let own = spec.call.custom.iter().filter(|(name, _)| !name.starts_with(RESERVED));
    let mut variables: Map<String, Value> = own.map(|(name, value)| (name.clone(), json!(value))).collect();
    if role.tell_numbers {
        variables.extend(spec.call.from.as_ref().map(|from| ("caller_number".to_owned(), json!(from))));
        variables.extend(spec.call.to.as_ref().map(|to| ("called_number".to_owned(), json!(to))));
    }
    variables.insert("call_id".to_owned(), json!(spec.call.id));
    variables
}

/// Lays `fields` over `under`, an object over an object.
fn lay(under: &mut Value, fields: &Map<String, Value>) {
    for (name, value) in fields {
        let place = &mut under[name.as_str()];
        match value {
            Value::Object(inner) if place.is_object() => lay(place, inner),
            other => *place = other.clone(),
        }
    }
}

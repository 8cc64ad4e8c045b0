//! Every key of the configuration in words, in the order in which they are shown. The defaults come from the
//! types; a test fails when a key is missing here or there.

/// One key and what it is.
pub(crate) struct Key {
    /// Its path; `*` stands for a name that the operator gives, `agents.*` also for `agent_defaults`, and `ROLE`
    /// for each role.
    pub(crate) path: &'static str,
    /// What it is, in one line.
    pub(crate) about: &'static str,
}

const fn key(path: &'static str, about: &'static str) -> Key {
    Key { path, about }
}

/// In a key's path, the four roles.
pub(crate) const ROLE: &str = "ROLE";

/// Tables whose keys are the operator's own.
pub(crate) const FREE: &[&str] = &[
    "vendors.*.headers",
    "vendors.*.ROLE.query",
    "vendors.*.ROLE.body",
    "agents.*.tools.*.parameters",
    "agents.*.tools.*.headers",
    "agents.*.tools.*.bound",
    "agents.*.transfer.to",
];

/// Keys that hold lists, which the environment gives with commas.
pub(crate) const LISTS: &[&str] = &[
    "server.trusted_proxies",
    "outbound.countries",
    "outbound.blocked_prefixes",
    "outbound.allowed_prefixes",
    "vendors.*.ROLE.overrides",
    "agents.*.phrases",
    "agents.*.barge_in.back_channel",
    "agents.*.speech_to_text",
    "agents.*.language_model",
    "agents.*.text_to_speech",
    "agents.*.tools.builtin",
    "agents.*.tools.*.allow",
    "agents.*.recording.yes",
    "agents.*.recording.no",
];

/// All keys.
pub(crate) const KEYS: &[Key] = &[
    key("default_agent", "The agent that answers when the carrier's URL names none."),
    key("environment", "`production` or `development`; only the latter lets faults be injected."),
    key("server.listen", "Address and port to listen on. A public address needs authentication."),
    key("server.public_url", "Where carriers reach this server, such as https://voice.example.com."),
    key(
        "server.trusted_proxies",
        "Networks of proxies whose `X-Forwarded-*` headers are believed, such as `10.0.0.0/8`.",
    ),
    key("server.ws_path", "The path of the carrier's socket."),
    key("server.stream_rate", "The rate that the webhook asks the carrier for: 8000, 16000 or 24000."),
    key(
        "server.token",
        "Secret. With it, opening a socket needs `Authorization: Bearer`, Basic, or a URL that the webhook signed.",
    ),
    key("server.token_file", "A file that holds the token."),
    key("server.basic.user", "The user for HTTP Basic. Empty: any user with the right password."),
    key(
        "server.basic.password",
        "Secret. The password for HTTP Basic; without it the token is the password too.",
    ),
    key("server.basic.password_file", "A file that holds the password."),
    key(
        "server.tls.cert",
        "The certificate chain (PEM). With it the server speaks TLS; read again on SIGHUP.",
    ),
    key("server.tls.key", "The certificate's private key (PEM)."),
    key("server.limits.max_connections", "Connections at once, of all kinds."),
    key("server.limits.connections_per_address", "Connections at once from one address."),
    key("server.limits.header_timeout_ms", "How long a client may take to send its request's headers."),
    key("server.limits.ping_interval_ms", "How often a carrier's socket is pinged."),
    key("server.limits.idle_timeout_ms", "After how long without a sign of life a socket counts as dead."),
    key(
        "server.limits.recognisers",
        "Calls that the built-in recogniser serves at once; more are turned away.",
    ),
    key("server.max_calls", "Calls at once."),
    key("server.drain_timeout_ms", "How long running calls may go on after SIGTERM."),
    key("server.worker_threads", "Threads that carry calls. 0: one for each core."),
    key("data.dir", "The folder for call records, logs and recordings."),
    key("log.format", "`auto` (pretty on a terminal, JSON elsewhere), `json` or `pretty`."),
    key("log.level", "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,gateway=debug`."),
    key(
        "recording.enabled",
        "Whether both sides of calls are recorded, where their agents' consent allows it.",
    ),
    key(
        "recording.url",
        "Where recordings go once a call is over: `s3://bucket/prefix`, or `file:///folder`. Without it they stay.",
    ),
    key("recording.endpoint", "A server that speaks as S3 does, if not Amazon's: https://minio.example.com."),
    key("recording.region", "The bucket's region, such as `ap-south-1`."),
    key("recording.access_key_id", "The key's id. Without one, the machine's role or `AWS_...` hold."),
    key("recording.secret_access_key", "Secret."),
    key("recording.secret_access_key_file", "A file that holds it."),
    key("recording.keep_local", "Whether the file also stays in the data folder once it has arrived there."),
    key("retention.audio_days", "For how many days after the call its recording is kept. 0: for ever."),
    key("retention.transcript_days", "The same for what was said, with the call log."),
    key("retention.record_days", "The same for all else; id, times and state stay."),
    key(
        "database.url",
        "Secret. `postgres://...`; without it the tables are a SQLite file in the data folder.",
    ),
    key("database.url_file", "A file that holds the address."),
    key(
        "api.require_key",
        "Whether the API needs a token or key. Unset: unless it is on loopback, has no other public_url, and there is \
         neither.",
    ),
    key(
        "api.requests_per_minute",
        "How often one key, or the token, may ask within a minute. 0: any number.",
    ),
    key("outbound.carrier", "The carrier that calls are placed over when none is asked for."),
    key(
        "outbound.default_country",
        "The country of numbers without a country code, such as `IN`; it may be dialled.",
    ),
    key("outbound.countries", "Countries that may be dialled. Empty: the default country alone."),
    key("outbound.blocked_prefixes", "Beginnings of numbers, with +, that are never dialled."),
    key(
        "outbound.allowed_prefixes",
        "Beginnings of numbers, with +, that are dialled whatever their country and kind.",
    ),
    key("outbound.calls_per_minute", "Calls that one key may place within a minute. 0: any number."),
    key("outbound.calls_per_day", "Calls that one key may place within a day. 0: any number."),
    key(
        "outbound.minutes_per_day",
        "Minutes that one key's calls may take within a day; one that is not over counts `max_call_ms`. 0: any number.",
    ),
    key("outbound.whole_server.calls_per_day", "Calls that all keys may place within a day. 0: any number."),
    key(
        "outbound.whole_server.minutes_per_day",
        "Minutes that the calls of all keys may take within a day, counted in the same way. 0: any number.",
    ),
    key("outbound.ring_ms", "How long a placed call may ring."),
    key("outbound.max_call_ms", "How long a placed call may take."),
    key(
        "outbound.machine_detection",
        "Whether the carrier listens for an answering machine: `off`, `detect` or `message_end`.",
    ),
    key("sweep.after_ms", "For how long a call shows no sign of life before its carrier is asked after it."),
    key("sweep.every_ms", "How often silent calls are looked for. 0: only when told to."),
    key("alerts.webhook_url", "Secret. Where the beginning and the end of each alert is posted."),
    key(
        "alerts.webhook_secret",
        "Secret. `whsec_` and base64: what is posted is signed with it, as the Standard Webhooks text has it.",
    ),
    key("alerts.webhook_secret_file", "A file that holds it."),
    key("keys.elevenlabs_agent", "The id of the ElevenLabs agent."),
    key(
        "keys.elevenlabs_webhook",
        "Secret. What ElevenLabs signs its post-call webhook with; with it, `/elevenlabs/post-call` is served.",
    ),
    key("keys.twilio_account", "Older name of `twilio.account_sid`."),
    key("keys.twilio_token", "Secret. Older name of `twilio.auth_token`."),
    key("keys.exotel_account", "Older name of `exotel.account_sid`."),
    key("keys.exotel_key", "Secret. Older name of `exotel.api_key`."),
    key("keys.exotel_token", "Secret. Older name of `exotel.api_token`."),
    key("twilio.account_sid", "The Twilio account's SID: `AC` and 32 hexadecimal digits."),
    key(
        "twilio.auth_token",
        "Secret. The account's primary auth token; with it calls of Twilio are answered.",
    ),
    key("twilio.auth_token_file", "A file that holds the auth token."),
    key(
        "twilio.api_key",
        "The SID of an API key (`SK...`), with which calls are placed instead of the auth token.",
    ),
    key("twilio.api_secret", "Secret. The API key's secret."),
    key("twilio.api_secret_file", "A file that holds the secret."),
    key(
        "twilio.base_url",
        "Where Twilio's REST interface is, if neither at its usual address nor in a region.",
    ),
    key("twilio.region", "The region in which the account's calls are, such as `ie1`; with its edge."),
    key("twilio.edge", "The edge at which that region is reached, such as `dublin`."),
    key(
        "twilio.calls_per_second",
        "Calls that the account may place within a second. Unset: 1, Twilio's default.",
    ),
    key("twilio.from", "The number that calls over Twilio show, one of the account's own."),
    key("exotel.account_sid", "The Exotel account's SID."),
    key("exotel.api_key", "Secret. The API key, with which calls are placed."),
    key("exotel.api_token", "Secret. The API key's token."),
    key("exotel.api_token_file", "A file that holds the token."),
    key("exotel.base_url", "Where Exotel's REST interface is, if not where the region has it."),
    key(
        "exotel.region",
        "Where the account lives: `mumbai` (api.in.exotel.com) or `singapore` (api.exotel.com).",
    ),
    key(
        "exotel.calls_per_second",
        "Calls that the account may place within a second. Unset: 3, a little under Exotel's limit.",
    ),
    key("exotel.from", "The ExoPhone that calls over Exotel show."),
    key(
        "exotel.flow",
        "The id of the flow that placed calls run through; without it they are put on the media socket directly.",
    ),
    key(
        "exotel.connect_to",
        "A number that called ones are connected with, instead of a flow or the media socket.",
    ),
    key(
        "vendors.*.api",
        "`deepgram`, `openai`, `google`, `elevenlabs` or `anthropic`; not needed where the vendor's name is one of them.",
    ),
    key(
        "vendors.*.base_url",
        "Where it is, if not at the vendor's own address: a region, a proxy, a server of your own.",
    ),
    key("vendors.*.key", "Secret."),
    key("vendors.*.key_file", "A file that holds the key."),
    key("vendors.*.credentials_file", "Google: the service account's JSON file."),
    key("vendors.*.headers", "A table of headers that go with every request. Shown without their values."),
    key(
        "vendors.*.ROLE.model",
        "The model, where an agent's list names none. ROLE is `speech_to_text`, `language_model`, `text_to_speech` or \
         `speech_to_speech`.",
    ),
    key("vendors.*.ROLE.voice", "The voice, where an agent's list names none."),
    key("vendors.*.ROLE.language", "The language, where the vendor is not to be told the agent's."),
    key(
        "vendors.*.ROLE.overrides",
        "For an agent that is set up at the vendor, which of our settings go before its own: `prompt`, `greeting`, \
         `language`, `voice`. The vendor must allow them.",
    ),
    key(
        "vendors.*.ROLE.keys",
        "How such an agent is told of pressed keys: `message` (it answers) or `context` (it knows).",
    ),
    key("vendors.*.ROLE.tell_numbers", "Whether such an agent is told who called whom."),
    key("vendors.*.ROLE.transport", "`auto` (the WebSocket, then HTTP), `websocket` or `http`."),
    key("vendors.*.ROLE.deadline_ms", "How long it may make no progress before the next way is taken."),
    key("vendors.*.ROLE.query", "A table of query parameters, before and beside our own."),
    key("vendors.*.ROLE.body", "A table of fields of the request's body, before and beside our own."),
    key(
        "health.probe_interval_ms",
        "How often a vendor that no call has used is asked whether it is there. 0: never.",
    ),
    key(
        "faults.links",
        "Faults on purpose, for development: tables of `vendor`, `role`, `transport`, `fault` (`delay`, `status`, `hang`, \
         `cut`, `garbage`, `silence`), `delay_ms`, `status`, `probability`.",
    ),
    key("agents.*.kind", "`assistant`, `greeting`, `echo`, `beep` or `silent`."),
    key("agents.*.greeting", "What is said first. Empty: nothing is."),
    key(
        "agents.*.greeting_fallback",
        "What the caller hears when the greeting can't be spoken in time: `silence`, `tone` or `recorded`.",
    ),
    key("agents.*.prompt", "Instructions to the model."),
    key("agents.*.apology", "Said when the model or the voice fails."),
    key(
        "agents.*.failure.then",
        "When vendors keep failing, after the apology: `stay`, `hang_up` or `transfer`.",
    ),
    key("agents.*.failure.after", "After how many failed turns in a row."),
    key(
        "agents.*.speech.numbers",
        "How numbers reach the voice: `as_written` or `words` (English and Hindi).",
    ),
    key(
        "agents.*.speech.urls",
        "How web addresses reach the voice: `spoken` (\"example dot com\") or `dropped`.",
    ),
    key("agents.*.speech.clean", "Whether markdown, emoji and other signs that can't be said are taken out."),
    key(
        "agents.*.speech.first_clause_chars",
        "After how many letters an answer's first words may be spoken at a comma. 0: whole sentences only.",
    ),
    key("agents.*.filler.kind", "What is heard while an answer is late: `speech`, `tone` or `off`."),
    key("agents.*.filler.after_ms", "How long after the end of the caller's turn."),
    key("agents.*.filler.text", "What is said then."),
    key(
        "agents.*.budget.total_ms",
        "How long an answer may take before the filler, the next model and shorter first words. 0: no budget.",
    ),
    key(
        "agents.*.budget.hurry_ms",
        "How long the model's first word may take before the next one is tried. 0: never.",
    ),
    key(
        "agents.*.dtmf.mode",
        "What pressed keys do: `off`, `single` (each is told) or `collect` (a row of them is).",
    ),
    key("agents.*.dtmf.terminator", "The key that ends a row. Empty: none does."),
    key("agents.*.dtmf.digit_ms", "How long after a key the row is over."),
    key("agents.*.dtmf.longest", "The longest row."),
    key("agents.*.dtmf.interrupts", "Whether a key stops the agent that speaks."),
    key(
        "agents.*.tools.builtin",
        "Offered: `end_call`, `transfer`, `send_dtmf`, `collect_digits`, `record_result`, `pause_recording`, \
         `resume_recording`.",
    ),
    key("agents.*.tools.max_steps", "How often in one turn the model is asked again with tools' results."),
    key("agents.*.tools.*.description", "When the model is to use this tool."),
    key(
        "agents.*.tools.*.parameters",
        "Its arguments: a JSON schema of an object, as a table or as a string of JSON.",
    ),
    key("agents.*.tools.*.method", "`get`, `post`, `put`, `patch` or `delete`."),
    key(
        "agents.*.tools.*.url",
        "Where it is, with {argument}, {call_id}, {from}, {to}, {agent} and {custom.NAME} in its path and query.",
    ),
    key(
        "agents.*.tools.*.headers",
        "A table of headers, with the server's values in braces. Shown without values.",
    ),
    key("agents.*.tools.*.bound", "A table of arguments that the server sets and the model is not told of."),
    key("agents.*.tools.*.timeout_ms", "How long it may take."),
    key("agents.*.tools.*.max_bytes", "The longest answer."),
    key("agents.*.tools.*.side_effects", "Whether it changes something: then it is never cut half-way."),
    key("agents.*.tools.*.max_runs", "How often it may be used in one call."),
    key("agents.*.tools.*.allow", "Private networks that it may reach, such as `10.1.2.0/24`."),
    key("agents.*.language", "What is spoken, as BCP 47."),
    key(
        "agents.*.speech_to_text",
        "Recognisers in the order in which they are tried: `vendor` or `vendor:model`; built in: `builtin`.",
    ),
    key(
        "agents.*.language_model",
        "Language models, in the same way: `vendor` or `vendor:model`; built in: `scripted`.",
    ),
    key(
        "agents.*.text_to_speech",
        "Voices, in the same way: `vendor` or `vendor:voice`; built in: `flite:slt`, `flite:rms`, `flite:awb`, \
         `flite:kal`, `flite:kal16`.",
    ),
    key(
        "agents.*.speech_to_speech",
        "A vendor that listens, thinks and speaks in one; where it is set, the three lists stand back.",
    ),
    key(
        "agents.*.speech_to_speech_fallback",
        "Whether the three lists take that vendor's place in the middle of a call, when it fails.",
    ),
    key(
        "agents.*.script",
        "The dialogue of the scripted model (TOML). Without it, the built-in reception desk.",
    ),
    key(
        "agents.*.phrases",
        "What callers are expected to say besides what the script knows; in the environment, with commas.",
    ),
    key(
        "agents.*.turn.start_threshold",
        "The score, 0 to 1, at which a frame counts as the start of speech on a noisy line.",
    ),
    key("agents.*.turn.quiet_threshold", "The same on a quiet line; between the two it slides."),
    key("agents.*.turn.stay_threshold", "The score above which a frame goes on being speech."),
    key("agents.*.turn.gate_db", "Frames quieter than the noise floor plus this are not speech."),
    key("agents.*.turn.min_speech_ms", "How much speech makes the caller count as speaking."),
    key("agents.*.turn.stop_ms", "How much silence ends a stretch of speech."),
    key("agents.*.turn.end_silence_ms", "How much silence ends the caller's turn."),
    key("agents.*.turn.unfinished_silence_ms", "The same where the words look unfinished."),
    key(
        "agents.*.turn.longest_ms",
        "The longest stretch of speech before the recogniser is asked for its text.",
    ),
    key("agents.*.turn.unclear_ms", "How much speech without a known word makes the agent ask again."),
    key(
        "agents.*.turn.end",
        "Who ends the turn: `auto` (whoever is first), `own` (our silence), `vendor` (its sign).",
    ),
    key(
        "agents.*.turn.vendor_silence_ms",
        "With `end = \"vendor\"`, how much silence ends it without a sign.",
    ),
    key("agents.*.turn.adaptive", "Whether the silence wanted follows how long this caller pauses."),
    key("agents.*.turn.adaptive_min_ms", "The least that it may become. 0: `end_silence_ms`."),
    key("agents.*.turn.adaptive_max_ms", "The most that it may become."),
    key(
        "agents.*.turn.speculate",
        "When the model is asked before the turn is surely over: `off`, `likely` (the recogniser says so) or `pause`.",
    ),
    key("agents.*.turn.speculate_after_ms", "With `pause`: after how much silence."),
    key("agents.*.barge_in.enabled", "Whether the caller can interrupt."),
    key("agents.*.barge_in.min_speech_ms", "How much speech interrupts."),
    key("agents.*.barge_in.min_words", "How many words interrupt sooner. 0: none do."),
    key("agents.*.barge_in.protect_ms", "The first moments of a reply, which can't be interrupted."),
    key(
        "agents.*.barge_in.resume_ms",
        "How long to wait before going on after an interruption without words.",
    ),
    key("agents.*.barge_in.back_channel", "Words that mean \"I am listening\" and do not interrupt."),
    key(
        "agents.*.barge_in.echo_margin_db",
        "How far below what is playing a sound must be to count as our own echo.",
    ),
    key("agents.*.barge_in.echo_window_ms", "For how long an echo may come back."),
    key(
        "agents.*.answering_machine",
        "When the carrier says that a machine picked up: `talk` (the model is told), `hang_up` or `message`.",
    ),
    key("agents.*.machine_message", "The message that is left on a machine."),
    key("agents.*.idle.prompt_after_ms", "After how long a silent caller is asked. 0: never."),
    key("agents.*.idle.prompt", "What they are asked."),
    key("agents.*.idle.hang_up_after_ms", "After how long the call is ended. 0: never."),
    key("agents.*.idle.goodbye", "What is said before that."),
    key("agents.*.limits.max_call_ms", "The longest call. Exotel ends a stream at 60 minutes."),
    key("agents.*.limits.start_ms", "From the socket's opening to the stream's start."),
    key("agents.*.limits.lazy_start_ms", "How long to wait for `start` when audio came before it."),
    key("agents.*.limits.greeting_synthesis_ms", "How long the greeting's first audio may take."),
    key("agents.*.limits.greeting_ready_ms", "How long the whole greeting may take."),
    key("agents.*.limits.first_audio_ms", "After how long without audio a moment of silence is sent."),
    key("agents.*.limits.transcript_ms", "How long the recogniser may take after speech."),
    key("agents.*.limits.model_ms", "How long the model may take for its first word and between words."),
    key("agents.*.limits.voice_ms", "How long the voice may take for its first audio and between pieces."),
    key("agents.*.limits.tool_ms", "How long a tool may take."),
    key("agents.*.limits.mark_ms", "How late a mark may be before the clock is believed."),
    key("agents.*.limits.reattach_ms", "How long to wait for the carrier's new socket after a broken one."),
    key("agents.*.limits.history_messages", "How many messages the model is shown."),
    key("agents.*.playout.chunk_bytes", "Bytes of audio in one message: a multiple of 320, at most 99840."),
    key(
        "agents.*.playout.lead_ms",
        "How much audio may lie with the carrier ahead of what the caller hears.",
    ),
    key(
        "agents.*.recording.consent",
        "Before the call is recorded: `none` (nothing is said), `announce`, `ask` (a yes is needed), `off` (never).",
    ),
    key(
        "agents.*.recording.announcement",
        "What is said with `announce`. Empty: English or Hindi, by the language.",
    ),
    key("agents.*.recording.question", "What is said with `ask`. Empty: English or Hindi, by the language."),
    key("agents.*.recording.yes", "Phrases that mean yes, besides the usual ones in English and Hindi."),
    key("agents.*.recording.no", "Phrases that mean no, likewise. A no counts more than a yes."),
    key(
        "agents.*.recording.wait_ms",
        "How long an answer is waited for before it is asked again, then taken as no.",
    ),
    key(
        "agents.*.transfer.to",
        "To whom callers may be handed on: a table of names and numbers (+...) or SIP addresses. Dialled over Twilio.",
    ),
    key(
        "agents.*.transfer.usual",
        "The name that is meant where nobody is named, and by `failure.then`. Unset: the only one, if there is one.",
    ),
    key(
        "agents.*.transfer.caller_id",
        "The number that they see, one of the carrier's account. Unset: the caller's own, or ours in a placed call.",
    ),
    key("agents.*.transfer.ring_ms", "How long they are rung."),
    key("agents.*.transfer.unreached", "What the caller hears when they are busy or away. Empty: nothing."),
];

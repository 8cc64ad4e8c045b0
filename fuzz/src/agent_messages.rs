//! What a speech-to-speech agent sends, message by message, and what its vendor tells of a conversation after it.

use std::sync::Arc;

use audio::{Pcm, SampleRate};
use call::{Converse, Conversed, ItemId};
use providers::dialect::{AgentSession, AgentSocketDialect, Flow, Frame};
use providers::elevenlabs::{ElevenAgent, webhook};
use providers::{CallFacts, ConverseSpec, DialectOptions, RoleOptions, openai};

/// No conversation that is told of has more lines or results than this.
const MOST_ENTRIES: usize = 2_000;
const MOST_RESULTS: usize = 64;

/// Whatever comes is understood, passed over or a fault: nothing of the caller's is sent before the session is set up,
/// what is sent is JSON, no sound comes from nowhere, and each piece of speech is complete once at most.
///
/// The first byte says whose messages they are; the rest are lines, each of which is a message, or, with `>` before it,
/// something that the call does: `a` a frame, `s` says, `t` tells, `c` cuts, `r` gives a tool's result, `f` finished, `x`
/// the connection breaks and is made again.
pub fn agent_messages(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => session(&ElevenAgent::new(options()), rest),
        1 => session(&openai::Realtime::new(options()), rest),
        2 => told(rest),
        _ => {
            // With 200, which is what a status is by default.
            if let Ok(Some(conversation)) = webhook::conversation_answer(Default::default(), rest) {
                bounded(&conversation, rest.len());
            }
        }
    }
}

fn options() -> DialectOptions {
    DialectOptions {
        base: "https://vendor.example/v1".parse().expect("an address"),
        key: None,
        headers: Default::default(),
        role: RoleOptions::default(),
    }
}

fn session(dialect: &dyn AgentSocketDialect, script: &[u8]) {
    let spec = ConverseSpec {
        call: CallFacts::default(),
        rate: SampleRate::HZ_8000,
        language: "en-IN".to_owned(),
        system: String::new(),
        greeting: "Hello.".to_owned(),
        tools: Arc::default(),
    };
    let mut talk = Talk { session: dialect.session(&spec), send: Vec::new(), gave: Vec::new() };
    talk.session.opened(&mut talk.send);
    for line in script.split(|byte| *byte == b'\n') {
        let goes_on = match line.split_first() {
            Some((b'>', act)) => talk.act(act),
            _ => talk.message(line),
        };
        talk.check(script.len());
        if !goes_on {
            break;
        }
    }
}

struct Talk {
    session: Box<dyn AgentSession>,
    send: Vec<Frame>,
    gave: Vec<Conversed>,
}

impl Talk {
    /// What the call does. The driver keeps it back while the session is not set up.
    fn act(&mut self, act: &[u8]) -> bool {
        let (first, rest) = act.split_first().map_or((b'a', act), |(first, rest)| (*first, rest));
        let text = String::from_utf8_lossy(rest).into_owned();
        if first == b'x' {
            let was_ready = self.session.is_ready();
            if was_ready && self.session.reopens() {
                assert!(!self.session.is_ready(), "a new connection is to be set up");
                self.session.opened(&mut self.send);
            }
            return was_ready;
        }
        if !self.session.is_ready() {
            return true;
        }
        let what = match first {
            b's' => Converse::Say(text),
            b't' => Converse::Told(text),
            b'c' => Converse::Cut {
                item: ItemId(u32::from(rest.first().copied().unwrap_or(0) % 4)),
                heard_ms: 90,
            },
            b'r' => Converse::ToolResult { id: text, result: "done".to_owned(), failed: false },
            b'f' => Converse::Finished,
            _ => Converse::Audio(Pcm::from(vec![7; 160])),
        };
        self.session.take(what, &mut self.send);
        true
    }

    fn message(&mut self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line).into_owned();
        matches!(self.session.frame(Frame::Text(text), &mut self.send, &mut self.gave), Ok(Flow::Continue))
    }

    fn check(&mut self, most: usize) {
        for frame in self.send.drain(..) {
            let Frame::Text(text) = frame else { panic!("both vendors take text") };
            let value: serde_json::Value = serde_json::from_str(&text).expect("what is sent is JSON");
            assert!(value.is_object());
        }
        let samples: usize = self
            .gave
            .iter()
            .map(|what| if let Conversed::Audio { pcm, .. } = what { pcm.len() } else { 0 })
            .sum();
        assert!(samples <= most, "at most a sample a byte");
        let done = |item: &ItemId| {
            let of =
                self.gave.iter().filter(|what| matches!(what, Conversed::ItemDone(done) if done == item));
            of.count()
        };
        let mut items = self.gave.iter().filter_map(|what| match what {
            Conversed::Audio { item, .. } | Conversed::Text { item, .. } => Some(item),
            _ => None,
        });
        if let Some(last) = items.next_back() {
            assert!(done(last) <= 1, "complete once");
        }
    }
}

fn told(body: &[u8]) {
    // Any text may stand where a signature does.
    let header = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    assert!(webhook::verify(&header, body, &"secret".to_owned().into(), 1_739_537_297).is_err());
    if let Ok(webhook::PostCall::Ended(conversation)) = webhook::post_call(body) {
        bounded(&conversation, body.len());
    }
}

fn bounded(conversation: &webhook::Conversation, length: usize) {
    assert!(conversation.transcript.len() <= MOST_ENTRIES.min(length));
    assert!(conversation.results.len() <= MOST_RESULTS.min(length));
    // Whoever prints a report prints nothing that callers said.
    let shown = format!("{conversation:?}");
    for line in conversation.transcript.iter().filter(|line| line.text.len() > 200) {
        assert!(!shown.contains(&line.text));
    }
}

//! Realtime transcription: the Realtime API's socket, used as a recogniser. By OpenAI's Realtime transcription
//! guide.
//!
//! Where the operator asks for no `turn_detection`, our own ears cut the stretches: the vendor is sent a stretch
//! with a little of what came before it, and a commit where it ends. It is never sent silence, which it would
//! bill and, worse, put words into.

use std::collections::VecDeque;

use call::{Fault, Heard, SpeechId};
use serde_json::{Value, json};

use super::error;
use super::realtime::events::{ServerEvent, Trouble, judge};
use super::realtime::format::{Encoder, Format};
use super::realtime::setup::{self, Setup, frame};
use crate::dialect::{EarSession, EarSocketDialect, Flow, Frame, Refusal, Refuses, SocketRequest};
use crate::{DialectOptions, ListenSpec};
use audio::SampleRate;

/// The model where none is named.
const MODEL: &str = "gpt-4o-mini-transcribe";
/// How much of what came before a stretch belongs to it: our ears notice speech a little late.
const PRE_ROLL_MICROS: u64 = 600_000;
/// How long a text may take.
const PATIENCE_MS: u64 = 2_500;
/// What names the commit of a stretch, so that an error about it can be told apart.
const COMMIT: &str = "commit-";

/// OpenAI's realtime transcription.
#[derive(Debug)]
pub struct RealtimeTranscription {
    options: DialectOptions,
}

impl RealtimeTranscription {
    /// The dialect for these options. Fields of `body` are laid over the `session` object, however deep; with a
    /// `turn_detection` there the vendor cuts the stretches.
    pub const fn new(options: DialectOptions) -> Self {
        Self { options }
    }

    fn wanted(&self, spec: &ListenSpec) -> Value {
        let role = &self.options.role;
        let session = json!({
            "type": "transcription",
            "audio": { "input": {
                "format": Format::of(spec.rate).to_json(),
                "transcription": {
                    "model": role.model.as_deref().unwrap_or(MODEL),
                    "language": setup::language(role.language.as_deref().unwrap_or(&spec.language)),
                },
                "turn_detection": null,
            } },
        });
        setup::overlaid(session, &role.body)
    }
}

impl Refuses for RealtimeTranscription {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl EarSocketDialect for RealtimeTranscription {
    fn connect(&self, _: &ListenSpec) -> SocketRequest {
        setup::connect(&self.options, ("intent", "transcription"))
    }

    fn session(&self, spec: &ListenSpec) -> Box<dyn EarSession> {
        Box::new(Session::new(self.wanted(spec), spec.rate))
    }
}

/// One recogniser.
struct Session {
    setup: Setup,
    rate: SampleRate,
    encoder: Encoder,
    /// Our ears cut the stretches, not the vendor's.
    own_commits: bool,
    /// What came last while nobody spoke.
    pre_roll: VecDeque<i16>,
    open: Option<SpeechId>,
    /// Stretches that were begun and are not settled, oldest first.
    stretches: Vec<Stretch>,
    /// Stretches that were committed and whose commit was not confirmed.
    committed: VecDeque<SpeechId>,
}

/// A stretch of speech, in as many items as the vendor made of it.
struct Stretch {
    speech: SpeechId,
    items: Vec<Item>,
    finished: bool,
}

#[derive(Default)]
struct Item {
    id: String,
    text: String,
    done: bool,
    failed: Option<Fault>,
}

impl Stretch {
    fn text(&self) -> String {
        let texts = self.items.iter().map(|item| item.text.trim()).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join(" ")
    }

    /// What the stretch comes to, once nothing more will come.
    fn outcome(&mut self) -> Heard {
        let text = self.text();
        match self.items.iter_mut().find_map(|item| item.failed.take()) {
            Some(fault) if text.is_empty() => Heard::Failed(fault),
            _ => Heard::Final(text),
        }
    }
}

impl Session {
    fn new(wanted: Value, rate: SampleRate) -> Self {
        let own_commits = wanted.pointer("/audio/input/turn_detection").is_none_or(Value::is_null);
        Self {
            setup: Setup::new(wanted),
            rate,
            encoder: Encoder::new(rate, Format::of(rate)),
            own_commits,
            pre_roll: VecDeque::new(),
            open: None,
            stretches: Vec::new(),
            committed: VecDeque::new(),
        }
    }

    /// The stretch that an item belongs to: by its name, or the one whose commit was sent first, or the one that
    /// was begun last.
    fn attach(&mut self, id: &str) -> Option<(usize, usize)> {
        for (index, stretch) in self.stretches.iter().enumerate() {
            if let Some(item) = stretch.items.iter().position(|item| item.id == id) {
                return Some((index, item));
            }
        }
        let index = if self.own_commits {
            let speech = self.committed.pop_front()?;
            self.stretches.iter().position(|stretch| stretch.speech == speech)?
        } else {
            self.stretches.len().checked_sub(1)?
        };
        let items = &mut self.stretches.get_mut(index)?.items;
        items.push(Item { id: id.to_owned(), ..Item::default() });
        Some((index, items.len() - 1))
    }

    /// Changes an item, and settles its stretch if that was the last of it.
    fn change(&mut self, id: &str, out: &mut Vec<(SpeechId, Heard)>, change: impl FnOnce(&mut Item)) {
        let Some((index, item)) = self.attach(id) else { return };
        change(&mut self.stretches[index].items[item]);
        self.settle(index, out);
    }

    /// Settles a stretch that is finished and of which all is known; else gives what is known so far.
    fn settle(&mut self, index: usize, out: &mut Vec<(SpeechId, Heard)>) {
        let stretch = &mut self.stretches[index];
        let is_known = !stretch.items.is_empty() && stretch.items.iter().all(|item| item.done);
        if stretch.finished && is_known {
            let mut stretch = self.stretches.remove(index);
            out.push((stretch.speech, stretch.outcome()));
        } else if let text = stretch.text()
            && !text.is_empty()
        {
            out.push((stretch.speech, Heard::Partial(text)));
        }
    }

    fn append(&mut self, samples: &[i16], send: &mut Vec<Frame>) {
        send.extend(self.encoder.append(samples).map(Frame::Text));
    }

    /// An error came: about a commit it is that stretch's, and the session goes on.
    fn error(&mut self, what: &Value, out: &mut Vec<(SpeechId, Heard)>) -> Result<(), Fault> {
        if let Trouble::Fatal(fault) = judge(what, self.setup.is_ready()) {
            return Err(fault);
        }
        let event = what.get("event_id").and_then(Value::as_str).unwrap_or_default();
        let Some(number) = event.strip_prefix(COMMIT).and_then(|number| number.parse().ok()) else {
            tracing::debug!("the vendor reports an error that changes nothing");
            return Ok(());
        };
        let speech = SpeechId(number);
        self.committed.retain(|committed| *committed != speech);
        if let Some(index) = self.stretches.iter().position(|stretch| stretch.speech == speech) {
            self.stretches.remove(index);
            // There was too little to transcribe: nothing was said.
            let is_empty =
                what.get("code").and_then(Value::as_str) == Some("input_audio_buffer_commit_empty");
            let nothing = Heard::Final(String::new());
            out.push((speech, if is_empty { nothing } else { Heard::Failed(error::in_stream(what)) }));
        }
        Ok(())
    }
}

impl EarSession for Session {
    fn opened(&mut self, _: &mut Vec<Frame>) {}

    fn is_ready(&self) -> bool {
        self.setup.is_ready()
    }

    fn audio(&mut self, samples: &[i16], send: &mut Vec<Frame>) {
        if !self.own_commits || self.open.is_some() {
            return self.append(samples, send);
        }
        self.pre_roll.extend(samples);
        let surplus = self.pre_roll.len().saturating_sub(self.rate.samples(PRE_ROLL_MICROS));
        self.pre_roll.drain(..surplus);
    }

    fn began(&mut self, speech: SpeechId, send: &mut Vec<Frame>) {
        self.open = Some(speech);
        self.stretches.push(Stretch { speech, items: Vec::new(), finished: false });
        if self.own_commits {
            let before = std::mem::take(&mut self.pre_roll);
            self.append(&Vec::from(before), send);
        }
    }

    fn finish(&mut self, speech: SpeechId, send: &mut Vec<Frame>, out: &mut Vec<(SpeechId, Heard)>) {
        self.open = self.open.filter(|open| *open != speech);
        let Some(index) = self.stretches.iter().position(|stretch| stretch.speech == speech) else { return };
        self.stretches[index].finished = true;
        if self.own_commits {
            self.committed.push_back(speech);
            let event = format!("{COMMIT}{}", speech.0);
            send.push(frame(&json!({ "type": "input_audio_buffer.commit", "event_id": event })));
        } else {
            self.settle(index, out);
        }
    }

    fn patience_ms(&self) -> u64 {
        PATIENCE_MS
    }

    fn give_up(&mut self, speech: SpeechId, out: &mut Vec<(SpeechId, Heard)>) {
        if let Some(index) = self.stretches.iter().position(|stretch| stretch.speech == speech) {
            let text = self.stretches.remove(index).text();
            let nothing = || Heard::Failed(Fault::slow());
            // A vendor that cuts the stretches itself says nothing where it hears nothing.
            let is_known = !self.own_commits || !text.is_empty();
            out.push((speech, if is_known { Heard::Final(text) } else { nothing() }));
        }
    }

    fn frame(
        &mut self,
        frame: Frame,
        send: &mut Vec<Frame>,
        out: &mut Vec<(SpeechId, Heard)>,
    ) -> Result<Flow, Fault> {
        let Frame::Text(text) = frame else { return Ok(Flow::Continue) };
        let event = ServerEvent::read(&text)?;
        let id = event.item_id.as_str();
        match event.kind() {
            "session.created" => self.setup.created(send),
            "session.updated" if self.setup.updated() => {
                let format = Setup::format(&event.session, "input", Format::of(self.rate))?;
                self.encoder = Encoder::new(self.rate, format);
            }
            "input_audio_buffer.committed" => {
                self.attach(id);
            }
            "conversation.item.input_audio_transcription.delta" => {
                self.change(id, out, |item| item.text.push_str(&event.delta));
            }
            "conversation.item.input_audio_transcription.completed" => {
                self.change(id, out, |item| {
                    item.done = true;
                    item.text.clone_from(&event.transcript);
                });
            }
            "conversation.item.input_audio_transcription.failed" => {
                let fault = error::in_stream(&event.error);
                self.change(id, out, |item| (item.done, item.failed) = (true, Some(fault)));
            }
            "error" => self.error(&event.error, out)?,
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        None
    }

    fn keep_alive(&mut self, _: &mut Vec<Frame>) {}

    fn close(&mut self, _: &mut Vec<Frame>) {}

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        setup::closed(code, reason)
    }
}

//! What an agent has to know to go on over another connection: the API keeps a conversation no longer than its socket. The
//! words of both sides, the tools that were used, and the sound of the caller that nobody has answered or written down.

use std::collections::VecDeque;

use audio::{Pcm, SampleRate};
use call::{ItemId, ToolCall};
use serde_json::{Value, json};

use super::setup::frame;
use crate::dialect::Frame;

/// So much is told: the last minutes of a talk.
const MOST_LINES: usize = 60;
const MOST_BYTES: usize = 16_000;
/// And so much of one line: a long result must not push out all that was before it.
const MOST_TEXT: usize = 4_000;
/// So much of the caller's sound is kept, in microseconds.
const MOST_SOUND_US: u64 = 20_000_000;
/// And so much of it while nobody has said yet that they speak: a vendor's word comes late over a slow line, and wants
/// to hear a little of what was before.
const LEAD_US: u64 = 3_000_000;

/// What was said and done.
pub(super) struct Memory {
    lines: VecDeque<Line>,
    sound: Sound,
    /// What the agent was told to say, of which nothing came yet.
    saying: Option<String>,
    /// An answer was asked for or under way, of which nothing came yet.
    owes: bool,
    /// We said that the caller has finished, and nothing came of it yet.
    finished: bool,
}

enum Line {
    /// The caller's words, by the vendor's id of them; empty while they are not known.
    Caller { id: String, text: String },
    /// The agent's words.
    Agent { item: ItemId, text: String },
    /// A tool and what it gave; `None` while it runs.
    Tool { call: ToolCall, result: Option<String> },
}

/// The caller's sound since it was last answered or written down.
struct Sound {
    rate: SampleRate,
    frames: VecDeque<Pcm>,
    samples: usize,
    /// How many of the samples are part of a stretch that is over.
    over: usize,
    /// The caller speaks, or whoever listens does not say.
    speaking: bool,
    never_told: bool,
}

impl Memory {
    /// Of a call with frames at `rate`. `own_turns`: the vendor does not say when the caller begins to speak.
    pub(super) fn new(rate: SampleRate, own_turns: bool) -> Self {
        let sound = Sound {
            rate,
            frames: VecDeque::new(),
            samples: 0,
            over: 0,
            speaking: own_turns,
            never_told: own_turns,
        };
        Self { lines: VecDeque::new(), sound, saying: None, owes: false, finished: false }
    }

    /// A frame of the caller's.
    pub(super) fn frame(&mut self, pcm: &Pcm) {
        self.sound.add(pcm.clone());
    }

    /// The vendor hears the caller speak.
    pub(super) fn began(&mut self) {
        self.sound.speaking = true;
    }

    /// A stretch of theirs is over; its words come later.
    pub(super) fn committed(&mut self, id: &str) {
        self.sound.over = self.sound.samples;
        self.sound.speaking = self.sound.never_told;
        self.owes = true;
        if !self.is_known(id) {
            self.add(Line::Caller { id: id.to_owned(), text: String::new() });
        }
    }

    /// The words of a stretch.
    pub(super) fn caller(&mut self, id: &str, words: &str) {
        self.finished = false;
        let place = self.lines.iter_mut().rev().find_map(|line| match line {
            Line::Caller { id: known, text } if known == id && !id.is_empty() => Some(text),
            _ => None,
        });
        match place {
            Some(text) => words.trim().clone_into(text),
            None => self.add(Line::Caller { id: id.to_owned(), text: words.trim().to_owned() }),
        }
        // Where words are still to come, which of the sound they are in is not known.
        let are_all_known =
            !self.lines.iter().any(|line| matches!(line, Line::Caller { text, .. } if text.is_empty()));
        if are_all_known {
            self.sound.settle();
        }
    }

    /// We say that the caller has finished.
    pub(super) fn finished(&mut self) {
        self.finished = true;
    }

    /// The caller did something that is no sound.
    pub(super) fn told(&mut self, words: &str) {
        self.owes = true;
        self.add(Line::Caller { id: String::new(), text: words.to_owned() });
    }

    /// The agent is to say this.
    pub(super) fn say(&mut self, words: &str) {
        self.saying = Some(words.to_owned());
    }

    /// Some of an answer came.
    pub(super) fn answers(&mut self) {
        (self.saying, self.owes, self.finished) = (None, false, false);
        self.sound.settle();
    }

    /// Words of the agent's.
    pub(super) fn agent(&mut self, item: ItemId, words: &str) {
        let known = self.lines.iter_mut().rev().find_map(|line| match line {
            Line::Agent { item: known, text } if *known == item => Some(text),
            _ => None,
        });
        match known {
            Some(text) => text.push_str(words),
            None => self.add(Line::Agent { item, text: words.to_owned() }),
        }
    }

    /// Of a piece of speech that has `given_ms` the caller heard `heard_ms`: the rest was never said to them.
    pub(super) fn cut(&mut self, item: ItemId, heard_ms: u64, given_ms: u64) {
        for line in &mut self.lines {
            if let Line::Agent { item: known, text } = line
                && *known == item
            {
                let words: Vec<&str> = text.split_whitespace().collect();
                let share = (words.len() as u64 * heard_ms).checked_div(given_ms).unwrap_or(0);
                *text = words[..words.len().min(usize::try_from(share).unwrap_or(usize::MAX))].join(" ");
            }
        }
    }

    /// A tool is asked for.
    pub(super) fn tool(&mut self, call: &ToolCall) {
        self.add(Line::Tool { call: call.clone(), result: None });
    }

    /// What it gave.
    pub(super) fn tool_ran(&mut self, id: &str, what: &str) {
        self.owes = true;
        for line in &mut self.lines {
            if let Line::Tool { call, result } = line
                && call.id == id
            {
                result.get_or_insert_with(|| what.to_owned());
            }
        }
    }

    /// Tells the new connection what was said, and gives the sound that is to be heard again. Whether an answer is to be
    /// asked for, and what it is to say.
    pub(super) fn goes_on(&mut self, send: &mut Vec<Frame>) -> GoesOn {
        let items: Vec<Value> = self.lines.iter().flat_map(Line::items).collect();
        let mut bytes = 0;
        let told: Vec<&Value> = items
            .iter()
            .rev()
            .take_while(|item| {
                bytes += item.to_string().len();
                bytes <= MOST_BYTES
            })
            .collect();
        // A result never goes without the call that it belongs to.
        let begin =
            told.iter().rposition(|item| item["type"] != "function_call_output").map_or(0, |at| at + 1);
        for item in told[..begin].iter().rev() {
            send.push(frame(&json!({ "type": "conversation.item.create", "item": item })));
        }
        let sound = std::mem::take(&mut self.sound.frames);
        (self.sound.samples, self.sound.over) = (0, 0);
        // Whose words nobody wrote down is heard again, and answered then.
        self.lines.retain(|line| !matches!(line, Line::Caller { text, .. } if text.is_empty()));
        let asks = match self.lines.back() {
            // What it gives is awaited, whatever was said before it.
            Some(Line::Tool { .. }) => true,
            Some(Line::Caller { .. }) => self.owes,
            _ => false,
        };
        GoesOn { commits: self.finished && !sound.is_empty(), sound, say: self.saying.clone(), asks }
    }

    fn is_known(&self, id: &str) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Caller { id: known, .. } if known == id))
    }

    fn add(&mut self, line: Line) {
        if self.lines.len() >= MOST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// How a conversation goes on over another connection.
pub(super) struct GoesOn {
    /// The caller's frames that are to be heard again.
    pub(super) sound: VecDeque<Pcm>,
    /// Whether they are all of a turn that we have ended.
    pub(super) commits: bool,
    /// What the agent was told to say and did not.
    pub(super) say: Option<String>,
    /// Whether the caller waits for an answer.
    pub(super) asks: bool,
}

impl Line {
    /// What the API is told of it; nothing where there is nothing to tell.
    fn items(&self) -> Vec<Value> {
        let cut = |text: &str| text[..text.floor_char_boundary(MOST_TEXT)].to_owned();
        let message = |role: &str, kind: &str, text: &str| json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": cut(text.trim()) }] });
        match self {
            Self::Caller { text, .. } | Self::Agent { text, .. } if text.trim().is_empty() => Vec::new(),
            Self::Caller { text, .. } => vec![message("user", "input_text", text)],
            Self::Agent { text, .. } => vec![message("assistant", "output_text", text)],
            Self::Tool { call, result } => {
                let unknown = "the connection was lost meanwhile; whether it was done is not known";
                let output = result.as_deref().unwrap_or(unknown);
                vec![
                    json!({ "type": "function_call", "call_id": call.id, "name": call.name,
                        "arguments": call.arguments }),
                    json!({ "type": "function_call_output", "call_id": call.id, "output": cut(output) }),
                ]
            }
        }
    }
}

impl Sound {
    fn add(&mut self, pcm: Pcm) {
        self.samples += pcm.len();
        self.frames.push_back(pcm);
        let keeps_all = self.speaking || self.over > 0;
        let most = self.rate.samples(if keeps_all { MOST_SOUND_US } else { LEAD_US });
        while self.samples > most
            && let Some(oldest) = self.frames.pop_front()
        {
            self.samples -= oldest.len();
            self.over = self.over.saturating_sub(oldest.len());
        }
    }

    /// What is over was answered or written down.
    fn settle(&mut self) {
        while self.over > 0
            && let Some(oldest) = self.frames.pop_front()
        {
            self.samples -= oldest.len();
            self.over = self.over.saturating_sub(oldest.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::new(SampleRate::HZ_8000, false)
    }

    /// Frames of 20 ms.
    fn frames(memory: &mut Memory, count: usize) {
        for _ in 0..count {
            memory.frame(&vec![7; 160].into());
        }
    }

    fn told(memory: &mut Memory) -> (Vec<Value>, GoesOn) {
        let mut send = Vec::new();
        let goes_on = memory.goes_on(&mut send);
        let read = |frame: &Frame| match frame {
            Frame::Text(text) => serde_json::from_str::<Value>(text).unwrap()["item"].clone(),
            Frame::Binary(_) => panic!("the API takes text only"),
        };
        (send.iter().map(read).collect(), goes_on)
    }

    #[test]
    fn words_are_told_in_their_order_and_cut_to_what_was_heard() {
        let mut memory = memory();
        memory.agent(ItemId(0), "Hello, how can ");
        memory.agent(ItemId(0), "I help?");
        memory.committed("a");
        memory.answers();
        memory.agent(ItemId(1), "We open at nine and close at five.");
        memory.cut(ItemId(1), 500, 1_000);
        // Its words come after the answer, and still stand before it.
        memory.caller("a", " when are you open ");
        let (items, goes_on) = told(&mut memory);
        let texts: Vec<&str> =
            items.iter().map(|item| item["content"][0]["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["Hello, how can I help?", "when are you open", "We open at nine"]);
        assert_eq!(items[1]["content"][0]["type"], "input_text");
        assert_eq!(items[2]["content"][0]["type"], "output_text");
        assert!(!goes_on.asks && goes_on.say.is_none());
    }

    #[test]
    fn a_question_that_was_not_answered_is_asked_again() {
        let mut memory = memory();
        memory.committed("a");
        memory.caller("a", "when are you open");
        assert!(told(&mut memory).1.asks);
        memory.answers();
        memory.agent(ItemId(0), "At nine.");
        assert!(!told(&mut memory).1.asks);
        memory.say("Are you still there?");
        assert_eq!(told(&mut memory).1.say.as_deref(), Some("Are you still there?"));
    }

    #[test]
    fn a_tool_goes_with_its_result_or_with_none() {
        let mut memory = memory();
        memory.tool(&ToolCall::of("book"));
        memory.tool(&ToolCall { id: "two".to_owned(), ..ToolCall::of("look_up") });
        memory.tool_ran("call_book", "booked");
        let (items, goes_on) = told(&mut memory);
        let kinds: Vec<&str> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
        let pair = ["function_call", "function_call_output"];
        assert_eq!(kinds, [pair, pair].concat());
        assert_eq!(items[1]["output"], "booked");
        assert!(items[3]["output"].as_str().unwrap().contains("not known"));
        assert!(goes_on.asks);
    }

    #[test]
    fn sound_is_kept_until_it_is_written_down_or_answered() {
        let mut memory = memory();
        frames(&mut memory, 500);
        assert_eq!(memory.sound.frames.len(), 150, "a little of what may be silence");
        memory.began();
        frames(&mut memory, 100);
        memory.committed("a");
        frames(&mut memory, 20);
        assert_eq!(memory.sound.frames.len(), 270);
        memory.caller("a", "hello");
        assert_eq!(memory.sound.frames.len(), 20, "what came after it");
        memory.began();
        frames(&mut memory, 2_000);
        assert_eq!(memory.sound.frames.len(), 1_000, "20 s at most");
        let (_, goes_on) = told(&mut memory);
        assert_eq!(goes_on.sound.len(), 1_000);
        assert_eq!((memory.sound.samples, memory.sound.over), (0, 0));
    }

    #[test]
    fn it_is_bounded() {
        let mut memory = memory();
        for turn in 0..500 {
            memory.told(&format!("question {turn} {}", "x".repeat(900)));
            memory.agent(ItemId(turn), "answer");
        }
        let (items, _) = told(&mut memory);
        assert!(memory.lines.len() <= MOST_LINES && items.len() < 40, "{}", items.len());
        assert_eq!(items.last().unwrap()["content"][0]["text"], "answer");
    }
}

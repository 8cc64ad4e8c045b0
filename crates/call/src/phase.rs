//! The phases of a call. Each holds only what is true in it, and a transition consumes the one before: a
//! second greeting can't be written.

use std::collections::VecDeque;

use audio::{Pcm, SampleRate};

use crate::Tick;
use crate::reply::{Purpose, Reply};

/// How much audio is kept from before the start: as much as passes until a stream is answered without one.
const EARLY_US: u64 = 1_000_000;

/// Where a call is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The socket is open; the stream has not started.
    Opening(Opening),
    /// The caller's audio goes back.
    Echo,
    /// Nothing is listened to: the silent and the beep agent.
    Deaf,
    /// The greeting is being spoken.
    Greeting(Box<Reply>),
    /// The agent is quiet; the caller may speak.
    Listening(Listening),
    /// The model was asked and nothing is audible yet.
    Thinking(Box<Reply>),
    /// The agent speaks.
    Speaking(Box<Reply>),
    /// The caller spoke over the agent, which stopped.
    Interrupted(Box<Reply>, Interruption),
    /// The last words are spoken; nothing stops them.
    Closing(Box<Reply>),
    /// The call is over.
    Ended,
}

/// What is known before the stream starts.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// When `connected` or the first audio came.
    pub(crate) first_sign: Option<Tick>,
    /// The last of the audio that came.
    early: VecDeque<Pcm>,
}

impl Opening {
    /// Keeps a frame until it is known what it is for; the oldest go when it is more than [`EARLY_US`].
    pub(crate) fn keep(&mut self, pcm: Pcm, rate: SampleRate) {
        self.early.push_back(pcm);
        let mut samples: usize = self.early.iter().map(|frame| frame.len()).sum();
        while samples > rate.samples(EARLY_US) && self.early.len() > 1 {
            samples -= self.early.pop_front().map_or(0, |oldest| oldest.len());
        }
    }

    /// Whether audio came.
    pub(crate) fn has_audio(&self) -> bool {
        !self.early.is_empty()
    }
}

/// Since when the caller is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listening {
    pub(crate) since: Tick,
    /// They were asked whether they are still there.
    pub(crate) prompted: bool,
}

/// An interruption that may turn out to be nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interruption {
    pub(crate) at: Tick,
    /// When the agent goes on, once the caller is quiet again.
    pub(crate) resume_due: Option<Tick>,
}

impl Phase {
    /// Takes the audio from before the start.
    pub(crate) fn take_early(&mut self) -> VecDeque<Pcm> {
        match self {
            Self::Opening(opening) => std::mem::take(&mut opening.early),
            _ => VecDeque::new(),
        }
    }

    /// The reply under way, whatever it is for.
    pub(crate) fn reply(&mut self) -> Option<&mut Reply> {
        match self {
            Self::Greeting(reply)
            | Self::Thinking(reply)
            | Self::Speaking(reply)
            | Self::Interrupted(reply, _)
            | Self::Closing(reply) => Some(reply),
            Self::Opening(_) | Self::Echo | Self::Deaf | Self::Listening(_) | Self::Ended => None,
        }
    }

    /// The same, to look at.
    pub(crate) fn reply_ref(&self) -> Option<&Reply> {
        match self {
            Self::Greeting(reply)
            | Self::Thinking(reply)
            | Self::Speaking(reply)
            | Self::Interrupted(reply, _)
            | Self::Closing(reply) => Some(reply),
            Self::Opening(_) | Self::Echo | Self::Deaf | Self::Listening(_) | Self::Ended => None,
        }
    }

    /// Whether the agent has the word and the caller may take it.
    pub(crate) fn is_interruptible(&self) -> bool {
        match self {
            Self::Greeting(_) => true,
            Self::Speaking(reply) => reply.purpose != Purpose::Consent,
            _ => false,
        }
    }
}

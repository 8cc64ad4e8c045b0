//! A caller who converses: asks, listens, interrupts now and then, and judges what comes as a carrier's play-out
//! would.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::carrier::{Carrier, Said, read};
use super::{Caller, Clip, Latencies, Outbox};

/// Frames of 20 ms from one round of talk to the next.
const ROUND: usize = 750;
/// In a round, the frames at which the caller begins to speak: a question, another, and an interruption of the
/// second one's answer.
const QUESTIONS: [usize; 2] = [0, 300];
const INTERRUPTION: usize = 300 + 160;
/// Frames from the call's beginning to the first round: the greeting is over by then.
const GREETED: usize = 150;
/// A question that is younger than this at the end is no question without an answer.
const ANSWER: Duration = Duration::from_secs(1);
/// Bytes of audio in a millisecond at 8 kHz.
const BYTES_PER_MS: usize = 16;

/// How the server paces, by its own settings.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How much audio it sends ahead of what is heard.
    pub lead: Duration,
}

/// What a caller, or many, noticed in the measured time.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// From the frame with which the voice ended to the first audio of the answer.
    pub answers: Latencies,
    /// Questions that were asked.
    pub questions: usize,
    /// From the frame with which the speech was long enough to interrupt to the clear; nothing for a clear that came
    /// before it.
    pub clears: Latencies,
    /// Interruptions that were tried: the caller began to speak while the agent was heard.
    pub interruptions: usize,
    /// How many of the clears came before the speech was long enough: the recogniser's words interrupt too.
    pub early: usize,
    /// How much later than paced each chunk came.
    pub lateness: Latencies,
    /// Silences inside an utterance.
    pub gaps: Latencies,
    /// How much audio came.
    pub heard: Duration,
}

impl Told {
    /// Takes what another noticed over.
    pub fn add(&mut self, other: &Self) {
        self.answers.extend(&other.answers);
        self.questions += other.questions;
        self.clears.extend(&other.clears);
        self.interruptions += other.interruptions;
        self.early += other.early;
        self.lateness.extend(&other.lateness);
        self.gaps.extend(&other.gaps);
        self.heard += other.heard;
    }
}

/// A caller who converses.
#[derive(Debug)]
pub struct Talker {
    carrier: Carrier,
    clip: Rc<Clip>,
    timing: Timing,
    frame: usize,
    /// The frame of its first round.
    first: usize,
    ear: Ear,
    /// When the voice of a question ended that has no answer yet.
    asked: Option<Instant>,
    /// An interruption that has not led to a clear yet: when it began, and when its speech was long enough.
    interrupts: Option<(Instant, Option<Instant>)>,
    measuring: bool,
    /// What it noticed.
    pub told: Told,
}

/// The carrier's play-out queue.
#[derive(Debug, Default)]
struct Ear {
    /// When all that came will have been played.
    head: Option<Instant>,
    /// The last that came was a mark or a clear: what comes next need not join on.
    pause: bool,
    marks: VecDeque<(Instant, String)>,
    /// Arrivals of the chunks of one stretch, each with how much audio had come before it and with it.
    arrivals: Vec<(Instant, Duration, Duration)>,
    queued: Duration,
}

impl Talker {
    /// The caller of this number out of `all`: their rounds are spread evenly.
    pub fn numbered(number: usize, all: usize, clip: Rc<Clip>, timing: Timing) -> Self {
        Self {
            carrier: Carrier::numbered(number),
            clip,
            timing,
            frame: 0,
            first: GREETED + number * ROUND / all.max(1),
            ear: Ear::default(),
            asked: None,
            interrupts: None,
            measuring: false,
            told: Told::default(),
        }
    }

    /// The frame of speech that is due, if the caller speaks now.
    fn speaks(&mut self, now: Instant) -> Option<usize> {
        let at = self.frame.checked_sub(self.first)? % ROUND;
        let last = self.clip.last_voice();
        let begin = QUESTIONS.into_iter().chain([INTERRUPTION]).rfind(|begin| *begin <= at)?;
        let said = at - begin;
        if said == last {
            self.ask(now);
        }
        if begin == INTERRUPTION && said == 0 && self.measuring && self.ear.is_playing(now) {
            self.interrupts = Some((now, None));
            self.told.interruptions += 1;
        }
        if let Some((_, long_enough)) = &mut self.interrupts
            && Some(said) == self.clip.interrupts()
        {
            *long_enough = Some(now);
        }
        Some(said)
    }

    fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
        self.told.questions += usize::from(self.measuring);
    }

    fn audio(&mut self, now: Instant, bytes: usize) {
        let length = Duration::from_micros((bytes * 1000 / BYTES_PER_MS) as u64);
        if let Some(asked) = self.asked.take()
            && self.measuring
        {
            self.told.answers.push(now - asked);
        }
        let gap = self.ear.audio(now, length, self.timing.lead, |late| {
            if self.measuring {
                self.told.lateness.push(late);
            }
        });
        if self.measuring {
            self.told.heard += length;
            gap.into_iter().for_each(|gap| self.told.gaps.push(gap));
        }
    }
}

impl Caller for Talker {
    fn frame(&mut self, now: Instant, out: &mut Outbox) {
        if self.frame == 0 {
            self.carrier.start(out);
        }
        while let Some((_, name)) = self.ear.marks.pop_front_if(|(at, _)| *at <= now) {
            self.carrier.mark(&name, out);
        }
        let said = self.speaks(now);
        let clip = self.clip.clone();
        let payload = said.and_then(|said| clip.speech(said)).unwrap_or_else(|| clip.quiet(self.frame));
        self.carrier.media(payload, out);
        self.frame += 1;
    }

    fn received(&mut self, now: Instant, text: &[u8]) {
        match read(text) {
            Said::Media(bytes) => self.audio(now, bytes),
            Said::Mark(name) => self.ear.mark(now, name.to_owned()),
            Said::Clear => {
                self.ear.clear(now);
                if let Some((_, long_enough)) = self.interrupts.take() {
                    self.told.early += usize::from(long_enough.is_none());
                    self.told.clears.push(long_enough.map_or(Duration::ZERO, |then| now - then));
                }
            }
            Said::Other => {}
        }
    }

    fn measure(&mut self, on: bool) {
        self.measuring = on;
        // What began before does not count, nor what can't be answered any more.
        let is_open = self.asked.take().is_some_and(|asked| asked.elapsed() < ANSWER);
        self.told.questions -= usize::from(!on && is_open);
        // Nor an interruption that the agent has had no time to notice.
        let is_open = self.interrupts.take().is_some_and(|(began, _)| began.elapsed() < ANSWER);
        self.told.interruptions -= usize::from(!on && is_open);
    }

    fn goodbye(&mut self, out: &mut Outbox) {
        self.carrier.stop(out);
    }
}

impl Ear {
    fn is_playing(&self, now: Instant) -> bool {
        self.head.is_some_and(|head| head > now)
    }

    /// Takes a chunk. Gives the silence before it when it should have joined on, and to `late`, once a stretch is
    /// over, how late each of its chunks came.
    fn audio(
        &mut self,
        now: Instant,
        length: Duration,
        lead: Duration,
        late: impl FnMut(Duration),
    ) -> Option<Duration> {
        let empty = self.head.filter(|head| *head < now).map(|head| now - head);
        let is_first = self.head.is_none();
        let gap = empty.filter(|_| !self.pause);
        if is_first || empty.is_some() {
            self.judge(lead, late);
            self.queued = Duration::ZERO;
            self.head = Some(now);
        }
        self.pause = false;
        self.arrivals.push((now, self.queued, self.queued + length));
        self.queued += length;
        self.head = self.head.map(|head| head + length);
        gap
    }

    fn mark(&mut self, now: Instant, name: String) {
        self.pause = true;
        self.marks.push_back((self.head.unwrap_or(now).max(now), name));
    }

    fn clear(&mut self, now: Instant) {
        self.pause = true;
        self.head = Some(now);
        self.marks.clear();
        // What was cleared in mid-flight is judged with the stretch that follows, from a new beginning.
        self.arrivals.clear();
    }

    /// A chunk is due when what lies with the carrier, it included, has shrunk to the lead. The earliest arrival,
    /// measured so, is the one that was on time.
    fn judge(&mut self, lead: Duration, mut late: impl FnMut(Duration)) {
        let due = |with: Duration| with.saturating_sub(lead);
        let origin = self.arrivals.iter().filter_map(|(at, _, with)| at.checked_sub(due(*with))).min();
        for (at, _, with) in self.arrivals.drain(..) {
            late(origin.map_or(Duration::ZERO, |origin| at - due(with) - origin));
        }
    }
}

//! What was said in a call and not yet understood, so that another recogniser can hear it. Pure but for the type
//! of its moments.

use std::collections::VecDeque;

use audio::{Pcm, SampleRate};
use call::{Listen, SpeechId};
use tokio::time::Instant;

/// What is kept of the time before speech was noticed.
const PRE_ROLL_US: u64 = 400_000;
/// No more is kept; of a stretch that is longer the beginning is lost.
const LONGEST_US: u64 = 60_000_000;
/// Frames are put together to pieces of this length when they are played again, so that a whole stretch fits into
/// the queues of recognisers.
const PIECE_US: u64 = 240_000;
/// So many stretches whose text is not sure to come are remembered.
const STRETCHES: usize = 16;

/// The tape of one call.
#[derive(Debug)]
pub(super) struct Tape {
    rate: SampleRate,
    items: VecDeque<Listen>,
    samples: usize,
    stretches: VecDeque<Stretch>,
    last_finished: Option<(SpeechId, Instant)>,
}

/// A stretch whose last word may not have come.
#[derive(Debug)]
struct Stretch {
    speech: SpeechId,
    /// Since when its text is waited for.
    finished: Option<Instant>,
    /// Its text came as a pause.
    is_settled: bool,
}

impl Stretch {
    const fn is_waited_for(&self) -> bool {
        !self.is_settled
    }
}

impl Tape {
    pub(super) const fn new(rate: SampleRate) -> Self {
        Self { rate, items: VecDeque::new(), samples: 0, stretches: VecDeque::new(), last_finished: None }
    }

    /// Keeps what the call gives.
    pub(super) fn push(&mut self, what: &Listen, now: Instant) {
        self.items.push_back(what.clone());
        match what {
            Listen::Audio(pcm) => {
                self.samples += pcm.len();
                self.cut();
            }
            Listen::Began(speech) => {
                if self.stretches.len() >= STRETCHES
                    && let Some(oldest) = self.stretches.pop_front()
                {
                    self.forget(oldest.speech);
                }
                self.stretches.push_back(Stretch { speech: *speech, finished: None, is_settled: false });
            }
            Listen::Finish(speech) => {
                self.last_finished = Some((*speech, now));
                let mut is_settled = true;
                if let Some(stretch) = self.stretch(*speech) {
                    stretch.finished = Some(now);
                    is_settled = stretch.is_settled;
                }
                if is_settled {
                    self.forget(*speech);
                }
            }
        }
    }

    /// The text of a stretch came, or a failure. Whether it was waited for.
    pub(super) fn settle(&mut self, speech: SpeechId) -> bool {
        let Some(at) = self.stretches.iter().position(|stretch| stretch.speech == speech) else {
            return false;
        };
        if self.stretches[at].finished.is_none() {
            // Its beginning is understood, and it goes on.
            self.pause(speech);
        } else {
            self.stretches.remove(at);
            self.forget(speech);
        }
        true
    }

    /// All that was said of a stretch so far is understood.
    pub(super) fn pause(&mut self, speech: SpeechId) {
        let Some(stretch) = self.stretch(speech) else { return };
        stretch.is_settled = true;
        let is_open = stretch.finished.is_none();
        self.forget(speech);
        if is_open {
            self.items.push_back(Listen::Began(speech));
        }
    }

    /// More is heard of a stretch after it was understood.
    pub(super) fn goes_on(&mut self, speech: SpeechId) {
        if let Some(stretch) = self.stretch(speech)
            && stretch.finished.is_none()
        {
            stretch.is_settled = false;
        }
    }

    /// Whether something was said that is not understood.
    pub(super) fn has_unsettled(&self) -> bool {
        self.stretches.iter().any(Stretch::is_waited_for)
    }

    /// The stretches that are finished and not understood.
    pub(super) fn waited_for(&self) -> Vec<SpeechId> {
        let waited = self.stretches.iter().filter(|stretch| stretch.is_waited_for());
        waited.filter(|stretch| stretch.finished.is_some()).map(|stretch| stretch.speech).collect()
    }

    /// Since when the oldest of these is waited for.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let waited = self.stretches.iter().filter(|stretch| stretch.is_waited_for());
        waited.filter_map(|stretch| stretch.finished).min()
    }

    /// The stretch that was finished last.
    pub(super) const fn last_finished(&self) -> Option<(SpeechId, Instant)> {
        self.last_finished
    }

    /// The stretch that was begun last and is not understood.
    pub(super) fn newest(&self) -> Option<SpeechId> {
        self.stretches.back().map(|stretch| stretch.speech)
    }

    /// All that another recogniser has to hear. What is finished is waited for from now on.
    pub(super) fn replay(&mut self, now: Instant) -> Vec<Listen> {
        for stretch in &mut self.stretches {
            stretch.finished = stretch.finished.map(|_| now);
        }
        let most = self.rate.samples(PIECE_US);
        let mut pieces = Vec::new();
        let mut piece: Vec<i16> = Vec::new();
        for item in &self.items {
            match item {
                Listen::Audio(pcm) => {
                    if !piece.is_empty() && piece.len() + pcm.len() > most {
                        pieces.push(Listen::Audio(Pcm::from(std::mem::take(&mut piece))));
                    }
                    piece.extend_from_slice(pcm);
                }
                sign => {
                    if !piece.is_empty() {
                        pieces.push(Listen::Audio(Pcm::from(std::mem::take(&mut piece))));
                    }
                    pieces.push(sign.clone());
                }
            }
        }
        if !piece.is_empty() {
            pieces.push(Listen::Audio(Pcm::from(piece)));
        }
        pieces
    }

    fn stretch(&mut self, speech: SpeechId) -> Option<&mut Stretch> {
        self.stretches.iter_mut().find(|stretch| stretch.speech == speech)
    }

    /// Takes the signs of a stretch out, and the audio that nobody needs without it.
    fn forget(&mut self, speech: SpeechId) {
        self.items
            .retain(|item| !matches!(item, Listen::Began(other) | Listen::Finish(other) if *other == speech));
        self.cut();
    }

    /// Drops audio that is older than what may be kept: the pre-roll of the first sign.
    fn cut(&mut self) {
        let first_sign = self.items.iter().position(|item| !matches!(item, Listen::Audio(_)));
        let mut before: usize = match first_sign {
            None => self.samples,
            Some(at) => self.items.iter().take(at).map(length).sum(),
        };
        let pre_roll = self.rate.samples(PRE_ROLL_US);
        while let Some(Listen::Audio(oldest)) = self.items.front()
            && before >= pre_roll + oldest.len()
        {
            before -= oldest.len();
            self.samples -= oldest.len();
            self.items.pop_front();
        }
        while self.samples > self.rate.samples(LONGEST_US)
            && let Some(at) = self.items.iter().position(|item| matches!(item, Listen::Audio(_)))
            && let Some(oldest) = self.items.remove(at)
        {
            self.samples -= length(&oldest);
        }
    }
}

fn length(item: &Listen) -> usize {
    match item {
        Listen::Audio(pcm) => pcm.len(),
        Listen::Began(_) | Listen::Finish(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: usize = 160;

    fn tape() -> Tape {
        Tape::new(SampleRate::HZ_8000)
    }

    /// Frames of 20 ms, numbered.
    fn frames(tape: &mut Tape, numbers: std::ops::Range<i16>) {
        let now = Instant::now();
        for number in numbers {
            tape.push(&Listen::Audio(Pcm::from(vec![number; FRAME])), now);
        }
    }

    /// What is replayed: each sign in words, and audio as the numbers of its first and last frame.
    fn replayed(tape: &mut Tape) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut audio: Option<(i16, i16)> = None;
        let flush = |audio: &mut Option<(i16, i16)>, out: &mut Vec<String>| {
            out.extend(audio.take().map(|(from, to)| format!("{from}-{to}")));
        };
        for item in tape.replay(Instant::now()) {
            match item {
                Listen::Audio(pcm) => {
                    assert!(pcm.len() <= 8 * 240);
                    let (first, last) = (pcm[0], pcm[pcm.len() - 1]);
                    if let Some((_, to)) = audio {
                        assert_eq!(to + 1, first, "nothing is lost between");
                    }
                    audio = Some((audio.map_or(first, |(from, _)| from), last));
                }
                Listen::Began(speech) => {
                    flush(&mut audio, &mut out);
                    out.push(format!("began {}", speech.0));
                }
                Listen::Finish(speech) => {
                    flush(&mut audio, &mut out);
                    out.push(format!("finish {}", speech.0));
                }
            }
        }
        flush(&mut audio, &mut out);
        out
    }

    #[test]
    fn what_is_understood_is_forgotten_but_for_the_pre_roll() {
        let now = Instant::now();
        let mut tape = tape();
        frames(&mut tape, 0..100);
        assert_eq!(replayed(&mut tape), ["80-99"]);
        tape.push(&Listen::Began(SpeechId(1)), now);
        frames(&mut tape, 100..150);
        assert_eq!(replayed(&mut tape), ["80-99", "began 1", "100-149"]);
        tape.push(&Listen::Finish(SpeechId(1)), now);
        frames(&mut tape, 150..155);
        tape.push(&Listen::Began(SpeechId(2)), now);
        frames(&mut tape, 155..160);
        assert_eq!(
            replayed(&mut tape),
            ["80-99", "began 1", "100-149", "finish 1", "150-154", "began 2", "155-159"]
        );
        assert_eq!(tape.waited_for(), [SpeechId(1)]);
        assert!(tape.settle(SpeechId(1)));
        assert!(!tape.settle(SpeechId(1)), "only once");
        assert_eq!(replayed(&mut tape), ["135-154", "began 2", "155-159"]);
    }

    #[test]
    fn a_pause_settles_what_came_before_it() {
        let now = Instant::now();
        let mut tape = tape();
        tape.push(&Listen::Began(SpeechId(1)), now);
        frames(&mut tape, 0..100);
        tape.pause(SpeechId(1));
        assert!(!tape.has_unsettled());
        frames(&mut tape, 100..105);
        tape.goes_on(SpeechId(1));
        frames(&mut tape, 105..110);
        assert!(tape.has_unsettled());
        assert_eq!(replayed(&mut tape), ["80-99", "began 1", "100-109"]);
        tape.push(&Listen::Finish(SpeechId(1)), now);
        assert_eq!(tape.waited_for(), [SpeechId(1)]);

        let mut tape = self::tape();
        tape.push(&Listen::Began(SpeechId(1)), now);
        tape.pause(SpeechId(1));
        tape.push(&Listen::Finish(SpeechId(1)), now);
        assert!(tape.waited_for().is_empty(), "its text came before");
        assert!(replayed(&mut tape).is_empty());
    }

    #[test]
    fn a_minute_is_kept_and_not_more() {
        let mut tape = tape();
        tape.push(&Listen::Began(SpeechId(1)), Instant::now());
        frames(&mut tape, 0..3_100);
        assert_eq!(replayed(&mut tape), ["began 1", "100-3099"]);
        assert!(tape.replay(Instant::now()).len() <= 251, "it fits into the built-in recogniser's queue");
    }

    proptest! {
        #[test]
        fn a_stretch_that_is_not_understood_is_replayed_whole(
            steps in prop::collection::vec((0u8..5, 1i16..40), 0..60),
        ) {
            let mut tape = tape();
            let (mut frame, mut next) = (0i16, 0u32);
            let mut open: Option<(u32, i16)> = None;
            let mut unsettled: Vec<(u32, i16, i16)> = Vec::new();
            let now = Instant::now();
            for (kind, amount) in steps {
                match kind {
                    0 | 1 => {
                        frames(&mut tape, frame..frame + amount);
                        frame += amount;
                    }
                    2 if open.is_none() => {
                        tape.push(&Listen::Began(SpeechId(next)), now);
                        open = Some((next, frame));
                        next += 1;
                    }
                    3 => if let Some((id, from)) = open.take() {
                        tape.push(&Listen::Finish(SpeechId(id)), now);
                        unsettled.push((id, from, frame));
                    },
                    4 if !unsettled.is_empty() => {
                        let (id, ..) = unsettled.remove(amount as usize % unsettled.len());
                        prop_assert!(tape.settle(SpeechId(id)));
                    }
                    _ => {}
                }
                // Beyond that it is bounded, and the oldest is forgotten.
                prop_assume!(unsettled.len() < STRETCHES - 1);
                let pieces = tape.replay(now);
                let mut at = None;
                for item in &pieces {
                    match item {
                        Listen::Audio(pcm) => at = Some(pcm[pcm.len() - 1] + 1),
                        Listen::Began(id) => {
                            let from = unsettled.iter().map(|(id, from, _)| (*id, *from)).chain(open);
                            let from = from.into_iter().find(|(other, _)| *other == id.0);
                            prop_assert!(from.is_some(), "a sign of what is settled");
                            prop_assert!(at.is_none_or(|at| Some(at) == from.map(|(_, from)| from)));
                        }
                        Listen::Finish(id) => {
                            let to = unsettled.iter().find(|(other, ..)| *other == id.0).map(|(.., to)| *to);
                            prop_assert!(to.is_some() && at.is_none_or(|at| Some(at) == to));
                        }
                    }
                }
                let began = pieces.iter().filter(|item| matches!(item, Listen::Began(_))).count();
                prop_assert_eq!(began, unsettled.len() + usize::from(open.is_some()));
            }
        }
    }
}

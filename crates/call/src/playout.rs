//! The outgoing audio of one reply: cut to the carrier's chunk, paced with a bounded lead, marked sentence by
//! sentence, with a ledger of what was sent, heard and taken back.
//!
//! The far end is modelled as a queue that plays in real time: `head` is when all that was sent will have been
//! heard. A mark that comes back is better evidence than this clock, and replaces it.

mod filler;
mod heard;
mod hold;
mod piece;

use std::collections::VecDeque;

use audio::{Pcm, Resampler, SampleRate, level_db};

use crate::settings::ms;
use crate::{Micros, Output, Playout as Settings, Tick, ToCarrier, UtteranceId};

use piece::{Flight, Piece, Ready};
pub(crate) use piece::{Gap, Ledger, Marked};

/// When this little is left with the carrier, a last piece of audio shorter than a chunk is padded and sent
/// rather than kept for more to join it.
const GUARD: Micros = Micros::from_ms(60);
/// What a chunk that is cut short is a multiple of, in samples.
const STEP: usize = Settings::CHUNK_STEP_BYTES / 2;
/// Steps in which the level of what is played is kept, for the echo reference.
const LEVEL_STEP: Micros = Micros::from_ms(100);

pub(crate) struct Playout {
    rate: SampleRate,
    chunk: usize,
    /// With how many samples a message may go out when the caller is about to hear the last of what was sent.
    least: usize,
    lead: Micros,
    pieces: VecDeque<Piece>,
    flights: VecDeque<Flight>,
    levels: VecDeque<(Tick, f32)>,
    head: Tick,
    /// When the caller hears the first sample of this reply.
    began: Option<Tick>,
    /// When they hear the first sample of the filler before it.
    filled: Option<Tick>,
    complete: bool,
    held: bool,
}

impl Playout {
    pub(crate) fn new(rate: SampleRate, settings: &Settings) -> Self {
        let chunk = (settings.chunk_bytes / 2).max(1);
        let chunk_length = Micros(rate.micros(chunk));
        Self {
            rate,
            chunk,
            least: chunk,
            lead: ms(settings.lead_ms).max(chunk_length),
            pieces: VecDeque::new(),
            flights: VecDeque::new(),
            levels: VecDeque::new(),
            head: Tick::default(),
            began: None,
            filled: None,
            complete: true,
            held: false,
        }
    }

    /// The carrier is content with messages of so many samples.
    pub(crate) fn take_less(&mut self, least: usize) {
        self.least = least.clamp(1, self.chunk);
    }

    /// Begins a new reply; what was left of the last one is forgotten.
    pub(crate) fn begin(&mut self) {
        self.pieces.clear();
        self.flights.clear();
        (self.began, self.filled) = (None, None);
        self.complete = false;
        self.held = false;
    }

    /// Begins an answer; a filler that is being heard is heard to its end before it.
    pub(crate) fn begin_answer(&mut self) {
        let filled = self.filled;
        let filler: VecDeque<Piece> =
            self.pieces.drain(..).filter(|piece| piece.filler && !piece.mark.back).collect();
        self.begin();
        if !filler.is_empty() {
            (self.pieces, self.filled) = (filler, filled);
        }
    }

    /// An utterance is on its way.
    pub(crate) fn expect(&mut self, utterance: UtteranceId, text: String, mark: String) {
        self.pieces.push_back(Piece::new(utterance, text, mark));
    }

    /// Audio of an utterance. Returns whether it is one that is waited for.
    pub(crate) fn audio(&mut self, utterance: UtteranceId, rate: SampleRate, pcm: Pcm) -> bool {
        let to = self.rate;
        let Some(piece) = self.open_piece(utterance) else { return false };
        if rate == to {
            piece.push(pcm);
            return true;
        }
        let mut converted = Vec::with_capacity(pcm.len());
        match &mut piece.resampler {
            Some((from, resampler)) if *from == rate => resampler.push(&pcm, &mut converted),
            other => {
                let (_, resampler) = other.insert((rate, Resampler::new(rate, to)));
                resampler.push(&pcm, &mut converted);
            }
        }
        piece.push(converted.into());
        true
    }

    /// An utterance is complete, or will not become so. Returns whether it was waited for.
    pub(crate) fn done(&mut self, utterance: UtteranceId) -> bool {
        let Some(piece) = self.open_piece(utterance) else { return false };
        piece.done = true;
        if let Some((_, mut resampler)) = piece.resampler.take() {
            let mut tail = Vec::new();
            resampler.flush(&mut tail);
            piece.push(tail.into());
        }
        true
    }

    /// No further utterance will come for this reply.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// More will come for this reply after all.
    pub(crate) fn reopen(&mut self) {
        self.complete = false;
    }

    /// More of an utterance's words, where they come beside its audio.
    pub(crate) fn add_text(&mut self, utterance: UtteranceId, text: &str) {
        if let Some(piece) = self.piece(utterance) {
            piece.text.push_str(text);
        }
    }

    /// Whether audio came for this utterance.
    pub(crate) fn has_audio(&self, utterance: UtteranceId) -> bool {
        self.pieces.iter().any(|piece| piece.utterance == utterance && piece.made() > 0)
    }

    /// Whether any audio came for this reply.
    pub(crate) fn has_any_audio(&self) -> bool {
        self.pieces.iter().any(|piece| piece.made() > 0 && !piece.filler)
    }

    /// Puts `pcm`, at the stream's rate, in the place of what the voice did not give: the words that have no
    /// audio count as unheard, and no utterance is waited for any more.
    pub(crate) fn stand_in(&mut self, utterance: UtteranceId, pcm: Pcm, mark: &str) {
        for piece in &mut self.pieces {
            piece.done = true;
            if piece.mark.is_for(mark) {
                piece.mark.name = format!("u{}", piece.utterance.0);
            }
        }
        self.expect(utterance, String::new(), mark.to_owned());
        if let Some(piece) = self.pieces.back_mut() {
            piece.push(pcm);
            piece.done = true;
        }
    }

    /// Sends one chunk of silence at once, outside any reply.
    pub(crate) fn send_silence(&mut self, at: Tick, out: &mut Vec<Output>) {
        let plays_at = self.head.max(at);
        self.head = plays_at + Micros(self.rate.micros(self.chunk));
        out.push(Output::Carrier(ToCarrier::Media { pcm: Pcm::silence(self.chunk), plays_at }));
    }

    /// How much audio is here and was not sent.
    pub(crate) fn unsent(&self) -> Micros {
        Micros(self.rate.micros(self.pieces.iter().map(Piece::unsent).sum()))
    }

    /// When the caller hears the first of this reply, once something was sent.
    pub(crate) fn began(&self) -> Option<Tick> {
        self.began
    }

    /// Whether anything was sent of this reply or the filler before it.
    pub(crate) fn has_sent(&self) -> bool {
        self.began.is_some() || self.filled.is_some()
    }

    /// When the caller hears the first of the filler, once something of it was sent.
    pub(crate) fn filled(&self) -> Option<Tick> {
        self.filled
    }

    /// Whether anything was ever sent.
    pub(crate) fn has_spoken(&self) -> bool {
        self.head > Tick::default()
    }

    /// Whether the caller hears the agent at this moment.
    pub(crate) fn is_audible(&self, at: Tick) -> bool {
        !self.held && (at < self.head || self.pieces.iter().any(|piece| piece.unsent() > 0))
    }

    /// When all that was sent will have been heard.
    pub(crate) fn head(&self) -> Tick {
        self.head
    }

    /// Whether all of the reply was sent.
    pub(crate) fn is_all_sent(&self) -> bool {
        self.complete && !self.held && self.pieces.iter().all(Piece::is_all_sent)
    }

    /// Whether all of the reply was heard, by its marks.
    pub(crate) fn is_all_marked(&self) -> bool {
        self.is_all_sent()
            && self.pieces.iter().all(|piece| piece.mark.back || piece.cut || piece.made() == 0)
    }

    /// A mark came back. Gives what it shows; `None` when it was not waited for.
    pub(crate) fn mark(&mut self, at: Tick, name: &str) -> Option<Marked> {
        let index = self.pieces.iter().position(|piece| piece.mark.sent && piece.mark.name == name)?;
        let piece = &self.pieces[index];
        let marked = Marked { late: at.since(piece.mark.due), filler: piece.filler };
        for piece in self.pieces.iter_mut().take(index + 1).filter(|piece| piece.mark.sent) {
            piece.mark.back = true;
        }
        if self.is_all_marked() {
            self.head = self.head.min(at);
        }
        Some(marked)
    }

    /// Sends what is due. Returns a gap that the caller heard, if there was one.
    pub(crate) fn pump(&mut self, at: Tick, out: &mut Vec<Output>) -> Option<Gap> {
        if self.held {
            return None;
        }
        self.settle(at);
        let mut gap = None;
        while self.due().is_some_and(|due| due <= at) {
            let start = self.head.max(at);
            if let Some(late) = self.gap(at) {
                gap = Some(late);
            }
            let (pcm, fills) = self.next_chunk(start);
            if fills {
                self.filled.get_or_insert(start);
            } else {
                self.began.get_or_insert(start);
            }
            self.note_levels(start, &pcm);
            self.head = start + Micros(self.rate.micros(pcm.len()));
            out.push(Output::Carrier(ToCarrier::Media { pcm, plays_at: start }));
            self.send_marks(out);
        }
        self.send_marks(out);
        gap
    }

    /// When the next chunk is due, if one can be made.
    pub(crate) fn due(&self) -> Option<Tick> {
        if self.held {
            return None;
        }
        let Ready { whole, all } = self.ready();
        let last = self.complete && self.pieces.iter().all(|piece| piece.done);
        if all >= self.chunk || (all > 0 && last) {
            // As soon as the lead has room for it.
            return Some((self.head + Micros(self.rate.micros(self.chunk))) - self.lead);
        }
        (whole > 0 || all >= self.least).then(|| self.head - GUARD)
    }

    fn ready(&self) -> Ready {
        let mut ready = Ready { whole: 0, all: 0 };
        for piece in &self.pieces {
            ready.all += piece.unsent();
            if !piece.done {
                break;
            }
            ready.whole = ready.all;
        }
        ready
    }

    fn open_piece(&mut self, utterance: UtteranceId) -> Option<&mut Piece> {
        self.pieces.iter_mut().find(|piece| piece.utterance == utterance && !piece.done)
    }

    /// Every utterance that is open gives no more.
    pub(crate) fn abandon(&mut self) {
        self.pieces.iter_mut().for_each(|piece| piece.done = true);
    }

    fn piece(&mut self, utterance: UtteranceId) -> Option<&mut Piece> {
        self.pieces.iter_mut().find(|piece| piece.utterance == utterance)
    }

    /// Moves flights that have landed into the ledger, and lets go of their samples.
    fn settle(&mut self, at: Tick) {
        while let Some(flight) = self.flights.front() {
            let (utterance, from, to) = (flight.utterance, flight.from, flight.to);
            if flight.plays_at + Micros(self.rate.micros(to - from)) > at {
                break;
            }
            self.flights.pop_front();
            if let Some(piece) = self.piece(utterance) {
                piece.heard = piece.heard.max(to);
                piece.let_go(to);
            }
        }
        // The flight in the air counts up to now.
        if let Some(flight) = self.flights.front().filter(|flight| flight.plays_at <= at) {
            let flown = self.rate.samples(at.since(flight.plays_at).0).min(flight.to - flight.from);
            let (utterance, reached) = (flight.utterance, flight.from + flown);
            if let Some(piece) = self.piece(utterance) {
                piece.heard = piece.heard.max(reached);
            }
        }
    }

    /// The gap before the chunk that is about to be sent, when the utterance it belongs to had begun.
    fn gap(&self, at: Tick) -> Option<Gap> {
        let piece = self.pieces.iter().find(|piece| piece.unsent() > 0)?;
        (piece.sent > 0 && self.began.is_some() && at > self.head)
            .then(|| Gap { utterance: piece.utterance, length: at.since(self.head) })
    }

    /// Takes the next chunk off the pieces, padded with zeros to its full length. What can't fill a chunk is
    /// taken only up to the end of an utterance, so that no padding falls into a word.
    ///
    /// Gives also whether it holds nothing but filler.
    fn next_chunk(&mut self, start: Tick) -> (Pcm, bool) {
        let mut only_filler = true;
        let (size, fills) = self.next_size();
        let mut chunk = Vec::with_capacity(size);
        for piece in &mut self.pieces {
            if !piece.done && !fills {
                break;
            }
            let take = piece.unsent().min(size - chunk.len());
            if take > 0 {
                let plays_at = start + Micros(self.rate.micros(chunk.len()));
                piece.copy(piece.sent..piece.sent + take, &mut chunk);
                let (from, to) = (piece.sent, piece.sent + take);
                self.flights.push_back(Flight { plays_at, utterance: piece.utterance, from, to });
                piece.sent = to;
                only_filler &= piece.filler;
            }
            if !piece.done || chunk.len() == size {
                break;
            }
        }
        chunk.resize(size, 0);
        (chunk.into(), only_filler)
    }

    /// How many samples the next chunk has, and whether there are so many. A chunk that is cut short, where the carrier
    /// takes that, ends with a whole step; only behind the end of an utterance it is padded to one.
    fn next_size(&self) -> (usize, bool) {
        let Ready { whole, all } = self.ready();
        if all >= self.chunk || self.least == self.chunk {
            return (self.chunk, all >= self.chunk);
        }
        if all >= self.least.max(STEP) && all > whole {
            return (all / STEP * STEP, true);
        }
        let size = whole.next_multiple_of(STEP).min(self.chunk);
        (size, all >= size)
    }

    /// Marks follow the last chunk of their utterance, in order. An utterance without audio gets its mark too
    /// when a name was promised for it (the greeting's), else none.
    fn send_marks(&mut self, out: &mut Vec<Output>) {
        for piece in &mut self.pieces {
            if !piece.is_all_sent() {
                break;
            }
            if !piece.mark.sent && piece.made() > 0 && !piece.cut {
                (piece.mark.sent, piece.mark.due) = (true, self.head);
                out.push(Output::Carrier(ToCarrier::Mark { name: piece.mark.name.clone() }));
            }
        }
    }

    fn note_levels(&mut self, start: Tick, pcm: &[i16]) {
        let step = self.rate.samples(LEVEL_STEP.0).max(1);
        for (index, part) in pcm.chunks(step).enumerate() {
            self.levels.push_back((start + Micros(index as u64 * LEVEL_STEP.0), level_db(part)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(playout: &mut Playout, at_ms: u64) -> Vec<usize> {
        let mut out = Vec::new();
        playout.pump(Tick(at_ms * 1000), &mut out);
        out.iter()
            .filter_map(|output| match output {
                Output::Carrier(ToCarrier::Media { pcm, .. }) => Some(pcm.len()),
                _ => None,
            })
            .collect()
    }

    /// A voice that gives 40 ms of audio at a time, twice as fast as it plays.
    #[test]
    fn a_carrier_that_takes_less_gets_the_first_audio_sooner() {
        for (least, first_at, first) in [(None, 100, 1600), (Some(480), 40, 640)] {
            let mut playout = Playout::new(SampleRate::HZ_8000, &Settings::default());
            least.into_iter().for_each(|least| playout.take_less(least));
            playout.begin();
            let utterance = UtteranceId(1);
            playout.expect(utterance, String::new(), "m".to_owned());
            let mut chunks = Vec::new();
            for at_ms in (20..=400).step_by(20) {
                assert!(playout.audio(utterance, SampleRate::HZ_8000, Pcm::silence(320)));
                chunks.extend(sent(&mut playout, at_ms).into_iter().map(|samples| (at_ms, samples)));
            }
            assert_eq!(chunks[0], (first_at, first));
            assert!(chunks.iter().all(|(_, samples)| samples.is_multiple_of(STEP)), "{chunks:?}");
            assert!(chunks.iter().any(|(_, samples)| *samples == 1600), "{chunks:?}");
            // The end: 500 samples more, padded to a step, or to a chunk where the carrier wants one.
            assert!(playout.audio(utterance, SampleRate::HZ_8000, Pcm::silence(500)));
            let before: usize = chunks.iter().map(|(_, samples)| samples).sum();
            playout.done(utterance);
            playout.complete();
            let rest: usize = (420..4000).step_by(20).flat_map(|at_ms| sent(&mut playout, at_ms)).sum();
            let step = if least.is_some() { STEP } else { 1600 };
            assert_eq!(before + rest, (20 * 320 + 500_usize).next_multiple_of(step));
        }
    }
}

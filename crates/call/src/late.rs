//! Answers that are late: the filler that the caller hears meanwhile, the next vendor that is asked, the budget that
//! says when.

use audio::tone;

use crate::phase::Phase;
use crate::reply::Purpose;
use crate::settings::ms;
use crate::talk::Talk;
use crate::{
    AgentKind, Call, Event, FillerKind, Measure, Micros, Output, Recorded, Say, Tick, Timer, ToCarrier,
    TurnId, UtteranceId, Voiced, Waiting,
};

/// How long the filler's voice may take before the recording is played.
const FILLER_VOICE: Micros = Micros::from_ms(250);
/// The filler that is a tone.
const FILLER_TONE_HZ: f32 = 425.0;
const FILLER_TONE_MS: u32 = 200;
const FILLER_TONE_DB: f32 = -27.0;

/// What is known of late answers.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// The filler that is awaited from the voice.
    filler: Option<Filler>,
    /// One was played in this wait.
    used: bool,
    /// When its first audio was sent.
    pub(crate) sent: Option<Tick>,
    /// The budget of this wait was overrun.
    over: bool,
    /// Answers were too late lately: the next begins at its first clause.
    pub(crate) hurried: bool,
}

#[derive(Debug, Clone, Copy)]
struct Filler {
    utterance: UtteranceId,
    recorded: bool,
    asked: Tick,
    has_audio: bool,
}

/// What the caller waits for.
#[derive(Debug, Clone, Copy)]
struct Wait {
    turn: Option<TurnId>,
    /// When their turn was over.
    since: Tick,
    /// Their last word.
    speech_ended: Tick,
    waiting_for: Waiting,
}

impl Late {
    /// The wait is over. Gives the filler that is not wanted any more.
    pub(crate) fn end_wait(&mut self) -> Option<UtteranceId> {
        (self.used, self.over, self.sent) = (false, false, None);
        self.filler.take().map(|filler| filler.utterance)
    }
}

impl Call {
    /// What the caller waits for in silence, if they do.
    fn wait(&self, talk: &Talk) -> Option<Wait> {
        let settings = &self.settings;
        if settings.agent != AgentKind::Assistant
            || settings.converses()
            || self.detached.is_some()
            || self.asks_consent()
        {
            return None;
        }
        match &self.phase {
            Phase::Thinking(reply) | Phase::Speaking(reply)
                if reply.purpose == Purpose::Answer && !reply.clock.reported =>
            {
                let waiting_for = if reply.runs_tools() {
                    Waiting::Tool
                } else if !reply.asked.is_empty() {
                    Waiting::Voice
                } else {
                    Waiting::Model
                };
                let clock = &reply.clock;
                let (since, speech_ended) = (clock.endpoint, clock.speech_ended);
                Some(Wait { turn: reply.turn, since, speech_ended, waiting_for })
            }
            Phase::Listening(_) => {
                let caller = talk.caller.as_ref()?;
                let silent = talk.ears.as_ref().is_none_or(|ears| ears.stretch().is_none());
                let spoke_ms: u64 = caller.awaited.iter().map(|awaited| awaited.length_ms).sum();
                let waits = silent && spoke_ms > 0 && spoke_ms >= settings.turn.unclear_ms;
                let speech_ended = caller.last_voice;
                let since = speech_ended + ms(settings.turn.end_silence_ms);
                waits.then_some(Wait { turn: None, since, speech_ended, waiting_for: Waiting::Recogniser })
            }
            _ => None,
        }
    }

    pub(crate) fn late_deadlines(&self, talk: &Talk, at: &mut impl FnMut(Option<Tick>, Timer)) {
        let filler = &self.settings.filler;
        let budget = &self.settings.budget;
        let late = &talk.late;
        if let Some(asked) = late.filler.filter(|filler| !filler.has_audio).map(|filler| filler.asked) {
            at(Some(asked + FILLER_VOICE), Timer::FillerVoice);
        }
        if let Phase::Thinking(reply) | Phase::Speaking(reply) = &self.phase
            && reply.model.writing
            && !reply.model.began
            && !reply.model.hurried
            && budget.hurry_ms > 0
        {
            at(Some(reply.model.asked + ms(budget.hurry_ms)), Timer::Hurry);
        }
        let fills = !late.used && filler.kind != FillerKind::Off;
        let budgets = budget.total_ms > 0 && !late.over;
        if !fills && !budgets {
            return;
        }
        let Some(wait) = self.wait(talk) else { return };
        at(fills.then(|| wait.since + ms(filler.after_ms)), Timer::Filler);
        at(budgets.then(|| wait.speech_ended + ms(budget.total_ms)), Timer::Budget);
    }

    pub(crate) fn late_timer(&mut self, at: Tick, timer: Timer, out: &mut Vec<Output>) {
        match timer {
            Timer::Hurry => {
                let Some(reply) = self.phase.reply() else { return };
                reply.model.hurried = true;
                out.extend(reply.turn.map(Output::Hurry));
            }
            Timer::FillerVoice => self.filler_failed(at, out),
            Timer::Filler => self.play_filler(at, out),
            _ => self.over_budget(at, out),
        }
    }

    fn over_budget(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(wait) = self.talk.as_ref().and_then(|talk| self.wait(talk)) else { return };
        let filler = self.settings.filler.kind != FillerKind::Off;
        let mut did = Vec::new();
        if filler && self.talk.as_ref().is_some_and(|talk| !talk.late.used) {
            self.play_filler(at, out);
            did.push(Measure::Filler);
        }
        if let Some(reply) = self.phase.reply().filter(|_| wait.waiting_for == Waiting::Model)
            && !reply.model.began
            && !reply.model.hurried
        {
            reply.model.hurried = true;
            out.extend(reply.turn.map(Output::Hurry));
            did.push(Measure::NextModel);
        }
        did.push(Measure::FirstClause);
        if let Some(talk) = &mut self.talk {
            (talk.late.over, talk.late.hurried) = (true, true);
        }
        let Wait { turn, waiting_for, speech_ended, .. } = wait;
        let spent_ms = at.since(speech_ended).0 / 1000;
        out.push(Output::Event(Event::OverBudget { turn, spent_ms, waiting_for, did }));
    }

    /// An answer's first audio was sent after so much: the next ones may take their time again, or not.
    pub(crate) fn judge_latency(&mut self, total: Micros) {
        let budget = self.settings.budget.total_ms;
        if let Some(talk) = self.talk.as_mut().filter(|_| budget > 0) {
            talk.late.hurried = total > ms(budget);
        }
    }

    fn play_filler(&mut self, at: Tick, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let Some(wait) = self.talk.as_ref().and_then(|talk| self.wait(talk)) else { return };
        let Some(talk) = &mut self.talk else { return };
        talk.late.used = true;
        out.push(Output::Event(Event::Filler { turn: wait.turn, after_ms: at.since(wait.since).0 / 1000 }));
        let recorded = wait.waiting_for == Waiting::Voice;
        match settings.filler.kind {
            FillerKind::Speech if recorded => self.say_filler(at, Say::Recorded(Recorded::Filler), out),
            FillerKind::Speech => self.say_filler(at, Say::Text(settings.filler.text.clone()), out),
            FillerKind::Tone | FillerKind::Off => self.sound_filler(at, out),
        }
    }

    fn say_filler(&mut self, at: Tick, say: Say, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let utterance = talk.new_utterance();
        talk.playout.expect_filler(utterance);
        let recorded = matches!(say, Say::Recorded(_));
        talk.late.filler = Some(Filler { utterance, recorded, asked: at, has_audio: false });
        out.push(Output::Voice { utterance, say });
    }

    fn sound_filler(&mut self, at: Tick, out: &mut Vec<Output>) {
        let pcm = tone(self.rate, FILLER_TONE_HZ, FILLER_TONE_MS, FILLER_TONE_DB);
        let rate = self.rate;
        let Some(talk) = &mut self.talk else { return };
        let utterance = talk.new_utterance();
        talk.playout.expect_filler(utterance);
        talk.playout.audio(utterance, rate, pcm);
        talk.playout.done(utterance);
        self.pump(at, out);
    }

    /// The voice gave something for the filler. Returns whether it was for it.
    pub(crate) fn filler_voiced(
        &mut self,
        at: Tick,
        utterance: UtteranceId,
        what: &Voiced,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(talk) = &mut self.talk else { return false };
        let Some(filler) = talk.late.filler.as_mut().filter(|filler| filler.utterance == utterance) else {
            return false;
        };
        match what {
            Voiced::Audio { rate, pcm } => {
                filler.has_audio |= !pcm.is_empty();
                talk.playout.audio(utterance, *rate, pcm.clone());
                self.pump(at, out);
            }
            Voiced::Done if filler.has_audio => {
                talk.late.filler = None;
                talk.playout.done(utterance);
                self.pump(at, out);
            }
            Voiced::Done | Voiced::Failed(_) => self.filler_failed(at, out),
        }
        true
    }

    /// The filler itself is late or failed: the recording, and where that fails a tone.
    fn filler_failed(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let Some(filler) = talk.late.filler.take() else { return };
        out.push(Output::StopVoice(filler.utterance));
        if filler.has_audio {
            talk.playout.done(filler.utterance);
            return self.pump(at, out);
        }
        talk.playout.remove_filler();
        if filler.recorded {
            self.sound_filler(at, out);
        } else {
            self.say_filler(at, Say::Recorded(Recorded::Filler), out);
        }
    }

    /// The answer is there: the filler ends with the word that it is at.
    pub(crate) fn make_way(&mut self, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        if let Some(filler) = talk.late.filler.take() {
            out.push(Output::StopVoice(filler.utterance));
            talk.playout.done(filler.utterance);
        }
        talk.playout.shorten_filler();
    }

    /// The caller goes on: the filler stops, and what follows is another wait.
    pub(crate) fn stop_filler(&mut self, at: Tick, out: &mut Vec<Output>) {
        if !matches!(self.phase, Phase::Listening(_) | Phase::Thinking(_)) {
            return;
        }
        let Some(talk) = &mut self.talk else { return };
        if let Some(filler) = talk.late.end_wait() {
            out.push(Output::StopVoice(filler));
        }
        if talk.playout.cut_filler(at) && self.detached.is_none() {
            out.push(Output::Carrier(ToCarrier::Clear));
        }
    }
}

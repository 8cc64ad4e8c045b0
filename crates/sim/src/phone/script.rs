//! The caller's mind: when to speak, when to wait, when to interrupt. Pure: one tick in, one decision out, so
//! that politeness can be tested without a second of waiting.

use std::collections::VecDeque;

use audio::SampleRate;

use super::plan::{Speech, Step};
use super::report::{PhoneEvent, TurnReport};

/// The queue must lie empty for this long before the agent counts as quiet.
const QUIET_MS: u64 = 400;
/// A server may stream silence for ever; inaudible for this long is quiet too.
const INAUDIBLE_MS: u64 = 1_500;
/// No agent is listened to for longer in one go.
const LONGEST_SPEECH_MS: u64 = 60_000;
/// Between two keys.
const KEY_GAP_MS: u64 = 200;

/// What the ear noticed in one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noticed {
    /// Milliseconds since the socket's opening.
    pub(super) now: u64,
    /// Whether sound was heard.
    pub(super) audible: bool,
    /// Whether there was nothing to play.
    pub(super) empty: bool,
}

/// What the caller does in one tick.
#[derive(Debug, Default)]
pub(super) struct Deed {
    /// Speech to send; silence when absent.
    pub(super) speech: Option<Vec<i16>>,
    /// A key to press.
    pub(super) key: Option<char>,
    /// Whether the caller's turn begins with this tick.
    pub(super) begins: bool,
    /// Whether to hang up now.
    pub(super) hang_up: bool,
    /// What there is to tell.
    pub(super) events: Vec<PhoneEvent>,
}

/// The caller, working through the steps.
#[derive(Debug)]
pub(super) struct Script {
    steps: VecDeque<Step>,
    tick_samples: usize,
    tick_ms: u64,
    patience: u64,
    speaking: Option<(Speech, usize)>,
    agent: Agent,
    /// When the step that waits began to wait.
    waiting_since: u64,
    turns: Vec<TurnReport>,
}

/// What is known of the agent.
#[derive(Debug, Default)]
struct Agent {
    speaks_since: Option<u64>,
    empty_ms: u64,
    inaudible_ms: u64,
    /// Whether it was heard since the caller's last word.
    answered: bool,
    /// Whether it was speaking when the caller finished: then it may have nothing more to say.
    was_talked_over: bool,
}

impl Script {
    pub(super) fn new(steps: Vec<Step>, rate: SampleRate, tick_ms: u64, patience_ms: u64) -> Self {
        Self {
            steps: steps.into(),
            tick_samples: rate.samples(tick_ms * 1000),
            tick_ms,
            patience: patience_ms,
            speaking: None,
            agent: Agent::default(),
            waiting_since: 0,
            turns: Vec::new(),
        }
    }

    /// The server dropped its queue.
    pub(super) fn cleared(&mut self, now: u64) -> Option<PhoneEvent> {
        if let Some(turn) = self.turns.last_mut().filter(|turn| turn.barge_in && turn.answer_ms.is_none()) {
            turn.clear_ms.get_or_insert(now.saturating_sub(turn.began_ms));
        }
        self.agent.speaks_since.take().map(|_| PhoneEvent::AgentDone { at_ms: now })
    }

    pub(super) fn tick(&mut self, noticed: Noticed) -> Deed {
        let mut deed = Deed::default();
        self.listen(noticed, &mut deed);
        if self.speaking.is_some() {
            self.speak(noticed.now, &mut deed);
        } else {
            self.next_step(noticed.now, &mut deed);
        }
        deed
    }

    pub(super) fn into_turns(self) -> Vec<TurnReport> {
        self.turns
    }

    fn listen(&mut self, noticed: Noticed, deed: &mut Deed) {
        let now = noticed.now;
        let agent = &mut self.agent;
        agent.empty_ms = if noticed.empty { agent.empty_ms + self.tick_ms } else { 0 };
        agent.inaudible_ms = if noticed.audible { 0 } else { agent.inaudible_ms + self.tick_ms };
        if noticed.audible && agent.speaks_since.is_none() {
            agent.speaks_since = Some(now);
            let latency_ms = self.note_answer(now);
            deed.events.push(PhoneEvent::AgentSpeaks { at_ms: now, latency_ms });
        }
        let agent = &mut self.agent;
        let quiet = agent.empty_ms >= QUIET_MS || agent.inaudible_ms >= INAUDIBLE_MS;
        if quiet && agent.speaks_since.take().is_some() {
            self.waiting_since = now;
            deed.events.push(PhoneEvent::AgentDone { at_ms: now });
        }
    }

    /// The agent began to speak: how long after the caller's last word, if it answers one.
    fn note_answer(&mut self, now: u64) -> Option<u64> {
        if self.speaking.is_some() {
            return None;
        }
        self.agent.answered = true;
        let turn = self.turns.last_mut().filter(|turn| turn.answer_ms.is_none())?;
        turn.answer_ms = Some(now.saturating_sub(turn.ended_ms));
        turn.answer_ms
    }

    fn next_step(&mut self, now: u64, deed: &mut Deed) {
        let go = match self.steps.front() {
            None | Some(Step::HangUp | Step::Say(_)) => self.may_speak(now, deed),
            Some(Step::Dtmf(_)) => self.may_speak(now, deed),
            Some(Step::SayNow(_)) => true,
            Some(Step::BargeIn { after, .. }) => {
                let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                self.may_interrupt(now, after, deed)
            }
            Some(Step::Wait(length)) => {
                u128::from(now.saturating_sub(self.waiting_since)) >= length.as_millis()
            }
        };
        if !go {
            return;
        }
        self.waiting_since = now;
        match self.steps.pop_front() {
            None | Some(Step::HangUp) => deed.hang_up = true,
            Some(Step::Say(speech) | Step::SayNow(speech)) => self.begin(speech, false, now, deed),
            Some(Step::BargeIn { speech, .. }) => self.begin(speech, true, now, deed),
            Some(Step::Dtmf(digit)) => {
                deed.key = Some(digit);
                deed.events.push(PhoneEvent::Pressed { at_ms: now, digit });
                if matches!(self.steps.front(), Some(Step::Dtmf(_))) {
                    self.steps.push_front(Step::Wait(std::time::Duration::from_millis(KEY_GAP_MS)));
                }
            }
            Some(Step::Wait(_)) => {}
        }
    }

    /// Whether the agent has had its say, or the caller has waited long enough for it.
    fn may_speak(&self, now: u64, deed: &mut Deed) -> bool {
        match self.agent.speaks_since {
            Some(since) => now.saturating_sub(since) >= LONGEST_SPEECH_MS,
            None if self.agent.answered => true,
            None => self.out_of_patience(now, deed),
        }
    }

    /// Whether the agent has spoken for long enough to be interrupted, or has finished before that.
    fn may_interrupt(&self, now: u64, after: u64, deed: &mut Deed) -> bool {
        match self.agent.speaks_since {
            Some(since) => self.agent.answered && now.saturating_sub(since) >= after,
            None if self.agent.answered => true,
            None => self.out_of_patience(now, deed),
        }
    }

    fn out_of_patience(&self, now: u64, deed: &mut Deed) -> bool {
        let patience =
            if self.agent.was_talked_over { self.patience.min(INAUDIBLE_MS) } else { self.patience };
        let out = now.saturating_sub(self.waiting_since) >= patience;
        if out && !self.agent.was_talked_over {
            deed.events.push(PhoneEvent::NoAnswer { at_ms: now });
        }
        out
    }

    fn begin(&mut self, speech: Speech, barge_in: bool, now: u64, deed: &mut Deed) {
        deed.begins = true;
        deed.events.push(PhoneEvent::CallerSpeaks { at_ms: now, label: speech.label.clone(), barge_in });
        self.turns.push(TurnReport {
            label: speech.label.clone(),
            barge_in,
            began_ms: now,
            ..TurnReport::default()
        });
        self.speaking = Some((speech, 0));
        self.speak(now, deed);
    }

    fn speak(&mut self, now: u64, deed: &mut Deed) {
        let Some((speech, at)) = &mut self.speaking else { return };
        let end = speech.pcm.len().min(*at + self.tick_samples);
        let mut frame = speech.pcm[*at..end].to_vec();
        *at = end;
        let done = end == speech.pcm.len();
        frame.resize(self.tick_samples, 0);
        deed.speech = Some(frame);
        if done {
            self.speaking = None;
            let at_ms = now + self.tick_ms;
            if let Some(turn) = self.turns.last_mut() {
                turn.ended_ms = at_ms;
            }
            self.waiting_since = at_ms;
            self.agent.answered = false;
            self.agent.was_talked_over = self.agent.speaks_since.is_some();
            deed.events.push(PhoneEvent::CallerDone { at_ms });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use audio::Pcm;

    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn speech(label: &str, ms: u64) -> Speech {
        Speech { label: label.to_owned(), pcm: Pcm::from(vec![1000; RATE.samples(ms * 1000)]) }
    }

    /// Runs a script against an agent that can be heard in the given spans, and gives what happened.
    fn run(steps: Vec<Step>, heard: &[(u64, u64)], until: u64) -> (Vec<String>, Vec<TurnReport>) {
        let mut script = Script::new(steps, RATE, 20, 3_000);
        let mut told = Vec::new();
        for now in (0..until).step_by(20) {
            let audible = heard.iter().any(|(from, to)| (*from..*to).contains(&now));
            let deed = script.tick(Noticed { now, audible, empty: !audible });
            told.extend(deed.events.iter().map(|event| match event {
                PhoneEvent::AgentSpeaks { at_ms, latency_ms: Some(ms) } => {
                    format!("{at_ms} answer after {ms}")
                }
                PhoneEvent::AgentSpeaks { at_ms, .. } => format!("{at_ms} agent"),
                PhoneEvent::AgentDone { at_ms } => format!("{at_ms} quiet"),
                PhoneEvent::CallerSpeaks { at_ms, label, .. } => format!("{at_ms} {label}"),
                PhoneEvent::CallerDone { at_ms } => format!("{at_ms} done"),
                PhoneEvent::Pressed { at_ms, digit } => format!("{at_ms} key {digit}"),
                PhoneEvent::NoAnswer { at_ms } => format!("{at_ms} no answer"),
                other => format!("{other:?}"),
            }));
            if deed.hang_up {
                told.push(format!("{now} hang up"));
                break;
            }
        }
        (told, script.into_turns())
    }

    #[test]
    fn a_polite_caller_waits_for_the_greeting_and_for_each_answer() {
        let steps = vec![Step::Say(speech("one", 200)), Step::Say(speech("two", 200))];
        let (told, turns) = run(steps, &[(100, 500), (1_700, 2_000), (3_400, 3_600)], 10_000);
        assert_eq!(
            told,
            [
                "100 agent",
                "880 quiet",
                "880 one",
                "1080 done",
                "1700 answer after 620",
                "2380 quiet",
                "2380 two",
                "2580 done",
                "3400 answer after 820",
                "3980 quiet",
                "3980 hang up"
            ]
        );
        assert_eq!(turns[1].answer_ms, Some(820));
    }

    #[test]
    fn a_silent_agent_costs_the_callers_patience_and_no_more() {
        let (told, turns) = run(vec![Step::Say(speech("hello", 100))], &[], 20_000);
        assert_eq!(told, ["3000 no answer", "3000 hello", "3100 done", "6100 no answer", "6100 hang up"]);
        assert_eq!(turns[0].answer_ms, None);
    }

    #[test]
    fn an_interruption_begins_while_the_agent_speaks() {
        let steps = vec![Step::BargeIn { speech: speech("stop", 200), after: Duration::from_millis(500) }];
        let (told, _) = run(steps, &[(100, 800), (1_500, 1_700)], 10_000);
        assert_eq!(
            told,
            [
                "100 agent",
                "600 stop",
                "800 done",
                "1180 quiet",
                "1500 answer after 700",
                "2080 quiet",
                "2080 hang up"
            ]
        );
    }

    #[test]
    fn who_answers_a_call_speaks_at_once() {
        let steps = vec![Step::SayNow(speech("hello", 100)), Step::SayNow(speech("beep", 40))];
        let (told, _) = run(steps, &[], 10_000);
        assert_eq!(told[..4], ["0 hello", "100 done", "100 beep", "140 done"]);
    }

    #[test]
    fn an_echo_that_speaks_at_the_same_time_is_not_waited_for() {
        let (told, _) = run(vec![Step::Say(speech("hello", 400))], &[(3_060, 3_460)], 20_000);
        assert_eq!(
            told,
            ["3000 no answer", "3000 hello", "3060 agent", "3400 done", "3840 quiet", "5340 hang up"]
        );
    }

    #[test]
    fn keys_are_pressed_one_after_the_other() {
        let (told, _) = run(vec![Step::Dtmf('1'), Step::Dtmf('2')], &[(0, 200)], 20_000);
        assert_eq!(told, ["0 agent", "580 quiet", "580 key 1", "800 key 2", "820 hang up"]);
    }
}

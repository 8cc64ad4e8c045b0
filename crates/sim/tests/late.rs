//! Answers that are late or do not come: what the caller hears meanwhile, what is tried, how the call goes on, and
//! where the time went.

mod common;

use call::{
    Event, FailureThen, Fault, FillerKind, GreetingFallback, Heard, Input, Measure, Output, SpeechId, Tick,
    ToCarrier, Waiting,
};
use common::{count, play};
use records::TurnLatency;
use sim::scenario::{Answer, Scenario, Story};

fn asked(answer: Answer) -> Scenario {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("are you open", 2_000, 1_000);
    scene.model_answers(answer);
    scene.hangs_up(16_000);
    scene
}

fn latencies(story: &Story) -> Vec<TurnLatency> {
    let parts = story.outputs.iter().filter_map(|(_, output)| match output {
        Output::Event(Event::Latency { parts, .. }) => Some(*parts),
        _ => None,
    });
    parts.collect()
}

/// When the first audio after `from_ms` was sent.
fn first_audio(story: &Story, from_ms: u64) -> u64 {
    let sent = story.moments(|output| matches!(output, Output::Carrier(ToCarrier::Media { .. })));
    sent.into_iter().map(|Tick(at)| at / 1000).find(|at| *at > from_ms).expect("something is heard")
}

#[test]
fn a_late_answer_is_preceded_by_a_filler_that_the_model_never_sees() {
    let mut scene = asked(Answer::of("Yes, we are.").after(1_900));
    scene.caller_says("good", 9_000, 700);
    let story = play(scene);
    assert!(
        story
            .timeline
            .contains("3.7 think: are you open\n4.9 filler\n5.2 hurry\n6.9 agent: Yes, we are. (mark)\n"),
        "{}",
        story.timeline
    );
    assert!(story.timeline.matches("moment").count() == 0, "{}", story.timeline);
    let parts = latencies(&story)[0];
    assert_eq!(parts.filler_us, Some(1_800_000), "{parts:?}");
    assert!(parts.send_us > 0, "the filler's end is waited for: {parts:?}");
}

#[test]
fn a_filler_that_is_a_tone_or_off() {
    for (kind, fillers) in [(FillerKind::Tone, 1), (FillerKind::Off, 0)] {
        let mut scene = asked(Answer::of("Yes, we are.").after(2_500));
        scene.settings.filler.kind = kind;
        let story = play(scene);
        assert_eq!(count(&story, |event| matches!(event, Event::Filler { .. })), fillers, "{kind:?}");
        assert!(story.timeline.contains("agent: Yes, we are. (mark)"), "{}", story.timeline);
    }
}

#[test]
fn a_filler_makes_way_where_its_words_end() {
    let mut scene = asked(Answer::of("Yes, we are.").after(1_300));
    scene.settings.filler.text = "Please wait a moment while I have a look at that for you.".to_owned();
    let story = play(scene);
    let parts = latencies(&story)[0];
    // The stand-in voice hums without gaps: the whole filler is waited for, and nothing overlaps.
    assert!(parts.send_us > 2_000_000, "{parts:?}");
    assert!(story.timeline.contains("agent: Yes, we are. (mark)"), "{}", story.timeline);
}

#[test]
fn the_caller_who_goes_on_stops_the_filler() {
    let mut scene = asked(Answer::of("Yes.").after(3_000));
    scene.model_answers(Answer::of("On Monday, yes."));
    scene.caller_says("on monday", 5_000, 700);
    let story = play(scene);
    assert!(story.timeline.contains("4.9 filler\n"), "{}", story.timeline);
    assert!(story.timeline.contains("caller: are you open on monday"), "{}", story.timeline);
    assert!(story.timeline.contains("5.2 clear\n"), "{}", story.timeline);
    assert!(story.timeline.contains("agent: On Monday, yes. (mark)"), "{}", story.timeline);
}

#[test]
fn by_default_something_is_heard_within_a_second_and_a_half_of_any_hang() {
    // The recogniser is asked at 3.5 s, the model and the voice at 3.6 s.
    type Break = fn(&mut Scenario);
    let hangs: [(&str, u64, Break); 4] = [
        ("recogniser", 3_500, |scene| scene.recogniser_ms = None),
        ("model", 3_600, |scene| scene.model_answers(Answer { hangs: true, ..Answer::of("") })),
        ("voice", 3_600, |scene| {
            scene.voice.hangs = true;
            scene.model_answers(Answer::of("Yes."));
        }),
        // Here the voice is asked for the filler, and there is no recording of it: a tone is left.
        ("all", 3_650, |scene| {
            scene.voice.hangs = true;
            scene.voice.recordings = false;
            scene.recogniser_ms = None;
        }),
    ];
    for (name, asked_at, hang) in hangs {
        let mut scene = Scenario::assistant("");
        scene.caller_says("are you open", 2_000, 1_000);
        hang(&mut scene);
        scene.hangs_up(16_000);
        let story = play(scene);
        let heard = first_audio(&story, 2_500);
        assert!(heard <= asked_at + 1_500, "{name}: heard at {heard}\n{}", story.timeline);
        assert!(story.timeline.ends_with("ended: caller_hung_up\n"), "{}", story.timeline);
    }
}

#[test]
fn a_budget_that_is_overrun_acts_and_says_so() {
    let mut scene = asked(Answer { word_ms: 150, ..Answer::of("Yes, we are. More of it.").after(1_200) });
    scene.settings.budget.total_ms = 1_000;
    scene.settings.filler.kind = FillerKind::Off;
    scene.caller_says("and on sunday", 9_000, 1_000);
    scene.model_answers(Answer { word_ms: 20, ..Answer::of("On Sunday we are also open, from ten to two.") });
    let story = play(scene);
    let over = story.outputs.iter().find_map(|(_, output)| match output {
        Output::Event(Event::OverBudget { spent_ms, waiting_for, did, .. }) => {
            Some((*spent_ms, *waiting_for, did.clone()))
        }
        _ => None,
    });
    assert_eq!(over, Some((1_000, Waiting::Model, vec![Measure::NextModel, Measure::FirstClause])));
    let voiced: Vec<String> = story
        .outputs
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Voice { say: call::Say::Text(text), .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert!(voiced.contains(&"On Sunday we are also open,".to_owned()), "{voiced:?}");
}

#[test]
fn the_waterfall_adds_up_with_the_carriers_leg_and_with_tools() {
    let mut scene = Scenario::assistant("Hello.");
    scene.line.delay_ms = 90;
    scene.voice.first_audio_ms = 40;
    scene.recogniser_ms = Some(200);
    scene.has_tool("look_up", false, 250, call::ToolAnswer::Result("yes".to_owned()));
    scene.caller_says("are you open", 2_000, 1_000);
    scene.model_answers(Answer::of("").after(100).and_uses("look_up", "{}"));
    scene.model_answers(Answer { word_ms: 10, ..Answer::of("Yes, we are. Really.").after(80) });
    scene.hangs_up(9_000);
    let story = play(scene);
    let parts = latencies(&story)[0];
    let sum = parts.endpoint_us
        + parts.transcript_us
        + parts.model_us
        + parts.tool_us
        + parts.sentence_us
        + parts.queue_us
        + parts.voice_us
        + parts.send_us;
    assert_eq!(sum, parts.total_us, "{parts:?}");
    assert_eq!((parts.tool_us, parts.model_us, parts.voice_us), (250_000, 180_000, 40_000), "{parts:?}");
    let carrier = story.outputs.iter().find_map(|(_, output)| match output {
        Output::Event(Event::CarrierDelay { carrier_us, .. }) => Some(*carrier_us),
        _ => None,
    });
    assert_eq!(carrier, Some(180_000), "90 ms each way");
}

#[test]
fn without_marks_the_carriers_leg_is_not_known() {
    let mut scene = asked(Answer::of("Yes."));
    scene.line.marks = false;
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::CarrierDelay { .. })), 0);
}

#[test]
fn turn_after_turn_without_a_model_ends_as_the_settings_say() {
    for (then, wanted) in [
        (FailureThen::Stay, "ended: caller_hung_up\n"),
        (FailureThen::HangUp, "ended: vendors_down\n"),
        (FailureThen::Transfer, "ended: transferred\n"),
    ] {
        let mut scene = Scenario::assistant("Hello.");
        scene.settings.failure.then = then;
        for at in [2_000, 9_000] {
            scene.caller_says("are you open", at, 1_000);
            scene.model_answers(Answer { fails: Some("quota".to_owned()), ..Answer::of("") });
        }
        scene.hangs_up(16_000);
        let story = play(scene);
        assert!(story.timeline.ends_with(wanted), "{then:?}\n{}", story.timeline);
        assert_eq!(story.timeline.matches("agent: Sorry").count(), 2, "{}", story.timeline);
    }
}

#[test]
fn an_answer_in_between_is_a_new_beginning() {
    let mut scene = Scenario::assistant("Hello.");
    scene.settings.failure.then = FailureThen::HangUp;
    for (at, fails) in [(2_000, true), (9_000, false), (14_000, true)] {
        scene.caller_says("are you open", at, 1_000);
        let fails = fails.then(|| "quota".to_owned());
        scene.model_answers(Answer { fails, ..Answer::of("Yes.") });
    }
    scene.hangs_up(22_000);
    let story = play(scene);
    assert!(story.timeline.ends_with("ended: caller_hung_up\n"), "{}", story.timeline);
}

#[test]
fn a_lost_recogniser_ends_the_call_where_the_settings_want_it() {
    let mut scene = Scenario::assistant("Hello.");
    scene.settings.failure.then = FailureThen::HangUp;
    scene.input(
        3_000,
        Input::Heard { speech: SpeechId(0), what: Heard::Lost(Fault::local("no recogniser is left")) },
    );
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         3.0 recogniser failed: no recogniser is left
         6.0 agent: Sorry, something went wrong. Please say that again. (mark)
         6.0 close
         6.0 ended: vendors_down",
    );
}

#[test]
fn a_greeting_that_fails_may_be_a_recording() {
    let mut scene = Scenario::assistant("Hello there.");
    scene.settings.greeting_fallback = GreetingFallback::Recorded;
    scene.voice.fails = Some("no such voice".to_owned());
    scene.hangs_up(4_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 voice failed: no such voice
         0.1 greeting failed: no such voice
         0.1 recorded greeting
         0.7 mark greeting_done
         1.1 agent:  / Hello there. (mark)
         4.0 ended: caller_hung_up",
    );
}

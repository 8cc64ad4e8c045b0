//! The caller is told or asked whether the call may be recorded, before anything else is said; every doubt means no.

mod common;

use call::{
    CarrierEvent, Consent, ConsentWhy, Event, Output, PAUSE_RECORDING, RESUME_RECORDING, RecordState, Tick,
    log,
};
use common::play;
use sim::scenario::{Answer, Scenario, Story};

/// A desk that asks before it greets. The question lasts from 0.1 to 1.0 s.
fn desk(consent: Consent) -> Scenario {
    let mut scene = Scenario::assistant("Hello.");
    scene.settings.recording.consent = consent;
    scene.settings.recording.question = "Record this?".to_owned();
    scene.settings.recording.announcement = "We record.".to_owned();
    scene
}

fn decision(story: &Story) -> Vec<(Tick, bool, ConsentWhy)> {
    let of = |(at, output): &(Tick, Output)| match output {
        Output::Event(Event::Consent { recorded, why, at_ms }) => {
            assert_eq!(*at_ms, at.0 / 1000);
            Some((*at, *recorded, *why))
        }
        _ => None,
    };
    story.outputs.iter().filter_map(of).collect()
}

fn states(story: &Story) -> Vec<RecordState> {
    let of = |(_, output): &(Tick, Output)| match output {
        Output::Record(state) => Some(*state),
        _ => None,
    };
    story.outputs.iter().filter_map(of).collect()
}

/// Fails when sound is in a log where there must be none: base64 of a frame is long, all other words are short.
fn assert_silent(lines: &str) {
    for line in lines.lines().filter(|line| line.contains("\"in\"")) {
        assert!(!line.contains("\"audio\":\"") && !line.contains("\"pcm\""), "sound in {line}");
    }
}

#[test]
fn a_yes_is_waited_for_and_the_greeting_follows() {
    for (words, why) in [("yes please", ConsentWhy::SaidYes), ("जी हाँ", ConsentWhy::SaidYes)] {
        let mut scene = desk(Consent::Ask);
        scene.caller_says(words, 2_000, 600);
        scene.caller_says("when are you open", 6_000, 1_000);
        scene.model_answers(Answer::of("From nine."));
        scene.hangs_up(10_000);
        let story = scene.play();
        let [(at, recorded, because)] = decision(&story)[..] else { panic!("{}", story.timeline) };
        assert!(recorded && because == why, "{}", story.timeline);
        assert_eq!(states(&story), [RecordState::On]);
        let order = [
            "agent: Record this?",
            &format!("caller: {words}"),
            "recorded: ",
            "record on",
            "greeting",
            "think: when",
        ];
        let places: Vec<Option<usize>> = order.iter().map(|line| story.timeline.find(line)).collect();
        assert!(places.is_sorted() && places[0].is_some(), "{places:?}\n{}", story.timeline);
        // Up to the decision not a sample is in the log; afterwards it is.
        let decided = story.log.find("\"record\":\"on\"").expect("it is in the log");
        assert_silent(&story.log[..decided]);
        assert!(story.log[decided..].contains("{\"carrier\":{\"audio\":\""));
        assert_eq!(log::replay(&story.log, |_| Ok(())).unwrap_err(), log::LogFault::Partial);
        assert!(at < Tick(5_000_000));
    }
}

#[test]
fn a_no_is_a_no_and_the_call_goes_on_unrecorded() {
    let mut scene = desk(Consent::Ask);
    scene.caller_says("no i do not want that", 2_000, 1_000);
    scene.caller_says("when are you open", 7_000, 1_000);
    scene.model_answers(Answer::of("From nine."));
    scene.hangs_up(11_000);
    let story = scene.play();
    assert!(matches!(decision(&story)[..], [(_, false, ConsentWhy::SaidNo)]), "{}", story.timeline);
    assert_eq!(states(&story), [RecordState::Off]);
    assert!(story.timeline.contains("agent: From nine."), "{}", story.timeline);
    assert_silent(&story.log);
}

#[test]
fn a_key_decides_at_once() {
    for (digit, recorded, why) in
        [('1', true, ConsentWhy::PressedYes), ('2', false, ConsentWhy::PressedOther)]
    {
        let mut scene = desk(Consent::Ask);
        // In the middle of the question, which it cuts off.
        scene.send(500, CarrierEvent::Dtmf { digit });
        scene.hangs_up(5_000);
        let story = scene.play();
        assert_eq!(decision(&story), [(Tick(500_000), recorded, why)], "{}", story.timeline);
        assert!(story.timeline.contains("0.5 clear"), "{}", story.timeline);
        assert!(story.timeline.contains("agent: Hello."), "{}", story.timeline);
        assert!(!story.timeline.contains("think"), "{}", story.timeline);
    }
}

#[test]
fn silence_is_asked_twice_and_means_no() {
    let mut scene = desk(Consent::Ask);
    scene.settings.idle.prompt_after_ms = 3_000;
    scene.settings.idle.hang_up_after_ms = 4_000;
    scene.hangs_up(17_000);
    let story = scene.play();
    assert!(matches!(decision(&story)[..], [(_, false, ConsentWhy::NoAnswer)]), "{}", story.timeline);
    assert_eq!(story.timeline.matches("agent: Record this?").count(), 2, "{}", story.timeline);
    let greeting = story.timeline.find("greeting").expect("it greets");
    assert!(!story.timeline[..greeting].contains("idle prompt"), "{}", story.timeline);
    assert_silent(&story.log);
}

#[test]
fn what_is_neither_is_asked_again_and_words_over_the_question_do_not_count() {
    let mut scene = desk(Consent::Ask);
    // A long question, and a yes to something else at its beginning.
    scene.settings.recording.question =
        "May we record this call, so that we can learn from it later on?".to_owned();
    scene.caller_says("yes hello", 300, 700);
    scene.caller_says("what did you say", 5_500, 900);
    scene.caller_says("okay", 13_000, 500);
    scene.hangs_up(20_000);
    let story = scene.play();
    let [(at, true, ConsentWhy::SaidYes)] = decision(&story)[..] else { panic!("{}", story.timeline) };
    assert!(at > Tick(13_000_000), "{}", story.timeline);
    assert!(!story.timeline.contains("caller: yes hello"), "{}", story.timeline);
    assert!(!story.timeline.contains("interrupted: "), "{}", story.timeline);
}

#[test]
fn an_announcement_is_heard_before_anything_is_recorded() {
    let mut scene = desk(Consent::Announce);
    // Nothing that the caller says keeps it from being heard.
    scene.caller_says("hello who is there", 200, 900);
    scene.hangs_up(6_000);
    let story = scene.play();
    let [(at, true, ConsentWhy::Announced)] = decision(&story)[..] else { panic!("{}", story.timeline) };
    assert!(at >= Tick(650_000), "{}", story.timeline);
    let (said, greeted) = (story.timeline.find("agent: We record. (mark)"), story.timeline.find("greeting"));
    assert!(said.is_some() && said < greeted, "{}", story.timeline);
}

#[test]
fn what_could_not_be_said_was_not_agreed_to() {
    for consent in [Consent::Announce, Consent::Ask] {
        let mut scene = desk(consent);
        scene.voice.fails = Some("no voice".to_owned());
        scene.hangs_up(20_000);
        let story = scene.play();
        assert!(matches!(decision(&story)[..], [(_, false, ConsentWhy::NotHeard)]), "{}", story.timeline);
        assert_eq!(states(&story), [RecordState::Off]);
    }
    let mut scene = desk(Consent::Ask);
    scene.hangs_up(700);
    let story = scene.play();
    assert!(matches!(decision(&story)[..], [(_, false, ConsentWhy::CallEnded)]), "{}", story.timeline);
    assert_eq!(states(&story), []);
}

#[test]
fn without_consent_wanted_nothing_changes_and_off_is_silent() {
    let mut scene = desk(Consent::None);
    scene.hangs_up(3_000);
    let story = play(scene);
    assert_eq!((decision(&story), states(&story)), (vec![], vec![]));
    let mut scene = desk(Consent::Off);
    scene.caller_says("hello", 1_500, 500);
    scene.hangs_up(3_000);
    let story = scene.play();
    assert_eq!((decision(&story), states(&story)), (vec![], vec![]));
    assert!(
        story.timeline.contains("greeting") && !story.timeline.contains("Record this"),
        "{}",
        story.timeline
    );
    assert_silent(&story.log);
}

/// A speech-to-speech agent beside whom our own voice tells or asks.
fn bridged(consent: Consent) -> Scenario {
    let mut scene = Scenario::conversation("Hello.");
    scene.settings.recording.consent = consent;
    scene.agent_answers(sim::scenario::Spoken::of("Hello."));
    scene
}

#[test]
fn our_own_voice_announces_before_a_speech_to_speech_agent_is_opened() {
    let mut scene = bridged(Consent::Announce);
    scene.hangs_up(9_000);
    let story = scene.play();
    assert!(matches!(decision(&story)[..], [(_, true, ConsentWhy::Announced)]), "{}", story.timeline);
    let order = ["agent: This call is recorded.", "recorded: ", "say: Hello."];
    let places: Vec<Option<usize>> = order.iter().map(|line| story.timeline.find(line)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}\n{}", story.timeline);
}

#[test]
fn a_key_answers_before_a_speech_to_speech_agent_is_opened() {
    for (digit, why) in [('1', ConsentWhy::PressedYes), ('2', ConsentWhy::PressedOther)] {
        let mut scene = bridged(Consent::Ask);
        // Nobody is there to understand words, so they are no answer.
        scene.caller_says("yes please", 4_500, 600);
        scene.send(7_000, CarrierEvent::Dtmf { digit });
        scene.hangs_up(14_000);
        let story = scene.play();
        let [(at, recorded, because)] = decision(&story)[..] else { panic!("{}", story.timeline) };
        assert_eq!((recorded, because), (digit == '1', why), "{}", story.timeline);
        assert!(story.timeline.contains("agent: May we record this call? Press 1"), "{}", story.timeline);
        // Not a frame and not a word went to the agent before.
        let early = story.outputs.iter().filter(|(when, what)| {
            *when < at && matches!(what, Output::Converse(_) | Output::Listen(_) | Output::Record(_))
        });
        assert_eq!(early.count(), 0, "{}", story.timeline);
        assert!(story.timeline.contains("say: Hello."), "{}", story.timeline);
    }
}

#[test]
fn silence_and_a_voice_that_fails_are_a_no_of_a_speech_to_speech_call_too() {
    let mut scene = bridged(Consent::Ask);
    scene.hangs_up(40_000);
    let story = scene.play();
    assert!(matches!(decision(&story)[..], [(_, false, ConsentWhy::NoAnswer)]), "{}", story.timeline);
    assert_eq!(story.timeline.matches("agent: May we record").count(), 2, "{}", story.timeline);
    for consent in [Consent::Announce, Consent::Ask] {
        let mut scene = bridged(consent);
        scene.voice.fails = Some("no voice".to_owned());
        scene.hangs_up(20_000);
        let story = scene.play();
        assert!(matches!(decision(&story)[..], [(_, false, ConsentWhy::NotHeard)]), "{}", story.timeline);
        assert!(story.timeline.contains("say: Hello."), "{}", story.timeline);
    }
}

#[test]
fn words_answer_where_a_recogniser_stands_ready_behind_the_agent() {
    let mut scene = bridged(Consent::Ask);
    scene.settings.speech_to_speech_fallback = true;
    scene.caller_says("yes please", 5_500, 600);
    scene.hangs_up(14_000);
    let story = scene.play();
    assert!(matches!(decision(&story)[..], [(_, true, ConsentWhy::SaidYes)]), "{}", story.timeline);
}

#[test]
fn a_tool_pauses_the_recording_and_another_resumes_it() {
    let mut scene = Scenario::assistant("Hello.");
    scene.settings.tools.builtin = call::BUILTIN.map(str::to_owned).to_vec();
    scene.caller_says("i want to pay", 2_000, 1_000);
    scene.model_answers(Answer::of("").and_uses(PAUSE_RECORDING, "{}"));
    scene.model_answers(Answer::of("Your card please."));
    scene.caller_says("four one one one", 7_000, 1_500);
    scene.model_answers(Answer::of("").and_uses(RESUME_RECORDING, "{}").and_uses(RESUME_RECORDING, "{}"));
    scene.model_answers(Answer::of("Thank you."));
    scene.hangs_up(14_000);
    let story = scene.play();
    assert_eq!(states(&story), [RecordState::Paused, RecordState::On], "{}", story.timeline);
    let paused = story.log.find("\"record\":\"paused\"").expect("it is in the log");
    let resumed = story.log.find("\"record\":\"on\"").expect("it is in the log");
    assert!(story.log[..paused].contains("{\"carrier\":{\"audio\":\""));
    assert_silent(&story.log[paused..resumed]);
    assert!(story.log[resumed..].contains("{\"carrier\":{\"audio\":\""));
    assert!(story.log.contains("the recording is running already"));
    assert_eq!(log::replay(&story.log, |_| Ok(())).unwrap_err(), log::LogFault::Partial);
}

#[test]
fn a_call_that_is_not_recorded_can_t_be_paused() {
    let mut scene = desk(Consent::Off);
    scene.settings.tools.builtin = call::BUILTIN.map(str::to_owned).to_vec();
    scene.caller_says("i want to pay", 2_000, 1_000);
    scene.model_answers(Answer::of("").and_uses(PAUSE_RECORDING, "{}"));
    scene.model_answers(Answer::of("Your card please."));
    scene.hangs_up(8_000);
    let story = scene.play();
    assert_eq!(states(&story), []);
    assert!(story.log.contains("this call is not recorded"));
}

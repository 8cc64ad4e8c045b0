//! What carriers do differently, and what a call makes of it: marks that come back after a clear, and news of who picked
//! up. In virtual time against the real core.

mod common;

use call::{AnsweringMachine, CarrierEvent, Event, Input, Output, ToCarrier};
use common::{count, play};
use records::{AnsweredBy, EndReason};
use sim::scenario::{Answer, Scenario, Story};

/// The same scenario at a carrier that drops marks with what it clears, and at one that sends them back.
fn at_both(scene: impl Fn() -> Scenario) -> [Story; 2] {
    [false, true].map(|returns| {
        let mut scene = scene();
        scene.line.clear_returns_marks = returns;
        play(scene)
    })
}

fn said(story: &Story) -> Vec<(String, String)> {
    let events = story.outputs.iter().filter_map(|(_, output)| match output {
        Output::Event(Event::AgentSaid { heard, unheard, .. }) => Some((heard.clone(), unheard.clone())),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_mark_that_comes_back_for_a_clear_is_not_taken_for_played() {
    let stories = at_both(|| {
        let mut scene = Scenario::assistant("Hello.");
        scene.line.delay_ms = 60;
        scene.caller_says("tell me everything", 2_000, 1_000);
        scene.model_answers(Answer::of(
            "First comes the morning shift with all its many people. Then comes the evening.",
        ));
        scene.caller_says("stop please", 6_000, 1_000);
        scene.model_answers(Answer::of("Yes?"));
        scene.hangs_up(12_000);
        scene
    });
    assert_eq!(stories[0].timeline, stories[1].timeline);
    let (heard, unheard) = &said(&stories[1])[1];
    assert!(
        heard.starts_with("First comes") && unheard.ends_with("Then comes the evening."),
        "{heard} / {unheard}"
    );
}

#[test]
fn a_false_interruption_is_gone_on_from_although_its_marks_came_back() {
    let stories = at_both(|| {
        let mut scene = Scenario::assistant("Hello.");
        // Longer than the agent waits before it goes on: the marks of the first sending come after the second.
        scene.line.delay_ms = 900;
        scene.settings.barge_in.resume_ms = 200;
        scene.caller_says("tell me", 4_000, 800);
        scene.model_answers(Answer::of("One short sentence. And then another one that goes on for long."));
        // A voice without words.
        scene.caller_says("", 8_300, 600);
        scene.hangs_up(24_000);
        scene
    });
    for story in &stories {
        assert_eq!(count(story, |event| matches!(event, Event::Resumed { .. })), 1, "{}", story.timeline);
        let told = said(story);
        assert!(told.iter().all(|(_, unheard)| unheard.is_empty()), "{}", story.timeline);
    }
    assert_eq!(stories[0].timeline, stories[1].timeline);
    // What was sent again has marks of its own.
    let marks: Vec<&str> = (stories[1].outputs.iter())
        .filter_map(|(_, output)| match output {
            Output::Carrier(ToCarrier::Mark { name }) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let mut distinct = marks.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), marks.len(), "{marks:?}");
}

#[test]
fn words_that_a_key_cuts_off_are_not_heard_although_their_marks_come_back() {
    let stories = at_both(|| {
        let mut scene = Scenario::assistant("");
        scene.settings.tools.builtin = vec!["collect_digits".to_owned()];
        scene.caller_says("hello there", 1_000, 1_000);
        let prompt =
            "Please key in the four digits that stand on the back of your card, one after the other.";
        scene.model_answers(Answer::of(prompt).and_uses("collect_digits", "{\"count\": 2}"));
        scene.model_answers(Answer::of("Thank you."));
        for (at, digit) in [(4_500, '1'), (5_000, '2')] {
            scene.send(at, CarrierEvent::Dtmf { digit });
        }
        scene.hangs_up(14_000);
        scene
    });
    assert_eq!(stories[0].timeline, stories[1].timeline);
    let whole = stories.iter().flat_map(said).find(|(heard, _)| heard.contains("one after the other."));
    assert_eq!(whole, None, "{}", stories[1].timeline);
}

fn outbound(then: AnsweringMachine, message: &str) -> Scenario {
    let mut scene = Scenario::assistant("Hello, this is the clinic.");
    scene.settings.prompt = "Be kind.".to_owned();
    scene.settings.answering_machine = then;
    scene.settings.machine_message = message.to_owned();
    scene
}

fn detail(story: &Story) -> (EndReason, &str) {
    match story.outputs.last() {
        Some((_, Output::Ended { reason, detail })) => (*reason, detail),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_model_is_told_who_picked_up() {
    let mut scene = outbound(AnsweringMachine::Talk, "");
    scene.input(400, Input::AnsweredBy(AnsweredBy::Unknown));
    scene.input(500, Input::AnsweredBy(AnsweredBy::Machine));
    scene.input(600, Input::AnsweredBy(AnsweredBy::Human));
    scene.caller_says("leave a message", 3_000, 1_000);
    scene.model_answers(Answer::of("I will."));
    scene.hangs_up(9_000);
    let story = play(scene);
    let systems: Vec<&str> = (story.outputs.iter())
        .filter_map(|(_, output)| match output {
            Output::Think { prompt, .. } => Some(prompt.system.as_str()),
            _ => None,
        })
        .collect();
    let wanted = "Be kind.\n\nThe telephone carrier says that an answering machine picked up, not a person.";
    assert_eq!(systems, [wanted]);
    assert_eq!(count(&story, |event| matches!(event, Event::AnsweredBy { .. })), 2, "less is not news");
}

#[test]
fn a_machine_is_hung_up_on() {
    let mut scene = outbound(AnsweringMachine::HangUp, "");
    scene.input(500, Input::AnsweredBy(AnsweredBy::Machine));
    let story = play(scene);
    story.expect(
        "0.1 answered
         0.1 greeting
         0.5 answered by machine
         0.5 close
         0.5 agent: Hello, / this is the clinic. (clock)
         0.5 ended: agent_ended",
    );
    assert_eq!(detail(&story), (EndReason::AgentEnded, "a machine picked up"));
}

#[test]
fn a_message_is_left_after_the_beep_and_nothing_stops_it() {
    let mut scene = outbound(AnsweringMachine::Message, "Please call the clinic back. Thank you.");
    scene.input(500, Input::AnsweredBy(AnsweredBy::Machine));
    // The machine's own greeting is no question, and its noises no interruption.
    scene.caller_says("nobody is here please speak after the tone", 600, 4_000);
    scene.input(6_000, Input::AnsweredBy(AnsweredBy::MachineBeep));
    scene.caller_says("beep", 7_000, 1_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         0.1 greeting
         0.5 answered by machine
         0.5 agent: Hello, / this is the clinic. (clock)
         0.5 clear
         6.0 answered by machine_beep
         8.4 agent: Please call the clinic back. Thank you. (mark)
         8.4 close
         8.4 ended: agent_ended",
    );
}

#[test]
fn a_message_is_left_at_once_where_the_beep_was_known_before_the_stream() {
    let mut scene = Scenario::unstarted(outbound(AnsweringMachine::Message, "Please call back.").settings);
    scene.send(0, CarrierEvent::Connected);
    scene.input(20, Input::AnsweredBy(AnsweredBy::MachineBeep));
    scene.start(50);
    let story = play(scene);
    assert_eq!(said(&story), [("Please call back.".to_owned(), String::new())]);
    assert_eq!(count(&story, |event| matches!(event, Event::Greeting)), 0);
}

#[test]
fn a_beep_that_never_comes_is_not_waited_for_for_ever() {
    let mut scene = outbound(AnsweringMachine::Message, "Please call back.");
    scene.input(500, Input::AnsweredBy(AnsweredBy::Machine));
    let story = play(scene);
    assert_eq!(said(&story).last().map(|(heard, _)| heard.as_str()), Some("Please call back."));
    let ended = story.moments(|output| matches!(output, Output::Ended { .. }))[0];
    assert!((30_500_000..34_000_000).contains(&ended.0), "{}", story.timeline);
}

#[test]
fn an_agent_that_is_one_vendor_leaves_the_message_too() {
    let mut scene = Scenario::conversation("Hello.");
    scene.settings.answering_machine = AnsweringMachine::Message;
    scene.settings.machine_message = "Please call back.".to_owned();
    scene.input(500, Input::AnsweredBy(AnsweredBy::MachineBeep));
    let story = play(scene);
    assert!(story.timeline.contains("say: Please call back."), "{}", story.timeline);
    assert_eq!(detail(&story).0, EndReason::AgentEnded);
}

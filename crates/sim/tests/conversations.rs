//! Conversations in virtual time against the real core, each with the timeline that it must give. Every story is
//! also replayed from its own log, which must give the same answers.

mod common;

use call::{Event, Input, Message, Output};
use common::{count, play};
use sim::scenario::{Answer, Scenario};

#[test]
fn a_question_is_answered() {
    let mut scene = Scenario::assistant("Hello, how can I help?");
    scene.caller_says("what are your hours", 3_000, 1_200);
    scene.model_answers(Answer::of("We open at nine. We close at five.").after(80));
    scene.hangs_up(10_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         1.1 mark greeting_done
         1.4 agent: Hello, how can I help? (mark)
         3.2 caller speaks
         4.9 caller: what are your hours
         4.9 think: what are your hours
         7.0 agent: We open at nine. We close at five. (mark)
         10.0 ended: caller_hung_up",
    );
}

#[test]
fn the_parts_of_a_turn_add_up_to_what_the_caller_waits() {
    let mut scene = Scenario::assistant("Hello.");
    scene.voice.first_audio_ms = 40;
    scene.recogniser_ms = Some(200);
    scene.caller_says("what are your hours", 3_000, 1_000);
    scene.model_answers(Answer { word_ms: 10, ..Answer::of("We open at nine. And so on.").after(80) });
    scene.hangs_up(8_000);
    let story = play(scene);
    let (at, parts) = story
        .outputs
        .iter()
        .find_map(|(at, output)| match output {
            Output::Event(Event::Latency { parts, .. }) => Some((*at, *parts)),
            _ => None,
        })
        .unwrap();
    let sum = parts.endpoint_us
        + parts.transcript_us
        + parts.model_us
        + parts.sentence_us
        + parts.voice_us
        + parts.send_us;
    assert_eq!(sum, parts.total_us);
    // Speech ended at 4.0 s by the caller's clock; voice activity sees its last frame a little around that.
    let ended = at.0 - parts.total_us;
    assert!((3_800_000..=4_200_000).contains(&ended), "speech ended at {ended}");
    assert_eq!((parts.endpoint_us, parts.model_us, parts.voice_us), (600_000, 80_000, 40_000));
    // The final text came 200 ms after 500 ms of silence: 100 ms after the turn could have ended.
    assert!((90_000..=120_000).contains(&parts.transcript_us), "{parts:?}");
    assert_eq!((parts.sentence_us, parts.send_us), (30_000, 0), "four words and the gap that ends it");
}

#[test]
fn an_interruption_stops_the_agent_and_only_heard_words_are_remembered() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.model_answers(Answer::of(
        "First comes the morning shift with all its many people. Then comes the evening.",
    ));
    scene.caller_says("stop please", 6_000, 1_000);
    scene.model_answers(Answer::of("Yes?"));
    scene.hangs_up(12_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: tell me everything
         3.7 think: tell me everything
         6.1 caller speaks over the agent
         6.5 clear
         6.5 interrupted: First comes the morning shift with all its many / people. Then comes the evening.
         7.7 agent: First comes the morning shift with all its many / people. Then comes the evening. (clock)
         7.7 caller: stop please
         7.7 think: stop please
         8.1 agent: Yes? (mark)
         12.0 ended: caller_hung_up",
    );
    let prompt = story
        .outputs
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Think { prompt, .. } => Some(prompt),
            _ => None,
        })
        .next_back()
        .unwrap();
    let agent: Vec<&str> = prompt
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::Agent { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(agent, ["Hello.", "First comes the morning shift with all its many"]);
}

#[test]
fn a_back_channel_word_does_not_interrupt() {
    let mut scene = Scenario::assistant("Hello.");
    scene.partials = true;
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.model_answers(Answer::of(
        "First comes the morning shift with all its many people. Then comes the evening.",
    ));
    scene.caller_says("mhm", 5_000, 400);
    scene.caller_says("haan ji", 6_500, 700);
    scene.hangs_up(14_000);
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::Interrupted { .. })), 0, "{}", story.timeline);
    assert_eq!(count(&story, |event| matches!(event, Event::NotInterrupted { .. })), 2, "{}", story.timeline);
    assert!(story.timeline.contains("Then comes the evening. (mark)"), "{}", story.timeline);
}

#[test]
fn a_voice_without_words_makes_the_agent_pause_and_go_on() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.model_answers(Answer::of(
        "First comes the morning shift with all its many people. Then comes the evening.",
    ));
    scene.caller_says("", 6_000, 1_000);
    scene.hangs_up(16_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: tell me everything
         3.7 think: tell me everything
         6.1 caller speaks over the agent
         6.5 clear
         6.5 interrupted: First comes the morning shift with all its many / people. Then comes the evening.
         7.7 nothing said
         9.1 resumed
         11.1 agent: First comes the morning shift with all its many people. Then comes the evening. (mark)
         16.0 ended: caller_hung_up",
    );
}

#[test]
fn a_short_word_that_says_something_interrupts_once_it_is_understood() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.model_answers(Answer::of(
        "First comes the morning shift with all its many people. Then comes the evening.",
    ));
    scene.caller_says("no", 6_000, 350);
    scene.model_answers(Answer::of("All right."));
    scene.hangs_up(12_000);
    let story = play(scene);
    assert!(story.timeline.contains("caller: no\n"), "{}", story.timeline);
    assert_eq!(count(&story, |event| matches!(event, Event::Interrupted { .. })), 1, "{}", story.timeline);
}

#[test]
fn our_own_echo_is_no_interruption() {
    for echo_db in [18.0, 24.0, 30.0] {
        let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(8));
        scene.line.delay_ms = 120;
        scene.line.echo_db = Some(echo_db);
        scene.hangs_up(14_000);
        let story = play(scene);
        assert_eq!(
            count(&story, |event| matches!(event, Event::Interrupted { .. })),
            0,
            "{}",
            story.timeline
        );
    }
}

#[test]
fn the_caller_is_understood_over_our_echo() {
    let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(8));
    scene.line.delay_ms = 120;
    scene.line.echo_db = Some(24.0);
    scene.caller_says("stop please", 5_000, 1_200);
    scene.model_answers(Answer::of("Yes?"));
    scene.hangs_up(14_000);
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::Interrupted { .. })), 1, "{}", story.timeline);
    assert!(story.timeline.contains("caller: stop please"), "{}", story.timeline);
}

#[test]
fn the_beginning_of_a_reply_is_protected() {
    let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(4));
    scene.settings.barge_in.protect_ms = 5_000;
    scene.caller_says("", 1_000, 900);
    scene.hangs_up(12_000);
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::Interrupted { .. })), 0, "{}", story.timeline);
}

#[test]
fn with_interruptions_off_the_agent_speaks_to_the_end() {
    let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(4));
    scene.settings.barge_in.enabled = false;
    scene.caller_says("stop please", 3_000, 1_000);
    scene.hangs_up(12_000);
    let story = play(scene);
    assert!(story.timeline.contains("not interrupted: Disabled"), "{}", story.timeline);
    assert!(
        story.timeline.contains("This is a long greeting. (mark)")
            || story.timeline.contains("greeting. (mark)")
    );
}

#[test]
fn a_question_goes_on_while_the_model_thinks() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("I need a table", 2_000, 1_000);
    scene.model_answers(Answer::of("Too early.").after(2_000));
    scene.caller_says("for two people", 4_000, 1_000);
    scene.model_answers(Answer::of("For two, then."));
    scene.hangs_up(10_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: I need a table
         3.7 think: I need a table
         4.1 caller speaks
         4.1 stop thinking
         5.7 caller: I need a table for two people
         5.7 think: I need a table for two people
         6.7 agent: For two, then. (mark)
         10.0 ended: caller_hung_up",
    );
}

#[test]
fn an_unfinished_sentence_is_waited_for() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("I would like to", 2_000, 1_000);
    scene.caller_says("book a table", 4_000, 1_000);
    scene.hangs_up(8_000);
    let story = play(scene);
    assert!(story.timeline.contains("caller: I would like to book a table"), "{}", story.timeline);
}

#[test]
fn speech_that_is_not_understood_is_asked_again_and_noise_is_not() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("", 2_000, 1_500);
    scene.model_answers(Answer::of("Sorry?"));
    scene.caller_says("", 7_000, 250);
    scene.hangs_up(10_000);
    let story = play(scene);
    assert!(story.timeline.contains("caller: (unclear)"), "{}", story.timeline);
    assert_eq!(story.timeline.matches("think:").count(), 1, "{}", story.timeline);
}

#[test]
fn the_model_ends_the_call_when_its_goodbye_was_heard() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("goodbye", 2_000, 700);
    scene.model_answers(Answer::of("Goodbye, and thank you.").and_hangs_up());
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.4 caller: goodbye
         3.4 think: goodbye
         3.4 tool end_call {}
         4.8 agent: Goodbye, and thank you. (mark)
         4.8 close
         4.8 ended: agent_ended",
    );
}

#[test]
fn a_silent_caller_is_asked_and_then_left() {
    play(Scenario::assistant("Hello.")).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         10.4 idle prompt
         11.7 agent: Are you still there? (mark)
         25.4 timed out: IdleHangUp
         26.1 agent: Goodbye. (mark)
         26.1 close
         26.1 ended: idle_timeout",
    );
}

#[test]
fn a_key_press_counts_as_being_there() {
    let mut scene = Scenario::assistant("Hello.");
    scene.send(8_000, call::CarrierEvent::Dtmf { digit: '5' });
    scene.hangs_up(15_000);
    let story = play(scene);
    assert!(story.timeline.contains("8.0 key 5"), "{}", story.timeline);
    assert!(!story.timeline.contains("idle prompt"), "{}", story.timeline);
}

#[test]
fn the_longest_call_ends_with_a_goodbye() {
    let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(8));
    scene.settings.limits.max_call_ms = 5_000;
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         5.0 timed out: MaxDuration
         5.0 agent: Hello, this is a long greeting. Hello, this is a long greeting. Hello, this is a / long greeting. Hello, this is a long greeting. Hello, this is a long greeting. Hello, this is a long greeting. Hello, this is a long greeting. Hello, this is a long greeting. (clock)
         5.0 clear
         5.7 agent: Goodbye. (mark)
         5.7 close
         5.7 ended: max_duration",
    );
}

#[test]
fn the_carrier_can_have_queued_speech_dropped() {
    let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(8));
    scene.send(3_000, call::CarrierEvent::Clear);
    scene.hangs_up(6_000);
    let story = play(scene);
    assert!(story.timeline.contains("3.0 agent: Hello, this is a long greeting."), "{}", story.timeline);
    assert_eq!(story.moments(|output| matches!(output, Output::StopVoice(_))).len(), 0);
}

#[test]
fn an_operator_can_end_a_call() {
    let mut scene = Scenario::assistant("Hello.");
    scene.input(4_000, Input::End(records::EndReason::Operator));
    let story = play(scene);
    assert!(story.timeline.ends_with("4.0 close\n4.0 ended: operator\n"), "{}", story.timeline);
}

//! Tools in the middle of an answer, keys that the caller presses, and a history that stays well formed whatever
//! is interrupted.

mod common;

use audio::{SampleRate, tone_level_db};
use call::{
    COLLECT_DIGITS, CarrierEvent, DtmfMode, Event, Message, Output, RECORD_RESULT, SEND_DTMF, TRANSFER,
    ToCarrier, ToolAnswer,
};
use common::{count, play};
use sim::scenario::{Answer, Scenario, Story};

const LONG: &str = "First comes the morning shift with all its many people. Then comes the evening.";

fn desk() -> Scenario {
    let mut scene = Scenario::assistant("Hello.");
    scene.settings.tools.builtin = call::BUILTIN.map(str::to_owned).to_vec();
    scene
}

fn found(text: &str) -> ToolAnswer {
    ToolAnswer::Result(text.to_owned())
}

/// What the model was shown when it was asked last.
fn last_prompt(story: &Story) -> Vec<String> {
    let mut prompts = story.outputs.iter().filter_map(|(_, output)| match output {
        Output::Think { prompt, .. } => Some(prompt),
        _ => None,
    });
    let messages = &prompts.next_back().expect("the model was asked").messages;
    messages
        .iter()
        .map(|message| match message {
            Message::Caller(text) => format!("caller: {text}"),
            Message::Agent { text, calls } => {
                let calls: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
                format!("agent: {text} {calls:?}").replace(" []", "")
            }
            Message::Tool { name, result, .. } => format!("{name}: {result}"),
        })
        .collect()
}

#[test]
fn a_tool_is_used_in_the_middle_of_an_answer() {
    let mut scene = desk();
    scene.has_tool("look_up", false, 300, found("nine to five"));
    scene.caller_says("when are you open", 2_000, 1_000);
    scene.model_answers(Answer::of("Let me see.").and_uses("look_up", "{\"day\":\"today\"}"));
    scene.model_answers(Answer::of("From nine to five."));
    scene.caller_says("thanks", 8_000, 700);
    scene.model_answers(Answer::of("Bye."));
    scene.hangs_up(12_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: when are you open
         3.7 think: when are you open
         3.7 tool look_up {\"day\":\"today\"}
         4.0 tool look_up done
         4.0 think: nine to five
         5.5 agent: Let me see. From nine to five. (mark)
         8.1 caller speaks
         9.4 caller: thanks
         9.4 think: thanks
         9.8 agent: Bye. (mark)
         12.0 ended: caller_hung_up",
    );
    assert_eq!(
        last_prompt(&story),
        [
            "agent: Hello.",
            "caller: when are you open",
            "agent: Let me see. [\"look_up\"]",
            "look_up: nine to five",
            "agent: From nine to five.",
            "caller: thanks"
        ]
    );
}

#[test]
fn several_tools_of_one_answer_are_all_waited_for() {
    let mut scene = desk();
    scene.has_tool("one", false, 300, found("1"));
    scene.has_tool("two", false, 900, ToolAnswer::Failed("out of order".to_owned()));
    scene.caller_says("count for me", 2_000, 1_000);
    scene.model_answers(Answer::of("").and_uses("one", "{}").and_uses("two", "{}").and_uses("three", "{}"));
    scene.model_answers(Answer::of("One."));
    scene.hangs_up(8_000);
    let story = play(scene);
    assert!(story.timeline.contains("tool three failed"), "{}", story.timeline);
    assert!(story.timeline.contains("4.6 tool two failed\n4.6 think: "), "{}", story.timeline);
    let wanted = ["agent:  [\"one\", \"two\", \"three\"]", "one: 1", "two: out of order"];
    assert_eq!(last_prompt(&story)[2..5], wanted);
    assert_eq!(last_prompt(&story)[5], "three: there is no tool \"three\"");
}

#[test]
fn a_tool_with_side_effects_is_not_cut_and_the_caller_is_answered_after_it() {
    for (side_effects, results) in [(true, 1), (false, 0)] {
        let mut scene = desk();
        scene.has_tool("book", side_effects, 4_000, found("booked"));
        scene.caller_says("book a table", 2_000, 1_000);
        scene.model_answers(Answer::of("One second.").and_uses("book", "{}"));
        scene.caller_says("wait not today", 5_000, 800);
        scene.model_answers(Answer::of("It is booked already."));
        scene.hangs_up(14_000);
        let story = play(scene);
        let told = format!("side effects: {side_effects}\n{}", story.timeline);
        let prompt = last_prompt(&story);
        assert_eq!(prompt.last().unwrap(), "caller: wait not today", "{told}");
        assert_eq!(
            prompt.iter().filter(|line| *line == "book: booked").count(),
            results,
            "{told} {prompt:?}"
        );
        assert_eq!(story.timeline.contains("stop tool"), !side_effects, "{told}");
        assert_eq!(story.timeline.matches("caller: wait not today").count(), 1, "{told}");
    }
}

#[test]
fn an_interruption_waits_for_the_tool_and_a_false_one_goes_on_with_its_result() {
    let mut scene = desk();
    scene.has_tool("book", true, 4_500, found("booked"));
    scene.caller_says("book a table", 2_000, 1_000);
    scene.model_answers(Answer::of(LONG).and_uses("book", "{}"));
    scene.caller_says("stop please", 5_500, 800);
    scene.model_answers(Answer::of("Yes?"));
    scene.hangs_up(14_000);
    let story = play(scene);
    assert!(story.timeline.contains("clear\n"), "{}", story.timeline);
    assert!(story.timeline.contains("8.2 tool book done\n8.2 agent: First comes"), "{}", story.timeline);
    assert_eq!(last_prompt(&story)[3], "book: booked", "{}", story.timeline);

    let mut scene = desk();
    scene.has_tool("book", true, 4_500, found("booked"));
    scene.caller_says("book a table", 2_000, 1_000);
    scene.model_answers(Answer::of(LONG).and_uses("book", "{}"));
    scene.caller_says("", 5_500, 800);
    scene.model_answers(Answer::of("It is booked."));
    scene.hangs_up(16_000);
    let story = play(scene);
    assert!(story.timeline.contains("resumed"), "{}", story.timeline);
    assert!(story.timeline.contains("Then comes the evening. It is booked. (mark)"), "{}", story.timeline);
}

#[test]
fn a_tool_that_hangs_is_not_waited_for_and_steps_are_bounded() {
    let mut scene = desk();
    scene.settings.limits.tool_ms = 2_000;
    scene.has_tool("hang", false, 60_000, found("late"));
    scene.caller_says("look for me", 2_000, 1_000);
    scene.model_answers(Answer::of("").and_uses("hang", "{}"));
    scene.model_answers(Answer::of("It does not answer."));
    scene.hangs_up(9_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: look for me
         3.7 think: look for me
         3.7 tool hang {}
         4.9 filler
         5.7 timed out: Tool
         5.7 stop tool
         5.7 tool hang failed
         5.7 think: it took too long
         7.3 agent: It does not answer. (mark)
         9.0 ended: caller_hung_up",
    );
    let mut scene = desk();
    scene.has_tool("again", false, 10, found("more"));
    scene.caller_says("look for me", 2_000, 1_000);
    for _ in 0..10 {
        scene.model_answers(Answer::of("").and_uses("again", "{}"));
    }
    scene.hangs_up(12_000);
    let story = play(scene);
    assert_eq!(story.timeline.matches("think:").count(), 6, "{}", story.timeline);
    assert!(story.timeline.contains("agent: Sorry, something went wrong."), "{}", story.timeline);
}

#[test]
fn a_transfer_closes_the_socket_when_the_words_were_heard() {
    let mut scene = desk();
    scene.caller_says("a person please", 2_000, 1_000);
    scene.model_answers(Answer::of("I put you through.").and_uses(TRANSFER, "{\"target\":\"sales\"}"));
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: a person please
         3.7 think: a person please
         3.7 tool transfer {\"target\":\"sales\"}
         3.7 transfer to sales
         4.9 agent: I put you through. (mark)
         4.9 close
         4.9 ended: transferred",
    );
}

/// A desk that may hand callers to these and to nobody else.
fn desk_with(names: &[&str], usual: &str) -> Scenario {
    let mut scene = desk();
    let to = names.iter().map(|name| (*name).to_owned()).collect();
    scene.settings.tools.transfer = call::Transfer { to, usual: usual.to_owned() };
    scene.caller_says("a person please", 2_000, 1_000);
    scene
}

#[test]
fn a_caller_is_handed_to_nobody_who_is_not_named() {
    let mut scene = desk_with(&["sales", "support"], "");
    scene.model_answers(Answer::of("").and_uses(TRANSFER, "{\"target\":\"+12025550123\"}"));
    scene.model_answers(Answer::of("I put you through.").and_uses(TRANSFER, "{\"target\":\" Sales \"}"));
    let story = play(scene);
    // The model is told who there is, not what it asked for, and asks again.
    assert!(story.log.contains("there are: sales, support"), "{}", story.timeline);
    assert_eq!(story.timeline.matches("transfer to ").count(), 1, "{}", story.timeline);
    assert!(story.timeline.contains("transfer to sales\n"), "{}", story.timeline);
    assert!(story.timeline.ends_with("ended: transferred\n"), "{}", story.timeline);
}

#[test]
fn who_is_meant_where_nobody_is_named_is_the_usual_one() {
    let mut scene = desk_with(&["sales", "support"], "support");
    scene.model_answers(Answer::of("I put you through.").and_uses(TRANSFER, "{}"));
    assert!(play(scene).timeline.contains("transfer to support\n"));
    let mut scene = desk_with(&["sales", "support"], "");
    scene.model_answers(Answer::of("").and_uses(TRANSFER, "{}"));
    scene.model_answers(Answer::of("To whom?"));
    scene.hangs_up(9_000);
    let story = play(scene);
    assert!(
        story.log.contains("say to whom") && !story.timeline.contains("transfer to"),
        "{}",
        story.timeline
    );
}

#[test]
fn what_a_call_brings_along_is_said_and_told() {
    let mut scene = Scenario::unstarted(desk().settings);
    scene.settings.greeting = "Hello {custom.name|there}.".to_owned();
    scene.settings.prompt = "You talk to {custom.name|somebody}, order {custom.order}.".to_owned();
    let custom = [("name", "Asha"), ("order", "7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let start = call::StreamStart {
        stream: "stream-1".to_owned(),
        call: Some("call-1".to_owned()),
        account: None,
        from: None,
        to: None,
        custom: custom.into(),
        rate: SampleRate::HZ_8000,
        least_chunk: None,
    };
    scene.send(100, CarrierEvent::Start(Box::new(start)));
    scene.caller_says("hello", 3_000, 800);
    scene.model_answers(Answer::of("Hello."));
    scene.hangs_up(8_000);
    let story = play(scene);
    assert!(story.timeline.contains("agent: Hello Asha."), "{}", story.timeline);
    assert!(story.log.contains("You talk to Asha, order 7."), "{}", story.timeline);
}

#[test]
fn a_result_is_recorded() {
    let mut scene = desk();
    scene.caller_says("monday is fine", 2_000, 1_000);
    let given = "{\"name\":\"day\",\"value\":\"monday\"}";
    scene.model_answers(Answer::of("").and_uses(RECORD_RESULT, given));
    scene.model_answers(Answer::of("Noted."));
    scene.hangs_up(8_000);
    let story = play(scene);
    assert!(story.timeline.contains("result day = monday"), "{}", story.timeline);
    assert!(story.timeline.contains("agent: Noted. (mark)"), "{}", story.timeline);
}

#[test]
fn keys_are_pressed_on_the_line_after_the_words() {
    let mut scene = desk();
    scene.caller_says("press one two", 2_000, 1_000);
    scene.model_answers(Answer::of("Now.").and_uses(SEND_DTMF, "{\"digits\":\"12\"}"));
    scene.model_answers(Answer::of(""));
    scene.hangs_up(8_000);
    let story = play(scene);
    let audio: Vec<i16> = story
        .outputs
        .iter()
        .filter_map(|(at, output)| match output {
            Output::Carrier(ToCarrier::Media { pcm, .. }) if at.0 > 3_000_000 => Some(pcm.to_vec()),
            _ => None,
        })
        .flatten()
        .collect();
    let level = |from_ms: usize, hz: f32| {
        tone_level_db(&audio[from_ms * 8..(from_ms + 100) * 8], SampleRate::HZ_8000, hz)
    };
    // "Now." lasts 240 ms; then 1 is 697 and 1209 Hz, and 2 is 697 and 1336 Hz.
    assert!(
        level(240, 1209.0) > -25.0 && level(440, 1336.0) > -25.0,
        "{} {}",
        level(240, 1209.0),
        level(440, 1336.0)
    );
    assert!(level(340, 697.0) < -60.0, "the keys are apart");
    assert!(story.timeline.contains("agent: Now. (mark)"), "{}", story.timeline);
}

#[test]
fn keys_are_gathered_for_a_tool() {
    let mut scene = desk();
    scene.caller_says("my number", 2_000, 700);
    let given = "{\"count\":4,\"terminator\":\"#\"}";
    scene.model_answers(Answer::of("Press your four digits now please.").and_uses(COLLECT_DIGITS, given));
    scene.model_answers(Answer::of("Thank you."));
    for (index, digit) in "1234".chars().enumerate() {
        scene.send(4_500 + 300 * index as u64, CarrierEvent::Dtmf { digit });
    }
    scene.hangs_up(12_000);
    let story = play(scene);
    assert!(story.timeline.contains("4.5 clear\n"), "the prompt stops at the first key:\n{}", story.timeline);
    assert!(story.timeline.contains("5.4 keys 1234\n"), "{}", story.timeline);
    assert_eq!(last_prompt(&story).last().unwrap(), "collect_digits: 1234");
    assert!(story.timeline.contains(" Thank you."), "{}", story.timeline);

    let mut scene = desk();
    scene.caller_says("my number", 2_000, 700);
    scene.model_answers(Answer::of("Press it.").and_uses(COLLECT_DIGITS, "{\"timeout_ms\":2000}"));
    scene.model_answers(Answer::of("Never mind."));
    scene.hangs_up(12_000);
    let story = play(scene);
    assert_eq!(last_prompt(&story).last().unwrap(), "collect_digits: no key was pressed");
}

#[test]
fn keys_reach_the_model_as_the_callers_words() {
    let press = |mode: DtmfMode, interrupts: bool, keys: &str| {
        let mut scene = Scenario::assistant(&"Press one for sales or two for help. ".repeat(3));
        scene.settings.dtmf.mode = mode;
        scene.settings.dtmf.interrupts = interrupts;
        for (index, digit) in keys.chars().enumerate() {
            scene.send(2_000 + 500 * index as u64, CarrierEvent::Dtmf { digit });
        }
        scene.model_answers(Answer::of("Good."));
        scene.model_answers(Answer::of("Better."));
        scene.hangs_up(14_000);
        play(scene)
    };
    let collected = press(DtmfMode::Collect, true, "12#");
    assert!(collected.timeline.contains("3.0 caller: pressed 1 2\n"), "{}", collected.timeline);
    assert!(collected.timeline.contains("2.0 clear\n2.0 interrupted"), "{}", collected.timeline);
    let late = press(DtmfMode::Collect, true, "12");
    assert!(late.timeline.contains("5.5 caller: pressed 1 2\n"), "{}", late.timeline);
    let single = press(DtmfMode::Single, true, "12");
    assert!(single.timeline.contains("2.0 caller: pressed 1\n"), "{}", single.timeline);
    let patient = press(DtmfMode::Collect, false, "12#");
    assert!(!patient.timeline.contains("interrupted"), "{}", patient.timeline);
    let asked = patient.moments(|output| matches!(output, Output::Think { .. }));
    assert!(asked.len() == 1 && asked[0].0 > 6_000_000, "{}", patient.timeline);
    let off = press(DtmfMode::Off, true, "12#");
    assert_eq!(off.timeline.matches("think:").count(), 0, "{}", off.timeline);
    assert_eq!(count(&off, |event| matches!(event, Event::Dtmf { .. })), 3);
}

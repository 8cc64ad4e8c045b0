//! Conversations with a speech-to-speech agent in virtual time, each with the timeline that it must give.

mod common;

use call::{
    Converse, Event, Input, Output, Recorded, Say, Tick, Tool, ToolAnswer, ToolCall, ToolId, VendorRole,
};
use common::{count, play};
use sim::scenario::{Scenario, Spoken, Story};

fn cuts(story: &Story) -> Vec<(u32, u64)> {
    let of = |output: &Output| match output {
        Output::Converse(Converse::Cut { item, heard_ms }) => Some((item.0, *heard_ms)),
        _ => None,
    };
    story.outputs.iter().filter_map(|(_, output)| of(output)).collect()
}

#[test]
fn a_question_is_answered_by_the_agent_alone() {
    let mut scene = Scenario::conversation("Hello, how can I help?");
    scene.caller_says("what are your hours", 3_000, 1_200);
    scene.agent_answers(Spoken::of("We open at nine. We close at five."));
    scene.hangs_up(10_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         0.1 greeting
         0.1 say: Hello, how can I help?
         1.4 mark greeting_done
         1.8 agent: Hello, how can I help? (mark)
         3.2 caller speaks
         5.1 caller: what are your hours
         7.2 agent: We open at nine. We close at five. (mark)
         10.0 ended: caller_hung_up",
    );
    assert!(story.moments(|output| matches!(output, Output::Think { .. } | Output::Voice { .. })).is_empty());
}

#[test]
fn the_parts_of_a_turn_add_up() {
    let mut scene = Scenario::conversation("");
    scene.caller_says("what are your hours", 1_000, 1_000);
    scene.agent_answers(Spoken::of("We open at nine."));
    scene.hangs_up(6_000);
    let story = play(scene);
    let parts = story.outputs.iter().find_map(|(_, output)| match output {
        Output::Event(Event::Latency { parts, .. }) => Some(*parts),
        _ => None,
    });
    let parts = parts.expect("the answer was spoken");
    // 500 ms of silence ended the turn, as the agent heard it, and 300 ms later it spoke.
    assert!((400_000..=640_000).contains(&parts.endpoint_us), "{parts:?}");
    // The first chunk to the carrier needs a second piece of audio, since the first lost a little to resampling.
    assert_eq!((parts.model_us, parts.send_us), (300_000, 40_000), "{parts:?}");
    assert_eq!(parts.endpoint_us + parts.model_us + parts.send_us, parts.total_us, "{parts:?}");
}

#[test]
fn an_interruption_tells_the_agent_what_was_heard() {
    let mut scene = Scenario::conversation("Hello.");
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.agent_answers(Spoken::of(
        "First comes the morning shift with all its many people.\nThen comes the evening.",
    ));
    scene.caller_says("stop please", 6_000, 1_000);
    scene.agent_answers(Spoken::of("Yes?"));
    scene.hangs_up(12_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         0.1 greeting
         0.1 say: Hello.
         0.4 mark greeting_done
         0.8 agent: Hello. (mark)
         2.1 caller speaks
         3.9 caller: tell me everything
         6.1 clear
         6.1 interrupted: First comes the morning shift with all / its many people. Then comes the evening.
         6.1 cut: item 1 at 2280 ms
         6.1 cut: item 2 at 0 ms
         6.1 agent: First comes the morning shift with all / its many people. Then comes the evening. (clock)
         6.1 caller speaks
         7.9 caller: stop please
         8.2 agent: Yes? (mark)
         12.0 ended: caller_hung_up",
    );
    let cuts = cuts(&story);
    assert_eq!(cuts.len(), 2, "{cuts:?}");
    assert_eq!((cuts[0].0, cuts[1]), (1, (2, 0)), "{cuts:?}");
    assert_eq!(count(&story, |event| matches!(event, Event::Interrupted { .. })), 1);
}

#[test]
fn our_own_ears_interrupt_an_agent_that_does_not_notice() {
    let mut scene = Scenario::conversation("");
    scene.agent.notices_ms = None;
    scene.caller_says("tell me everything", 1_000, 1_000);
    scene.agent_answers(Spoken::of("It is a very long story about a very long day in a very long year."));
    scene.caller_says("stop please", 5_000, 1_000);
    scene.agent_answers(Spoken::of("Yes?"));
    scene.hangs_up(10_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         1.2 caller speaks
         1.6 first audio insurance
         2.9 caller: tell me everything
         5.2 caller speaks over the agent
         5.5 clear
         5.5 interrupted: It is a very long story about a very long day / in a very long year.
         5.5 cut: item 0 at 2700 ms
         5.5 agent: It is a very long story about a very long day / in a very long year. (clock)
         6.9 caller: stop please
         7.2 agent: Yes? (mark)
         10.0 ended: caller_hung_up",
    );
    assert_eq!(cuts(&story).len(), 1);
}

#[test]
fn nothing_interrupts_where_interruptions_are_switched_off() {
    let mut scene = Scenario::conversation("");
    scene.settings.barge_in.enabled = false;
    scene.agent.notices_ms = None;
    scene.caller_says("tell me everything", 1_000, 1_000);
    scene.agent_answers(Spoken::of("It is a very long story about a very long day."));
    scene.caller_says("okay", 4_000, 600);
    scene.agent_answers(Spoken::of("Indeed."));
    scene.hangs_up(12_000);
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::Interrupted { .. })), 0, "{}", story.timeline);
    assert!(count(&story, |event| matches!(event, Event::NotInterrupted { .. })) > 0, "{}", story.timeline);
    assert!(cuts(&story).is_empty(), "{}", story.timeline);
}

#[test]
fn a_tool_runs_and_its_result_is_answered() {
    let mut scene = Scenario::conversation("");
    scene.settings.tools.declared = [Tool {
        name: "lookup".to_owned(),
        description: String::new(),
        parameters: serde_json::json!({ "type": "object" }),
        side_effects: false,
    }]
    .into();
    let lookup = ToolCall { id: "call_9".to_owned(), ..ToolCall::of("lookup") };
    scene.caller_says("where is my order", 1_000, 1_000);
    scene.agent_answers(Spoken::of("One moment.").with_tool(lookup));
    scene.agent_answers(Spoken::of("It is on its way."));
    let result = ToolAnswer::Result("on its way".to_owned());
    scene.input(5_000, Input::Tool { tool: ToolId(0), what: result });
    scene.hangs_up(9_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         1.2 caller speaks
         1.6 first audio insurance
         2.9 caller: where is my order
         3.0 tool lookup {}
         3.6 agent: One moment. (mark)
         5.0 tool lookup done
         5.0 result: on its way
         6.5 agent: It is on its way. (mark)
         9.0 ended: caller_hung_up",
    );
    let told = |output: &Output| matches!(output, Output::Converse(Converse::ToolResult { id, .. }) if id == "call_9");
    assert_eq!(story.moments(told).len(), 1);
}

#[test]
fn an_agent_ends_the_call_when_its_words_were_heard() {
    let mut scene = Scenario::conversation("");
    scene.caller_says("that is all", 1_000, 1_000);
    scene.agent_answers(Spoken::of("Goodbye then.").with_tool(ToolCall::of("end_call")));
    play(scene).expect(
        "0.1 answered
         1.2 caller speaks
         1.6 first audio insurance
         2.9 caller: that is all
         3.0 tool end_call {}
         3.6 agent: Goodbye then. (mark)
         3.6 close
         3.6 ended: agent_ended",
    );
}

#[test]
fn a_silent_caller_is_asked_and_then_hung_up_on() {
    let scene = Scenario::conversation("Hello.");
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 say: Hello.
         0.4 mark greeting_done
         0.8 agent: Hello. (mark)
         10.8 idle prompt
         10.8 say: Are you still there?
         12.3 agent: Are you still there? (mark)
         25.8 timed out: IdleHangUp
         25.8 say: Goodbye.
         26.7 agent: Goodbye. (mark)
         26.7 close
         26.7 ended: idle_timeout",
    );
}

#[test]
fn the_longest_call_ends_with_a_goodbye_in_the_agents_voice() {
    let mut scene = Scenario::conversation("Hello.");
    scene.settings.limits.max_call_ms = 5_000;
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.agent_answers(Spoken::of("It is a very long story about a very long day in a very long year."));
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 say: Hello.
         0.4 mark greeting_done
         0.8 agent: Hello. (mark)
         2.1 caller speaks
         3.9 caller: tell me everything
         5.0 timed out: MaxDuration
         5.0 cut: item 1 at 1170 ms
         5.0 agent: It is a very long / story about a very long day in a very long year. (clock)
         5.0 clear
         5.0 say: Goodbye.
         5.9 agent: Goodbye. (mark)
         5.9 close
         5.9 ended: max_duration",
    );
}

#[test]
fn an_agent_that_fails_is_apologised_for() {
    let mut scene = Scenario::conversation("Hello.");
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.agent_answers(Spoken::of("It is a very long story about a very long day."));
    scene.agent.fails_at_ms = Some(4_500);
    let story = play(scene);
    let recorded =
        story.moments(|output| matches!(output, Output::Voice { say: Say::Recorded(Recorded::Apology), .. }));
    assert_eq!(recorded, [Tick(4_500_000)], "{}", story.timeline);
    // What it had said is heard to its end, and nothing is given to it any more.
    assert!(
        story.timeline.contains("agent: It is a very long story about a very long day."),
        "{}",
        story.timeline
    );
    assert!(story.timeline.ends_with("ended: vendors_down\n"), "{}", story.timeline);
    let given = |output: &Output| matches!(output, Output::Converse(_));
    assert!(story.moments(given).iter().all(|at| *at <= Tick(4_500_000)), "{}", story.timeline);
}

#[test]
fn an_agent_that_never_answers_is_given_up() {
    let mut scene = Scenario::conversation("");
    for at in [1_000, 9_000] {
        scene.caller_says("are you there", at, 1_000);
        scene.agent_answers(Spoken { hangs: true, ..Spoken::default() });
    }
    let story = play(scene);
    let failed = count(&story, |event| matches!(event, Event::VendorFailed { role: VendorRole::Agent, .. }));
    assert_eq!(failed, 2, "{}", story.timeline);
    let apologies =
        story.moments(|output| matches!(output, Output::Voice { say: Say::Recorded(Recorded::Apology), .. }));
    assert_eq!(apologies.len(), 2, "{}", story.timeline);
    assert!(story.timeline.ends_with("ended: vendors_down\n"), "{}", story.timeline);
}

#[test]
fn an_agent_that_stops_in_the_middle_is_not_waited_for() {
    let mut scene = Scenario::conversation("");
    scene.caller_says("tell me everything", 1_000, 1_000);
    scene.agent_answers(Spoken {
        stops: true,
        ..Spoken::of("It is a very long story about a very long day.")
    });
    scene.caller_says("and then", 9_000, 1_000);
    scene.agent_answers(Spoken::of("Nothing."));
    scene.hangs_up(14_000);
    play(scene).expect(
        "0.1 answered
         1.2 caller speaks
         1.6 first audio insurance
         2.9 caller: tell me everything
         6.2 timed out: Agent
         6.2 underrun
         6.4 agent: It is a very long story about a very long day. (mark)
         9.2 caller speaks
         10.9 caller: and then
         11.4 agent: Nothing. (mark)
         14.0 ended: caller_hung_up",
    );
}

#[test]
fn a_broken_line_takes_the_agents_words_over() {
    let mut scene = Scenario::conversation("");
    scene.caller_says("tell me everything", 1_000, 1_000);
    scene.agent_answers(Spoken::of("It is a very long story about a very long day."));
    scene.input(4_000, Input::Detached { clean: false });
    scene.input(5_000, Input::Reattached);
    scene.hangs_up(9_000);
    let story = play(scene);
    story.expect(
        "0.1 answered
         1.2 caller speaks
         1.6 first audio insurance
         2.9 caller: tell me everything
         4.0 detached
         5.0 reattached
         6.6 agent: It is a very long story about a very long day. (mark)
         9.0 ended: caller_hung_up",
    );
    assert!(cuts(&story).is_empty());
}

/// An agent that never says when it has finished, as ElevenLabs' is.
fn never_done(greeting: &str) -> Scenario {
    let mut scene = Scenario::conversation(greeting);
    scene.agent.never_done = true;
    scene
}

#[test]
fn an_agent_that_never_says_so_has_finished_when_all_was_heard() {
    let mut scene = never_done("Hello, how can I help?");
    scene.caller_says("what are your hours", 3_000, 1_200);
    scene.agent_answers(Spoken::of("We open at nine. We close at five."));
    scene.hangs_up(10_000);
    let story = play(scene);
    let said = |words: &str| story.timeline.contains(&format!("agent: {words} (mark)"));
    assert!(
        said("Hello, how can I help?") && said("We open at nine. We close at five."),
        "{}",
        story.timeline
    );
    for fault in ["timed out", "underrun", "failed"] {
        assert!(!story.timeline.contains(fault), "{fault} in {}", story.timeline);
    }
}

#[test]
fn such_an_agent_is_interrupted_by_its_own_word_or_by_our_ears() {
    for notices in [Some(100), None] {
        let mut scene = never_done("");
        scene.agent.notices_ms = notices;
        scene.caller_says("tell me everything", 1_000, 1_000);
        scene.agent_answers(Spoken::of("It is a very long story about a very long day in a very long year."));
        scene.caller_says("stop please", 5_000, 1_000);
        scene.agent_answers(Spoken::of("Yes?"));
        scene.hangs_up(10_000);
        let story = play(scene);
        assert_eq!(cuts(&story).len(), 1, "{}", story.timeline);
        assert_eq!(
            count(&story, |event| matches!(event, Event::Interrupted { .. })),
            1,
            "{}",
            story.timeline
        );
        assert!(story.timeline.contains("agent: Yes? (mark)"), "{}", story.timeline);
    }
}

#[test]
fn its_end_is_waited_for_until_its_words_were_heard() {
    let mut scene = never_done("");
    scene.caller_says("that is all", 1_000, 1_000);
    scene.agent_answers(Spoken::of("Goodbye then, and thank you.").with_tool(ToolCall::of("end_call")));
    let story = play(scene);
    assert!(story.timeline.contains("agent: Goodbye then, and thank you. (mark)"), "{}", story.timeline);
    assert!(story.timeline.ends_with("ended: agent_ended\n"), "{}", story.timeline);
    // Without a word it is not waited for long.
    let mut scene = never_done("");
    scene.caller_says("that is all", 1_000, 1_000);
    scene.agent_answers(Spoken::of("").with_tool(ToolCall::of("end_call")));
    let story = play(scene);
    assert!(story.timeline.ends_with("ended: agent_ended\n"), "{}", story.timeline);
    assert!(story.outputs.last().is_some_and(|(at, _)| *at < Tick(5_000_000)), "{}", story.timeline);
}

#[test]
fn keys_reach_the_agent_as_words() {
    let mut scene =
        Scenario::conversation("Press one for sales, or two for anything else that you may want.");
    for (at, digit) in [(1_500, '1'), (1_800, '2'), (2_100, '#')] {
        scene.input(at, Input::Carrier(call::CarrierEvent::Dtmf { digit }));
    }
    scene.agent_answers(Spoken::of("You chose twelve."));
    scene.hangs_up(8_000);
    let story = play(scene);
    for line in ["told: pressed 1 2", "caller: pressed 1 2", "keys 12", "agent: You chose twelve. (mark)"] {
        assert!(story.timeline.contains(line), "no {line:?} in {}", story.timeline);
    }
    // A key stops the agent that speaks.
    assert_eq!(story.timeline.matches("clear").count(), 1, "{}", story.timeline);
}

#[test]
fn three_vendors_go_on_in_the_agents_place() {
    for fails_at in [200, 4_500] {
        let mut scene = Scenario::conversation("Hello.");
        scene.settings.speech_to_speech_fallback = true;
        scene.caller_says("tell me everything", 2_000, 1_000);
        scene.agent_answers(Spoken::of("It is a very long story about a very long day."));
        scene.agent.fails_at_ms = Some(fails_at);
        scene.caller_says("what are your hours", 9_000, 1_000);
        scene.hangs_up(15_000);
        let story = play(scene);
        assert_eq!(count(&story, |event| matches!(event, Event::AgentReplaced)), 1, "{}", story.timeline);
        assert_eq!(count(&story, |event| matches!(event, Event::Greeting)), 1, "{}", story.timeline);
        let asked = story.moments(|output| matches!(output, Output::Think { .. }));
        assert!(!asked.is_empty(), "{}", story.timeline);
        assert!(story.timeline.ends_with("ended: caller_hung_up\n"), "{}", story.timeline);
    }
}

#[test]
fn an_agent_that_fails_is_handed_on_where_that_is_set() {
    let mut scene = Scenario::conversation("Hello.");
    scene.settings.failure.then = call::FailureThen::Transfer;
    scene.agent.fails_at_ms = Some(3_000);
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::TransferAsked { .. })), 1, "{}", story.timeline);
    assert!(story.timeline.ends_with("ended: transferred\n"), "{}", story.timeline);
}

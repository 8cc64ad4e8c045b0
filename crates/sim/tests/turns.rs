//! Who says that the caller's turn is over, and that no word of theirs is lost or counted twice.

mod common;

use call::{
    EndOfTurnWhy, Event, Fault, FaultClass, Heard, Input, Output, Speculate, SpeechId, Tick, TurnEnd,
};
use common::{count, play};
use sim::scenario::{Answer, Scenario, Story};

fn heard(scene: &mut Scenario, at_ms: u64, speech: u32, what: Heard) {
    scene.input(at_ms, Input::Heard { speech: SpeechId(speech), what });
}

/// A question from 2.0 to 3.0 s whose texts the test gives itself.
fn question() -> Scenario {
    let mut scene = Scenario::assistant("Hello.");
    scene.recogniser_ms = None;
    scene.caller_says("a table please", 2_000, 1_000);
    scene.model_answers(Answer::of("Certainly."));
    scene.model_answers(Answer::of("Of course."));
    scene.hangs_up(9_000);
    scene
}

fn why_ended(story: &Story) -> Vec<(u64, EndOfTurnWhy)> {
    story
        .outputs
        .iter()
        .filter_map(|(Tick(at), output)| match output {
            Output::Event(Event::TurnEnded { why, .. }) => Some((at / 1000, *why)),
            _ => None,
        })
        .collect()
}

#[test]
fn the_recognisers_pause_ends_a_turn_that_looks_finished() {
    let mut scene = question();
    heard(&mut scene, 3_350, 0, Heard::Pause("a table please".to_owned()));
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.4 caller: a table please
         3.4 think: a table please
         4.0 agent: Certainly. (mark)
         9.0 ended: caller_hung_up",
    );
}

#[test]
fn the_recognisers_pause_behind_unfinished_words_is_waited_out() {
    let mut scene = question();
    heard(&mut scene, 3_350, 0, Heard::Pause("a table for".to_owned()));
    let ends = why_ended(&play(scene));
    assert_eq!(ends.len(), 1);
    assert!(ends[0].0 > 4_300 && ends[0].1 == EndOfTurnWhy::Unfinished, "{ends:?}");
}

#[test]
fn the_recognisers_turn_end_is_believed_at_once() {
    let mut scene = question();
    heard(&mut scene, 3_150, 0, Heard::TurnOver("a table for".to_owned()));
    assert_eq!(why_ended(&play(scene)), [(3_150, EndOfTurnWhy::VendorTurn)]);
}

#[test]
fn the_setting_says_who_is_believed() {
    for (end, wanted) in [
        (TurnEnd::Auto, (3_150, EndOfTurnWhy::VendorTurn)),
        (TurnEnd::Vendor, (3_150, EndOfTurnWhy::VendorTurn)),
        (TurnEnd::Own, (3_600, EndOfTurnWhy::Silence)),
    ] {
        let mut scene = question();
        scene.settings.turn.end = end;
        heard(&mut scene, 3_150, 0, Heard::TurnOver("a table".to_owned()));
        let ends = why_ended(&play(scene));
        assert_eq!(ends.len(), 1, "{end:?}");
        assert!(ends[0].1 == wanted.1 && ends[0].0.abs_diff(wanted.0) <= 100, "{end:?}: {ends:?}");
    }
    let mut scene = question();
    scene.settings.turn.end = TurnEnd::Vendor;
    heard(&mut scene, 3_600, 0, Heard::Final("a table".to_owned()));
    let ends = why_ended(&play(scene));
    assert!(ends[0].0.abs_diff(6_000) <= 100, "without a sign our own silence counts, later: {ends:?}");
}

#[test]
fn the_same_words_count_once_in_whatever_order_their_texts_come() {
    // Voice activity asks for the text at about 3.5 s.
    let text = || "a table please".to_owned();
    let orders: [&[(u64, Heard)]; 7] = [
        &[(3_200, Heard::Pause(text())), (3_700, Heard::Final(text()))],
        &[(3_300, Heard::Final(text())), (3_400, Heard::Pause(text()))],
        &[(3_550, Heard::Final(text())), (3_580, Heard::Pause(text()))],
        &[(3_560, Heard::Pause(text())), (3_570, Heard::Final(text())), (3_900, Heard::TurnOver(text()))],
        &[(3_550, Heard::Final(text())), (3_900, Heard::TurnOver(text()))],
        &[(3_100, Heard::TurnOver(text())), (3_600, Heard::Final(text())), (3_800, Heard::Pause(text()))],
        &[(3_540, Heard::Pause("a table".to_owned())), (3_560, Heard::Final(text()))],
    ];
    for end in [TurnEnd::Auto, TurnEnd::Own] {
        for order in orders {
            let mut scene = question();
            scene.settings.turn.end = end;
            for (at_ms, what) in order {
                heard(&mut scene, *at_ms, 0, what.clone());
            }
            let story = play(scene);
            let said: Vec<&str> = story
                .timeline
                .lines()
                .filter_map(|line| line.split_once(" caller: "))
                .map(|(_, text)| text)
                .collect();
            let words: usize = said.iter().map(|text| text.split(' ').count()).sum();
            let is_cut = end == TurnEnd::Auto && said.first() == Some(&"a table");
            assert!(words == 3 || is_cut, "{end:?} {order:?} gave {said:?}\n{}", story.timeline);
        }
    }
}

#[test]
fn words_that_only_the_recogniser_heard_count_unless_they_may_be_our_echo() {
    let mut scene = Scenario::assistant("Hello.");
    scene.model_answers(Answer::of("Good."));
    heard(&mut scene, 900, 0, Heard::TurnOver("hello".to_owned()));
    heard(&mut scene, 4_000, 0, Heard::TurnOver("yes please".to_owned()));
    scene.hangs_up(8_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         0.9 ignored: words that our own ears did not hear while the agent spoke
         4.0 caller: yes please
         4.0 think: yes please
         4.4 agent: Good. (mark)
         8.0 ended: caller_hung_up",
    );
}

#[test]
fn asked_at_once_a_quick_recogniser_gives_an_answer_300_ms_after_speech() {
    let mut scene = Scenario::assistant("Hello.");
    scene.settings.turn.stop_ms = 200;
    scene.settings.turn.end_silence_ms = 200;
    scene.recogniser_ms = Some(100);
    scene.caller_says("what are your hours", 2_000, 1_000);
    scene.model_answers(Answer::of("Nine to five."));
    scene.hangs_up(8_000);
    let story = play(scene);
    let parts = story
        .outputs
        .iter()
        .find_map(|(_, output)| match output {
            Output::Event(Event::Latency { parts, .. }) => Some(*parts),
            _ => None,
        })
        .unwrap();
    assert_eq!((parts.endpoint_us, parts.transcript_us, parts.total_us), (200_000, 100_000, 300_000));
}

#[test]
fn a_caller_who_pauses_a_lot_is_cut_off_less_and_less() {
    let cut_off = |adaptive: bool| {
        let mut scene = Scenario::assistant("Hello.");
        scene.settings.turn.adaptive = adaptive;
        // Six thoughts, each of two parts with 900 ms between them.
        for turn in 0..6 {
            let at = 2_000 + turn * 8_000;
            scene.caller_says("we need a table", at, 1_000);
            scene.caller_says("for two people", at + 1_900, 1_000);
            scene.model_answers(Answer::of("Well.").after(700));
            scene.model_answers(Answer::of("Certainly.").after(700));
        }
        scene.hangs_up(52_000);
        play(scene).timeline.matches("stop thinking").count()
    };
    let (fixed, adaptive) = (cut_off(false), cut_off(true));
    assert!(
        fixed == 6 && adaptive <= 3,
        "cut off {fixed} times with a fixed silence, {adaptive} with an adaptive one"
    );
}

#[test]
fn a_likely_end_is_thought_ahead_and_the_answer_kept() {
    let mut scene = question();
    scene.settings.turn.speculate = Speculate::Likely;
    heard(&mut scene, 3_100, 0, Heard::Likely("a table please".to_owned()));
    heard(&mut scene, 3_400, 0, Heard::TurnOver("A table, please.".to_owned()));
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.1 think: a table please
         3.4 caller: A table, please.
         3.4 speculated: kept
         4.0 agent: Certainly. (mark)
         9.0 ended: caller_hung_up",
    );
}

#[test]
fn a_wrong_guess_is_thrown_away_and_nothing_of_it_is_said_or_done() {
    let mut answers = Scenario::assistant("Hello.");
    answers.settings.turn.speculate = Speculate::Likely;
    answers.recogniser_ms = None;
    answers.caller_says("a table please", 2_000, 1_000);
    answers.model_answers(Answer::of("For how many?").and_hangs_up());
    answers.model_answers(Answer::of("For two, then."));
    heard(&mut answers, 2_800, 0, Heard::Likely("a table".to_owned()));
    heard(&mut answers, 2_900, 0, Heard::GoesOn);
    heard(&mut answers, 3_400, 0, Heard::TurnOver("a table for two".to_owned()));
    answers.hangs_up(7_000);
    play(answers).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         2.8 think: a table
         2.9 stop thinking
         2.9 speculated: thrown away
         3.4 caller: a table for two
         3.4 think: a table for two
         4.4 agent: For two, then. (mark)
         7.0 ended: caller_hung_up",
    );
}

#[test]
fn a_pause_with_stable_words_is_thought_ahead() {
    let mut scene = Scenario::assistant("Hello.");
    scene.settings.turn.speculate = Speculate::Pause;
    scene.partials = true;
    scene.caller_says("what are your hours", 2_000, 1_000);
    scene.model_answers(Answer::of("Nine to five.").after(400));
    scene.hangs_up(8_000);
    let story = play(scene);
    assert_eq!(
        count(&story, |event| matches!(event, Event::Speculated { kept: true, .. })),
        1,
        "{}",
        story.timeline
    );
    let latency = story.outputs.iter().find_map(|(_, output)| match output {
        Output::Event(Event::Latency { parts, .. }) => Some(parts.total_us / 1000),
        _ => None,
    });
    assert!(latency.unwrap() < 750, "asked 250 ms after the last word, answered 400 ms later: {latency:?}");
}

#[test]
fn no_more_than_three_guesses_a_turn_are_made() {
    let mut scene = question();
    scene.settings.turn.speculate = Speculate::Likely;
    for guess in 0..6 {
        heard(&mut scene, 2_300 + guess * 100, 0, Heard::Likely(format!("guess {guess}")));
    }
    heard(&mut scene, 3_400, 0, Heard::TurnOver("a table".to_owned()));
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::Speculated { kept: false, .. })), 3);
    assert_eq!(story.timeline.matches("think: guess").count(), 3, "{}", story.timeline);
}

#[test]
fn a_recogniser_that_is_lost_is_told_of_and_the_call_stays() {
    let mut scene = question();
    heard(&mut scene, 3_200, 0, Heard::Lost(Fault::new(FaultClass::Network, "the line broke")));
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.2 recogniser failed: the line broke
         3.6 not interrupted: Short
         3.7 nothing said
         6.2 agent: Sorry, something went wrong. Please say that again. (mark)
         9.0 ended: caller_hung_up",
    );
}

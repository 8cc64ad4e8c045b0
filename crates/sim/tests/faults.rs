//! Calls in virtual time on which something goes wrong: vendors that hang or fail, marks that never come, lines
//! that break, starts that come late, twice or not at all.

mod common;

use audio::{Pcm, SampleRate, level_db, tone_level_db};
use call::{AgentKind, CarrierEvent, Event, GreetingFallback, Input, Output, Settings, ToCarrier};
use common::{count, play};
use sim::scenario::{Answer, Scenario, Story};

fn agent(kind: AgentKind) -> Settings {
    Settings { agent: kind, greeting: "Hello.".to_owned(), ..Settings::default() }
}

fn sent(story: &Story) -> Vec<(u64, Pcm)> {
    story
        .outputs
        .iter()
        .filter_map(|(at, output)| match output {
            Output::Carrier(ToCarrier::Media { pcm, .. }) => Some((at.0, pcm.clone())),
            _ => None,
        })
        .collect()
}

fn marks(story: &Story, wanted: &str) -> usize {
    story
        .moments(|output| matches!(output, Output::Carrier(ToCarrier::Mark { name }) if name == wanted))
        .len()
}

#[test]
fn the_greeting_is_spoken_once_however_the_call_starts() {
    let frame = || CarrierEvent::Audio(Pcm::silence(160));
    type Start = fn(&mut Scenario, &dyn Fn() -> CarrierEvent);
    let starts: [(&str, Start); 7] = [
        ("connected, start", |scene, _| {
            scene.send(0, CarrierEvent::Connected);
            scene.start(100);
        }),
        ("start alone", |scene, _| scene.start(100)),
        ("start before connected", |scene, _| {
            scene.start(100);
            scene.send(120, CarrierEvent::Connected);
        }),
        ("start twice", |scene, _| {
            scene.start(100);
            scene.start(200);
            scene.start(3_000);
        }),
        ("audio, then start", |scene, frame| {
            scene.send(50, frame());
            scene.send(70, frame());
            scene.start(900);
        }),
        ("audio without start", |scene, frame| {
            scene.send(0, CarrierEvent::Connected);
            scene.send(50, frame());
        }),
        ("audio without start, which comes late", |scene, frame| {
            scene.send(50, frame());
            scene.start(2_500);
            scene.send(2_600, CarrierEvent::Connected);
        }),
    ];
    for (name, start) in starts {
        let mut scene = Scenario::unstarted(agent(AgentKind::Assistant));
        start(&mut scene, &frame);
        scene.hangs_up(6_000);
        let story = play(scene);
        assert_eq!(count(&story, |event| matches!(event, Event::Greeting)), 1, "{name}:\n{}", story.timeline);
        assert_eq!(marks(&story, "greeting_done"), 1, "{name}:\n{}", story.timeline);
    }
}

#[test]
fn a_stream_that_never_starts_is_given_up() {
    let mut scene = Scenario::unstarted(agent(AgentKind::Assistant));
    scene.send(0, CarrierEvent::Connected);
    play(scene).expect("10.0 ended: start_timeout");
}

#[test]
fn a_voice_that_hangs_does_not_hold_the_greeting_for_ever() {
    for (fallback, heard) in [(GreetingFallback::Silence, false), (GreetingFallback::Tone, true)] {
        let mut scene = Scenario::assistant("Hello there.");
        scene.settings.greeting_fallback = fallback;
        scene.voice.hangs = true;
        scene.hangs_up(13_000);
        let story = play(scene);
        assert!(story.timeline.contains("1.6 first audio insurance"), "{}", story.timeline);
        assert!(story.timeline.contains("10.1 greeting failed"), "{}", story.timeline);
        assert_eq!(marks(&story, "greeting_done"), 1, "{}", story.timeline);
        let loudest = sent(&story)
            .iter()
            .map(|(_, pcm)| tone_level_db(pcm, SampleRate::HZ_8000, 440.0))
            .fold(-100.0, f32::max);
        assert_eq!(loudest > -20.0, heard, "{loudest} dB");
    }
}

#[test]
fn a_voice_that_fails_leaves_the_call_up() {
    let mut scene = Scenario::assistant("Hello there.");
    scene.voice.fails = Some("no such voice".to_owned());
    scene.caller_says("are you there", 2_000, 1_000);
    scene.model_answers(Answer::of("Yes."));
    scene.hangs_up(8_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 voice failed: no such voice
         0.1 greeting failed: no such voice
         0.7 mark greeting_done
         1.1 agent:  / Hello there. (mark)
         2.1 caller speaks
         3.7 caller: are you there
         3.7 think: are you there
         3.7 voice failed: no such voice
         3.7 recorded apology
         4.7 agent:  / Yes. (mark)
         8.0 ended: caller_hung_up",
    );
}

#[test]
fn a_model_that_hangs_is_apologised_for() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("are you open", 2_000, 1_000);
    scene.model_answers(Answer { hangs: true, ..Answer::of("") });
    scene.hangs_up(14_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: are you open
         3.7 think: are you open
         4.9 filler
         5.2 hurry
         7.7 timed out: Model
         7.7 stop thinking
         7.7 model failed: it took too long
         10.9 agent: Sorry, something went wrong. Please say that again. (mark)
         14.0 ended: caller_hung_up",
    );
}

#[test]
fn a_model_that_fails_is_apologised_for() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("are you open", 2_000, 1_000);
    scene.model_answers(Answer { fails: Some("quota".to_owned()), ..Answer::of("") });
    scene.hangs_up(10_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: are you open
         3.7 think: are you open
         3.7 model failed: quota
         6.9 agent: Sorry, something went wrong. Please say that again. (mark)
         10.0 ended: caller_hung_up",
    );
}

#[test]
fn a_model_that_says_nothing_leaves_the_word_to_the_caller() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("are you open", 2_000, 1_000);
    scene.model_answers(Answer::of(""));
    scene.caller_says("hello", 5_000, 700);
    scene.model_answers(Answer::of("Hello."));
    scene.hangs_up(10_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: are you open
         3.7 think: are you open
         5.2 caller speaks
         6.4 caller: hello
         6.4 think: hello
         6.8 agent: Hello. (mark)
         10.0 ended: caller_hung_up",
    );
}

#[test]
fn a_recogniser_that_never_answers_is_not_waited_for() {
    let mut scene = Scenario::assistant("Hello.");
    scene.recogniser_ms = None;
    scene.caller_says("are you open", 2_000, 1_000);
    scene.model_answers(Answer::of("Sorry?"));
    scene.hangs_up(10_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         4.9 filler
         6.1 timed out: Transcript
         6.1 caller: (unclear)
         6.1 think: (unclear)
         6.5 agent: Sorry? (mark)
         10.0 ended: caller_hung_up",
    );
}

#[test]
fn without_marks_the_clock_says_what_was_heard() {
    let mut scene = Scenario::assistant("Hello.");
    scene.line.marks = false;
    scene.caller_says("are you open", 2_000, 1_000);
    scene.model_answers(Answer::of("Yes, we are open.").and_hangs_up());
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         2.1 caller speaks
         2.1 agent: Hello. (clock)
         3.7 caller: are you open
         3.7 think: are you open
         3.7 tool end_call {}
         6.9 agent: Yes, we are open. (clock)
         6.9 close
         6.9 ended: agent_ended",
    );
}

#[test]
fn a_reconnect_repeats_no_greeting_and_loses_no_word() {
    for at in [100, 300, 500, 700, 900, 1_200, 2_600, 3_500, 4_300, 4_900] {
        let mut scene = Scenario::assistant("Hello, this is a greeting.");
        scene.caller_says("are you open", 2_500, 800);
        scene.model_answers(Answer::of("Yes, we are open until ten."));
        scene.input(at, Input::Detached { clean: false });
        scene.input(at + 150, Input::Reattached);
        scene.start(at + 160);
        scene.hangs_up(9_000);
        let story = play(scene);
        let told = format!("broken at {at}:\n{}", story.timeline);
        assert_eq!(count(&story, |event| matches!(event, Event::Greeting)), 1, "{told}");
        assert!(story.timeline.contains("agent: Hello, this is a greeting. ("), "{told}");
        assert!(story.timeline.contains("agent: Yes, we are open until ten. ("), "{told}");
        assert!(story.timeline.ends_with("ended: caller_hung_up\n"), "{told}");
    }
}

#[test]
fn a_new_socket_takes_over_without_the_old_one_having_closed() {
    let mut scene = Scenario::assistant("Hello, this is a greeting.");
    scene.input(700, Input::Reattached);
    scene.hangs_up(5_000);
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::Greeting)), 1, "{}", story.timeline);
    assert!(story.timeline.contains("agent: Hello, this is a greeting. (mark)"), "{}", story.timeline);
}

#[test]
fn a_broken_line_that_stays_broken_ends_the_call() {
    let mut scene = Scenario::assistant("Hello, this is a greeting.");
    scene.input(700, Input::Detached { clean: false });
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.7 detached
         5.7 agent: Hello, / this is a greeting. (clock)
         5.7 ended: connection_lost",
    );
}

#[test]
fn a_socket_closed_cleanly_ends_the_call_at_once() {
    let mut scene = Scenario::assistant("Hello, this is a greeting.");
    scene.input(700, Input::Detached { clean: true });
    let story = play(scene);
    assert!(story.timeline.ends_with("0.7 ended: carrier_closed\n"), "{}", story.timeline);
}

#[test]
fn echo_gives_back_every_sample() {
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000] {
        let mut scene = Scenario::unstarted(agent(AgentKind::Echo));
        scene.rate = rate;
        scene.start(0);
        let frames: Vec<Pcm> =
            (0..20).map(|seed| (0..rate.samples(20_000) as i16).map(|n| n * seed).collect()).collect();
        for (index, frame) in frames.iter().enumerate() {
            scene.send(5 + index as u64, CarrierEvent::Audio(frame.clone()));
        }
        scene.hangs_up(40);
        let back: Vec<Pcm> =
            sent(&play(scene)).into_iter().map(|(_, pcm)| pcm).filter(|pcm| level_db(pcm) > -60.0).collect();
        assert!(frames.iter().skip(1).all(|frame| back.contains(frame)));
    }
}

#[test]
fn beep_is_half_a_second_of_440_hz_and_its_mark() {
    let mut scene = Scenario::new(agent(AgentKind::Beep));
    scene.hangs_up(3_000);
    let story = play(scene);
    let audio: Vec<i16> = sent(&story).iter().flat_map(|(_, pcm)| pcm.to_vec()).collect();
    assert!(tone_level_db(&audio[..4000], SampleRate::HZ_8000, 440.0) > -20.0);
    assert!(level_db(&audio[4000..]) < -90.0, "the rest is padding");
    assert_eq!((audio.len() % 160, marks(&story, "beep_done")), (0, 1));
}

#[test]
fn silent_says_nothing_and_stays() {
    let mut scene = Scenario::new(agent(AgentKind::Silent));
    scene.hangs_up(60_000);
    let story = play(scene);
    assert!(sent(&story).is_empty());
    story.expect("0.1 answered\n60.0 ended: caller_hung_up");
}

#[test]
fn greeting_speaks_and_then_only_listens() {
    let mut scene = Scenario::new(agent(AgentKind::Greeting));
    scene.caller_says("is anybody there", 2_000, 1_000);
    scene.hangs_up(60_000);
    play(scene).expect(
        "0.1 answered
         0.1 greeting
         0.1 mark greeting_done
         0.5 agent: Hello. (mark)
         2.1 caller speaks
         3.7 caller: is anybody there
         60.0 ended: caller_hung_up",
    );
}

#[test]
fn every_chunk_is_a_whole_one_of_the_size_that_is_set() {
    for (bytes, rate) in
        [(3200, 8000), (3200, 16000), (3200, 24000), (320, 8000), (960, 24000), (99_840, 8000)]
    {
        let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(4));
        scene.rate = SampleRate::try_from(rate).unwrap();
        scene.settings.playout.chunk_bytes = bytes;
        let mut settings = Scenario::unstarted(scene.settings.clone());
        settings.rate = scene.rate;
        settings.start(0);
        settings.hangs_up(20_000);
        let story = play(settings);
        assert!(!sent(&story).is_empty());
        assert!(sent(&story).iter().all(|(_, pcm)| pcm.len() * 2 == bytes), "{bytes} at {rate}");
        assert_eq!(count(&story, |event| matches!(event, Event::Underrun { .. })), 0, "{}", story.timeline);
    }
}

#[test]
fn replay_with_another_setting_shows_which_decisions_change() {
    let mut scene = Scenario::assistant(&"Hello, this is a long greeting. ".repeat(4));
    scene.caller_says("", 4_000, 700);
    scene.hangs_up(16_000);
    let story = play(scene);
    assert_eq!(count(&story, |event| matches!(event, Event::Interrupted { .. })), 1, "{}", story.timeline);
    let changed = call::log::replay(&story.log, |settings| {
        settings.barge_in.min_speech_ms = 2_000;
        Ok(())
    })
    .unwrap();
    assert!(changed.differences.iter().any(call::log::Difference::is_decision));
    let cut = &story.log[..story.log.len() - 10];
    assert!(call::log::replay(cut, |_| Ok(())).unwrap().cut);
    assert!(call::log::replay("{}", |_| Ok(())).is_err());
}

#[test]
fn a_model_that_never_stops_is_stopped() {
    let mut scene = Scenario::assistant("Hello.");
    scene.caller_says("tell me everything", 2_000, 1_000);
    scene.model_answers(Answer::of(&"And there is more to say of this. ".repeat(2_000)));
    scene.hangs_up(20_000);
    let story = play(scene);
    assert!(story.timeline.contains("model failed: it wrote more than"), "{}", story.timeline);
    assert_eq!(
        story.moments(|output| matches!(output, Output::StopThinking(_))).len(),
        1,
        "{}",
        story.timeline
    );
}

//! What every story must hold, whatever it is about.

use audio::SampleRate;
use call::{Event, Output, ToCarrier, log};
use sim::scenario::{Scenario, Story};

/// Plays a scenario and checks what holds for every call.
pub(crate) fn play(scene: Scenario) -> Story {
    let (rate, lead_us) = (scene.rate, scene.settings.playout.lead_ms * 1000);
    let chunk_us = rate.micros(scene.settings.playout.chunk_bytes / 2);
    let echoes = scene.settings.agent == call::AgentKind::Echo;
    let story = scene.play();
    assert!(count(&story, |event| matches!(event, Event::Greeting)) <= 1, "{}", story.timeline);
    let ends = story.moments(|output| matches!(output, Output::Ended { .. }));
    assert_eq!(ends.len(), 1, "{}", story.timeline);
    assert!(matches!(story.outputs.last(), Some((_, Output::Ended { .. }))), "{}", story.timeline);
    if !echoes {
        lead_is_bounded(&story, rate, lead_us.max(chunk_us));
    }
    let replayed = log::replay(&story.log, |_| Ok(())).expect("a story's own log can be read");
    assert_eq!((replayed.differences, replayed.cut), (vec![], false), "{}", story.timeline);
    story
}

/// How many events of the story `wanted` holds of.
pub(crate) fn count(story: &Story, wanted: impl Fn(&Event) -> bool) -> usize {
    story.moments(|output| matches!(output, Output::Event(event) if wanted(event))).len()
}

/// Never does more audio lie with the carrier than the lead allows.
fn lead_is_bounded(story: &Story, rate: SampleRate, lead_us: u64) {
    let mut free = 0;
    for (at, output) in &story.outputs {
        match output {
            Output::Carrier(ToCarrier::Media { pcm, .. }) => {
                free = at.0.max(free) + rate.micros(pcm.len());
                assert!(free - at.0 <= lead_us + 1_000, "{} us ahead at {at}", free - at.0);
            }
            Output::Carrier(ToCarrier::Clear) | Output::Event(Event::Reattached { .. }) => free = at.0,
            _ => {}
        }
    }
}

//! The person at the number, as steps of the phone.

use std::time::Duration;

use audio::{Pcm, Resampler, SampleRate};

use super::{Person, Settings};
use crate::phone::{Speech, Step};

/// A person speaking, 8 kHz.
const SPEECH: &[u8] = include_bytes!("../../../audio/tests/fixtures/speech.wav");
/// How long a machine speaks before it beeps, at most.
const MACHINE_SPEAKS: Duration = Duration::from_millis(1_500);
const BEEP: Duration = Duration::from_millis(400);
/// How long somebody listens before they talk over the agent.
const INTERRUPTS: Duration = Duration::from_millis(400);
/// How long a machine or a fax stays.
const RECORDS: Duration = Duration::from_secs(6);

/// What the person does once the call is answered, at this rate.
pub(super) fn steps(person: Person, settings: &Settings, rate: SampleRate) -> Vec<Step> {
    match person {
        Person::Silent(ms) => vec![Step::Wait(Duration::from_millis(ms))],
        Person::Machine => {
            let mut greeting = resampled(&built_in().pcm, rate);
            greeting.truncate(rate.samples(MACHINE_SPEAKS.as_micros() as u64));
            let beep = audio::tone(rate, 1_000.0, BEEP.as_millis() as u32, -9.0);
            let speaks = Speech { label: "machine".to_owned(), pcm: greeting.into() };
            let beeps = Speech { label: "beep".to_owned(), pcm: beep };
            vec![Step::SayNow(speaks), Step::SayNow(beeps), Step::Wait(RECORDS)]
        }
        Person::Fax => {
            let tone = Speech { label: "fax".to_owned(), pcm: audio::tone(rate, 2_100.0, 2_600, -12.0) };
            vec![Step::SayNow(tone), Step::Wait(RECORDS)]
        }
        Person::Interrupts => {
            let speech = said(settings, rate);
            vec![Step::BargeIn { speech, after: INTERRUPTS }]
        }
        // The line breaks long before that.
        Person::Vanishes(ms) => vec![Step::Wait(Duration::from_millis(ms) + RECORDS)],
        _ => vec![Step::Say(said(settings, rate))],
    }
}

/// Comes when the line of somebody breaks whose line does.
pub(super) async fn vanishes(person: Person) {
    match person {
        Person::Vanishes(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => std::future::pending().await,
    }
}

/// What somebody says.
fn said(settings: &Settings, rate: SampleRate) -> Speech {
    let speech = settings.speech.clone().unwrap_or_else(built_in);
    let pcm = resampled(&speech.pcm, rate).into();
    Speech { label: speech.label, pcm }
}

/// How long until a machine has beeped.
pub(super) fn beeps_after() -> Duration {
    MACHINE_SPEAKS + BEEP
}

/// A person speaking, from their first sound on.
fn built_in() -> Speech {
    let samples = audio::wav::read(SPEECH).map_or_else(|_| Vec::new(), |wav| wav.to_mono());
    let begin = samples.iter().position(|sample| sample.unsigned_abs() > 1000).unwrap_or(0);
    Speech { label: "somebody speaks".to_owned(), pcm: samples[begin..].to_vec().into() }
}

fn resampled(pcm: &Pcm, rate: SampleRate) -> Vec<i16> {
    let mut samples = Vec::new();
    let mut resampler = Resampler::new(SampleRate::HZ_8000, rate);
    resampler.push(pcm, &mut samples);
    resampler.flush(&mut samples);
    samples
}

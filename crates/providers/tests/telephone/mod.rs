//! A telephone line for synthesised speech, and sentences that callers say, in and outside of the reception desk's
//! grammar.

use audio::{Pcm, Resampler, SampleRate, g711};
use call::{Heard, Input, Listen, SpeechId};
use providers::local::VoiceName;
use providers::local::flite::render;
use providers::{Answers, ListenSpec, Recogniser, SpeechToText};
use tokio::sync::mpsc;

/// Sentences of the reception desk's grammar.
pub(crate) const IN_GRAMMAR: [&str; 40] = [
    "what are your opening hours",
    "what are your hours",
    "opening hours",
    "when are you open",
    "when do you close",
    "are you open on saturday",
    "are you open tomorrow",
    "i want to book an appointment",
    "i would like to make an appointment",
    "can i book an appointment for friday at four",
    "i need an appointment on tuesday",
    "book an appointment on monday at ten o'clock in the morning",
    "where are you",
    "what is your address",
    "how do i get to you",
    "how much does it cost",
    "how much is an appointment",
    "please repeat that",
    "can you say that again",
    "say that again please",
    "never mind",
    "cancel that",
    "can i talk to a person",
    "hello",
    "good morning",
    "what can you do",
    "goodbye",
    "thank you goodbye",
    "that's all thank you",
    "thank you very much",
    "monday",
    "on wednesday",
    "thursday at three o'clock",
    "tomorrow at noon",
    "at ten in the morning",
    "in the afternoon",
    "five o'clock",
    "yes please",
    "yes that's right",
    "no that's wrong",
];

/// Sentences outside of it.
pub(crate) const OFF_GRAMMAR: [&str; 30] = [
    "the weather was terrible all week long",
    "my brother plays football every sunday evening",
    "i have lost the key to my garage",
    "did you see the news about the election",
    "please put some more sugar into the coffee",
    "the train to the airport leaves from platform six",
    "she has never been to paris before",
    "my computer does not start any more",
    "we bought a new car last summer",
    "can you recommend a good restaurant",
    "do you sell rubber boots",
    "i think that is a beautiful song",
    "turn the volume down a little",
    "the children are playing in the garden",
    "how many people live in this city",
    "he said something about a broken window",
    "transfer fifty dollars to my account",
    "my dog is afraid of thunder",
    "it has been raining since thursday",
    "where did you put my glasses",
    "i do not know what to say",
    "let me think about it for a while",
    "nobody ever tells me anything",
    "this is the wrong number",
    "hold on a second there is somebody at the door",
    "what a wonderful surprise",
    "the invoice was sent last month",
    "i can hardly hear you",
    "sorry i was talking to my wife",
    "is this about the insurance",
];

/// Sounds of listening.
pub(crate) const BACK_CHANNEL: [&str; 6] = ["hmm", "uh huh", "mm hmm", "ah", "oh", "um"];

/// `text` as it comes out of a telephone line at `rate`: 300 to 3400 Hz, mu-law, a quiet noise, and 600 ms of it
/// before and after. `noise_db` is below full scale.
pub(crate) fn over_the_line(text: &str, voice: VoiceName, rate: SampleRate, noise_db: f32) -> Vec<i16> {
    let (from, samples) =
        render(text, voice).unwrap_or_else(|error| panic!("this test needs the built-in voice: {error}"));
    let mut narrow = Vec::new();
    let mut down = Resampler::new(from, SampleRate::HZ_8000);
    down.push(&samples, &mut narrow);
    down.flush(&mut narrow);
    let silence = [0_i16; 4_800];
    let padded: Vec<i16> = silence.iter().chain(&narrow).chain(&silence).copied().collect();
    let mut noise = Noise(0x2545_f491);
    let scale = 32_768.0 * 10.0_f32.powf(noise_db / 20.0) * 3.0_f32.sqrt();
    let line: Vec<i16> = band(&padded)
        .into_iter()
        .map(|sample| g711::mulaw_decode(g711::mulaw_encode((sample + scale * noise.next()) as i16)))
        .collect();
    let mut heard = Vec::new();
    let mut up = Resampler::new(SampleRate::HZ_8000, rate);
    up.push(&line, &mut heard);
    up.flush(&mut heard);
    heard
}

/// What a recogniser hears in each of `stretches`, in one call.
pub(crate) async fn hear(
    recogniser: &dyn SpeechToText,
    spec: &ListenSpec,
    stretches: &[Vec<i16>],
) -> Vec<Heard> {
    let (inbox, mut answers) = mpsc::channel(64);
    let mut ear = recogniser.open(spec, Answers::new(inbox)).expect("the recogniser opens");
    let mut heard = Vec::new();
    for (index, samples) in stretches.iter().enumerate() {
        let speech = SpeechId(index as u32);
        say(ear.as_mut(), speech, samples, spec.rate).await;
        loop {
            match answers.recv().await {
                Some(Input::Heard { speech: of, what }) if of == speech => match what {
                    Heard::Partial(_) => {}
                    last => break heard.push(last),
                },
                other => panic!("{other:?}"),
            }
        }
    }
    heard
}

/// Gives a stretch as a call would: frames of 20 ms, the sign that it began after 300 ms of speech, the end.
pub(crate) async fn say(ear: &mut dyn Recogniser, speech: SpeechId, samples: &[i16], rate: SampleRate) {
    let frame = rate.samples(20_000);
    for (index, samples) in samples.chunks(frame).enumerate() {
        if index == 45 {
            give(ear, Listen::Began(speech)).await;
        }
        give(ear, Listen::Audio(Pcm::from(samples))).await;
    }
    give(ear, Listen::Finish(speech)).await;
}

async fn give(ear: &mut dyn Recogniser, what: Listen) {
    // Faster than a call, so its queue fills: a call would lose the frame.
    while ear.listen(what.clone()).is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// A linear-phase band-pass of 300 to 3400 Hz at 8 kHz.
fn band(samples: &[i16]) -> Vec<f32> {
    const HALF: i32 = 100;
    let taps: Vec<f32> = (-HALF..=HALF)
        .map(|n| {
            let at = |hz: f32| {
                let x = std::f32::consts::TAU * hz / 8_000.0;
                if n == 0 { x } else { (x * n as f32).sin() / n as f32 }
            };
            let window = 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (HALF + 1) as f32).cos();
            (at(3_400.0) - at(300.0)) / std::f32::consts::PI * window
        })
        .collect();
    (0..samples.len())
        .map(|end| {
            let of = |tap: usize| end.checked_sub(tap).map_or(0.0, |at| f32::from(samples[at]));
            taps.iter().enumerate().map(|(tap, weight)| weight * of(tap)).sum()
        })
        .collect()
}

/// Uniform noise from -1 to 1, the same each time.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as f32 / u32::MAX as f32 * 2.0 - 1.0
    }
}

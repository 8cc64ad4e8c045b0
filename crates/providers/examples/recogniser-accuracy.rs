//! Measures the built-in recogniser on synthesised speech over a telephone line: how much of the reception desk's
//! grammar is understood and how much outside of it is rejected, for each rejection given.
//!
//! `cargo build -p providers --bins && cargo run --release -p providers --example recogniser-accuracy -- \
//!     target/debug/recogniser-worker [-n NOISE_DB] [-v] [BRANCH:PHONE:WORD]...`

#[path = "../tests/telephone/mod.rs"]
mod telephone;

use audio::SampleRate;
use call::Heard;
use providers::ListenSpec;
use providers::local::sphinx::Rejection;
use providers::local::{Script, SphinxRecogniser, SphinxSettings, VoiceName};
use telephone::{BACK_CHANNEL, IN_GRAMMAR, OFF_GRAMMAR, hear, over_the_line};

const VOICES: [VoiceName; 4] = [VoiceName::Slt, VoiceName::Rms, VoiceName::Awb, VoiceName::Kal];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mut settings = SphinxSettings::new(args.next().unwrap_or_else(|| "recogniser-worker".to_owned()));
    // Speech is fed as fast as it goes, so a helper has seconds of it to work off.
    settings.answer_within = std::time::Duration::from_secs(60);
    let mut rejections = Vec::new();
    let mut noise_db = -58.0;
    let mut verbose = false;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-v" => verbose = true,
            "-n" => noise_db = args.next().and_then(|db| db.parse().ok()).expect("a number of dB"),
            weights => {
                let weights = weights.split(':').map(|weight| weight.parse().expect("a probability"));
                let weights: Vec<f32> = weights.collect();
                let [branch, phone, word] = weights[..] else { panic!("three weights, not {arg}") };
                rejections.push(Rejection { branch, phone, word });
            }
        }
    }
    if rejections.is_empty() {
        rejections.push(settings.rejection);
    }
    let phrases = Script::reception().phrases();
    let spec = ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases };
    let line = |texts: &[&str], voice| -> Vec<Vec<i16>> {
        texts.iter().map(|text| over_the_line(text, voice, spec.rate, noise_db)).collect()
    };
    let corpora = [&IN_GRAMMAR[..], &OFF_GRAMMAR, &BACK_CHANNEL];
    let audio = VOICES.map(|voice| corpora.map(|texts| line(texts, voice)));
    println!("noise {noise_db} dB; understood right / wrong, off-grammar taken, back-channel taken");
    for rejection in rejections {
        settings.rejection = rejection;
        let recogniser = SphinxRecogniser::new(settings.clone());
        for (voice, [inside, outside, sounds]) in VOICES.iter().zip(&audio) {
            let (mut right, mut wrong, mut taken) = (0, 0, [0, 0]);
            for (said, heard) in IN_GRAMMAR.iter().zip(hear(&recogniser, &spec, inside).await) {
                let ok = heard == Heard::Final((*said).to_owned());
                right += usize::from(ok);
                wrong += usize::from(!ok && heard != Heard::Final(String::new()));
                if verbose && !ok {
                    println!("    said \"{said}\", heard {heard:?}");
                }
            }
            let off = [(&OFF_GRAMMAR[..], outside), (&BACK_CHANNEL, sounds)];
            for (taken, (texts, audio)) in taken.iter_mut().zip(off) {
                for (said, heard) in texts.iter().zip(hear(&recogniser, &spec, audio).await) {
                    if heard != Heard::Final(String::new()) {
                        *taken += 1;
                        if verbose {
                            println!("    outside \"{said}\", heard {heard:?}");
                        }
                    }
                }
            }
            println!(
                "branch {:.0e} phone {:.2} word {:.2} {voice:5} {right:3} / {wrong} of {}, {:2} of {}, {} of {}",
                rejection.branch,
                rejection.phone,
                rejection.word,
                IN_GRAMMAR.len(),
                taken[0],
                OFF_GRAMMAR.len(),
                taken[1],
                BACK_CHANNEL.len()
            );
        }
    }
}

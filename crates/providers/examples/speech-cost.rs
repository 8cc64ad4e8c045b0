//! Measures what the built-in speech costs: how soon the voice's first audio comes, what a second of a caller's
//! speech costs the recogniser, and how large a helper is. Linux only, since it reads /proc.
//!
//! `cargo build --release -p providers --bins && cargo run --release -p providers --example speech-cost -- \
//!     target/release/recogniser-worker`

#[path = "../tests/telephone/mod.rs"]
#[expect(dead_code, reason = "only the line and the in-grammar sentences are needed here")]
mod telephone;

use std::time::{Duration, Instant};

use audio::SampleRate;
use call::{Input, UtteranceId, Voiced};
use providers::local::{Script, SphinxRecogniser, SphinxSettings, VoiceName};
use providers::{Answers, ListenSpec, Providers, VoiceSpec};
use telephone::{IN_GRAMMAR, hear, over_the_line};
use tokio::sync::mpsc;

const SENTENCE: &str = "Thank you for calling, please tell me how I can help you.";
/// Linux counts CPU time in hundredths of a second on every machine that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let providers = Providers::new();
    for name in ["flite:slt", "flite:rms", "flite:kal"] {
        let voice = providers.voice(name).expect("it is in the registry");
        let (mut firsts, mut wholes) = (Vec::new(), Vec::new());
        for _ in 0..21 {
            let (inbox, mut answers) = mpsc::channel(64);
            let asked = Instant::now();
            let text = SENTENCE.to_owned();
            let mut speaker = voice.open(&VoiceSpec::at(SampleRate::HZ_8000), Answers::new(inbox));
            let _running = speaker.speak(UtteranceId(1), text);
            let mut first = None;
            while let Some(Input::Voiced { what: Voiced::Audio { .. }, .. }) = answers.recv().await {
                first.get_or_insert_with(|| asked.elapsed());
            }
            firsts.push(first.expect("the voice is installed"));
            wholes.push(asked.elapsed());
        }
        let middle = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            (times[0], times[times.len() / 2])
        };
        let ((first_best, first), (whole_best, whole)) = (middle(&mut firsts), middle(&mut wholes));
        println!(
            "{name}: first audio {first:.1?} (best {first_best:.1?}), all {whole:.1?} (best {whole_best:.1?})"
        );
    }

    let mut settings = SphinxSettings::new(std::env::args().nth(1).expect("the helper program"));
    settings.warm = false;
    settings.answer_within = Duration::from_secs(60);
    let recogniser = SphinxRecogniser::new(settings);
    let phrases = Script::reception().phrases();
    let spec = ListenSpec { rate: SampleRate::HZ_8000, language: "en".to_owned(), phrases };
    let lines: Vec<Vec<i16>> =
        IN_GRAMMAR.iter().map(|text| over_the_line(text, VoiceName::Rms, spec.rate, -58.0)).collect();
    let seconds: f64 = lines.iter().map(|line| line.len() as f64 / 8_000.0).sum();
    let empty = children_cpu();
    hear(&recogniser, &spec, &lines[..1]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let one = children_cpu() - empty;
    hear(&recogniser, &spec, &lines).await;
    println!("a helper's memory: {}", helper_memory());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let all = children_cpu() - empty - one;
    println!(
        "recogniser: {:.0} ms of CPU for a helper and one sentence, {all:.2} s for {seconds:.0} s of speech \
         ({:.1} ms a second)",
        one * 1_000.0,
        all * 1_000.0 / seconds
    );
}

/// CPU time of all children that have ended, in seconds.
fn children_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is there");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(13) + ticks(14)) / TICKS_PER_SECOND
}

/// The memory of a child that is still there.
fn helper_memory() -> String {
    let pid = std::process::id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let read = |child: &str| std::fs::read_to_string(format!("/proc/{child}/smaps_rollup")).ok();
    let Some(memory) = children.split_whitespace().find_map(read) else { return "it has ended".to_owned() };
    let wanted = ["Rss:", "Pss:", "Private_Dirty:"];
    let lines: Vec<String> = memory
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join(", ")
}

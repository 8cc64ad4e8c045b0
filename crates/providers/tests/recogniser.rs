//! The built-in recogniser, with the real library and real speech over a telephone line, and with helpers that
//! crash, hang and talk nonsense.
//!
//! Needs: apt-get install libflite1 libpocketsphinx3 pocketsphinx-en-us

mod telephone;

use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Heard, Input, Listen, SpeechId};
use providers::local::{Script, SphinxRecogniser, SphinxSettings, VoiceName};
use providers::{Answers, ListenSpec, Recogniser, Refused, SpeechToText as _};
use telephone::{BACK_CHANNEL, IN_GRAMMAR, OFF_GRAMMAR, hear, over_the_line, say};
use tokio::sync::mpsc;
use tokio::time::timeout;

const QUIET_DB: f32 = -58.0;
const SOON: Duration = Duration::from_secs(30);

fn settings() -> SphinxSettings {
    let mut settings = SphinxSettings::new(env!("CARGO_BIN_EXE_recogniser-worker"));
    settings.args.clear();
    settings.warm = false;
    // Speech is fed here as fast as it goes, so a helper has seconds of it to work off after the end.
    settings.answer_within = SOON;
    settings
}

/// A recogniser whose helper is a shell script.
fn broken(script: &str) -> SphinxRecogniser {
    let mut settings = settings();
    settings.program = "/bin/sh".into();
    settings.args = vec!["-c".to_owned(), script.to_owned()];
    settings.answer_within = Duration::from_millis(200);
    SphinxRecogniser::new(settings)
}

fn spec(phrases: &[&str], rate: SampleRate) -> ListenSpec {
    let phrases = phrases.iter().map(|&phrase| phrase.to_owned()).collect();
    ListenSpec { rate, language: "en-IN".to_owned(), phrases }
}

fn reception(rate: SampleRate) -> ListenSpec {
    ListenSpec { rate, language: "en".to_owned(), phrases: Script::reception().phrases() }
}

fn lines(texts: &[&str], voice: VoiceName, rate: SampleRate) -> Vec<Vec<i16>> {
    texts.iter().map(|text| over_the_line(text, voice, rate, QUIET_DB)).collect()
}

#[test]
fn every_phrase_of_the_reception_desk_can_be_listened_for() {
    let problems = SphinxRecogniser::new(settings()).check_phrases(&Script::reception().phrases()).unwrap();
    assert_eq!(*problems, []);
    let problems = SphinxRecogniser::new(settings())
        .check_phrases(&[
            "hello".to_owned(),
            "namaskaram".to_owned(),
            "(a|qwerty) b".to_owned(),
            "(".to_owned(),
        ])
        .unwrap();
    let told: Vec<_> = problems.iter().map(|problem| (problem.phrase.as_str(), problem.in_part)).collect();
    assert_eq!(told, [("(", false), ("namaskaram", false), ("(a|qwerty) b", true)]);
}

/// The limits are what `examples/recogniser-accuracy.rs` measures on a quiet line, less a margin of three sentences
/// (slt's speech differs a little each time).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reception_desk_understands_its_sentences_and_rejects_others() {
    let recogniser = SphinxRecogniser::new(settings());
    let spec = reception(SampleRate::HZ_8000);
    for (voice, least, most) in [(VoiceName::Slt, 37, 15), (VoiceName::Kal, 36, 13)] {
        let heard = hear(&recogniser, &spec, &lines(&IN_GRAMMAR, voice, spec.rate)).await;
        let right = IN_GRAMMAR.iter().zip(&heard).filter(|(said, heard)| {
            let right = **heard == Heard::Final((**said).to_owned());
            if !right {
                println!("{voice}: said \"{said}\", heard {heard:?}");
            }
            right
        });
        let right = right.count();
        assert!(right >= least, "{voice}: {right} of {} understood", IN_GRAMMAR.len());
        let outside = [&OFF_GRAMMAR[..], &BACK_CHANNEL].concat();
        let heard = hear(&recogniser, &spec, &lines(&outside, voice, spec.rate)).await;
        let taken = heard.iter().filter(|heard| **heard != Heard::Final(String::new())).count();
        assert!(taken <= most, "{voice}: {taken} of {} taken for a phrase", outside.len());
    }
}

#[tokio::test]
async fn every_rate_of_a_line_is_understood_from_the_first_word() {
    let recogniser = SphinxRecogniser::new(settings());
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000] {
        let spec = reception(rate);
        for said in ["what are your opening hours", "goodbye"] {
            let heard = hear(&recogniser, &spec, &lines(&[said], VoiceName::Slt, rate)).await;
            assert_eq!(heard[0], Heard::Final(said.to_owned()), "at {rate}");
        }
    }
}

#[tokio::test]
async fn guesses_come_while_the_caller_speaks() {
    let recogniser = SphinxRecogniser::new(settings());
    let spec = reception(SampleRate::HZ_8000);
    let (inbox, mut answers) = mpsc::channel(64);
    let mut ear = recogniser.open(&spec, Answers::new(inbox)).unwrap();
    let speech = SpeechId(7);
    ear.listen(Listen::Began(speech)).unwrap();
    for frame in over_the_line("what are your opening hours", VoiceName::Slt, spec.rate, QUIET_DB).chunks(160)
    {
        ear.listen(Listen::Audio(Pcm::from(frame))).unwrap();
    }
    let first = timeout(SOON, answers.recv()).await.expect("a guess").unwrap();
    let Input::Heard { speech: SpeechId(7), what: Heard::Partial(guess) } = first else {
        panic!("{first:?}")
    };
    assert!(!guess.is_empty() && !guess.contains('_'), "{guess}");
    ear.listen(Listen::Finish(speech)).unwrap();
    let last = loop {
        match timeout(SOON, answers.recv()).await.expect("the text").unwrap() {
            Input::Heard { what: Heard::Partial(_), .. } => {}
            last => break last,
        }
    };
    let what = Heard::Final("what are your opening hours".to_owned());
    assert_eq!(last, Input::Heard { speech, what });
}

#[tokio::test]
async fn silence_and_noise_are_not_words() {
    let recogniser = SphinxRecogniser::new(settings());
    let spec = reception(SampleRate::HZ_8000);
    let silence = vec![0; 16_000];
    let tone = audio::tone(spec.rate, 440.0, 2_000, -10.0).to_vec();
    for heard in hear(&recogniser, &spec, &[silence, tone]).await {
        assert_eq!(heard, Heard::Final(String::new()));
    }
}

#[tokio::test]
async fn past_its_places_it_is_busy_until_one_is_free() {
    let mut settings = settings();
    settings.max_sessions = 1;
    let recogniser = SphinxRecogniser::new(settings);
    let (inbox, mut answers) = mpsc::channel(8);
    let spec = spec(&["yes"], SampleRate::HZ_8000);
    let first = recogniser.open(&spec, Answers::new(inbox.clone())).unwrap();
    let refused = recogniser.open(&spec, Answers::new(inbox.clone())).err().unwrap();
    assert!(matches!(&refused, Refused::Busy(why) if why.contains("all 1 places")), "{refused:?}");
    drop((first, inbox));
    // The session lets go of the inbox with its place.
    assert_eq!(timeout(SOON, answers.recv()).await.unwrap(), None);
    let (inbox, _answers) = mpsc::channel(8);
    assert!(recogniser.open(&spec, Answers::new(inbox)).is_ok());
}

#[tokio::test]
async fn what_can_t_work_is_refused_with_what_to_do() {
    let (inbox, _answers) = mpsc::channel(8);
    let open = |settings: SphinxSettings, spec: &ListenSpec| {
        SphinxRecogniser::new(settings).open(spec, Answers::new(inbox.clone())).err()
    };
    let mut hindi = spec(&["yes"], SampleRate::HZ_8000);
    hindi.language = "hi-IN".to_owned();
    assert!(
        matches!(open(settings(), &hindi), Some(Refused::Unavailable(why)) if why.contains("English only"))
    );
    let mut nowhere = settings();
    nowhere.model = "/nowhere".into();
    let refused = open(nowhere, &spec(&["yes"], SampleRate::HZ_8000));
    assert!(matches!(refused, Some(Refused::Unavailable(why)) if why.contains("apt-get install")));
}

/// Finishes one stretch and gives its last answer.
async fn one(ear: &mut dyn Recogniser, answers: &mut mpsc::Receiver<Input>, speech: u32) -> Heard {
    say(ear, SpeechId(speech), &[0; 16_000], SampleRate::HZ_8000).await;
    loop {
        match timeout(SOON, answers.recv()).await.expect("an answer").expect("the inbox is held here") {
            Input::Heard { speech: of, what: Heard::Partial(_) } if of.0 == speech => {}
            Input::Heard { speech: of, what } if of.0 == speech => return what,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn without_phrases_or_a_program_each_stretch_fails_and_says_why() {
    let spec_of = |phrases: &[&str]| spec(phrases, SampleRate::HZ_8000);
    let mut no_program = settings();
    no_program.program = "/nowhere/trunkline".into();
    for (settings, spec, why) in [
        (settings(), spec_of(&["qwertyuiop"]), "no phrase to listen for"),
        (settings(), spec_of(&[]), "no phrase to listen for"),
        (no_program, spec_of(&["yes"]), "/nowhere/trunkline can't be started"),
    ] {
        let (inbox, mut answers) = mpsc::channel(8);
        let mut ear = SphinxRecogniser::new(settings).open(&spec, Answers::new(inbox)).unwrap();
        for speech in 0..2 {
            let heard = one(ear.as_mut(), &mut answers, speech).await;
            assert!(matches!(&heard, Heard::Failed(told) if told.why.contains(why)), "{heard:?}");
        }
    }
}

#[tokio::test]
async fn a_helper_that_dies_hangs_or_babbles_costs_its_stretch_and_no_more() {
    let spec = spec(&["yes"], SampleRate::HZ_8000);
    for script in [
        "exit 3",
        "exec sleep 1000",
        "cat >/dev/null; exit",
        "echo hello world; exec sleep 1000",
        "kill -SEGV $$",
    ] {
        let (inbox, mut answers) = mpsc::channel(8);
        let mut ear = broken(script).open(&spec, Answers::new(inbox)).unwrap();
        for speech in 0..2 {
            let heard = one(ear.as_mut(), &mut answers, speech).await;
            assert!(matches!(heard, Heard::Failed(_)), "{script}: {heard:?}");
        }
        drop(ear);
        assert_eq!(timeout(SOON, answers.recv()).await.unwrap(), None, "{script}: something after the end");
    }
}

#[tokio::test]
async fn a_helper_that_died_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("died-before");
    // The first helper dies in the middle of its first stretch, the next one works.
    let worker = env!("CARGO_BIN_EXE_recogniser-worker");
    let script = format!(
        "if test -e {mark}; then exec {worker}; fi; touch {mark}; head -c 8000 >/dev/null; kill -SEGV $$",
        mark = mark.display()
    );
    let mut settings = settings();
    settings.program = "/bin/sh".into();
    settings.args = vec!["-c".to_owned(), script];
    let recogniser = SphinxRecogniser::new(settings);
    let spec = spec(&["yes", "no"], SampleRate::HZ_8000);
    let (inbox, mut answers) = mpsc::channel(8);
    let mut ear = recogniser.open(&spec, Answers::new(inbox)).unwrap();
    let heard = one(ear.as_mut(), &mut answers, 0).await;
    assert!(matches!(&heard, Heard::Failed(why) if why.why.contains("helper")), "{heard:?}");
    let mut speech = 0;
    let heard = loop {
        speech += 1;
        let heard = one(ear.as_mut(), &mut answers, speech).await;
        if !matches!(heard, Heard::Failed(_)) {
            break heard;
        }
        assert!(speech < 1_000, "it is never replaced");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(heard, Heard::Final(String::new()));
}

#[tokio::test]
async fn a_flood_of_frames_is_refused_and_the_call_goes_on() {
    let recogniser = broken("exec sleep 1000");
    let (inbox, mut answers) = mpsc::channel(8);
    let mut ear = recogniser.open(&spec(&["yes"], SampleRate::HZ_8000), Answers::new(inbox)).unwrap();
    for _ in 0..10_000 {
        ear.listen(Listen::Audio(Pcm::silence(160)))
            .expect("frames outside of speech only push older ones out");
    }
    ear.listen(Listen::Began(SpeechId(0))).unwrap();
    let lost = (0..1_000).filter(|_| ear.listen(Listen::Audio(Pcm::silence(160))).is_err()).count();
    assert!(lost > 500, "{lost} frames were refused");
    let heard = one(ear.as_mut(), &mut answers, 1).await;
    assert!(matches!(heard, Heard::Failed(_)), "{heard:?}");
}

#[tokio::test]
async fn a_helper_that_is_kept_ready_is_taken() {
    let mut settings = settings();
    settings.warm = true;
    let recogniser = SphinxRecogniser::new(settings);
    let spec = reception(SampleRate::HZ_8000);
    assert_eq!(*recogniser.make_ready(&spec.phrases).unwrap(), []);
    for _ in 0..3 {
        let heard = hear(&recogniser, &spec, &lines(&["yes please"], VoiceName::Slt, spec.rate)).await;
        assert_eq!(heard[0], Heard::Final("yes please".to_owned()));
    }
}

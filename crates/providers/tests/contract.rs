//! One suite over every implementation of each role: what a call may rely on, whichever vendor it has.
//!
//! Needs the built-in speech: apt-get install libflite1 libpocketsphinx3 pocketsphinx-en-us

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Fault, Heard, Input, Listen, Message, Prompt, SpeechId, Thought, TurnId, UtteranceId, Voiced};
use providers::fake::{FakeModel, FakeRecogniser, FakeVoice, Manner};
use providers::local::{Script, SphinxSettings};
use providers::{
    Answers, LanguageModel, ListenSpec, Providers, SpeechToText, TextToSpeech, VendorTable, VoiceSpec,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

const INSTALL: &str = "is it installed? apt-get install libflite1 libpocketsphinx3 pocketsphinx-en-us";
/// Longer than anything here takes, on a machine that does much else.
const SOON: Duration = Duration::from_secs(20);

fn all() -> Providers {
    let mut settings = SphinxSettings::new(env!("CARGO_BIN_EXE_recogniser-worker"));
    settings.args.clear();
    // A test machine may be busy with much else.
    settings.answer_within = SOON;
    Providers::new().with_voice_threads(2).with_recogniser(settings)
}

fn voices() -> Vec<Arc<dyn TextToSpeech>> {
    let mut voices: Vec<Arc<dyn TextToSpeech>> =
        ["flite:slt", "flite:rms", "flite:awb", "flite:kal", "flite:kal16", "builtin", "fake"]
            .map(|name| all().voice(name).expect("it is in the registry"))
            .to_vec();
    let given = Pcm::silence(800);
    voices.push(Arc::new(FakeVoice::playing(SampleRate::HZ_24000, given, Manner::default())));
    voices.push(Arc::new(FakeVoice::new(Manner::slow(Duration::from_millis(30)))));
    voices.push(Arc::new(FakeVoice::new(Manner::fails("no credit"))));
    voices
}

fn models() -> Vec<Arc<dyn LanguageModel>> {
    let script = Arc::new(Script::reception());
    let mut models: Vec<Arc<dyn LanguageModel>> = ["builtin", "scripted", "fake"]
        .map(|name| all().model(name, &script).expect("it is in the registry"))
        .to_vec();
    models.push(Arc::new(FakeModel::saying(vec!["One.".to_owned(), "Two.".to_owned()], Manner::default())));
    models.push(Arc::new(FakeModel::echo(Manner::slow(Duration::from_millis(30)))));
    models.push(Arc::new(FakeModel::echo(Manner::fails("no credit"))));
    models
}

fn recognisers() -> Vec<Arc<dyn SpeechToText>> {
    let mut recognisers: Vec<Arc<dyn SpeechToText>> = ["builtin", "pocketsphinx", "fake"]
        .map(|name| all().recogniser(name).expect("it is in the registry"))
        .to_vec();
    recognisers.push(Arc::new(FakeRecogniser::new(Vec::new(), Manner::slow(Duration::from_millis(30)))));
    recognisers.push(Arc::new(FakeRecogniser::new(Vec::new(), Manner::fails("no credit"))));
    recognisers
}

fn prompt(lines: &[&str]) -> Prompt {
    let messages = lines.iter().map(|text| Message::Caller((*text).to_owned()));
    Prompt { system: "Be kind.".to_owned(), messages: messages.collect(), tools: Arc::default() }
}

fn spec() -> ListenSpec {
    let phrases = ["yes", "no", "opening hours"].map(str::to_owned).to_vec();
    ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases }
}

async fn next(answers: &mut mpsc::Receiver<Input>, of: &str) -> Input {
    match timeout(SOON, answers.recv()).await {
        Ok(Some(answer)) => answer,
        Ok(None) => panic!("{of}: it let go of the inbox without a last answer"),
        Err(_) => panic!("{of}: no answer; {INSTALL}"),
    }
}

/// Every answer to one utterance, to its last; then that nothing follows once all senders are gone.
async fn speak(voice: &dyn TextToSpeech, text: &str) -> (Vec<(SampleRate, Pcm)>, Voiced) {
    let (inbox, mut answers) = mpsc::channel(4);
    let asked = UtteranceId(3);
    let mut speaker = voice.open(&VoiceSpec::at(SampleRate::HZ_8000), Answers::new(inbox));
    let _running = speaker.speak(asked, text.to_owned());
    let mut audio = Vec::new();
    let last = loop {
        match next(&mut answers, voice.name()).await {
            Input::Voiced { utterance, what: Voiced::Audio { rate, pcm } } if utterance == asked => {
                audio.push((rate, pcm));
            }
            Input::Voiced { utterance, what } if utterance == asked => break what,
            other => panic!("{}: {other:?}", voice.name()),
        }
    };
    drop(speaker);
    let after = timeout(SOON, answers.recv()).await.expect("the inbox is let go of");
    assert_eq!(after, None, "{}: something after the last answer", voice.name());
    (audio, last)
}

#[tokio::test]
async fn a_voice_gives_audio_and_ends_once() {
    for voice in voices() {
        let (audio, last) = speak(voice.as_ref(), "Please hold the line.").await;
        match last {
            Voiced::Done => {
                let rate = audio.first().expect("audio").0;
                assert!(audio.iter().all(|(of, pcm)| *of == rate && !pcm.is_empty()), "{}", voice.name());
            }
            Voiced::Failed(why) => assert_eq!(why.why, "no credit", "{}: {INSTALL}", voice.name()),
            Voiced::Audio { .. } => unreachable!("audio is not last"),
        }
    }
}

#[tokio::test]
async fn a_voice_fails_on_text_without_words_and_lives_through_any_text() {
    for voice in voices() {
        let (audio, last) = speak(voice.as_ref(), "  ").await;
        let plays_anyway = !audio.is_empty() && voice.name() == "fake";
        assert!(matches!(last, Voiced::Failed(_)) || plays_anyway, "{}: {last:?}", voice.name());
        for text in ["...", "\u{0939}\u{093e}\u{0901}", "\0\u{1b}[31m%s%n", "<speak>&&\"'", &"9".repeat(60)] {
            let (_, last) = speak(voice.as_ref(), text).await;
            assert!(matches!(last, Voiced::Done | Voiced::Failed(_)), "{}: {text:?}", voice.name());
        }
    }
}

#[tokio::test]
async fn a_withdrawn_utterance_never_ends() {
    let voices =
        voices().into_iter().chain([Arc::new(FakeVoice::new(Manner::hangs())) as Arc<dyn TextToSpeech>]);
    for voice in voices {
        let (inbox, mut answers) = mpsc::channel(1);
        let text = "This goes on and on, and nobody listens. ".repeat(10);
        let mut speaker = voice.open(&VoiceSpec::at(SampleRate::HZ_8000), Answers::new(inbox));
        drop(speaker.speak(UtteranceId(1), text));
        drop(speaker);
        let mut pieces = 0;
        while let Some(answer) = timeout(SOON, answers.recv()).await.expect("the inbox is let go of") {
            assert!(matches!(&answer, Input::Voiced { what: Voiced::Audio { .. }, .. }), "{answer:?}");
            pieces += 1;
        }
        assert!(pieces <= 2, "{}: {pieces} pieces after it was withdrawn", voice.name());
    }
}

async fn ask(model: &dyn LanguageModel, prompt: Prompt) -> (String, Vec<call::ToolCall>, Thought) {
    let (inbox, mut answers) = mpsc::channel(4);
    let asked = TurnId(5);
    let _running = model.ask(asked, prompt, Answers::new(inbox));
    let (mut text, mut actions) = (String::new(), Vec::new());
    let last = loop {
        match next(&mut answers, model.name()).await {
            Input::Thought { turn, what: Thought::Delta(more) } if turn == asked => text.push_str(&more),
            Input::Thought { turn, what: Thought::Tool(action) } if turn == asked => actions.push(action),
            Input::Thought { turn, what } if turn == asked => break what,
            other => panic!("{}: {other:?}", model.name()),
        }
    };
    let after = timeout(SOON, answers.recv()).await.expect("the inbox is let go of");
    assert_eq!(after, None, "{}: something after the last answer", model.name());
    (text, actions, last)
}

#[tokio::test]
async fn a_model_answers_any_prompt_and_ends_once() {
    let long = "word ".repeat(20_000);
    for model in models() {
        for lines in
            [&["when are you open"][..], &[], &[""], &["\0\u{202e}{day}((["], &[&long], &["yes"; 200]]
        {
            let (text, _, last) = ask(model.as_ref(), prompt(lines)).await;
            match last {
                Thought::Done => assert!(!text.trim().is_empty(), "{}: {lines:.40?}", model.name()),
                other => assert_eq!(other, Thought::Failed(Fault::local("no credit")), "{}", model.name()),
            }
        }
    }
}

#[tokio::test]
async fn the_scripted_model_streams_words_and_hangs_up_last() {
    let model = all().model("scripted", &Arc::new(Script::reception())).unwrap();
    let (inbox, mut answers) = mpsc::channel(4);
    let _running = model.ask(TurnId(1), prompt(&["goodbye"]), Answers::new(inbox));
    let mut all = Vec::new();
    while let Some(Input::Thought { what, .. }) = answers.recv().await {
        all.push(what);
    }
    let end = all.split_off(all.len() - 2);
    assert_eq!(end, [Thought::Tool(call::ToolCall::of(call::END_CALL)), Thought::Done]);
    let words = ["Thank ", "you ", "for ", "calling ", "Sunrise ", "Dental. ", "Goodbye."];
    assert_eq!(all, words.map(|word| Thought::Delta(word.to_owned())));
}

#[tokio::test]
async fn a_withdrawn_question_is_not_answered() {
    let models =
        models().into_iter().chain([Arc::new(FakeModel::echo(Manner::hangs())) as Arc<dyn LanguageModel>]);
    for model in models {
        let (inbox, mut answers) = mpsc::channel(1);
        drop(model.ask(TurnId(1), prompt(&["when are you open"]), Answers::new(inbox)));
        let answer = timeout(SOON, answers.recv()).await.expect("the inbox is let go of");
        assert_eq!(answer, None, "{}", model.name());
    }
}

/// Garbage for ears: noise that is anything but speech.
fn noise(samples: usize) -> Pcm {
    let mut state = 1_u32;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16
        })
        .collect()
}

#[tokio::test]
async fn each_stretch_gets_one_last_answer() {
    for recogniser in recognisers() {
        let (inbox, mut answers) = mpsc::channel(4);
        let mut ear = recogniser.open(&spec(), Answers::new(inbox)).unwrap();
        let frames = [Pcm::silence(160), noise(160), Pcm::silence(1), Pcm::silence(0), noise(8_000)];
        for (index, frame) in frames.iter().enumerate() {
            let speech = SpeechId(index as u32);
            let audio = [Listen::Audio(frame.clone()), Listen::Began(speech), Listen::Audio(frame.clone())];
            for what in audio.into_iter().chain([Listen::Finish(speech)]) {
                ear.listen(what).unwrap();
            }
            loop {
                match next(&mut answers, recogniser.name()).await {
                    Input::Heard { speech: of, what: Heard::Partial(_) } if of == speech => {}
                    Input::Heard { speech: of, what: Heard::Final(_) } if of == speech => break,
                    Input::Heard { speech: of, what: Heard::Failed(why) } if of == speech => {
                        assert_eq!(why.why, "no credit", "{}: {INSTALL}", recogniser.name());
                        break;
                    }
                    other => panic!("{}: {other:?}", recogniser.name()),
                }
            }
        }
        drop(ear);
        let after = timeout(SOON, answers.recv()).await.expect("the inbox is let go of");
        assert_eq!(after, None, "{}: something after the last answer", recogniser.name());
    }
}

#[tokio::test]
async fn a_stretch_that_another_replaces_is_not_answered() {
    let recogniser = all().recogniser("builtin").unwrap();
    let (inbox, mut answers) = mpsc::channel(16);
    let mut ear = recogniser.open(&spec(), Answers::new(inbox)).unwrap();
    for what in [
        Listen::Began(SpeechId(1)),
        Listen::Audio(noise(160)),
        Listen::Began(SpeechId(2)),
        Listen::Finish(SpeechId(2)),
        Listen::Finish(SpeechId(9)),
    ] {
        ear.listen(what).unwrap();
    }
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(next(&mut answers, "builtin").await);
    }
    said.sort_by_key(|answer| match answer {
        Input::Heard { speech, .. } => speech.0,
        _ => 0,
    });
    let second = Input::Heard { speech: SpeechId(2), what: Heard::Final(String::new()) };
    assert_eq!(said[0], second);
    assert!(matches!(&said[1], Input::Heard { speech: SpeechId(9), what: Heard::Failed(_) }), "{said:?}");
}

#[tokio::test]
async fn a_vendor_that_hangs_says_nothing_and_one_that_stalls_never_ends() {
    let (inbox, mut answers) = mpsc::channel(64);
    let to = || Answers::new(inbox.clone());
    let text = || "Please hold the line, somebody will be with you.".to_owned();
    let wanted = VoiceSpec::at(SampleRate::HZ_8000);
    let hangs = FakeVoice::new(Manner::hangs()).open(&wanted, to()).speak(UtteranceId(1), text());
    let stalls = FakeVoice::new(Manner::stalls()).open(&wanted, to()).speak(UtteranceId(2), text());
    let model = FakeModel::echo(Manner::stalls()).ask(TurnId(3), prompt(&["hello"]), to());
    let mut ear = FakeRecogniser::new(vec!["yes".to_owned()], Manner::stalls()).open(&spec(), to()).unwrap();
    ear.listen(Listen::Finish(SpeechId(4))).unwrap();
    drop(inbox);
    let mut parts = Vec::new();
    for _ in 0..3 {
        parts.push(match next(&mut answers, "fake").await {
            Input::Voiced { utterance: UtteranceId(2), what: Voiced::Audio { .. } } => 2,
            Input::Thought { turn: TurnId(3), what: Thought::Delta(_) } => 3,
            Input::Heard { speech: SpeechId(4), what: Heard::Partial(_) } => 4,
            other => panic!("{other:?}"),
        });
    }
    parts.sort_unstable();
    assert_eq!(parts, [2, 3, 4]);
    drop((hangs, stalls, model, ear));
    assert_eq!(timeout(SOON, answers.recv()).await.expect("all let go of the inbox"), None);
}

#[test]
fn a_vendor_that_is_not_there_is_named_with_those_that_are() {
    let all = all();
    let told = |error: &dyn std::error::Error| error.to_string();
    let voice = told(&all.voice("flite:zoe").err().unwrap());
    assert_eq!(
        voice,
        "there is no \"flite:zoe\"; there are: builtin, flite:slt, flite:rms, flite:awb, flite:kal, \
         flite:kal16, fake"
    );
    let model = told(&all.model("gpt", &Arc::new(Script::reception())).err().unwrap());
    assert!(
        model.starts_with("there is no vendor \"gpt\" for language_model; there are: openai, "),
        "{model}"
    );
    assert!(told(&all.recogniser("x").err().unwrap()).ends_with("builtin, fake"));
    assert!(Providers::new().recogniser("builtin").is_err(), "without a helper to start there is none");
    for capability in Providers::capabilities(&VendorTable::new()) {
        assert!(!capability.about.is_empty());
    }
}

#[test]
fn the_doctor_finds_nothing_wrong_where_all_is_installed() {
    for finding in all().doctor() {
        assert_eq!(finding.problem, None, "{}", finding.name);
    }
    let mut settings = SphinxSettings::new("true");
    settings.model = "/nowhere".into();
    let finding = Providers::new().with_recogniser(settings).doctor().pop().unwrap();
    let problem = finding.problem.unwrap();
    assert!(problem.contains("apt-get install libpocketsphinx3 pocketsphinx-en-us"), "{problem}");
}

//! Conversations with the recogniser that takes turns, and any conversation at all.

use audio::SampleRate;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::RoleOptions;
use crate::deepgram::account::tests::account;
use crate::deepgram::conversation::{check, with_ear};

fn flux(model: &str, force: bool) -> Flux {
    let mut role = RoleOptions { model: Some(model.to_owned()), ..RoleOptions::default() };
    role.body.insert(FORCE.to_owned(), force.into());
    Flux::new(account(role).for_flux())
}

fn spec() -> ListenSpec {
    ListenSpec {
        rate: SampleRate::HZ_8000,
        language: "hi-IN".to_owned(),
        phrases: vec!["a table".to_owned()],
    }
}

#[test]
fn the_socket_is_asked_for_what_it_knows_only() {
    let url = |model: &str| flux(model, false).connect(&spec()).url.to_string();
    let base = "wss://api.deepgram.com/v2/listen";
    assert_eq!(
        url("flux-general-en"),
        format!("{base}?model=flux-general-en&encoding=linear16&sample_rate=8000&keyterm=a+table")
    );
    assert_eq!(
        url("flux-general-multi"),
        format!(
            "{base}?model=flux-general-multi&encoding=linear16&sample_rate=8000&keyterm=a+table&language_hint=hi"
        )
    );
}

#[test]
fn conversations() {
    for name in ["flux-eager", "flux-not-sure", "flux-late-turn"] {
        check(name, &with_ear(name, flux("flux-general-en", false).session(&spec())));
    }
    check("flux-forced", &with_ear("flux-forced", flux("flux-general-en", true).session(&spec())));
}

#[test]
fn audio_waits_for_the_greeting() {
    let mut session = flux("flux-general-en", false).session(&spec());
    assert!(!session.is_ready());
    let connected = Frame::Text(json!({"type": "Connected", "sequence_id": 0}).to_string());
    session.frame(connected, &mut Vec::new(), &mut Vec::new()).unwrap();
    assert!(session.is_ready());
}

proptest! {
    #[test]
    fn any_order_settles_each_stretch_once(steps in prop::collection::vec((0..6_u8, any::<u16>(), 0..4_usize), 0..60)) {
        let mut session = flux("flux-general-en", false).session(&spec());
        let (mut send, mut out) = (Vec::new(), Vec::new());
        let (mut begun, mut is_open, mut finished) = (0, false, Vec::new());
        for (what, number, words) in steps {
            match what {
                0 => session.audio(&vec![0; usize::from(number % 16_000)], &mut send),
                1 if is_open => {
                    finished.push(SpeechId(begun));
                    session.finish(SpeechId(begun), &mut send, &mut out);
                    is_open = false;
                }
                1 => {
                    begun += 1;
                    session.began(SpeechId(begun), &mut send);
                    is_open = true;
                }
                2 => finished.iter().for_each(|speech| session.give_up(*speech, &mut out)),
                _ => {
                    let event = ["Update", "StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EndOfTurn", "Yawn"];
                    let event = event[usize::from(number) % event.len()];
                    let info = json!({"type": "TurnInfo", "event": event, "transcript": "so ".repeat(words),
                        "audio_window_end": f64::from(number) / 1e3});
                    session.frame(Frame::Text(info.to_string()), &mut send, &mut out).unwrap();
                }
            }
        }
        finished.iter().for_each(|speech| session.give_up(*speech, &mut out));
        for speech in finished {
            let of = |what: fn(&Heard) -> bool| out.iter().filter(|(of, heard)| *of == speech && what(heard)).count();
            let finals = of(|heard| matches!(heard, Heard::Final(_) | Heard::Failed(_)));
            let turns = of(|heard| matches!(heard, Heard::TurnOver(_)));
            prop_assert!(finals <= 1 && finals + turns >= 1, "{:?}: {:?}", speech, out);
        }
    }
}

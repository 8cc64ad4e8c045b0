//! The agents that need no vendor, over a real socket: from them a fault is found by steps.

mod support;

use call::AgentKind;
use gateway::Config;
use records::EndReason;
use support::{Server, plain};

#[tokio::test]
async fn echo_gives_back_every_byte_at_each_rate() {
    for rate in [8_000, 16_000, 24_000] {
        let server = Server::start(AgentKind::Echo).await;
        let mut carrier = server.open(&format!("call_id=call-{rate}&sample-rate={rate}")).await.unwrap();
        carrier.connected().await;
        carrier.start(&format!("call-{rate}"), rate).await;
        let frame = rate as usize / 50 * 2;
        let spoken: Vec<u8> = (0..frame * 25).map(|n| (n * 31 % 251) as u8).collect();
        for piece in spoken.chunks(frame) {
            carrier.media(piece).await;
        }
        let mut heard = Vec::new();
        while heard.len() < spoken.len() {
            heard.extend(carrier.audio().await);
        }
        assert!(heard == spoken, "at {rate} the echo differs");
        carrier.stop("callended").await;
        assert_eq!(carrier.close_code().await, Some(1000));

        let record = server.record().await;
        assert_eq!(record.end_reason, Some(EndReason::CallerHungUp));
        assert_eq!((record.carrier_call_id, record.sample_rate), (format!("call-{rate}"), rate));
        assert_eq!((record.counters.frames_in, record.from.as_deref()), (25, Some("09800000001")));
        assert_eq!(record.counters.findings.len(), 0, "{:?}", record.counters.findings);
    }
}

#[tokio::test]
async fn beep_plays_its_tone_once_and_marks_its_end() {
    let server = Server::start(AgentKind::Beep).await;
    let mut carrier = server.open("call_id=beep-1").await.unwrap();
    carrier.connected().await;
    carrier.start("beep-1", 8000).await;
    let mut bytes = Vec::new();
    loop {
        let message = carrier.next().await.unwrap();
        if message["event"] == "mark" {
            assert_eq!(message["mark"]["name"], "beep_done");
            break;
        }
        let payload = message["media"]["payload"].as_str().unwrap();
        bytes.extend(base64_simd::STANDARD.decode_to_vec(payload).unwrap());
    }
    let samples: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    assert!(samples.len() >= 4000, "half a second at 8 kHz");
    // 440 Hz crosses zero upwards 220 times in half a second.
    let crossings = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    assert!((218..=221).contains(&crossings), "{crossings}");
    carrier.stop("stopped").await;
    assert_eq!(server.record().await.end_reason, Some(EndReason::CarrierStopped));
}

#[tokio::test]
async fn silent_stays_and_a_clean_close_ends_it() {
    let mut agent = plain(AgentKind::Silent);
    agent.call_log = true;
    agent.record = true;
    let server = Server::with(Config::default(), agent).await;
    let mut carrier = server.open("").await.unwrap();
    carrier.connected().await;
    carrier.start("named-by-its-start", 8000).await;
    carrier.media(&[0; 320]).await;
    let (_, body) = server.get("/voicebot/sessions").await;
    assert!(body.contains("\"total\":"), "{body}");
    carrier.socket.close(None).await.unwrap();
    let record = server.record().await;
    assert_eq!(record.carrier_call_id, "named-by-its-start");
    assert_eq!(record.end_reason, Some(EndReason::CarrierClosed));
    let id = record.id.parse().unwrap();
    let log = std::fs::read_to_string(server.store.folder(id).join("call.jsonl")).unwrap();
    let replay = call::log::replay(&log, |_| Ok(())).unwrap();
    assert_eq!((replay.differences, replay.cut), (vec![], false));
}

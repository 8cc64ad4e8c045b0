//! Listening to recordings that lie in the bucket.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sim::s3::{Op, S3Fault, S3Keys};
use store::Scope;

use crate::place::{Place, id, live, read};

fn path(n: u8) -> String {
    format!("/api/v1/calls/{}/recording", id(n))
}

#[tokio::test]
async fn a_recording_in_the_bucket_is_played_byte_by_byte_as_it_was_here() {
    let place = Place::new().await;
    // Some more than two of the pieces in which it is fetched.
    let whole = place.call(id(1), 300_000).await;
    assert_eq!(place.detail(id(1)).await["recording_place"], "on_its_way");
    assert_eq!(place.upload().await, 1);
    assert!(!place.store.folder(id(1)).join("recording.wav").exists());
    let key = format!("kept/2026-11-21/{}.wav", id(1));
    assert_eq!(place.s3.objects()[&key], whole);
    place.take_in(id(1)).await;
    let detail = place.detail(id(1)).await;
    assert_eq!((&detail["recording_place"], &detail["held"]), (&json!("there"), &json!(false)));
    assert_eq!(detail["recording"], format!("s3://calls/{key}"));

    let answer = place.get(&path(1)).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["content-type"].clone()),
        (StatusCode::OK, "audio/wav".parse().unwrap())
    );
    let headers = answer.headers().clone();
    assert_eq!(headers["content-length"], whole.len().to_string());
    assert_eq!(answer.bytes().await.unwrap(), whole);
    let end = whole.len();
    for (range, expected) in [
        ("bytes=0-43", 0..44),
        ("bytes=1000-1999", 1000..2000),
        ("bytes=500000-600000", 500_000..600_001),
        ("bytes=100-", 100..end),
        ("bytes=-10", end - 10..end),
    ] {
        let answer = place.get(&path(1)).header("Range", range).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let said = format!("bytes {}-{}/{end}", expected.start, expected.end - 1);
        assert_eq!(answer.headers()["content-range"], said, "{range}");
        assert_eq!(answer.bytes().await.unwrap(), whole[expected], "{range}");
    }
    for (tag, status) in [(headers["etag"].clone(), 206), ("\"another\"".parse().unwrap(), 200)] {
        let request = place.get(&path(1)).header("Range", "bytes=0-3").header("If-Range", tag);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        // All of it, so that nothing is fetched any more.
        answer.bytes().await.unwrap();
    }
    let fetched = || place.s3.asked().iter().filter(|asked| asked.op == Some(Op::Get)).count();
    let before = fetched();
    let answer = place.ask(Method::HEAD, &path(1), Scope::Read).send().await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-length"]),
        (StatusCode::OK, &headers["content-length"])
    );
    let beyond = format!("bytes={end}-");
    let (status, problem) = read(place.get(&path(1)).header("Range", beyond).send().await.unwrap()).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::RANGE_NOT_SATISFIABLE, &json!("range_not_satisfiable"))
    );
    assert_eq!(fetched(), before, "neither needs a byte of it");
    assert!(place.s3.asked().iter().all(|asked| asked.status < 300), "{:?}", place.s3.asked());
}

#[tokio::test]
async fn a_listener_who_takes_little_has_little_fetched() {
    let place = Place::new().await;
    let whole = place.call(id(1), 8_000_000).await;
    assert_eq!(place.upload().await, 1);
    let mut sound = place.get(&path(1)).send().await.unwrap().bytes_stream();
    let first = sound.next().await.unwrap().unwrap();
    assert_eq!(first, whole[..first.len()]);
    // The sockets hold some megabytes at most, and the rest of the 32 is not asked for. A part more may be on its way.
    let pieces = |place: &Place| place.s3.asked().iter().filter(|asked| asked.op == Some(Op::Get)).count();
    let mut quiet = 0;
    let mut last = pieces(&place);
    while quiet < 5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = pieces(&place);
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
    let all = whole.len().div_ceil(512 << 10);
    assert!(last < all / 2, "{last} of {all} pieces");
    let mut got = first.len();
    while let Some(piece) = sound.next().await {
        let piece = piece.unwrap();
        assert_eq!(piece, whole[got..got + piece.len()]);
        got += piece.len();
    }
    assert_eq!(got, whole.len());
}

#[tokio::test]
async fn a_bucket_in_trouble_is_told_in_clear_words() {
    let place = Place::new().await;
    let whole = place.call(id(1), 4_000).await;
    assert_eq!(place.upload().await, 1);
    // One refusal is nothing to speak of.
    for fault in
        [S3Fault::SlowDown, S3Fault::Internal, S3Fault::Cut, S3Fault::Slow(Duration::from_millis(50))]
    {
        place.s3.spoil(Op::Get, fault, 1);
        let answer = place.get(&path(1)).send().await.unwrap();
        assert_eq!(
            (answer.status(), answer.bytes().await.unwrap()),
            (StatusCode::OK, whole.clone().into()),
            "{fault:?}"
        );
    }
    for (op, fault, status, code) in [
        (Op::Head, S3Fault::Internal, 503, "storage_unavailable"),
        (Op::Get, S3Fault::SlowDown, 503, "storage_unavailable"),
        (Op::Head, S3Fault::Denied, 502, "storage_fault"),
        (Op::Get, S3Fault::Denied, 502, "storage_fault"),
    ] {
        place.s3.spoil(op, fault, 4);
        let answer = place.get(&path(1)).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
        let (got, problem) = read(answer).await;
        assert_eq!((got.as_u16(), &problem["code"]), (status, &json!(code)), "{op:?} {fault:?}: {problem}");
        let words = problem.to_string();
        assert!(words.contains("bucket") && !words.contains("http://"), "{words}");
        place.s3.mend();
    }
    let refused = Place::knowing(|keys| S3Keys { secret: "another".to_owned(), ..keys.clone() }).await;
    refused.call(id(2), 100).await;
    assert_eq!(refused.upload().await, 0, "a wrong key takes nothing there");
    assert_eq!(refused.s3.objects().len(), 0);
    let answer = refused.get(&path(2)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "what could not be taken there is here");
    let states: Vec<u16> = refused.s3.asked().iter().map(|asked| asked.status).collect();
    assert_eq!(states, [403]);
}

#[tokio::test]
async fn it_says_why_there_is_none() {
    let place = Place::new().await;
    place.store.begin(id(1), live(id(1)));
    place.flush().await;
    place.take_in(id(1)).await;
    assert_eq!(place.detail(id(1)).await["recording_place"], "not_yet");
    place.call(id(2), 100).await;
    assert_eq!(place.upload().await, 1);
    let forgetter = store::Forgetter::new(place.data.path(), None);
    assert!(
        forgetter.forget(id(2), records::Kept::Audio, jiff::Timestamp::now()).await.is_err(),
        "without the bucket it can't be erased, and the record still tells of it"
    );
    let forgetter = place.store.forgetter(place.database.clone());
    forgetter.forget(id(2), records::Kept::Audio, jiff::Timestamp::now()).await.unwrap();
    assert_eq!(place.s3.objects().len(), 0);
    for (n, words) in [(1, "nothing of it was recorded"), (2, "was erased")] {
        let (status, problem) = read(place.get(&path(n)).send().await.unwrap()).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("recording_not_found")));
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    assert_eq!(place.detail(id(2)).await["recording_place"], "erased");
}

#[tokio::test]
async fn each_play_is_noted_once() {
    let place = Place::new().await;
    place.call(id(1), 100).await;
    for range in ["bytes=0-9", "bytes=10-19", "bytes=0-"] {
        let answer = place.get(&path(1)).header("Range", range).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    }
    assert_eq!(place.ask(Method::HEAD, &path(1), Scope::Call).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(place.ask(Method::GET, &path(1), Scope::Admin).send().await.unwrap().status(), StatusCode::OK);
    let detail = place.detail(id(1)).await;
    let played: Vec<&str> = detail["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "played")
        .map(|event| event["by"].as_str().unwrap())
        .collect();
    assert_eq!(played, [place.key_id(Scope::Read), place.key_id(Scope::Admin)]);
    let audit = std::fs::read_to_string(place.data.path().join("audit.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{audit}");
    for (line, scope) in lines.iter().zip([Scope::Read, Scope::Admin]) {
        assert_eq!((&line["what"], &line["by"]), (&json!("play"), &json!(place.key_id(scope))));
        assert_eq!(line["call"], id(1).to_string());
    }
}

//! Recordings: whole, in parts, while the call runs, and why there is none.

use reqwest::StatusCode;
use serde_json::json;
use store::CallFiles;

use crate::place::{Place, id, live, over, read};

/// Stereo samples that say where they are.
fn samples() -> Vec<i16> {
    (0..16_000).collect()
}

fn begin(place: &Place, seconds: i64) -> CallFiles {
    let mut files = place.store.begin(id(seconds), live(seconds));
    files.audio(audio::SampleRate::HZ_8000, 0, samples());
    files
}

fn path(seconds: i64) -> String {
    format!("/api/v1/calls/{}/recording", id(seconds))
}

#[tokio::test]
async fn a_recording_is_given_whole_and_in_parts() {
    let place = Place::new().await;
    begin(&place, 1).finish(over(1));
    place.flush().await;
    let answer = place.get(&path(1)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers().clone();
    for (name, value) in [
        ("content-type", "audio/wav"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-store"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers["content-disposition"], format!("attachment; filename=\"{}.wav\"", id(1)));
    let whole = answer.bytes().await.unwrap();
    assert_eq!(
        (whole.len(), &whole[..4], &whole[40..44]),
        (44 + 32_000, &b"RIFF"[..], &32_000_u32.to_le_bytes()[..])
    );
    assert_eq!(headers["content-length"], whole.len().to_string());
    for (range, expected) in [
        ("bytes=0-3", 0..4),
        ("bytes=40-47", 40..48),
        ("bytes=44-", 44..whole.len()),
        ("bytes=-100", whole.len() - 100..whole.len()),
        ("bytes=1000-1999", 1000..2000),
    ] {
        let answer = place.get(&path(1)).header("Range", range).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let place_of_it = format!("bytes {}-{}/{}", expected.start, expected.end - 1, whole.len());
        assert_eq!(answer.headers()["content-range"], place_of_it, "{range}");
        assert_eq!(answer.headers()["content-length"], expected.len().to_string(), "{range}");
        assert_eq!(answer.bytes().await.unwrap(), whole[expected], "{range}");
    }
    let answer = place.get(&path(1)).header("Range", "bytes=32044-").send().await.unwrap();
    assert_eq!(answer.headers()["content-range"], "bytes */32044");
    let (status, problem) = read(answer).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::RANGE_NOT_SATISFIABLE, &json!("range_not_satisfiable"))
    );
    for (tag, status) in [(headers["etag"].clone(), 206), ("\"another\"".parse().unwrap(), 200)] {
        let request = place.get(&path(1)).header("Range", "bytes=0-3").header("If-Range", tag);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    let answer = place.head(&path(1)).send().await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-length"]),
        (StatusCode::OK, &headers["content-length"])
    );
}

#[tokio::test]
async fn a_call_that_runs_gives_what_is_there_with_a_header_that_is_true() {
    let place = Place::new().await;
    let mut files = begin(&place, 2);
    place.flush().await;
    let first = place.get(&path(2)).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(first[40..44], 32_000_u32.to_le_bytes());
    assert_eq!((first.len(), &first[44..48]), (44 + 32_000, &[0, 0, 1, 0][..]));
    files.audio(audio::SampleRate::HZ_8000, 8_000, samples());
    place.flush().await;
    let part =
        place.get(&path(2)).header("Range", "bytes=40-43").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(part[..], 64_000_u32.to_le_bytes());
    drop(files);
}

#[tokio::test]
async fn it_says_why_there_is_none() {
    let place = Place::new().await;
    place.store.begin(id(3), live(3)).finish(over(3));
    place.flush().await;
    for (path, code) in [
        (path(3), "recording_not_found"),
        (path(4), "call_not_found"),
        ("/api/v1/calls/..%2f..%2flock/recording".to_owned(), "call_not_found"),
    ] {
        let (status, problem) = place.json(&path).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!(code)), "{path}");
    }
    // Recorded, and taken away.
    begin(&place, 5).finish(over(5));
    place.flush().await;
    std::fs::remove_file(place.store.folder(id(5)).join("recording.wav")).unwrap();
    let (_, problem) = place.json(&path(5)).await;
    assert!(problem["detail"].as_str().unwrap().contains("took it away"), "{problem}");
    // What lies there is no file of ours.
    begin(&place, 6).finish(over(6));
    place.flush().await;
    let recording = place.store.folder(id(6)).join("recording.wav");
    std::fs::remove_file(&recording).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", recording).unwrap();
    let (status, problem) = place.json(&path(6)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal")));
}

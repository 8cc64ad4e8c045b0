//! A disk that gets full, as those see it who ask the server how it is.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use store::{Fault, Scope};

use crate::place::{LONG, Place};

/// A disk with so much free space.
struct Disk(Arc<AtomicU64>);

impl Fault for Disk {
    fn before_write(&mut self, _: &Path, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&mut self, _: u64) -> u64 {
        self.0.load(SeqCst)
    }
}

async fn ready(place: &Place) -> (StatusCode, String) {
    let answer = place.get("/readyz").send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Waits until the server is as ready as that.
async fn until(place: &Place, is_so: impl Fn(&(StatusCode, String)) -> bool) -> String {
    let limit = Instant::now() + LONG;
    loop {
        let said = ready(place).await;
        if is_so(&said) {
            return said.1;
        }
        assert!(Instant::now() < limit, "{said:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_told_in_clear_words_and_passes() {
    let free = Arc::new(AtomicU64::new(1 << 40));
    let place = Place::on(Box::new(Disk(free.clone()))).await;
    assert_eq!(ready(&place).await, (StatusCode::OK, "ok\n".to_owned()));

    free.store(100 << 20, SeqCst);
    let said = until(&place, |(_, text)| text.contains("recording")).await;
    assert_eq!(
        said,
        "[~]no room for recordings, calls are not recorded\ndegraded: recording\nok, degraded\n"
    );

    free.store(12 << 20, SeqCst);
    let said = until(&place, |(status, _)| *status == StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(said.contains("12 MiB are free") && said.contains("64 are wanted"), "{said}");
    let (status, problem) = place.post("/api/v1/calls", Scope::Call, &json!({ "to": "+12025550123" })).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    assert!(problem["detail"].as_str().unwrap().contains("disk"), "{problem}");

    free.store(1 << 40, SeqCst);
    until(&place, |(status, text)| *status == StatusCode::OK && text == "ok\n").await;
    let (_, problem) = place.post("/api/v1/calls", Scope::Call, &json!({ "to": "+12025550123" })).await;
    assert_ne!(problem["code"], "unavailable", "{problem}");
}

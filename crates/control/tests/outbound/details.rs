//! What a carrier tells late of a call that is over, asked for by a job.

use control::jobs::{Conversations, Work};
use jiff::{SignedDuration, Timestamp};
use records::{AfterRules, CallStatus};
use serde_json::json;
use store::CallId;
use store::jobs::{Handlers, Job, JobError, JobState};

use crate::scene::{Scene, rules};

fn handlers(scene: &Scene) -> Handlers {
    let conversations = Conversations::new(Vec::new());
    let (database, outbound) = (scene.database.clone(), scene.outbound.clone());
    Work { database, outbound, conversations, receiver: None }.handlers()
}

async fn attempt(scene: &Scene, call: CallId, attempt: u32) -> Result<(), JobError> {
    let payload = json!({ "call": call.to_string() }).to_string();
    let job = Job { kind: "fetch_details".to_owned(), key: call.to_string(), payload, attempt };
    handlers(scene).attempt(job).unwrap().await
}

#[tokio::test]
async fn a_callback_that_ends_a_call_has_the_rest_asked_for() {
    let scene = Scene::new(rules()).await;
    let details_of = [("twilio".to_owned(), SignedDuration::from_mins(5))].into();
    scene.database.after_calls(AfterRules { details_of, ..AfterRules::default() });
    let call = scene.old_call(1, 1, "CA1").await;
    let over =
        [("CallSid", "CA1"), ("CallStatus", "completed"), ("CallDuration", "49"), ("SequenceNumber", "3")];
    for _ in 0..2 {
        assert_eq!(scene.signed(&format!("/twilio/status?call={call}"), &over).await, 204);
    }
    let job = scene.database.job("fetch_details", &call.to_string()).await.unwrap().unwrap();
    assert!(matches!(job.state, JobState::Open { due_at } if due_at > Timestamp::now()), "{job:?}");
    assert_eq!(scene.database.jobs(None, 10).await.unwrap().len(), 1);

    // Priced later than it is over.
    scene.carrier.tells("CA1", Some("49"), None);
    let early = attempt(&scene, call, 1).await;
    assert!(matches!(early, Err(JobError::Again(_))), "{early:?}");
    scene.carrier.tells("CA1", Some("49"), Some("-0.03000"));
    assert_eq!(attempt(&scene, call, 2).await, Ok(()));
    let record = scene.record(&call.to_string()).await;
    assert_eq!((record.status, record.duration_s), (CallStatus::Completed, Some(49)));
    assert_eq!(record.price.unwrap().amount, "0.03000");
    // Nobody is asked for what is known.
    assert_eq!(attempt(&scene, call, 3).await, Ok(()));
    assert_eq!(scene.carrier.looks(), 2);
}

#[tokio::test]
async fn the_tries_have_an_end() {
    let scene = Scene::new(rules()).await;
    let call = scene.old_call(1, 1, "CA1").await;
    scene.carrier.tells("CA1", Some("49"), None);
    assert!(matches!(attempt(&scene, call, 4).await, Err(JobError::Again(_))));
    assert_eq!(attempt(&scene, call, 5).await, Ok(()), "some accounts are told no price");
    let unknown = scene.old_call(2, 1, "CA2").await;
    assert!(matches!(attempt(&scene, unknown, 1).await, Err(JobError::Never(_))));
    let nobodys = CallId::new(Timestamp::now(), [9; 10]);
    assert_eq!(attempt(&scene, nobodys, 1).await, Ok(()));
}

#[tokio::test]
async fn only_an_administrator_has_jobs_tried_again() {
    let scene = Scene::new(rules()).await;
    let (status, page) = scene.get("/api/v1/jobs").await;
    assert_eq!((status, page), (200, json!({ "jobs": [], "next_cursor": null })));
    let (status, problem) = scene.post("/api/v1/jobs/job_1/retry", "", None).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
}

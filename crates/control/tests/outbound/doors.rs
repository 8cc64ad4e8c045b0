//! Who may ask what: every route of the API's document with no key, and with one of each scope; keys that are withdrawn,
//! also by another process; and a handler that breaks.

use std::sync::atomic::Ordering::Relaxed;

use control::NewKey;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use store::{Database, DatabaseOptions, Scope};
use utoipa::openapi::OpenApi;

use crate::scene::{Scene, rules};

/// Who is asked for nothing: health, the document, and what carriers ask in their own way.
const OPEN: &[&str] = &[
    "/livez",
    "/readyz",
    "/health",
    "/openapi.json",
    "/docs",
    "/docs/page.js",
    "/docs/page.css",
    "/docs/errors",
];

async fn key(scene: &Scene, scope: Scope) -> NewKey {
    let key = NewKey::make(scope.as_str(), scope, Timestamp::now()).unwrap();
    scene.database.add_key(&key.kept).await.unwrap();
    key
}

#[tokio::test]
async fn every_route_asks_for_the_scope_that_it_needs() {
    let scene = Scene::new(rules()).await;
    let document = serde_json::to_value(control::documented(OpenApi::default())).unwrap();
    let [read, call, admin] = [
        key(&scene, Scope::Read).await.secret,
        key(&scene, Scope::Call).await.secret,
        key(&scene, Scope::Admin).await.secret,
    ];
    let mut guarded = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let is_open = operation["security"].as_array().is_none_or(Vec::is_empty);
            assert_eq!(is_open, OPEN.contains(&path.as_str()), "{method} {path}: open, or not, on purpose");
            let asked = path.replace("{id}", "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM").replace(['{', '}'], "");
            let asked = if path.ends_with("/events") { format!("{asked}?follow=false") } else { asked };
            let status = |key: Option<&SecretString>| {
                let (method, asked) = (method.clone(), asked.clone());
                let key = key.map(|key| key.expose_secret().to_owned());
                let scene = &scene;
                async move { scene.status(&method, &asked, key.as_deref()).await }
            };
            let none = status(None).await;
            if is_open {
                assert!(!matches!(none, 401 | 403), "{method} {path}: {none}");
                continue;
            }
            guarded += 1;
            assert_eq!(none, 401, "{method} {path}");
            assert_eq!(status(Some(&"tlk_nobodys".into())).await, 401, "{method} {path}");
            let by_scope = [status(Some(&read)).await, status(Some(&call)).await, status(Some(&admin)).await];
            let may = by_scope.map(|status| !matches!(status, 401 | 403));
            // A later scope may what an earlier one may; looking takes the first, anything else more than that.
            assert!(may.is_sorted() && may[2], "{method} {path}: {by_scope:?}");
            assert_eq!(may[0], method == "get", "{method} {path}: {by_scope:?}");
        }
    }
    assert!(guarded >= 10, "{guarded} routes");
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_refused_at_once_wherever_that_was_done() {
    let scene = Scene::new(rules()).await;
    let old = key(&scene, Scope::Read).await;
    let ask =
        async |key: &NewKey| scene.status("get", "/api/v1/calls", Some(key.secret.expose_secret())).await;
    assert_eq!(ask(&old).await, 200);
    // A new one beside it, and then the old one no more: nobody is locked out in between.
    let new = key(&scene, Scope::Read).await;
    assert_eq!((ask(&old).await, ask(&new).await), (200, 200));
    let file = scene.folder.path().join("calls.db");
    let other = Database::open(DatabaseOptions::Sqlite { file }).await.unwrap();
    assert!(other.revoke_key(&old.kept.id, Timestamp::now()).await.unwrap());
    assert_eq!((ask(&old).await, ask(&new).await), (401, 200));
}

#[tokio::test]
async fn a_handler_that_breaks_answers_and_tells_nothing_of_the_inside() {
    let scene = Scene::new(rules()).await;
    scene.plane.is_broken.store(true, Relaxed);
    let (status, problem) = scene.get("/health").await;
    assert_eq!((status, problem["code"].as_str()), (500, Some("internal")), "{problem}");
    assert!(problem["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{problem}");
    assert!(!problem.to_string().contains("canary"), "{problem}");
    assert_eq!(problem["instance"], Value::from("/health"));
    scene.plane.is_broken.store(false, Relaxed);
    assert_eq!(scene.get("/health").await.0, 200, "and the next one is answered");
}

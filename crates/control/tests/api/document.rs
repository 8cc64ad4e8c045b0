//! The document is true: every route is in it, every answer has a form, and what it and the problems refer to is there.

use std::collections::BTreeSet;

use control::Code;
use reqwest::StatusCode;
use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

use crate::place::{Place, control};

fn document() -> Value {
    serde_json::to_value(control::documented(OpenApi::default())).unwrap()
}

/// Every operation: path, method, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let (path, item) = (path.clone(), item.as_object().unwrap().clone());
        item.into_iter()
            .map(move |(method, operation)| (path.clone(), method, operation.as_object().unwrap().clone()))
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn every_route_is_documented_and_every_documented_route_is_there() {
    let data = tempfile::tempdir().unwrap();
    let router = control::router(control(data.path()).await, OpenApi::default());
    // The router tells its paths in no other way than in its debug output, as `RouteId(1): "/path"`.
    let told = format!("{router:?}");
    let routed: BTreeSet<String> = told
        .split("RouteId(")
        .filter_map(|piece| piece.split_once("): \"")?.1.split_once('"'))
        .map(|(path, _)| path.to_owned())
        // The fallback's own.
        .filter(|path| path != "/" && !path.contains("__private"))
        // Carriers ask these, in the carriers' words: they are no part of the API.
        .filter(|path| !path.starts_with("/twilio/") && path != "/api/v1/exotel/status")
        .collect();
    assert!(routed.contains("/api/v1/calls/{id}"), "{told}");
    let documented: BTreeSet<String> = operations(&document()).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(routed, documented);
}

#[test]
fn every_answer_has_a_form_and_every_operation_words() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for (path, method, operation) in operations(&document) {
        assert!(
            operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
            "{method} {path}: a summary"
        );
        assert!(
            tags.contains(operation["tags"][0].as_str().unwrap()),
            "{method} {path}: a tag that is described"
        );
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{method} {path} {status}: words");
            if ["202", "204"].contains(&&**status) {
                continue;
            }
            let content =
                answer["content"].as_object().unwrap_or_else(|| panic!("{method} {path} {status}: a body"));
            for (kind, body) in content {
                let schema = body["schema"].as_object().unwrap();
                assert!(!schema.is_empty(), "{method} {path} {status} {kind}: a schema");
            }
            if status.starts_with(['4', '5']) && path.starts_with("/api/") {
                assert!(content.contains_key("application/problem+json"), "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn the_words_of_problems_are_those_that_are_sent() {
    let words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(document()["components"]["schemas"]["Code"]["enum"], serde_json::json!(words));
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut open = vec![&document];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            seen += 1;
        }
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(values) => open.extend(values.values()),
            _ => {}
        }
    }
    assert!(seen > 20);
}

#[tokio::test]
async fn the_pages_work_without_any_other_host() {
    let place = Place::new().await;
    for path in ["/docs", "/docs/errors"] {
        let answer = place.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = answer.text().await.unwrap();
        for banned in ["http://", "https://", "<style", "style=", "onclick", "<script>"] {
            assert!(!text.contains(banned), "{path} has {banned}");
        }
        for link in text.split("href=\"").chain(text.split("src=\"")).skip(1) {
            let target = link.split('"').next().unwrap();
            if target.starts_with('/') {
                assert_eq!(place.get(target).send().await.unwrap().status(), StatusCode::OK, "{target}");
            }
        }
    }
    let page = place.get("/docs/errors").send().await.unwrap().text().await.unwrap();
    for code in Code::ALL {
        assert!(page.contains(&format!("<section id=\"{code}\">")), "{code} is explained");
    }
    let (status, served) = place.json("/openapi.json").await;
    assert_eq!((status, served), (StatusCode::OK, document()));
}

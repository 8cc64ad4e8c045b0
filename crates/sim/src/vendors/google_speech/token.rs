//! `POST /token`: a service account's JWT for a token (RFC 7523). The key is one that was made for tests, and no
//! account has it.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::vendors::{Fault, Seen, World};

const KEY_FILE: &str = include_str!("../../../../../fixtures/google/test-service-account.json");
const PUBLIC_KEY: &[u8] = include_bytes!("../../../../../fixtures/google/test-service-account.pub.pem");
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const PREFIX: &str = "ya29.stand-in.";
/// A JWT may be good for no longer, and clocks may differ by so much.
const LONGEST_SECONDS: u64 = 3_600;
const SKEW_SECONDS: u64 = 300;

/// A service account's key file for the stand-ins at `url`, which behave as `manner` says.
///
/// # Panics
/// Never: the file is part of the program.
pub fn service_account(url: &str, manner: &str) -> String {
    let mut file: Value = serde_json::from_str(KEY_FILE).expect("the file is part of the program");
    file["client_email"] = format!("{manner}@test-project.iam.gserviceaccount.com").into();
    file["token_uri"] = format!("{}/token", url.trim_end_matches('/')).into();
    file.to_string()
}

/// The manner that a token of ours stands for.
pub(super) fn manner_of(token: &str) -> Option<&str> {
    token.strip_prefix(PREFIX)
}

#[derive(Deserialize)]
pub(super) struct Exchange {
    grant_type: String,
    assertion: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    scope: String,
    aud: String,
    iat: u64,
    exp: u64,
}

/// The route.
pub(super) async fn exchange(
    State(world): State<World>,
    headers: HeaderMap,
    Form(form): Form<Exchange>,
) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let place =
        world.ledger.begin(Seen { api: "google/token", target: "/token".to_owned(), ..Seen::default() });
    let refused = |why: &str| {
        world.ledger.note(place, |seen| seen.breaches.push(why.to_owned()));
        let body = json!({"error": "invalid_grant", "error_description": why});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    let claims = match claims(&form, host) {
        Ok(claims) => claims,
        Err(why) => return refused(why),
    };
    let manner = claims.iss.split('@').next().unwrap_or_default().to_owned();
    world.ledger.note(place, |seen| manner.clone_into(&mut seen.key));
    match world.manner(&manner).fault {
        // The account itself is what is wrong; other manners are those of the APIs behind it.
        Some(Fault::Own(own)) if own == "no-account" => {
            let body =
                json!({"error": "invalid_grant", "error_description": "Invalid grant: account not found"});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
        _ => {
            let token = format!("{PREFIX}{manner}");
            Json(json!({"access_token": token, "expires_in": 3_599, "token_type": "Bearer"})).into_response()
        }
    }
}

/// The claims, where the JWT is as Google wants it.
fn claims(form: &Exchange, host: &str) -> Result<Claims, &'static str> {
    if form.grant_type != GRANT {
        return Err("grant_type is not that of a JWT");
    }
    let mut rules = Validation::new(Algorithm::RS256);
    rules.required_spec_claims =
        BTreeSet::from(["exp", "aud", "iss"].map(str::to_owned)).into_iter().collect();
    rules.validate_aud = false;
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY).map_err(|_| "the stand-in's key is none")?;
    let jwt = decode::<Claims>(&form.assertion, &key, &rules).map_err(|_| "Invalid JWT Signature.")?;
    let claims = jwt.claims;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if claims.aud != format!("http://{host}/token") {
        return Err("Invalid JWT: aud is not the place it was posted to.");
    }
    if claims.scope != SCOPE {
        return Err("Invalid JWT: scope is not that of the cloud platform.");
    }
    if claims.iat > now + SKEW_SECONDS || claims.exp > claims.iat + LONGEST_SECONDS {
        return Err("Invalid JWT: Token must be a short-lived token (60 minutes).");
    }
    Ok(claims)
}

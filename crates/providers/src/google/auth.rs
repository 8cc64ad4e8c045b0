//! A service account's way in: a JWT signed with the key file's key is exchanged for a token at the key file's
//! `token_uri` (Google's page "Using OAuth 2.0 for server to server applications").

use call::{Fault, FaultClass};
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::dialect::{Body, HttpRequest, Refusal, Refuses, Token, TokenDialect, one_line};

/// All of Google Cloud: what the account may do is set by its roles.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long a JWT is good; Google takes no longer one.
const JWT_SECONDS: u64 = 3_600;
/// A token is not used in its last minute.
const MARGIN_SECONDS: u64 = 60;

/// A service account, out of its key file.
pub struct ServiceAccount {
    email: String,
    key_id: String,
    token_uri: Url,
    key: EncodingKey,
}

/// Why a key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is not what Google's console writes.
    #[error("the credentials file is no service account's key file: {0}")]
    Json(#[source] serde_json::Error),
    /// It is of another kind, such as a user's own.
    #[error("the credentials file is of type {0:?}; a service account's is needed")]
    Type(String),
    /// Its `token_uri` is none.
    #[error("the credentials file's token_uri is no address")]
    TokenUri(#[source] url::ParseError),
    /// Its key can't be read.
    #[error("the private key in the credentials file can't be read")]
    Key(#[source] jsonwebtoken::errors::Error),
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    private_key_id: String,
    private_key: SecretString,
    client_email: String,
    token_uri: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    expires_in: u64,
}

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl ServiceAccount {
    /// Understands a key file as Google's console writes it.
    pub fn from_key_file(json: &[u8]) -> Result<Self, KeyFileError> {
        use secrecy::ExposeSecret as _;

        let file: KeyFile = serde_json::from_slice(json).map_err(KeyFileError::Json)?;
        if file.kind != "service_account" {
            return Err(KeyFileError::Type(one_line(&file.kind)));
        }
        let pem = file.private_key.expose_secret().as_bytes();
        let key = EncodingKey::from_rsa_pem(pem).map_err(KeyFileError::Key)?;
        let token_uri = file.token_uri.parse().map_err(KeyFileError::TokenUri)?;
        Ok(Self { email: file.client_email, key_id: file.private_key_id, token_uri, key })
    }
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Refuses for ServiceAccount {
    /// The shape of OAuth (RFC 6749, 5.2), not of Google's other APIs.
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        let Refused { error, error_description } = serde_json::from_slice(refusal.body).unwrap_or_default();
        let message =
            if error_description.is_empty() { error } else { format!("{error}: {error_description}") };
        // Whatever is wrong with the claims, it is the account or this machine's clock.
        match refusal.status.as_u16() {
            400 | 401 | 403 => refusal.of_class(FaultClass::Auth, &message),
            _ => refusal.usual(&message),
        }
    }
}

impl TokenDialect for ServiceAccount {
    fn request(&self, now: u64) -> Result<HttpRequest, Fault> {
        let aud = self.token_uri.as_str();
        let claims = Claims { iss: &self.email, scope: SCOPE, aud, iat: now, exp: now + JWT_SECONDS };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key_id.clone()).filter(|id| !id.is_empty());
        let jwt = encode(&header, &claims, &self.key)
            .map_err(|_| Fault::local("the service account's key can't sign"))?;
        let form = vec![("grant_type".to_owned(), GRANT.to_owned()), ("assertion".to_owned(), jwt)];
        let (method, url) = (Method::POST, self.token_uri.clone());
        Ok(HttpRequest { method, url, headers: Vec::new(), body: Body::Form(form) })
    }

    fn token(&self, body: &[u8], now: u64) -> Result<Token, Fault> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| Fault::new(FaultClass::Garbage, "it answered without a token"))?;
        let good_until = now + answer.expires_in.saturating_sub(MARGIN_SECONDS);
        Ok(Token { bearer: answer.access_token, good_until })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use secrecy::ExposeSecret;
    use serde_json::Value;

    use super::*;

    const KEY_FILE: &[u8] = include_bytes!("../../../../fixtures/google/test-service-account.json");
    const PUBLIC_KEY: &[u8] = include_bytes!("../../../../fixtures/google/test-service-account.pub.pem");
    const NOW: u64 = 1_790_000_000;

    #[test]
    fn the_claims_are_signed_and_posted_to_the_key_files_own_place() {
        let account = ServiceAccount::from_key_file(KEY_FILE).unwrap();
        let request = account.request(NOW).unwrap();
        assert_eq!(request.url.as_str(), "https://oauth2.googleapis.com/token");
        let Body::Form(form) = &request.body else { panic!("{request:?}") };
        assert_eq!(form[0], ("grant_type".to_owned(), GRANT.to_owned()));
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&["https://oauth2.googleapis.com/token"]);
        rules.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(PUBLIC_KEY).unwrap();
        let jwt = decode::<Value>(&form[1].1, &key, &rules).unwrap();
        assert_eq!(jwt.header.kid.as_deref(), Some("test-key-1"));
        assert_eq!(
            jwt.claims,
            serde_json::json!({"iss": "reception@test-project.iam.gserviceaccount.com", "scope": SCOPE,
                "aud": "https://oauth2.googleapis.com/token", "iat": NOW, "exp": NOW + 3_600})
        );
        assert!(!format!("{account:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_token_is_used_until_a_minute_before_its_end() {
        let account = ServiceAccount::from_key_file(KEY_FILE).unwrap();
        let body = br#"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#;
        let token = account.token(body, NOW).unwrap();
        assert_eq!(token.bearer.expose_secret(), "ya29.x");
        assert!(token.is_good(NOW + 3_538) && !token.is_good(NOW + 3_539));
        let short = account.token(br#"{"access_token":"x","expires_in":30}"#, NOW).unwrap();
        assert!(!short.is_good(NOW));
        assert_eq!(account.token(b"<html>", NOW).unwrap_err().class, FaultClass::Garbage);
    }

    #[test]
    fn a_refused_account_is_told_in_words() {
        let account = ServiceAccount::from_key_file(KEY_FILE).unwrap();
        let fault = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            account.fault(&Refusal { status, headers: &HeaderMap::new(), body: body.as_bytes() })
        };
        assert_eq!(
            fault(400, r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#),
            Fault::new(FaultClass::Auth, "HTTP 400: invalid_grant: Invalid JWT Signature.")
        );
        assert_eq!(fault(503, "<html>").class, FaultClass::Busy);
    }

    #[test]
    fn another_kind_of_file_is_refused_without_its_secrets() {
        let user = br#"{"type":"authorized_user","private_key":"s3cret","client_email":"a@b","token_uri":"https://x"}"#;
        let bad_key = br#"{"type":"service_account","private_key":"s3cret","client_email":"a@b","token_uri":"https://x"}"#;
        for (file, part) in
            [(&user[..], "authorized_user"), (bad_key, "private key"), (b"{}", "no service account")]
        {
            let error = ServiceAccount::from_key_file(file).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("s3cret"), "{error}");
        }
    }
}

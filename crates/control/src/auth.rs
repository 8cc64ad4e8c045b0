//! Who may do what over HTTP. The configured token may do everything; a key what its scope says; nobody else anything,
//! except on a loopback address where there is neither token nor key yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use http::{HeaderMap, Uri, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use store::{Database, Scope};
use subtle::ConstantTimeEq;

use crate::Control;
use crate::asked::Pace;
use crate::key;
use crate::problem::{Code, Problem, unauthorized};

/// What is asked of those who bring nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A token or key, always.
    Locked,
    /// A key as soon as there is one.
    OpenUntilKeyed,
    /// Nothing.
    Open,
}

/// Says who asks, if they may do what takes this scope; what is missing otherwise.
pub(crate) async fn may(control: &Control, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
    control.access.check(headers, scope).await
}

/// The checks at the door.
#[derive(Clone)]
pub struct Access {
    door: Door,
    /// Digest of the token: digests have one length, so that comparing takes the same time for every wrong one.
    token: Option<[u8; 32]>,
    database: Database,
    /// Whether there was a key when the database last said so: [`UNTOLD`], [`NONE`] or [`SOME`].
    keyed: Arc<AtomicU8>,
    pace: Arc<Pace>,
}

const UNTOLD: u8 = 0;
const NONE: u8 = 1;
const SOME: u8 = 2;

/// What only a proxy writes: whoever it asks for is not here.
const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip"];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The key's id; `token` for the configured token, `open` for anyone at an open door.
    pub(crate) owner: String,
}

impl Access {
    /// `token` may do everything; keys are in `database`.
    pub fn new(door: Door, token: Option<&SecretString>, database: Database) -> Self {
        let token = token.map(|token| Sha256::digest(token.expose_secret().as_bytes()).into());
        Self { door, token, database, keyed: Arc::new(AtomicU8::new(UNTOLD)), pace: Arc::new(Pace::new(0)) }
    }

    /// Each key may ask so often within a minute; 0, and without this: as often as it likes.
    #[must_use]
    pub fn with_requests_per_minute(mut self, requests: u32) -> Self {
        self.pace = Arc::new(Pace::new(requests));
        self
    }

    /// Whether whoever asks may look at calls.
    pub async fn may_look(&self, headers: &HeaderMap) -> bool {
        self.check(headers, Scope::Read).await.is_ok()
    }

    /// What to say to somebody who is refused instead of the usual, where their address has had enough.
    pub(crate) fn refuse(&self) -> Option<Problem> {
        self.pace.refuse()
    }

    /// Who asks, if they may do what takes `scope`.
    pub(crate) async fn check(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
        match self.caller(headers, scope).await {
            Ok(caller) => self.pace.request(&caller.owner).map(|()| caller),
            Err(problem) if problem.code() == Code::Unauthorized => {
                Err(self.pace.refuse().unwrap_or(problem))
            }
            Err(problem) => Err(problem),
        }
    }

    async fn caller(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
        let given = bearer(headers);
        if let (Some(token), Some(given)) = (&self.token, given)
            && bool::from(Sha256::digest(given.as_bytes())[..].ct_eq(&token[..]))
        {
            return Ok(Caller { owner: "token".to_owned() });
        }
        if let Some(digest) = given.filter(|text| key::is_key(text)).map(key::digest) {
            // Whoever guesses does not keep the database busy; a key that was good is looked up whoever else is there.
            if let Some(problem) = self.pace.is_spent().filter(|_| !self.pace.knows(&digest)) {
                return Err(problem);
            }
            let Some(key) = self.database.key(&digest, Timestamp::now()).await? else {
                return self.without_key(headers).await;
            };
            self.pace.remember(digest);
            return if key.scope >= scope {
                Ok(Caller { owner: key.id })
            } else {
                Err(too_small(key.scope, scope))
            };
        }
        self.without_key(headers).await
    }

    async fn without_key(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.is_locked().await { Err(unauthorized()) } else { open(headers) }
    }

    async fn is_locked(&self) -> bool {
        match self.door {
            Door::Locked => true,
            Door::Open => false,
            Door::OpenUntilKeyed => {
                if let Ok(keys) = self.database.keys().await {
                    let is_keyed = keys.iter().any(|key| key.revoked_at.is_none());
                    self.keyed.store(if is_keyed { SOME } else { NONE }, Relaxed);
                }
                // A database that has not answered yet may hold keys.
                self.keyed.load(Relaxed) != NONE
            }
        }
    }
}

/// Lets anyone in who came here themselves. A page of some website that the operator's browser shows must not place
/// calls: neither by a request across sites nor by a name that was made to point here.
fn open(headers: &HeaderMap) -> Result<Caller, Problem> {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_here = |host: Option<&str>| host.is_none_or(is_loopback);
    let origin = text(header::ORIGIN).map(|origin| match origin.parse::<Uri>() {
        Ok(uri) => uri.authority().map_or_else(String::new, |authority| authority.as_str().to_owned()),
        Err(_) => String::new(),
    });
    let came_by_proxy = FORWARDED.iter().any(|name| headers.contains_key(*name));
    if !came_by_proxy && is_here(text(header::HOST)) && is_here(origin.as_deref()) {
        return Ok(Caller { owner: "open".to_owned() });
    }
    Err(unauthorized())
}

/// Whether a `host:port` is this machine's own.
fn is_loopback(authority: &str) -> bool {
    let Ok(uri) = authority.parse::<http::uri::Authority>() else { return false };
    let host = uri.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn too_small(scope: Scope, wanted: Scope) -> Problem {
    let (scope, wanted) = (scope.as_str(), wanted.as_str());
    let detail = format!("This takes a key of scope `{wanted}`, and yours has `{scope}`.");
    Problem::new(Code::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn database(folder: &tempfile::TempDir) -> Database {
        let file = folder.path().join("calls.db");
        Database::open(store::DatabaseOptions::Sqlite { file }).await.unwrap()
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    async fn check(access: &Access, pairs: &[(header::HeaderName, &str)]) -> Result<String, u16> {
        let checked = access.check(&headers(pairs), Scope::Admin).await;
        checked.map(|caller| caller.owner).map_err(|problem| problem.code().status().as_u16())
    }

    #[tokio::test]
    async fn only_the_token_is_let_in() {
        let token = SecretString::from("007");
        let folder = tempfile::tempdir().unwrap();
        let access = Access::new(Door::Locked, Some(&token), database(&folder).await);
        for (value, is_in) in [
            ("Bearer 007", true),
            ("bearer  007", true),
            ("Bearer 7", false),
            ("Bearer", false),
            ("Basic 007", false),
            ("007", false),
            ("Bearer tlk_x", false),
        ] {
            let said = check(&access, &[(header::AUTHORIZATION, value)]).await;
            assert_eq!(said, if is_in { Ok("token".to_owned()) } else { Err(401) }, "{value}");
        }
        assert_eq!(check(&access, &[]).await, Err(401));
    }

    #[tokio::test]
    async fn a_door_stays_shut_until_the_tables_say_that_there_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        database.close().await;
        let access = Access::new(Door::OpenUntilKeyed, None, database);
        assert_eq!(check(&access, &[]).await, Err(401));
    }

    #[tokio::test]
    async fn an_open_door_is_for_those_who_are_here() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        let access = Access::new(Door::OpenUntilKeyed, None, database.clone());
        let (host, origin) = (header::HOST, header::ORIGIN);
        for (pairs, is_in) in [
            (vec![], true),
            (vec![(host.clone(), "127.0.0.1:8080")], true),
            (vec![(host.clone(), "localhost:8080"), (origin.clone(), "http://localhost:5173")], true),
            (vec![(host.clone(), "[::1]:8080")], true),
            (vec![(host.clone(), "voice.example.com")], false),
            (vec![(host.clone(), "127.0.0.1.example.com")], false),
            (vec![(host.clone(), "127.0.0.1:8080"), (origin.clone(), "https://evil.example")], false),
            (vec![(host.clone(), "127.0.0.1:8080"), (origin, "null")], false),
            (vec![(host, "127.0.0.1:8080"), (header::FORWARDED, "for=192.0.2.7")], false),
        ] {
            let said = check(&access, &pairs).await;
            assert_eq!(said, if is_in { Ok("open".to_owned()) } else { Err(401) }, "{pairs:?}");
        }
        // The first key locks it, for those without it.
        let key = key::NewKey::make("desk", Scope::Call, Timestamp::now()).unwrap();
        database.add_key(&key.kept).await.unwrap();
        assert_eq!(check(&access, &[]).await, Err(401));
        let bearer = format!("Bearer {}", key.secret.expose_secret());
        let headers = headers(&[(header::AUTHORIZATION, &bearer)]);
        assert_eq!(access.check(&headers, Scope::Call).await.unwrap().owner, key.kept.id);
        assert_eq!(access.check(&headers, Scope::Admin).await.unwrap_err().code(), Code::Forbidden);
        assert!(database.revoke_key(&key.kept.id, Timestamp::now()).await.unwrap());
        assert_eq!(access.check(&headers, Scope::Call).await.unwrap().owner, "open");
    }
}

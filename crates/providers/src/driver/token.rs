//! Tokens that change, asked for over HTTP and kept for as long as they are good. One request at a time: the calls
//! of a process share the token, and wait for it together.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use call::{Fault, FaultClass};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::http::HttpLink;
use super::{Net, Patience, TokenSource};
use crate::LinkId;
use crate::dialect::{Token, TokenDialect};

/// How long a new token may take.
const FIRST: Duration = Duration::from_secs(3);
/// No answer with a token is longer.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The tokens of one account.
pub struct ExchangedTokens {
    link: HttpLink<dyn TokenDialect>,
    kept: Mutex<Option<Token>>,
}

impl ExchangedTokens {
    /// Tokens that `dialect` asks for. Nothing is asked until one is needed.
    pub fn new(link: LinkId, dialect: Arc<dyn TokenDialect>, net: Arc<Net>) -> Self {
        Self { link: HttpLink::over(link, dialect, net, Patience::first(FIRST)), kept: Mutex::new(None) }
    }

    async fn ask(&self) -> Result<SecretString, Fault> {
        let mut kept = self.kept.lock().await;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| Fault::local("this machine's clock is before 1970"))?
            .as_secs();
        if let Some(token) = kept.as_ref().filter(|token| token.is_good(now)) {
            return Ok(token.bearer.clone());
        }
        let by = Instant::now() + self.link.patience.first;
        let mut answered = self.link.ask(self.link.dialect.request(now)?, by).await?;
        let body = answered.body(LONGEST_ANSWER, by).await?;
        let token = self.link.dialect.token(&body, now)?;
        let bearer = token.bearer.clone();
        *kept = Some(token);
        Ok(bearer)
    }
}

impl TokenSource for ExchangedTokens {
    fn bearer(&self) -> BoxFuture<'_, Result<SecretString, Fault>> {
        Box::pin(async {
            self.ask().await.map_err(|fault| match fault.class {
                // A network that is slow or away is that, whoever is asked.
                FaultClass::Slow | FaultClass::Network | FaultClass::Local => fault,
                _ => Fault { why: format!("no token: {}", fault.why), ..fault },
            })
        })
    }
}

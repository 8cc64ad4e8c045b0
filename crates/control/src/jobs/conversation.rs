//! An agent's conversation at ElevenLabs, fetched where no post-call webhook came: webhooks are not sent again unless
//! the account asks for that, so this is the net under them (ElevenLabs' reference of post-call webhooks).

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use providers::DialectOptions;
use providers::driver::{Net, NetError, NetOptions};
use providers::elevenlabs::webhook::{Conversation, conversation_answer, conversation_request};
use store::jobs::JobError;
use store::{Database, Which};

use super::{About, fault};
use crate::elevenlabs;

/// How long connecting and one answer may take.
const CONNECT: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(30);
/// The largest answer: it has every word, with what was measured of each.
const LARGEST: usize = 8 << 20;

/// The accounts whose conversations can be fetched. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Conversations {
    /// Made when it is first needed: most servers never do.
    net: Arc<OnceLock<Net>>,
    accounts: Arc<RwLock<Vec<DialectOptions>>>,
}

impl Conversations {
    /// Of these accounts. Nothing is connected until it is needed.
    pub fn new(accounts: Vec<DialectOptions>) -> Self {
        Self { net: Arc::default(), accounts: Arc::new(RwLock::new(accounts)) }
    }

    fn net(&self) -> Result<&Net, NetError> {
        if let Some(net) = self.net.get() {
            return Ok(net);
        }
        let net = Net::new(&NetOptions { connect: CONNECT, ..NetOptions::default() })?;
        Ok(self.net.get_or_init(|| net))
    }

    /// Of these from now on.
    pub fn configure(&self, accounts: Vec<DialectOptions>) {
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    /// Fetches one and keeps what is said of the call, as the webhook would have.
    pub(super) async fn fetch(&self, database: &Database, about: &About) -> Result<(), JobError> {
        let About { call, subject: id } = about;
        if elevenlabs::has_told(database, *call, id).await.map_err(fault)? {
            return Ok(());
        }
        let record = database.call(&Which::Id(*call)).await.map_err(fault)?;
        if record.is_none_or(|record| record.erased_at.is_some()) {
            return Ok(());
        }
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut again, mut never) = (None, None);
        // Which account it was with is not known where there are several.
        for account in &accounts {
            match self.ask(account, id).await {
                Ok(conversation) if conversation.is_final() => {
                    elevenlabs::keep(database, *call, &conversation, Timestamp::now())
                        .await
                        .map_err(fault)?;
                    tracing::info!(call_id = %call, conversation = id, "what an agent found out is fetched");
                    return Ok(());
                }
                Ok(conversation) => {
                    return Err(JobError::Again(format!("its status is still {}", conversation.status)));
                }
                Err(why @ JobError::Again(_)) => again = Some(why),
                Err(why @ JobError::Never(_)) => never = Some(why),
            }
        }
        let nobody = || JobError::Again("no account at ElevenLabs is configured".to_owned());
        Err(again.or(never).unwrap_or_else(nobody))
    }

    async fn ask(&self, account: &DialectOptions, id: &str) -> Result<Conversation, JobError> {
        let request = conversation_request(account, id)
            .ok_or_else(|| JobError::Never("this can't be a conversation's id".to_owned()))?;
        let net = self.net().map_err(|error| JobError::Again(error.to_string()))?;
        let fetched = net.fetch_up_to(LARGEST, request, WITHIN).await;
        let (status, _, body) = fetched.map_err(|fault| JobError::Again(fault.to_string()))?;
        match conversation_answer(status, &body) {
            Ok(Some(conversation)) => Ok(conversation),
            Ok(None) => Err(JobError::Never("ElevenLabs knows no such conversation".to_owned())),
            Err(_) if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) => {
                Err(JobError::Never(format!("ElevenLabs refuses to tell: HTTP {}", status.as_u16())))
            }
            Err(why) => Err(JobError::Again(format!("HTTP {}: {why}", status.as_u16()))),
        }
    }
}

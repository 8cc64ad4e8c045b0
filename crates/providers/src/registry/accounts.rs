//! Service accounts, each with the tokens that all links of the process share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::driver::{ExchangedTokens, Net, TokenSource};
use crate::google::ServiceAccount;
use crate::{LinkId, Role, Transport};

/// Accounts by their files. A file that has changed is another account.
#[derive(Default)]
pub(super) struct Accounts(Mutex<BTreeMap<PathBuf, Account>>);

struct Account {
    file: Vec<u8>,
    tokens: Arc<ExchangedTokens>,
}

impl Accounts {
    /// The tokens of the account in this file. Reads it.
    pub(super) fn tokens(
        &self,
        vendor: &str,
        path: &Path,
        net: &Arc<Net>,
    ) -> Result<Arc<dyn TokenSource>, String> {
        let file = std::fs::read(path)
            .map_err(|error| format!("the file {} can't be read: {error}", path.display()))?;
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(path).filter(|account| account.file == file) {
            return Ok(account.tokens.clone());
        }
        let account = ServiceAccount::from_key_file(&file).map_err(|error| error.to_string())?;
        // Its own link: a token that can't be had says nothing about recogniser or voice.
        let link = LinkId::new(vendor, Role::SpeechToText, Transport::Http);
        let tokens = Arc::new(ExchangedTokens::new(link, Arc::new(account), net.clone()));
        accounts.insert(path.to_owned(), Account { file, tokens: tokens.clone() });
        Ok(tokens)
    }
}

//! The work in the background of a running server: jobs that outlive it, and the alerts that somebody is to look at.

use std::sync::Arc;
use std::time::Duration;

use control::jobs::{Conversations, Receiver, Work, keep_asking};
use control::{Alerts, Outbound, Vendors, Watch};
use jiff::SignedDuration;
use providers::{Api, DialectOptions, RoleOptions, elevenlabs};
use records::AfterRules;
use secrecy::ExposeSecret as _;
use store::jobs::JobOptions;
use store::{Database, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::accounts;
use crate::config::Config;
use crate::failure::Failure;

/// How often it is looked whether something is wrong.
const LOOK: Duration = Duration::from_secs(60);
/// How many jobs at once: most of their time they wait for somebody's answer.
const AT_ONCE: u32 = 8;
/// How long an agent's own word after a call is waited for before it is asked for.
const CONVERSATION: SignedDuration = SignedDuration::from_mins(5);

/// What runs.
pub(crate) struct Running {
    database: Database,
    conversations: Conversations,
    alerts: Alerts,
    jobs: JoinHandle<()>,
}

impl Running {
    /// Starts it; it ends with `stop`, and [`Running::stop`] waits for it.
    pub(crate) fn start(
        config: &Config,
        (store, database): (&Store, &Database),
        outbound: &Outbound,
        vendors: Arc<dyn Vendors>,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let conversations = Conversations::new(conversation_accounts(config));
        let receiver = receiver(config)?;
        let work = Work {
            database: database.clone(),
            outbound: outbound.clone(),
            conversations: conversations.clone(),
            receiver: receiver.clone(),
        };
        let options = JobOptions { at_once: AT_ONCE, ..JobOptions::default() };
        let run = store::jobs::run(database.clone(), work.handlers(), options, stop.clone());
        let jobs = tokio::spawn(run);
        tokio::spawn(keep_asking(database.clone(), stop.clone()));
        let alerts = Alerts::default();
        let watch = Watch {
            store: store.clone(),
            database: database.clone(),
            vendors: Some(vendors),
            receiver,
            alerts: alerts.clone(),
            server: config.server.public_url.clone(),
        };
        tokio::spawn(watch.run(LOOK, stop.clone()));
        Ok(Self { database: database.clone(), conversations, alerts, jobs })
    }

    /// What the API shows of alerts.
    pub(crate) fn alerts(&self) -> Alerts {
        self.alerts.clone()
    }

    /// Goes by another configuration from now on.
    pub(crate) fn configure(&self, config: &Config) {
        self.conversations.configure(conversation_accounts(config));
        self.database.after_calls(rules(config));
    }

    /// Waits for the jobs that run, within `limit`. What does not end then is begun again by the next process.
    pub(crate) async fn stop(mut self, limit: Duration) {
        match tokio::time::timeout(limit, &mut self.jobs).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("the jobs' runner ended by a panic"),
            Err(_) => {
                self.jobs.abort();
                tracing::warn!(
                    "not all jobs have ended; those that have not are begun again once their leases end"
                );
            }
        }
    }
}

/// What calls leave to be done here: only what there are credentials for.
pub(crate) fn rules(config: &Config) -> AfterRules {
    let accounts = [accounts::twilio(config).ok().flatten(), accounts::exotel(config)];
    let details_of = accounts.into_iter().flatten().map(|account| {
        let after = SignedDuration::try_from(account.rest.details_after()).unwrap_or(SignedDuration::ZERO);
        (account.rest.name().to_owned(), after)
    });
    let conversations_of = (!conversation_accounts(config).is_empty()).then(|| Api::Elevenlabs.as_str());
    AfterRules {
        conversations_of: conversations_of.into_iter().map(str::to_owned).collect(),
        conversation_wait: CONVERSATION,
        details_of: details_of.collect(),
    }
}

/// The accounts whose conversations can be fetched: with a key, without which nothing is told.
fn conversation_accounts(config: &Config) -> Vec<DialectOptions> {
    let accounts = config.vendors.iter().filter_map(|(name, vendor)| {
        let implied = (name == Api::Elevenlabs.as_str()).then_some(Api::Elevenlabs);
        let key = vendor.key.clone().filter(|_| vendor.api.or(implied) == Some(Api::Elevenlabs))?;
        let base = vendor.base_url.as_deref().unwrap_or(elevenlabs::BASE_URL).parse().ok()?;
        let (headers, role) = (vendor.headers.clone(), RoleOptions::default());
        Some(DialectOptions { base, key: Some(key), headers, role })
    });
    accounts.collect()
}

/// Whom alerts are told.
fn receiver(config: &Config) -> Result<Option<Arc<Receiver>>, Failure> {
    let (Some(url), Some(secret)) = (&config.alerts.webhook_url, &config.alerts.webhook_secret) else {
        return Ok(None);
    };
    let receiver = Receiver::new(url.expose_secret(), secret);
    receiver
        .map(|receiver| Some(Arc::new(receiver)))
        .map_err(|error| Failure::config(format!("alerts: {error}")))
}

#[cfg(test)]
mod tests {
    use providers::VendorOptions;

    use super::*;

    #[test]
    fn calls_leave_only_what_there_are_credentials_for() {
        let mut config = Config::default();
        assert_eq!(rules(&config), AfterRules { conversation_wait: CONVERSATION, ..AfterRules::default() });
        config.twilio.account_sid = Some("AC1".to_owned());
        config.twilio.auth_token = Some("t".into());
        config.exotel.account_sid = Some("acme1".to_owned());
        let vendor = |api, key: Option<&str>| VendorOptions {
            api,
            key: key.map(|key| key.to_owned().into()),
            ..VendorOptions::default()
        };
        config.vendors.insert("elevenlabs".to_owned(), vendor(None, None));
        config.vendors.insert("deepgram".to_owned(), vendor(None, Some("k")));
        assert_eq!(rules(&config).details_of.keys().collect::<Vec<_>>(), ["twilio"]);
        assert!(rules(&config).conversations_of.is_empty(), "without a key nothing is told");
        config.vendors.insert("our_agents".to_owned(), vendor(Some(Api::Elevenlabs), Some("k")));
        assert_eq!(rules(&config).conversations_of, ["elevenlabs".to_owned()].into());
        assert_eq!(conversation_accounts(&config).len(), 1);
    }
}

//! `trunkline doctor --online` at the carriers: whether their credentials are good, and whether the calls of the number
//! that is shown come here.

use control::carrier::{CarrierAccount, Client, Wanted, check};

use super::Finding;
use crate::accounts;
use crate::config::Config;

/// Looks at every account that is configured.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match accounts::twilio(config) {
        Ok(Some(account)) => findings.extend(one(account, wanted(config)).await),
        Ok(None) => {}
        Err(failure) => {
            findings.push(Finding { name: "twilio".to_owned(), problem: Some(failure.to_string()) });
        }
    }
    if let Some(account) = accounts::exotel(config) {
        findings.extend(one(account, None).await);
    }
    findings
}

async fn one(account: CarrierAccount, wanted: Option<Wanted>) -> Vec<Finding> {
    let name = account.rest.name();
    match Client::new(account) {
        Ok(client) => {
            let found = check(&client, wanted.as_ref()).await;
            found.into_iter().map(|found| Finding { name: found.name, problem: found.problem }).collect()
        }
        Err(error) => vec![Finding { name: name.to_owned(), problem: Some(error.to_string()) }],
    }
}

/// Where the calls of Twilio's number belong, where it is known which that is and how this server is reached.
fn wanted(config: &Config) -> Option<Wanted> {
    let number = config.twilio.from.clone()?;
    let address = carriers::Address::parse(config.server.public_url.as_deref()?).ok()?;
    Some(Wanted {
        number,
        voice_url: address.http("/twilio/voice"),
        status_url: address.http("/twilio/status"),
    })
}

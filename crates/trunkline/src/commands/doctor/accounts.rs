//! `trunkline doctor --online` at the carriers: whether their credentials are good, whether the calls of the number that is
//! shown come here, and what time it is there.

use ::carriers::Address;
use control::carrier::{CarrierAccount, Client, Wanted, check};

use super::clock;
use super::finding::Finding;
use super::http::{Answer, Http, Request, public_tls};
use crate::accounts;
use crate::config::Config;

/// Looks at every account that is configured.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut bases = Vec::new();
    match accounts::twilio(config) {
        Ok(Some(account)) => {
            bases.push(("Twilio".to_owned(), account.base_url.clone()));
            findings.extend(one(account, wanted(config)).await);
        }
        Ok(None) => {}
        Err(failure) => findings.push(Finding::fail("carrier.account", "twilio", failure.to_string())),
    }
    if let Some(account) = accounts::exotel(config) {
        bases.push(("Exotel".to_owned(), account.base_url.clone()));
        findings.extend(one(account, None).await);
    }
    if findings.is_empty() {
        let why = "neither twilio.account_sid nor exotel.account_sid is set";
        findings.push(Finding::left_out("carrier.account", "carriers' accounts", why));
    } else {
        findings.push(time(&bases).await);
    }
    findings
}

async fn one(account: CarrierAccount, wanted: Option<Wanted>) -> Vec<Finding> {
    let name = account.rest.name();
    match Client::new(account) {
        Ok(client) => check(&client, wanted.as_ref()).await.into_iter().map(of).collect(),
        Err(error) => vec![Finding::fail("carrier.account", name, error.to_string())],
    }
}

fn of(found: control::carrier::Finding) -> Finding {
    let is_number = found.name.contains("number");
    let check = if is_number { "carrier.number" } else { "carrier.account" };
    match found.problem {
        None => Finding::ok(check, found.name),
        Some(problem) => {
            let can_be_set = is_number && problem.contains("set it to");
            let made = if found.is_minor { Finding::warn } else { Finding::fail };
            let made = made(check, found.name, problem);
            if can_be_set { made.fix("trunkline doctor --fix") } else { made }
        }
    }
}

/// What time the carriers have. No credentials are needed for that, and none are sent.
async fn time(bases: &[(String, String)]) -> Finding {
    let http = match public_tls().and_then(Http::new) {
        Ok(http) => http,
        Err(why) => return Finding::left_out("clock", "the clock", why),
    };
    let mut ahead = Vec::new();
    for (name, base) in bases {
        let answer = http.ask(Request::get(&format!("{base}/"))).await;
        ahead.extend(answer.ok().as_ref().and_then(Answer::ahead_s).map(|ahead| (name.clone(), ahead)));
    }
    clock::finding(&ahead, false)
}

/// Where the calls of Twilio's number belong, where it is known which that is and how this server is reached.
pub(super) fn wanted(config: &Config) -> Option<Wanted> {
    let number = config.twilio.from.clone()?;
    let address = Address::parse(config.server.public_url.as_deref()?).ok()?;
    Some(Wanted {
        number,
        voice_url: address.http("/twilio/voice"),
        status_url: address.http("/twilio/status"),
    })
}

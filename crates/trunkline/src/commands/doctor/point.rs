//! `trunkline doctor --fix`: sends the calls of Twilio's number here, after showing where they went and asking.

use std::io::{BufRead as _, IsTerminal as _, stdin};

use ::carriers::rest::NumberSettings;
use control::carrier::{Client, NO_SUCH_NUMBER, Wanted, advice, told};
use records::masked;

use super::accounts::wanted;
use super::finding::{Finding, State};
use crate::accounts;
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::{bold, message};

const CHECK: &str = "carrier.fix";

/// Sets what is to be set. `before` is what was found about the way to this server: calls are not sent to an address that
/// does not lead here.
pub(super) async fn fix(config: &Config, before: &[Finding], yes: bool) -> Result<Finding, Failure> {
    let account = accounts::twilio(config)?;
    let name = "Twilio's number";
    let (Some(account), Some(wanted)) = (account, wanted(config)) else {
        let why = "it takes twilio.account_sid, twilio.auth_token, twilio.from and server.public_url";
        return Ok(Finding::fail(CHECK, name, why).fix("twilio.from = \"+12025550123\""));
    };
    let name = format!("{name} {}", masked(&wanted.number));
    let is_way = |check: &str| ["public.", "twilio."].iter().any(|group| check.starts_with(group));
    if let Some(wrong) = before.iter().find(|found| found.state == State::Fail && is_way(found.check)) {
        let why = format!("it is left as it is, since calls would not arrive: {}", wrong.name);
        return Ok(Finding::fail(CHECK, name, why));
    }
    let client = Client::new(account).map_err(|error| Failure::config(error.to_string()))?;
    let settings = match client.number(&wanted.number).await {
        Some(Ok(Some(settings))) => settings,
        Some(Ok(None)) => return Ok(Finding::fail(CHECK, name, NO_SUCH_NUMBER)),
        Some(Err(fault)) => return Ok(Finding::fail(CHECK, name, advice(&fault))),
        None => return Ok(Finding::fail(CHECK, name, "the carrier can't be asked about its numbers")),
    };
    if settings.elsewhere {
        let why = "an application or a trunk takes its calls: take it off in Twilio's console first, where one sees what \
                   else hangs on it";
        return Ok(Finding::fail(CHECK, name, why));
    }
    if wanted.is_met_by(&settings) {
        return Ok(Finding::ok(CHECK, format!("{name}: its calls come here already")));
    }
    show(&name, &settings, &wanted);
    if !yes && !agreed()? {
        return Ok(Finding::left_out(CHECK, name, "nothing was changed"));
    }
    Ok(set(&client, name, &settings, &wanted).await)
}

async fn set(client: &Client, name: String, settings: &NumberSettings, wanted: &Wanted) -> Finding {
    let voice_url = wanted.voice_url_for(settings);
    match client.point(&settings.id, &voice_url, &wanted.status_url).await {
        Ok(true) => {}
        Ok(false) => return Finding::fail(CHECK, name, "the carrier has no way to set this"),
        Err(fault) => return Finding::fail(CHECK, name, format!("it was not set: {}", advice(&fault))),
    }
    // What the carrier now has is what counts.
    match client.number(&wanted.number).await {
        Some(Ok(Some(now))) if wanted.is_met_by(&now) => {
            Finding::ok(CHECK, format!("{name}: set; its calls come to {}", told(&now.voice_url)))
        }
        Some(Err(fault)) => {
            Finding::warn(CHECK, name, format!("set, and not read again: {}", advice(&fault)))
        }
        _ => Finding::fail(CHECK, name, "Twilio took the settings and still shows others"),
    }
}

/// Old and new, on stderr: what is asked about is seen where the question is.
fn show(name: &str, settings: &NumberSettings, wanted: &Wanted) {
    message(&bold(name));
    let voice_url = wanted.voice_url_for(settings);
    for (what, old, new) in [
        ("voice URL", settings.voice_url.as_str(), voice_url.as_str()),
        ("status callback", settings.status_url.as_str(), wanted.status_url.as_str()),
    ] {
        // A query may hold a secret, and which of several it was is not needed to see whose it is.
        let query = if old.contains('?') { " (and a query)" } else { "" };
        message(&format!("  {what:<15}  now  {}{query}", told(old)));
        message(&format!("  {:<15}  then {}", "", told(new)));
    }
    let is_used = !settings.voice_url.is_empty() && !settings.voice_url.contains("://demo.twilio.com/");
    if is_used && wanted.voice_url_for(settings) != settings.voice_url {
        message("  its calls are answered somewhere else now, and would not be any more");
    }
}

/// Asks. Without somebody to ask it is an error, and nothing is changed.
fn agreed() -> Result<bool, Failure> {
    if !stdin().is_terminal() {
        return Err(Failure::usage(
            "nothing was changed: there is no terminal to ask on; look at the lines above and say --yes",
        ));
    }
    eprint!("Set this at Twilio? [y/N] ");
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

//! Whether an account at a carrier would work, before anyone calls: are the credentials good, and do the calls of its
//! number come here.

use carriers::rest::{NumberSettings, RestFault, RestFaultKind};

use super::Client;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: String,
    /// What is wrong and what to do; `None` when it is well.
    pub problem: Option<String>,
}

/// A number of the account, and where its calls belong.
#[derive(Clone)]
pub struct Wanted {
    /// The number, as the carrier writes it.
    pub number: String,
    /// Whom the carrier is to ask what to do with a call.
    pub voice_url: String,
    /// Where it is to tell how a call goes.
    pub status_url: String,
}

/// Looks at an account and, where it is given, at its number. A carrier that can't be asked about numbers gives no
/// finding about them.
pub async fn check(client: &Client, wanted: Option<&Wanted>) -> Vec<Finding> {
    let carrier = client.rest().name();
    let credentials = match client.probe().await {
        Ok(shown) => {
            let shown = if shown.is_empty() { shown } else { format!(": {shown}") };
            Finding { name: format!("{carrier}'s credentials{shown}"), problem: None }
        }
        Err(fault) => Finding { name: format!("{carrier}'s credentials"), problem: Some(advice(&fault)) },
    };
    // Who may not ask will not be told about a number either.
    let is_well = credentials.problem.is_none();
    let mut findings = vec![credentials];
    if let Some(wanted) = wanted.filter(|_| is_well)
        && let Some(told) = client.number(&wanted.number).await
    {
        let name = format!("{carrier}'s number {}", masked(&wanted.number));
        let problem = match told {
            Ok(Some(settings)) => misdirected(&settings, wanted),
            Ok(None) => {
                Some("the account has no such number; give one of its own as the number to show".to_owned())
            }
            Err(fault) => Some(advice(&fault)),
        };
        findings.push(Finding { name, problem });
    }
    findings
}

/// What a fault of the REST interface calls for.
fn advice(fault: &RestFault) -> String {
    let todo = match fault.kind {
        RestFaultKind::Auth => "check the account's id and its key or token in the carrier's console",
        RestFaultKind::NoCall => "check the account's id, and the region in which it lives",
        RestFaultKind::Network => "check the base URL, DNS and whether this machine may connect to it",
        RestFaultKind::Garbage => "check the base URL: something else answers there",
        RestFaultKind::Busy | RestFaultKind::Server => "try again later",
        RestFaultKind::Request => "check the account's settings",
    };
    format!("{}; {todo}", fault.why)
}

fn misdirected(settings: &NumberSettings, wanted: &Wanted) -> Option<String> {
    let mut wrong = Vec::new();
    if settings.elsewhere {
        wrong.push(
            "an application or a trunk takes its calls, so its voice URL means nothing; take it off"
                .to_owned(),
        );
    }
    if !is_same(&settings.voice_url, &wanted.voice_url) {
        wrong.push(format!("its voice URL is {}; set it to {}", told(&settings.voice_url), wanted.voice_url));
    } else if !settings.is_post {
        wrong.push("its voice URL is asked with GET; set it to POST".to_owned());
    }
    if !is_same(&settings.status_url, &wanted.status_url) {
        wrong.push(format!(
            "its status callback is {}; set it to {}",
            told(&settings.status_url),
            wanted.status_url
        ));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

/// An address without its query, in which a secret may stand.
fn told(url: &str) -> &str {
    match url.split('?').next() {
        None | Some("") => "not set",
        Some(url) => url,
    }
}

fn masked(number: &str) -> String {
    let last: String = number.chars().rev().take(2).collect();
    format!("...{}", last.chars().rev().collect::<String>())
}

//! Whether an account at a carrier would work, before anyone calls: are the credentials good, and do the calls of its
//! number come here.

use carriers::rest::{NumberSettings, RestFault, RestFaultKind};
use records::masked;

use super::Client;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: String,
    /// What is wrong and what to do; `None` when it is well.
    pub problem: Option<String>,
    /// Whether calls go well all the same, for now.
    pub is_minor: bool,
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

impl Wanted {
    /// The voice URL that the number is to have. One that leads here and picks an agent (`?agent=NAME`) stays as it is.
    pub fn voice_url_for(&self, settings: &NumberSettings) -> String {
        if is_same(&settings.voice_url, &self.voice_url) {
            return settings.voice_url.clone();
        }
        self.voice_url.clone()
    }

    /// Whether the number's calls, and what becomes of them, come here already.
    pub fn is_met_by(&self, settings: &NumberSettings) -> bool {
        misdirected(settings, self).is_none()
    }
}

/// Looks at an account and, where it is given, at its number. A carrier that can't be asked about numbers gives no
/// finding about them.
pub async fn check(client: &Client, wanted: Option<&Wanted>) -> Vec<Finding> {
    let carrier = client.rest().name();
    let credentials = match client.probe().await {
        Ok(shown) => {
            let shown = if shown.is_empty() { shown } else { format!(": {shown}") };
            Finding { name: format!("{carrier}'s credentials{shown}"), problem: None, is_minor: false }
        }
        Err(fault) => {
            let name = format!("{carrier}'s credentials");
            Finding { name, problem: Some(advice(&fault)), is_minor: false }
        }
    };
    // Who may not ask will not be told about a number either.
    let is_well = credentials.problem.is_none();
    let mut findings = vec![credentials];
    if let Some(wanted) = wanted.filter(|_| is_well)
        && let Some(told) = client.number(&wanted.number).await
    {
        let name = format!("{carrier}'s number {}", masked(&wanted.number));
        let (problem, is_minor) = match told {
            Ok(Some(settings)) => {
                let is_minor = voice_fault(&settings, wanted).is_none();
                (misdirected(&settings, wanted), is_minor)
            }
            Ok(None) => (Some(NO_SUCH_NUMBER.to_owned()), false),
            Err(fault) => (Some(advice(&fault)), false),
        };
        findings.push(Finding { name, problem, is_minor });
    }
    findings
}

/// What to say of a number that the account does not have.
pub const NO_SUCH_NUMBER: &str = "the account has no such number; give one of its own as the number to show";

/// What a fault of the REST interface calls for.
pub fn advice(fault: &RestFault) -> String {
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

/// What keeps the number's calls from coming here.
fn voice_fault(settings: &NumberSettings, wanted: &Wanted) -> Option<String> {
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
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

fn misdirected(settings: &NumberSettings, wanted: &Wanted) -> Option<String> {
    let mut wrong: Vec<String> = voice_fault(settings, wanted).into_iter().collect();
    if !is_same(&settings.status_url, &wanted.status_url) {
        wrong.push(format!(
            "its status callback is {}; set it to {}",
            told(&settings.status_url),
            wanted.status_url
        ));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// Whether two addresses lead to one place. Scheme and host have no case; a query only says more to whoever is there.
fn is_same(one: &str, other: &str) -> bool {
    let parts = |url: &str| {
        let url = url.split('?').next().unwrap_or_default().trim_end_matches('/');
        let path = url.find("://").and_then(|at| url[at + 3..].find('/').map(|slash| at + 3 + slash));
        let (place, path) = url.split_at(path.unwrap_or(url.len()));
        (place.to_ascii_lowercase(), path.to_owned())
    };
    parts(one) == parts(other)
}

/// An address without its query, in which a secret may stand.
pub fn told(url: &str) -> &str {
    match url.split('?').next() {
        None | Some("") => "not set",
        Some(url) => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_in_the_query_is_no_other_place_and_a_path_is() {
        let here = "https://gw.example.com/twilio/voice";
        for same in
            [here, "https://GW.example.com/twilio/voice/", "https://gw.example.com/twilio/voice?agent=x"]
        {
            assert!(is_same(same, here), "{same}");
        }
        for other in ["", "http://gw.example.com/twilio/voice", "https://gw.example.com/Twilio/voice"] {
            assert!(!is_same(other, here), "{other}");
        }
        let wanted = Wanted {
            number: String::new(),
            voice_url: here.to_owned(),
            status_url: "https://h/s".to_owned(),
        };
        let mut settings = NumberSettings {
            voice_url: format!("{here}?agent=x"),
            is_post: true,
            status_url: "https://h/s".to_owned(),
            ..NumberSettings::default()
        };
        assert!(wanted.is_met_by(&settings));
        assert_eq!(wanted.voice_url_for(&settings), format!("{here}?agent=x"), "the agent is kept");
        settings.voice_url = "https://elsewhere.example.com/x?key=canary".to_owned();
        assert_eq!(wanted.voice_url_for(&settings), here);
        assert!(!misdirected(&settings, &wanted).unwrap().contains("canary"));
    }
}

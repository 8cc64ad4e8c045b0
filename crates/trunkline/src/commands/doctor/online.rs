//! `trunkline doctor --online`: a real request on every way to every vendor, and what to do where it is refused.

use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass};
use futures_util::future::join_all;
use providers::driver::Probe;
use providers::{Role, Transport};
use tokio::time::timeout;

use super::finding::Finding;
use crate::config::Config;

/// How long one vendor may take. Longer, and no call could wait for it either.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks all of them at once.
pub(super) async fn findings(probes: Vec<Arc<dyn Probe>>, config: &Config) -> Vec<Finding> {
    join_all(probes.iter().map(|probe| one(&**probe, config))).await
}

async fn one(probe: &dyn Probe, config: &Config) -> Finding {
    let link = probe.link();
    // A service account opens speech, and a key the models; who has set up only one of them wants only that.
    let vendor = config.vendors.get(&*link.vendor);
    let by_account = vendor.is_some_and(|vendor| vendor.credentials_file.is_some());
    let is_model = link.role == Role::LanguageModel;
    if by_account && is_model && vendor.is_none_or(|vendor| vendor.key.is_none()) {
        let why = format!("vendors.{}.key is not set, and this takes one", link.vendor);
        return Finding::left_out("vendor", link.to_string(), why);
    }
    let asked = timeout(PATIENCE, probe.probe()).await;
    let asked = asked.unwrap_or_else(|_| {
        Err(Fault::new(FaultClass::Slow, format!("no answer within {} s", PATIENCE.as_secs())))
    });
    match asked {
        Ok(took) => Finding::ok("vendor", format!("{link}, {} ms", took.as_millis())),
        Err(fault) => {
            let advice = match fault.class {
                FaultClass::Auth if by_account && !is_model => format!(
                    "check the service account of vendors.{}.credentials_file, and that its API is enabled",
                    link.vendor
                ),
                class => advice(class, &link.vendor, link.role.as_str(), link.transport),
            };
            Finding::fail("vendor", link.to_string(), format!("{}; {advice}", fault.why))
        }
    }
}

/// What an operator can do about a fault.
fn advice(class: FaultClass, vendor: &str, role: &str, transport: Transport) -> String {
    match class {
        FaultClass::Auth => format!("check vendors.{vendor}.key and what it is allowed to do"),
        FaultClass::Quota => {
            "the account has no credit left: add some, or put another vendor before it".to_owned()
        }
        FaultClass::Rate => {
            "too much at once: try again later, or ask the vendor for a higher limit".to_owned()
        }
        FaultClass::Busy => {
            "the vendor is overloaded or down: see its status page; calls take the next one".to_owned()
        }
        FaultClass::Config => {
            format!("check model, voice, language, query and body of vendors.{vendor}.{role}, and base_url")
        }
        FaultClass::Network if transport == Transport::Websocket => format!(
            "check the network and base_url; where WebSockets are blocked, set vendors.{vendor}.{role}.transport to \
             \"http\""
        ),
        FaultClass::Network => {
            format!("check name resolution, firewall and vendors.{vendor}.base_url from this machine")
        }
        FaultClass::Slow => {
            "it is too slow for a call: check the network, or take a region nearer by".to_owned()
        }
        FaultClass::Garbage => {
            format!("something else answers there: check vendors.{vendor}.base_url and proxies on the way")
        }
        FaultClass::Idle | FaultClass::Lifetime => "ask again; calls do so by themselves".to_owned(),
        FaultClass::Local => "see what this machine lacks".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_has_an_advice_of_its_own() {
        for transport in [Transport::Websocket, Transport::Http] {
            for class in FaultClass::ALL {
                assert!(!advice(class, "deepgram", "speech_to_text", transport).is_empty());
            }
        }
        assert!(advice(FaultClass::Auth, "deepgram", "x", Transport::Http).contains("vendors.deepgram.key"));
        let blocked = advice(FaultClass::Network, "deepgram", "speech_to_text", Transport::Websocket);
        assert!(blocked.contains("vendors.deepgram.speech_to_text.transport"), "{blocked}");
    }
}

//! `trunkline doctor --online`: a real request on every way to every vendor, and what to do where it is refused.

use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass};
use futures_util::future::join_all;
use providers::Transport;
use providers::driver::Probe;
use tokio::time::timeout;

use super::Finding;

/// How long one vendor may take. Longer, and no call could wait for it either.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks all of them at once.
pub(super) async fn findings(probes: Vec<Arc<dyn Probe>>) -> Vec<Finding> {
    join_all(probes.iter().map(|probe| one(&**probe))).await
}

async fn one(probe: &dyn Probe) -> Finding {
    let link = probe.link();
    let asked = timeout(PATIENCE, probe.probe()).await;
    let asked = asked.unwrap_or_else(|_| {
        Err(Fault::new(FaultClass::Slow, format!("no answer within {} s", PATIENCE.as_secs())))
    });
    match asked {
        Ok(took) => Finding { name: format!("{link}, {} ms", took.as_millis()), problem: None },
        Err(fault) => {
            let advice = advice(fault.class, &link.vendor, link.role.as_str(), link.transport);
            Finding { name: link.to_string(), problem: Some(format!("{}; {advice}", fault.why)) }
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

//! The carriers that are configured, by name: how each is asked, where it reaches this server, and what its callbacks
//! are checked against.

use std::sync::Arc;
use std::time::Duration;

use ::carriers::Address;
use ::carriers::rest::MachineDetection;
use control::carrier::{CarrierAccount, Client};
use control::{CallbackSecrets, CarrierLine, CarrierUrls, DataPlane, Outbound, OutboundOptions};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use store::Database;

use crate::accounts;
use crate::config::{Config, Listens};
use crate::failure::Failure;

/// What places and ends calls. `node`: the name of this process among those that share the tables, where calls can live
/// on it.
pub(crate) fn outbound(
    config: &Config,
    database: Database,
    data_plane: Arc<dyn DataPlane>,
    node: Option<String>,
) -> Result<Outbound, Failure> {
    let set = &config.outbound;
    let options = OutboundOptions {
        rules: set.rules(),
        carrier: set.carrier.clone(),
        ring: Duration::from_millis(set.ring_ms),
        longest: Duration::from_millis(set.max_call_ms),
        machine: match set.machine_detection {
            Listens::Off => MachineDetection::Off,
            Listens::Detect => MachineDetection::Detect,
            Listens::MessageEnd => MachineDetection::MessageEnd,
        },
        stale_after: Duration::from_millis(config.sweep.after_ms),
        node,
        ..OutboundOptions::default()
    };
    Ok(Outbound::new(options, lines(config)?, database, data_plane))
}

/// What callbacks are checked against.
pub(crate) fn callbacks(config: &Config) -> CallbackSecrets {
    CallbackSecrets {
        address: address(config),
        signing: config.twilio.auth_token.clone(),
        in_url: exotel_secret(config),
    }
}

fn address(config: &Config) -> Option<Address> {
    config.server.public_url.as_deref().and_then(|url| Address::parse(url).ok())
}

fn lines(config: &Config) -> Result<Vec<CarrierLine>, Failure> {
    let address = address(config);
    let mut lines = Vec::new();
    if let Some(account) = accounts::twilio(config)? {
        let urls = address.as_ref().map(|address| CarrierUrls {
            answer: address.http("/twilio/voice"),
            status: address.http("/twilio/status"),
            machine: address.http("/twilio/amd"),
        });
        lines.push(line(account, config.twilio.from.clone(), urls)?);
    }
    if let Some(account) = accounts::exotel(config) {
        let secret = exotel_secret(config);
        let urls = address.as_ref().zip(secret).map(|(address, secret)| CarrierUrls {
            status: address.http(&format!("/api/v1/exotel/status?k={}", secret.expose_secret())),
            ..CarrierUrls::default()
        });
        lines.push(line(account, config.exotel.from.clone(), urls)?);
    }
    Ok(lines)
}

fn line(
    account: CarrierAccount,
    from: Option<String>,
    urls: Option<CarrierUrls>,
) -> Result<CarrierLine, Failure> {
    let client = Client::new(account).map_err(|error| Failure::config(error.to_string()))?;
    Ok(CarrierLine { client, from, urls })
}

/// What stands in the URL of Exotel's callbacks. It follows from the account's token, so that it holds on every node and
/// after a restart, and tells nothing about it.
fn exotel_secret(config: &Config) -> Option<SecretString> {
    config.exotel.api_token.as_ref().map(exotel_secret_of)
}

/// The same from the account's token.
pub(crate) fn exotel_secret_of(token: &SecretString) -> SecretString {
    let mut digest = Sha256::new();
    digest.update(b"trunkline exotel callbacks, version 1\0");
    digest.update(token.expose_secret());
    digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

//! The carriers' accounts that are configured: how each is asked over REST.

use std::sync::Arc;
use std::time::Duration;

use carriers::exotel::{ExotelMode, ExotelRegion, ExotelRest};
use carriers::twilio::{TwilioRest, base_url};
use control::carrier::CarrierAccount;
use secrecy::ExposeSecret as _;

use crate::config::{Config, Region};
use crate::failure::Failure;

/// How long Twilio may take to answer a dial.
const TWILIO_DIAL: Duration = Duration::from_secs(15);
/// And Exotel, whose request can block until the operator answers, for up to 30 s.
const EXOTEL_DIAL: Duration = Duration::from_secs(40);
/// Calls within a second: Twilio's default, and 180 of Exotel's 200 a minute.
const PACES: [f64; 2] = [1.0, 3.0];

/// Twilio's account, where there are credentials for it.
pub(crate) fn twilio(config: &Config) -> Result<Option<CarrierAccount>, Failure> {
    let twilio = &config.twilio;
    let Some(account) = &twilio.account_sid else { return Ok(None) };
    // A key can be taken back by itself, so it goes before the token, which also signs the webhooks.
    let (user, password) = match (&twilio.api_key, &twilio.api_secret, &twilio.auth_token) {
        (Some(key), Some(secret), _) => (key, secret),
        (_, _, Some(token)) => (account, token),
        _ => return Ok(None),
    };
    let base_url = match &twilio.base_url {
        Some(url) => url.clone(),
        None => base_url(twilio.region.as_deref(), twilio.edge.as_deref())
            .map_err(|fault| Failure::config(fault.why))?,
    };
    Ok(Some(CarrierAccount {
        rest: Arc::new(TwilioRest::new(account)),
        base_url,
        user: user.clone(),
        password: password.clone(),
        calls_per_second: twilio.calls_per_second.unwrap_or(PACES[0]),
        dial_timeout: TWILIO_DIAL,
    }))
}

/// Exotel's account, where there are credentials for it.
pub(crate) fn exotel(config: &Config) -> Option<CarrierAccount> {
    let exotel = &config.exotel;
    let (account, key) = (exotel.account_sid.as_ref()?, exotel.api_key.as_ref()?);
    let region = match exotel.region {
        Region::Mumbai => ExotelRegion::Mumbai,
        Region::Singapore => ExotelRegion::Singapore,
    };
    let mode = match (&exotel.flow, &exotel.connect_to) {
        (Some(app), _) => ExotelMode::Flow { app: app.clone() },
        (None, Some(second)) => ExotelMode::Number { second: second.clone() },
        (None, None) => ExotelMode::Bot,
    };
    Some(CarrierAccount {
        rest: Arc::new(ExotelRest::new(account, mode)),
        base_url: exotel.base_url.clone().unwrap_or_else(|| region.base_url().to_owned()),
        user: key.expose_secret().to_owned(),
        password: exotel.api_token.clone()?,
        calls_per_second: exotel.calls_per_second.unwrap_or(PACES[1]),
        dial_timeout: EXOTEL_DIAL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(set: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::default();
        set(&mut config);
        config
    }

    #[test]
    fn twilio_is_asked_with_the_key_where_there_is_one() {
        assert!(twilio(&Config::default()).unwrap().is_none());
        let token = config(|config| {
            config.twilio.account_sid = Some("AC1".to_owned());
            config.twilio.auth_token = Some("t".into());
        });
        let account = twilio(&token).unwrap().unwrap();
        assert_eq!((account.user.as_str(), account.password.expose_secret()), ("AC1", "t"));
        assert_eq!((account.base_url.as_str(), account.calls_per_second), ("https://api.twilio.com", 1.0));

        let key = config(|config| {
            config.twilio = token.twilio.clone();
            config.twilio.api_key = Some("SK1".to_owned());
            config.twilio.api_secret = Some("s".into());
            (config.twilio.region, config.twilio.edge) = (Some("ie1".to_owned()), Some("dublin".to_owned()));
            config.twilio.calls_per_second = Some(5.0);
        });
        let account = twilio(&key).unwrap().unwrap();
        assert_eq!((account.user.as_str(), account.password.expose_secret()), ("SK1", "s"));
        assert_eq!(account.base_url, "https://api.dublin.ie1.twilio.com");
        assert_eq!(account.calls_per_second, 5.0);
    }

    #[test]
    fn exotel_is_asked_in_its_region() {
        assert!(exotel(&Config::default()).is_none());
        let mut whole = config(|config| {
            config.exotel.account_sid = Some("acme1".to_owned());
            config.exotel.api_key = Some("key".into());
            config.exotel.api_token = Some("token".into());
        });
        let account = exotel(&whole).unwrap();
        assert_eq!((account.user.as_str(), account.base_url.as_str()), ("key", "https://api.in.exotel.com"));
        whole.exotel.region = Region::Singapore;
        assert_eq!(exotel(&whole).unwrap().base_url, "https://api.exotel.com");
        whole.exotel.base_url = Some("http://127.0.0.1:9".to_owned());
        assert_eq!(exotel(&whole).unwrap().base_url, "http://127.0.0.1:9");
    }
}

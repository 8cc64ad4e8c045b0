//! `X-Twilio-Signature` (Twilio's "Security" page, and the test suites of its public SDKs).

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The signature of a request: Base64 of HMAC-SHA1, keyed by the account's auth token, over the whole URL as it is
/// asked for, and behind it the form's fields in the byte order of their names, each name followed by its values; of
/// several values of a name the different ones, in order. `form` is empty for `GET`, for an upgrade, and for a body
/// that is no form.
pub fn signature(token: &str, url: &str, form: &[(String, String)]) -> String {
    let mut fields: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in form {
        fields.entry(name).or_default().insert(value);
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, values) in fields {
        for value in values {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
    }
    base64_simd::STANDARD.encode_to_string(mac.finalize().into_bytes())
}

/// The URL that an upgrade is signed over: `wss://`, whatever it is reached by (Twilio's example servers check against
/// `wss://`, and against `https://` the check fails).
pub fn signed_upgrade_url(url: &str) -> String {
    match url.split_once("://") {
        Some(("ws", rest)) => format!("wss://{rest}"),
        _ => url.to_owned(),
    }
}

/// The signature of an upgrade.
pub fn upgrade_signature(token: &str, url: &str) -> String {
    signature(token, &signed_upgrade_url(url), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "12345";
    const BASE: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The parameters of the SDKs' test suites. Their numbers are those suites' own.
    fn sdk() -> Vec<(String, String)> {
        let (from, to) = (format!("+{}", 14_158_675_309_u64), format!("+{}", 18_005_551_212_u64));
        form(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", &from),
            ("Digits", "1234"),
            ("From", &from),
            ("To", &to),
        ])
    }

    #[test]
    fn the_vectors_of_the_public_sdks_hold() {
        for (url, wanted) in [
            (BASE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
            ("https://mycompany.com:443/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w="),
            ("http://mycompany.com:80/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
            ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", "CukzLTc1tT5dXEDIHm/tKBanW10="),
            ("https://user@mycompany.com/myapp.php?foo=1&bar=2", "2YRLlVAflCqxaNicjMpJcSTgzSs="),
            ("https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2", "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
            (
                "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It%27s+amazing",
                "TfZzewPq8wqrGlMfyAud8+/IvJ0=",
            ),
        ] {
            assert_eq!(signature(TOKEN, url, &sdk()), wanted, "{url}");
        }
    }

    #[test]
    fn fields_are_ordered_by_name_and_values_are_taken_once() {
        let address = "MessagingBinding.Address";
        let twice = form(&[(address, "+1325xxxxxxx"), (address, "+1415xxxxxxx")]);
        assert_eq!(signature(TOKEN, BASE, &twice), "83O6e2vORAoJHUNzJjDWN1jz+BA=");
        let names = [("Sid", "CA123"), ("SidAccount", "AC123")];
        let digits = [("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")];
        assert_eq!(
            signature(TOKEN, BASE, &form(&[&names[..], &digits[..]].concat())),
            "IK+Dwps556ElfBT0I3Rgjkr1wJU="
        );
        let words = form(&[("property", "value"), ("boolean", "true")]);
        assert_eq!(signature(TOKEN, BASE, &words), "NBdBDr/T/lgjI+tlgpXjKZQZs/k=");
        let mut reasons = sdk();
        reasons.extend(form(&[("Reason", "Participant"), ("ReasonConferenceEnded", "test")]));
        assert_eq!(signature(TOKEN, BASE, &reasons), "vOEb5UThFn24KEfnOFLQY2AE5FY=");
        assert_eq!(
            signature(TOKEN, "http://mycompany.com/myapp.php?foo=1&bar=2", &reasons),
            "n2xBNyzSW7rfYStDtOFiFMv7qNo="
        );
    }

    #[test]
    fn a_body_that_is_no_form_is_signed_by_its_digest_in_the_url() {
        let digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        assert_eq!(
            signature(TOKEN, &format!("{BASE}&bodySHA256={digest}"), &[]),
            "a9nBmqA0ju/hNViExpshrM61xv4="
        );
        let alone = format!("https://mycompany.com/myapp.php?bodySHA256={digest}");
        assert_eq!(signature(TOKEN, &alone, &[]), "y77kIzt2vzLz71DgmJGsen2scGs=");
    }

    #[test]
    fn an_upgrade_is_signed_over_wss() {
        let wanted = "xOtUNom2O6Ixz0xt8ODDv8MkQUY=";
        for url in ["wss://gw.example.com/twilio/media", "ws://gw.example.com/twilio/media"] {
            assert_eq!(upgrade_signature(TOKEN, url), wanted);
        }
        let https = signature(TOKEN, "https://gw.example.com/twilio/media", &[]);
        assert_eq!(https, "l0WzXexllA+2Nr2uoD32CYvxCeo=");
        assert_eq!(
            upgrade_signature(TOKEN, "wss://gw.example.com:443/twilio/media"),
            "l1kCkxwGIXa39FwZNOU5zimZCp0="
        );
    }
}

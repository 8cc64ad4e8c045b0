//! The signatures that Twilio's own helper libraries test against, and what must be refused.

use super::*;

const TOKEN: &[u8] = b"12345";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
const P: [(&str, &str); 5] = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
];

type Sent<'a> = &'a [(&'a str, &'a str)];

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

fn accepts(url: &str, pairs: &[(&str, &str)], signature: &str) -> bool {
    let body = form(pairs);
    check(TOKEN, Request { url, content_type: FORM, body: &body }, Some(signature)).is_ok()
}

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    P.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn the_libraries_own_vectors_hold() {
    let ended = with(&[("Reason", "Participant"), ("ReasonConferenceEnded", "test")]);
    let several = [
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ];
    let binding =
        [("MessagingBinding.Address", "+1325xxxxxxx"), ("MessagingBinding.Address", "+1415xxxxxxx")];
    let turned = [binding[1], binding[0]];
    let vectors: [(&str, Sent<'_>, &str); 14] = [
        (URL, &P, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", &P, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (URL, &P, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", &P, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", &P, "CukzLTc1tT5dXEDIHm/tKBanW10="),
        ("https://user@mycompany.com/myapp.php?foo=1&bar=2", &P, "2YRLlVAflCqxaNicjMpJcSTgzSs="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", &P, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing", &P, "TfZzewPq8wqrGlMfyAud8+/IvJ0="),
        (URL, &binding, "83O6e2vORAoJHUNzJjDWN1jz+BA="),
        (URL, &turned, "83O6e2vORAoJHUNzJjDWN1jz+BA="),
        (URL, &several, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        (URL, &[("property", "value"), ("boolean", "true")], "NBdBDr/T/lgjI+tlgpXjKZQZs/k="),
        (URL, &ended, "vOEb5UThFn24KEfnOFLQY2AE5FY="),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", &ended, "n2xBNyzSW7rfYStDtOFiFMv7qNo="),
    ];
    for (row, (url, pairs, signature)) in vectors.into_iter().enumerate() {
        assert!(accepts(url, pairs, signature), "{row}: {url}");
    }
    let pairs: Pairs = P.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(sign(TOKEN, URL, &pairs), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

#[test]
fn a_port_that_was_not_signed_is_left_out() {
    let url = "https://mycompany.com:1234/myapp.php?foo=1&bar=2";
    assert!(accepts(url, &P, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    assert_eq!(without_port("[::1]:80"), "[::1]");
    assert_eq!(without_port("[::1]"), "[::1]");
    assert_eq!(without_port("user:1234@host"), "user:1234@host");
}

#[test]
fn a_body_that_is_no_form_is_covered_by_its_hash() {
    const HASH: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    const EMPTY: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const BODY: &[u8] = br#"{"property": "value", "boolean": true}"#;
    let json = Some("application/json; charset=utf-8");
    let asked = |url: &str, body: &[u8], signature: &str| {
        check(TOKEN, Request { url, content_type: json, body }, Some(signature))
    };
    let hashed = format!("{URL}&bodySHA256={HASH}");
    let only = format!("https://mycompany.com/myapp.php?bodySHA256={HASH}");
    let ported = format!("{URL}&bodySHA256={EMPTY}");
    assert_eq!(asked(&hashed, BODY, "a9nBmqA0ju/hNViExpshrM61xv4="), Ok(Pairs::new()));
    assert_eq!(asked(&only, BODY, "y77kIzt2vzLz71DgmJGsen2scGs="), Ok(Pairs::new()));
    assert_eq!(asked(&ported, b"{}", "Ldidvp12m26NI7eqEvxnEpkd9Hc="), Ok(Pairs::new()));
    let wrong = Err(SignatureFault::Wrong);
    assert_eq!(asked(&hashed, b"{}", "a9nBmqA0ju/hNViExpshrM61xv4="), wrong, "another body");
    assert_eq!(asked(&hashed[..hashed.len() - 1], BODY, "a9nBmqA0ju/hNViExpshrM61xv4="), wrong);
    let url_only = sign(TOKEN, URL, &[]);
    assert_eq!(asked(URL, BODY, &url_only), wrong, "a body without a hash");
    assert_eq!(asked(URL, b"", &url_only), Ok(Pairs::new()));
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert!(!accepts(&format!("{URL}&more=1"), &P, good));
    assert!(!accepts(URL, &P[1..], good));
    assert!(!accepts(URL, &with(&[("Digits", "1")]), good));
    assert!(!accepts(URL, &P, ""));
    assert!(!accepts(URL, &P, "RSOYDt4T1cUTdK1PDd93/VVr8B8"));
    assert!(!accepts(&URL.replace("https", "http"), &P, good));
    let joined = with(&[("Reason", "Participant"), ("ReasonConferenceEnded", "test")]);
    assert!(!accepts(URL, &joined, "95+Bu0JVPi0r/SsESZCVf0dWAjw="), "sorted as joined texts");
    let request = Request { url: URL, content_type: FORM, body: b"" };
    assert_eq!(check(TOKEN, request, None), Err(SignatureFault::Missing));
    assert_eq!(check(b"other", request, Some(good)), Err(SignatureFault::Wrong));
}

#[test]
fn a_sockets_url_is_taken_in_every_reading() {
    const WSS: &str = "wss://gw.example.com/twilio/media";
    for (query, signature, wanted) in [
        ("", "xOtUNom2O6Ixz0xt8ODDv8MkQUY=", UpgradeUrl::Plain),
        ("token=abc", "xOtUNom2O6Ixz0xt8ODDv8MkQUY=", UpgradeUrl::Plain),
        ("", "l1kCkxwGIXa39FwZNOU5zimZCp0=", UpgradeUrl::Port),
        ("", "UywbZ+VAu0CMaP+9Bth3u5vAvXQ=", UpgradeUrl::Slash),
        ("token=abc", "JzHrATHOdv+kTNOvFXy5IqU3cPk=", UpgradeUrl::Query),
        ("token=abc", "5E42kns+wm7ghO0j2733Xaj5Vmc=", UpgradeUrl::Parameters),
        ("", "l0WzXexllA+2Nr2uoD32CYvxCeo=", UpgradeUrl::Scheme),
    ] {
        assert_eq!(check_upgrade(TOKEN, WSS, query, Some(signature)), Ok(wanted), "{query} {signature}");
    }
    let other = "wss://evil.example.com/twilio/media";
    let signature = Some("xOtUNom2O6Ixz0xt8ODDv8MkQUY=");
    assert_eq!(check_upgrade(TOKEN, other, "", signature), Err(SignatureFault::Wrong));
    assert_eq!(check_upgrade(TOKEN, WSS, "", None), Err(SignatureFault::Missing));
}

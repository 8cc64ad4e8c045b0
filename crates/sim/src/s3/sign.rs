//! Amazon's signatures, version 4, in the `Authorization` header, as the side that checks them ("Authenticating
//! Requests: Using the Authorization Header", S3 API reference). What is signed is put together here from the request
//! as it came, independently of any client.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::http::request::Parts;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

/// How far a request's time may be off.
const SKEW: SignedDuration = SignedDuration::from_mins(15);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature is checked against.
#[derive(Debug, Clone)]
pub(super) struct Signer<'a> {
    pub(super) key_id: &'a str,
    pub(super) secret: &'a str,
    pub(super) region: &'a str,
}

/// Why a request is refused: the code of the error, and words.
pub(super) type Refused = (&'static str, String);

/// The parts of an `Authorization` header.
struct Given<'a> {
    key_id: &'a str,
    /// `yyyymmdd/region/s3/aws4_request`.
    scope: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl Signer<'_> {
    /// Checks that a request was signed with the key, lately, for here, and as it came.
    pub(super) fn check(&self, head: &Parts, body: &[u8], now: Timestamp) -> Result<(), Refused> {
        let given = Given::of(text(head, "authorization").unwrap_or_default())?;
        if given.key_id != self.key_id {
            return refused("InvalidAccessKeyId", "the key is not known");
        }
        let date = text(head, "x-amz-date").unwrap_or_default();
        let at = moment(date).ok_or(("AccessDenied", "x-amz-date is no time".to_owned()))?;
        if now.duration_since(at).abs() > SKEW {
            return refused("RequestTimeTooSkewed", "the request's time is too far off");
        }
        let scope = format!("{}/{}/s3/aws4_request", &date[..8], self.region);
        if given.scope != scope {
            return refused(
                "AuthorizationHeaderMalformed",
                &format!("the scope is {}, not {scope}", given.scope),
            );
        }
        let must = |name: &str| name == "host" || name.starts_with("x-amz-");
        for name in head.headers.keys().map(http::HeaderName::as_str).filter(|name| must(name)) {
            if !given.signed.contains(&name) {
                return refused("AccessDenied", &format!("{name} is not signed"));
            }
        }
        if !given.signed.contains(&"host") || !given.signed.is_sorted() {
            return refused("AccessDenied", "SignedHeaders lacks host or is not in order");
        }
        let hash = text(head, "x-amz-content-sha256").unwrap_or_default();
        if hash != hex(&Sha256::digest(body)) {
            return refused("XAmzContentSHA256Mismatch", "x-amz-content-sha256 is not that of the body");
        }
        let canonical = canonical(head, &given.signed, hash)?;
        let signature = self.signature(date, &scope, &canonical);
        if given.signature == signature {
            Ok(())
        } else {
            refused("SignatureDoesNotMatch", &format!("what was to be signed is:\n{canonical}"))
        }
    }

    /// The signature of a canonical request.
    fn signature(&self, date: &str, scope: &str, canonical: &str) -> String {
        let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for word in scope.split('/') {
            key = mac(&key, word);
        }
        hex(&mac(&key, &to_sign))
    }
}

impl<'a> Given<'a> {
    fn of(header: &'a str) -> Result<Self, Refused> {
        let malformed = || ("AuthorizationHeaderMalformed", "no AWS4-HMAC-SHA256 with its parts".to_owned());
        let parts = header.strip_prefix(ALGORITHM).ok_or_else(malformed)?;
        let parts: BTreeMap<&str, &str> =
            parts.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        let part = |name| parts.get(name).copied().ok_or_else(malformed);
        let (key_id, scope) = part("Credential")?.split_once('/').ok_or_else(malformed)?;
        let signed = part("SignedHeaders")?.split(';').collect();
        Ok(Self { key_id, scope, signed, signature: part("Signature")? })
    }
}

/// The request as it is signed.
fn canonical(head: &Parts, signed: &[&str], hash: &str) -> Result<String, Refused> {
    let path = encode(&decode(head.uri.path(), false)?, b"/");
    let mut query = Vec::new();
    for pair in head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        query.push((encode(&decode(name, true)?, b""), encode(&decode(value, true)?, b"")));
    }
    query.sort_unstable();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut text = format!("{}\n{path}\n{}\n", head.method, query.join("&"));
    for name in signed {
        let values: Vec<String> = head
            .headers
            .get_all(*name)
            .iter()
            .map(|value| {
                let value = String::from_utf8_lossy(value.as_bytes());
                value.split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        if values.is_empty() {
            return refused("AccessDenied", &format!("{name} is signed and is not there")).map(|()| text);
        }
        // Writing to a text can't fail.
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let _ = write!(text, "\n{}\n{hash}", signed.join(";"));
    Ok(text)
}

fn refused(code: &'static str, words: &str) -> Result<(), Refused> {
    Err((code, words.to_owned()))
}

fn text<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

/// A time as `20130524T000000Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let is_of_form = text.len() == 16 && text.is_ascii();
    is_of_form
        .then(|| jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok())??
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// All but letters, digits and `-._~` as `%XX`, and but for `kept`.
fn encode(bytes: &[u8], kept: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || kept.contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a text can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Undoes `%XX`; in a query `+` is a space.
pub(super) fn decode(text: &str, is_query: bool) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        match first {
            b'%' => {
                let digits = more.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(byte.ok_or(("InvalidURI", "a % without two digits".to_owned()))?);
                rest = &more[2..];
            }
            b'+' if is_query => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    Ok(bytes)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// The key and the time of the examples in "Authenticating Requests: Using the Authorization Header".
    const AMAZON: Signer<'static> = Signer {
        key_id: "AKIAIOSFODNN7EXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
    };
    const HOST: &str = "examplebucket.s3.amazonaws.com";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn noon() -> Timestamp {
        "2013-05-24T00:00:00Z".parse().unwrap()
    }

    fn request(method: &str, uri: &str, hash: &str, more: &[(&str, &str)], signature: &str) -> Parts {
        let mut names = vec!["host", "x-amz-content-sha256", "x-amz-date"];
        names.extend(more.iter().map(|(name, _)| *name));
        names.sort_unstable();
        let credential = format!("{}/20130524/us-east-1/s3/aws4_request", AMAZON.key_id);
        let signed = names.join(";");
        let given =
            format!("{ALGORITHM} Credential={credential},SignedHeaders={signed},Signature={signature}");
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", HOST)
            .header("x-amz-content-sha256", hash)
            .header("x-amz-date", "20130524T000000Z")
            .header("authorization", given);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn amazons_own_examples_are_taken() {
        let put = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let stored =
            [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        let examples = [
            (
                ("GET", "/test.txt", EMPTY, &[("range", "bytes=0-9")][..]),
                &b""[..],
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                ("PUT", "/test$file.text", put, &stored[..]),
                b"Welcome to Amazon S3.",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                ("GET", "/?lifecycle", EMPTY, &[]),
                b"",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                ("GET", "/?max-keys=2&prefix=J", EMPTY, &[]),
                b"",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for ((method, uri, hash, more), body, signature) in examples {
            let head = request(method, uri, hash, more, signature);
            assert_eq!(AMAZON.check(&head, body, noon()), Ok(()), "{method} {uri}");
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let good = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        let range = [("range", "bytes=0-9")];
        let head = || request("GET", "/test.txt", EMPTY, &range, good);
        let code = |signer: &Signer<'_>, head: &Parts, body: &[u8], at: Timestamp| {
            signer.check(head, body, at).map_err(|(code, _)| code)
        };
        assert_eq!(code(&AMAZON, &head(), b"", noon()), Ok(()));
        let late = noon() + SignedDuration::from_mins(16);
        assert_eq!(code(&AMAZON, &head(), b"", late), Err("RequestTimeTooSkewed"));
        assert_eq!(code(&AMAZON, &head(), b"x", noon()), Err("XAmzContentSHA256Mismatch"));
        let elsewhere = Signer { region: "ap-south-1", ..AMAZON };
        assert_eq!(code(&elsewhere, &head(), b"", noon()), Err("AuthorizationHeaderMalformed"));
        let other_secret = Signer { secret: "another", ..AMAZON };
        assert_eq!(code(&other_secret, &head(), b"", noon()), Err("SignatureDoesNotMatch"));
        let other_key = Signer { key_id: "AKIA", ..AMAZON };
        assert_eq!(code(&other_key, &head(), b"", noon()), Err("InvalidAccessKeyId"));
        let other_path = request("GET", "/other.txt", EMPTY, &range, good);
        assert_eq!(code(&AMAZON, &other_path, b"", noon()), Err("SignatureDoesNotMatch"));
        let mut added = head();
        added.headers.insert("x-amz-acl", "public-read".parse().unwrap());
        assert_eq!(code(&AMAZON, &added, b"", noon()), Err("AccessDenied"));
        let mut bare = head();
        bare.headers.remove("authorization");
        assert_eq!(code(&AMAZON, &bare, b"", noon()), Err("AuthorizationHeaderMalformed"));
    }
}

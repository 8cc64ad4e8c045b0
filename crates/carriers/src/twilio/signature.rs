//! `X-Twilio-Signature`: the proof that a request comes from Twilio (Twilio, "Webhooks security", and its helper
//! libraries, whose tolerances are needed in practice).
//!
//! The signed text is the URL as Twilio requested it, followed by the fields of a form body: keys in byte order, each
//! with its distinct values in order, nothing between. A body of another kind is covered by its hash in the query.
//! Which URL Twilio requested is not always known for sure behind proxies and default ports, so a few are tried; the
//! secret is in all of them, so trying costs no security.

use std::collections::{BTreeMap, BTreeSet};

use base64_simd::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The header.
pub const HEADER: &str = "x-twilio-signature";
/// The query parameter that holds the hex SHA-256 of a body that is no form.
const BODY_HASH: &str = "bodySHA256";

/// A form's fields, decoded, in their order.
pub type Pairs = Vec<(String, String)>;

/// A webhook request as it came.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The whole URL: scheme, host, path and query, byte for byte as requested.
    pub url: &'a str,
    /// The body's type.
    pub content_type: Option<&'a str>,
    /// The body; empty for a `GET`.
    pub body: &'a [u8],
}

/// Why a request is not believed. Holds nothing of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// There is no signature: answer 400.
    #[error("the request has no X-Twilio-Signature")]
    Missing,
    /// It does not fit: answer 403.
    #[error("the signature does not fit the request")]
    Wrong,
}

/// The pairs of a query or a form, decoded, in their order.
pub fn pairs(raw: &str) -> Pairs {
    form_urlencoded::parse(raw.as_bytes()).into_owned().collect()
}

/// The signature of a URL and a form's fields.
pub fn sign(auth_token: &[u8], url: &str, pairs: &[(String, String)]) -> String {
    STANDARD.encode_to_string(code(auth_token, url, &sorted(pairs)))
}

/// Whether the request is Twilio's. Gives the fields of its form: nothing else of the body may be believed.
///
/// # Errors
/// When there is no signature or it does not fit.
pub fn check(
    auth_token: &[u8],
    request: Request<'_>,
    signature: Option<&str>,
) -> Result<Pairs, SignatureFault> {
    let signature = signature.ok_or(SignatureFault::Missing)?;
    let is_form = request.content_type.is_none_or(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    let pairs: Pairs =
        if is_form { form_urlencoded::parse(request.body).into_owned().collect() } else { Pairs::new() };
    if !is_form && !request.body.is_empty() && !is_hash_right(request.url, request.body) {
        return Err(SignatureFault::Wrong);
    }
    let tail = sorted(&pairs);
    let fits = urls(request.url).iter().any(|url| same(&code(auth_token, url, &tail), signature));
    if fits { Ok(pairs) } else { Err(SignatureFault::Wrong) }
}

/// Which reading of a media socket's URL was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeUrl {
    /// The socket's URL without its query.
    Plain,
    /// The same with the default port written out, or left out where it was written.
    Port,
    /// With its query.
    Query,
    /// With the query's parameters appended as a form's.
    Parameters,
    /// With a slash more or less at the path's end.
    Slash,
    /// With the scheme of plain HTTP, or of the other socket.
    Scheme,
}

impl UpgradeUrl {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Port => "port",
            Self::Query => "query",
            Self::Parameters => "parameters",
            Self::Slash => "slash",
            Self::Scheme => "scheme",
        }
    }
}

/// Whether a media socket's upgrade is Twilio's. `url` is the socket's URL, `wss://host/path`, without its query. Gives
/// which reading of it was signed.
///
/// Twilio's documents do not say what is signed; these readings are what integrations have met, the likeliest first.
///
/// # Errors
/// When there is no signature or it does not fit.
pub fn check_upgrade(
    auth_token: &[u8],
    url: &str,
    query: &str,
    signature: Option<&str>,
) -> Result<UpgradeUrl, SignatureFault> {
    let signature = signature.ok_or(SignatureFault::Missing)?;
    let fits = |url: &str, tail: &str| same(&code(auth_token, url, tail), signature);
    if fits(url, "") {
        return Ok(UpgradeUrl::Plain);
    }
    if urls(url).iter().any(|url| fits(url, "")) {
        return Ok(UpgradeUrl::Port);
    }
    if !query.is_empty() {
        if urls(&format!("{url}?{query}")).iter().any(|url| fits(url, "")) {
            return Ok(UpgradeUrl::Query);
        }
        let pairs: Pairs = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let tail = sorted(&pairs);
        if urls(url).iter().any(|url| fits(url, &tail)) {
            return Ok(UpgradeUrl::Parameters);
        }
    }
    let slashed = url.strip_suffix('/').map_or_else(|| format!("{url}/"), str::to_owned);
    if urls(&slashed).iter().any(|url| fits(url, "")) {
        return Ok(UpgradeUrl::Slash);
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let schemes = ["https", "http", "wss", "ws"].map(|scheme| format!("{scheme}://{rest}"));
    let fits_one = schemes.iter().flat_map(|url| urls(url)).any(|url| fits(&url, ""));
    if fits_one { Ok(UpgradeUrl::Scheme) } else { Err(SignatureFault::Wrong) }
}

fn code(auth_token: &[u8], url: &str, tail: &str) -> [u8; 20] {
    let mut signer = Hmac::<Sha1>::new_from_slice(auth_token).expect("HMAC takes a key of any length");
    signer.update(url.as_bytes());
    signer.update(tail.as_bytes());
    signer.finalize().into_bytes().into()
}

fn same(code: &[u8; 20], signature: &str) -> bool {
    let written = STANDARD.encode_to_string(code);
    written.as_bytes().ct_eq(signature.as_bytes()).into()
}

/// The fields as they are signed. Keys are sorted, not the joined texts: that would be another order.
fn sorted(pairs: &[(String, String)]) -> String {
    let mut fields: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, value) in pairs {
        fields.entry(key).or_default().insert(value);
    }
    let mut text = String::new();
    for (key, values) in fields {
        for value in values {
            text.push_str(key);
            text.push_str(value);
        }
    }
    text
}

fn is_hash_right(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let named = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == BODY_HASH);
    let Some((_, named)) = named else { return false };
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    hash.as_bytes().ct_eq(named.to_ascii_lowercase().as_bytes()).into()
}

/// The URL as it is, without its port and with its scheme's default port; each also with the apostrophes of its query
/// escaped, as Twilio's own library for Node does since browsers' URLs are written so.
fn urls(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let host = without_port(authority);
        let default = if matches!(scheme, "https" | "wss") { 443 } else { 80 };
        all.push(format!("{scheme}://{host}{tail}"));
        all.push(format!("{scheme}://{host}:{default}{tail}"));
    }
    if let Some((_, query)) = url.split_once('?')
        && query.contains('\'')
    {
        let escaped: Vec<String> = all
            .iter()
            .filter_map(|url| url.split_once('?'))
            .map(|(path, query)| format!("{path}?{}", query.replace('\'', "%27")))
            .collect();
        all.extend(escaped);
    }
    all
}

/// An authority without its port. A bracketed address has colons of its own.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.chars().all(|c| c.is_ascii_digit())
                && host.rsplit_once('@').is_none_or(|(_, host)| !host.is_empty())
                && (!host.contains('[') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests;

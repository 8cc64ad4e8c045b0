//! Under which address a request was made, as far as that can be known behind proxies. The configured address comes
//! first; what a proxy says about it counts only where the operator named the proxy.

use std::net::{IpAddr, SocketAddr};

use carriers::Address;
use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::config::Config;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The addresses under which a request may have been made, the likeliest first.
pub(crate) fn addresses(config: &Config, peer: Option<SocketAddr>, headers: &HeaderMap) -> Vec<Address> {
    let mut bases: Vec<String> = config.public_url.iter().cloned().collect();
    let is_trusted = peer.is_some_and(|peer| is_trusted(&config.trusted_proxies, peer.ip()));
    let host = first(headers, &header::HOST);
    if is_trusted && let Some(host) = first(headers, &FORWARDED_HOST).or(host) {
        let scheme = first(headers, &FORWARDED_PROTO).unwrap_or("https");
        bases.push(format!("{scheme}://{host}"));
    } else if let Some(host) = host.filter(|_| bases.is_empty()) {
        // For trying things out: whoever sets the header needs a signature that fits it all the same.
        bases.extend(["https", "http"].map(|scheme| format!("{scheme}://{host}")));
    }
    bases.iter().filter_map(|base| Address::parse(base).ok()).collect()
}

/// Whether this is a proxy that the operator named.
pub(crate) fn is_trusted(trusted: &[IpNet], ip: IpAddr) -> bool {
    trusted.iter().any(|net| net.contains(&ip.to_canonical()))
}

/// Who asks: whoever connected, or, where that is a proxy that the operator named, whom it says it asks for. Of several
/// proxies each appends whom it saw, so the last entry that is no named proxy counts; what stands before it, the client
/// may have made up.
pub(crate) fn client(trusted: &[IpNet], peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    if !is_trusted(trusted, peer.ip()) {
        return peer;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let entries = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
    let mut client = peer;
    for entry in entries {
        let entry = entry.trim();
        let address =
            entry.parse::<IpAddr>().or_else(|_| entry.parse().map(|socket: SocketAddr| socket.ip()));
        // What can't be read was written by nobody who is trusted.
        let Ok(ip) = address.map(|ip| ip.to_canonical()) else { break };
        client = SocketAddr::new(ip, 0);
        if !is_trusted(trusted, ip) {
            break;
        }
    }
    client
}

/// The first of a header's values, which proxies append to with commas.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    text.split(',').next().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(config: &Config, peer: &str, headers: &[(&HeaderName, &str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let peer = Some(peer.parse().unwrap());
        addresses(config, peer, &map).iter().map(|address| address.http("/x")).collect()
    }

    #[test]
    fn who_asks_is_told_by_named_proxies_alone() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        for (peer, said, who) in [
            ("192.0.2.1:5", "198.51.100.7", "192.0.2.1"),
            ("10.1.2.3:5", "198.51.100.7", "198.51.100.7"),
            ("[::ffff:10.1.2.3]:5", "198.51.100.7", "198.51.100.7"),
            // The client wrote the first entry itself; a second proxy appended what the first one is.
            ("10.1.2.3:5", "127.0.0.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
            ("10.1.2.3:5", "198.51.100.7:1234", "198.51.100.7"),
            ("10.1.2.3:5", "[2001:db9::7]:1234", "2001:db9::7"),
            ("10.1.2.3:5", "198.51.100.7, nonsense", "10.1.2.3"),
            ("10.1.2.3:5", "", "10.1.2.3"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, said.parse().unwrap());
            let client = client(&trusted, peer.parse().unwrap(), &headers);
            assert_eq!(client.ip().to_string(), who, "{peer} {said}");
        }
    }

    #[test]
    fn a_proxys_word_counts_only_from_a_named_proxy() {
        let mut config = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
        let headers = [
            (&header::HOST, "inner:8080"),
            (&FORWARDED_HOST, "gw.example.com, inner"),
            (&FORWARDED_PROTO, "https,http"),
        ];
        assert_eq!(made(&config, "10.1.2.3:5", &headers), ["https://gw.example.com/x"]);
        assert_eq!(made(&config, "[::ffff:10.1.2.3]:5", &headers), ["https://gw.example.com/x"]);
        let untrusted = ["https://inner:8080/x", "http://inner:8080/x"];
        assert_eq!(made(&config, "192.0.2.1:5", &headers), untrusted);
        config.public_url = Some("https://voice.example.com".to_owned());
        assert_eq!(made(&config, "192.0.2.1:5", &headers), ["https://voice.example.com/x"]);
        let both = ["https://voice.example.com/x", "https://gw.example.com/x"];
        assert_eq!(made(&config, "10.1.2.3:5", &headers), both);
    }
}

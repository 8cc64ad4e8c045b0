//! Which addresses a tool may reach. Names are looked up once, here; every address must pass; and the connection
//! goes to one of those that passed, so that a name can't mean one place when it is checked and another when it
//! is used.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// What is not the public internet: IANA's registry of special IPv4 addresses, multicast, and the address that
/// Azure gives its metadata.
const CLOSED_V4: [&str; 17] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

/// What is not the public internet within `2000::/3`, the only part of IPv6 that is: IANA's registry of special
/// IPv6 addresses. Teredo (`2001::/32`) and 6to4 (`2002::/16`) carry an IPv4 address inside.
const CLOSED_V6: [&str; 5] = ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"];

/// An address that a tool must not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forbidden {
    /// It is private, local or special.
    #[error("{0} is not an address of the public internet")]
    NotPublic(IpAddr),
    /// The connection would not be encrypted.
    #[error("{0} may only be reached by https")]
    Plain(IpAddr),
    /// The name means nothing.
    #[error("the name has no address")]
    NoAddress,
}

/// Looks names up.
pub(super) trait Lookup: Send + Sync {
    /// Every address of a name.
    fn addresses(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) },
        )
    }
}

/// The check of one tool's addresses.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allow: Arc<[IpNet]>,
    encrypted: bool,
}

impl Guard {
    pub(super) fn new(allow: &[IpNet], url: &Url) -> Self {
        Self { allow: allow.into(), encrypted: url.scheme() == "https" }
    }

    /// Whether an address may be reached.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        let address = address.to_canonical();
        if self.allow.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(Forbidden::NotPublic(address));
        }
        if self.encrypted { Ok(()) } else { Err(Forbidden::Plain(address)) }
    }

    /// Whether a URL's host may be reached, as far as it says so itself. The URL's parser has read every spelling
    /// of an address (`0177.1`, `2130706433`, `0x7f.1`) as the address that it is.
    pub(super) fn check_host(&self, url: &Url) -> Result<(), Forbidden> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => Err(Forbidden::NoAddress),
        }
    }
}

/// The resolver of one tool's client: nothing but what the guard lets pass comes out of it.
pub(super) struct GuardedLookup {
    pub(super) guard: Guard,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedLookup {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, addresses) = (self.guard.clone(), self.lookup.addresses(name.as_str().to_owned()));
        Box::pin(async move {
            let found = addresses.await?;
            if found.is_empty() {
                return Err(Forbidden::NoAddress.into());
            }
            for address in &found {
                guard.check(*address)?;
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !CLOSED_V4.iter().any(|net| net.parse::<Ipv4Net>().is_ok_and(|net| net.contains(&address)))
        }
        IpAddr::V6(address) => {
            let global = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
            global.contains(&address)
                && !CLOSED_V6.iter().any(|net| net.parse::<Ipv6Net>().is_ok_and(|net| net.contains(&address)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn every_net_of_the_lists_can_be_read() {
        assert!(CLOSED_V4.iter().all(|net| net.parse::<Ipv4Net>().is_ok()));
        assert!(CLOSED_V6.iter().all(|net| net.parse::<Ipv6Net>().is_ok()));
    }

    #[test]
    fn only_the_public_internet_is_reached() {
        let guard = Guard::new(&[], &url("https://api.example/"));
        for closed in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
            "5f00::1",
        ] {
            let address: IpAddr = closed.parse().unwrap();
            assert!(guard.check(address).is_err(), "{closed}");
        }
        for open in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            let address: IpAddr = open.parse().unwrap();
            assert!(guard.check(address).is_ok(), "{open}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        for spelling in [
            "https://127.0.0.1/",
            "https://0177.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1/",
            "https://0/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[::ffff:7f00:1]/",
            "https://169.254.169.254/",
            "https://0xa9fea9fe/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://１２７.0.0.1/",
            "https://127。0。0。1/",
        ] {
            let url = url(spelling);
            assert!(Guard::new(&[], &url).check_host(&url).is_err(), "{spelling}");
        }
    }

    #[test]
    fn an_operator_can_open_a_net_and_only_there_is_plain_http_taken() {
        let nets = ["10.1.2.0/24".parse().unwrap()];
        let guard = Guard::new(&nets, &url("http://stock.internal/"));
        assert!(guard.check("10.1.2.9".parse().unwrap()).is_ok());
        assert!(guard.check("::ffff:10.1.2.9".parse().unwrap()).is_ok());
        assert_eq!(
            guard.check("10.1.3.9".parse().unwrap()),
            Err(Forbidden::NotPublic("10.1.3.9".parse().unwrap()))
        );
        assert_eq!(
            guard.check("8.8.8.8".parse().unwrap()),
            Err(Forbidden::Plain("8.8.8.8".parse().unwrap()))
        );
    }
}

//! The certificate that the world sees: whether carriers trust its chain, whether it is for this name, and for how long.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::finding::Finding;
use super::http::{builder, ms};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A certificate that ends sooner was not renewed when it should have been: the usual tools do so a month ahead.
const SOON_DAYS: i64 = 14;
/// Far beyond any certificate's end, to be told when that is.
const FAR: Duration = Duration::from_secs(200 * 365 * 86_400);

/// Looks at the certificate that is shown at `address` for `host`.
pub(super) async fn finding(host: &str, address: SocketAddr) -> Finding {
    let name = format!("TLS of {host}");
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let began = Instant::now();
    match shown(host, address).await {
        Err(why) => Finding::fail("public.tls", name, why).fix(look_line(host, address)),
        Ok(chain) => {
            let name = format!("{name}, {}", ms(began.elapsed()));
            judged(name, &chain, host, (Arc::new(roots), UnixTime::now()))
        }
    }
}

/// A set-up that takes any certificate, for asking this machine itself, which the certificate is not for. Nothing secret
/// may be sent over it.
pub(super) fn any() -> Result<rustls::ClientConfig, String> {
    let taker = Arc::new(Taker::new());
    Ok(builder()?.dangerous().with_custom_certificate_verifier(taker).with_no_client_auth())
}

/// The chain that a server shows, its own certificate first.
async fn shown(host: &str, address: SocketAddr) -> Result<Vec<CertificateDer<'static>>, String> {
    let taker = Arc::new(Taker::new());
    let config = builder()?.dangerous().with_custom_certificate_verifier(taker.clone()).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| "its name can't stand in a certificate".to_owned())?;
    let shake = async {
        let tcp = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let shaken = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        shaken.map(drop).map_err(|error| format!("the handshake fails: {error}"))
    };
    timeout(PATIENCE, shake).await.map_err(|_| format!("no handshake within {} s", PATIENCE.as_secs()))??;
    let chain = std::mem::take(&mut *taker.chain.lock().unwrap_or_else(PoisonError::into_inner));
    if chain.is_empty() { Err("no certificate is shown".to_owned()) } else { Ok(chain) }
}

/// What is to be said of a chain, with these roots at this moment.
fn judged(
    name: String,
    chain: &[CertificateDer<'static>],
    host: &str,
    (roots, now): (Arc<RootCertStore>, UnixTime),
) -> Finding {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    let (Ok(verifier), Ok(server)) = (verifier, ServerName::try_from(host)) else {
        return Finding::fail("public.tls", name, "it can't be checked on this machine");
    };
    let verify = |at| verifier.verify_server_cert(&chain[0], &chain[1..], &server, &[], at);
    // What ends first is told by asking for a time when nothing holds any more.
    let ends = match verify(UnixTime::since_unix_epoch(FAR)) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            i64::try_from(not_after.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok())
        }
        _ => None,
    };
    let until = ends.map_or_else(String::new, |ends| format!(", until {}", ends.strftime("%Y-%m-%d")));
    let name = format!("{name}{until}");
    match verify(now) {
        Err(rustls::Error::InvalidCertificate(fault)) => {
            let (problem, fix) = told(&fault, chain.len(), host);
            Finding::fail("public.tls", name, problem).fix(fix)
        }
        Err(error) => Finding::fail("public.tls", name, error.to_string()),
        Ok(_) => {
            let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            let days = ends.map(|ends| (ends.as_second() - now) / 86_400);
            match days {
                Some(days) if days < SOON_DAYS => {
                    let problem = format!("it ends in {days} days and was not renewed yet");
                    Finding::warn("public.tls", name, problem).fix("sudo certbot renew")
                }
                _ => Finding::ok("public.tls", name),
            }
        }
    }
}

fn told(fault: &CertificateError, shown: usize, host: &str) -> (String, String) {
    use CertificateError as Fault;
    match fault {
        Fault::Expired | Fault::ExpiredContext { .. } => {
            ("it has ended; no carrier connects".to_owned(), "sudo certbot renew".to_owned())
        }
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            ("it does not hold yet; is the clock right?".to_owned(), "timedatectl status".to_owned())
        }
        Fault::NotValidForName => {
            (format!("it is for other names than {host}"), format!("sudo certbot certonly -d {host}"))
        }
        Fault::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().map(|name| super::http::one_line(name)).collect();
            let problem = format!("it is for {} and not for {host}", names.join(", "));
            (problem, format!("sudo certbot certonly -d {host}"))
        }
        Fault::UnknownIssuer if shown < 2 => (
            "carriers do not trust it: it is self-made, or the certificate of its issuer is not sent along"
                .to_owned(),
            "server.tls.cert = \"fullchain.pem\"   # or the proxy's: the whole chain, not cert.pem"
                .to_owned(),
        ),
        Fault::UnknownIssuer => {
            ("carriers do not trust who made it".to_owned(), format!("sudo certbot certonly -d {host}"))
        }
        other => (other.to_string(), format!("sudo certbot certonly -d {host}")),
    }
}

fn look_line(host: &str, address: SocketAddr) -> String {
    format!("openssl s_client -connect {address} -servername {host} </dev/null")
}

/// Takes any certificate and keeps the chain. That whoever shows it has its key is checked all the same.
struct Taker {
    chain: Mutex<Vec<CertificateDer<'static>>>,
    provider: CryptoProvider,
}

impl Taker {
    fn new() -> Self {
        Self { chain: Mutex::default(), provider: rustls::crypto::aws_lc_rs::default_provider() }
    }
}

impl fmt::Debug for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taker").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Taker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|one| one.clone().into_owned());
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain.collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::super::finding::State;
    use super::*;

    const HOST: &str = "gw.example.com";

    /// A certificate for `HOST` that holds from 2026-01-01 to this day of 2026, and whether its maker is trusted.
    fn made(until: (u8, u8), names: &[&str]) -> (Vec<CertificateDer<'static>>, Arc<RootCertStore>) {
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.not_before = rcgen::date_time_ymd(2020, 1, 1);
        authority.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut leaf = CertificateParams::new(names).unwrap();
        leaf.not_before = rcgen::date_time_ymd(2026, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2026, until.0, until.1);
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        (vec![leaf.der().clone()], Arc::new(roots))
    }

    fn judge(until: (u8, u8), names: &[&str], trusted: bool) -> Finding {
        let (chain, mut roots) = made(until, names);
        if !trusted {
            roots = Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        }
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().unsigned_abs()));
        judged("TLS".to_owned(), &chain, HOST, (roots, now))
    }

    #[test]
    fn a_chain_is_trusted_for_a_name_and_a_time() {
        let well = judge((12, 24), &[HOST], true);
        assert_eq!((well.state, well.name.as_str()), (State::Ok, "TLS, until 2026-12-24"), "{well:?}");
        let soon = judge((6, 9), &[HOST], true);
        assert_eq!(soon.state, State::Warn);
        assert!(soon.problem.unwrap().contains("8 days"), "{:?}", soon.name);
        let over = judge((5, 1), &[HOST], true);
        assert!(over.problem.unwrap().contains("ended"), "{:?}", over.name);
        let other = judge((12, 24), &["other.example.com"], true);
        assert_eq!(other.state, State::Fail);
        assert!(other.problem.unwrap().contains("other.example.com"));
        let stranger = judge((12, 24), &[HOST], false);
        assert_eq!(stranger.state, State::Fail);
        assert!(stranger.problem.unwrap().contains("do not trust"));
    }
}

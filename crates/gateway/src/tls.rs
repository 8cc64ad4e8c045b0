//! TLS from two files, read again when they change, so that a new certificate needs no restart. A new file that
//! can't be used leaves the old certificate in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// The certificate files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of them can't be read.
    #[error("{file} can't be read as PEM: {error}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// The certificate file holds none.
    #[error("{0} holds no certificate; it is the PEM file with the whole chain, the server's own first")]
    NoCertificate(PathBuf),
    /// They do not belong together, or are of an unknown kind.
    #[error("the certificate and the key can't be used together: {0}")]
    Unusable(rustls::Error),
}

/// The certificate in use.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the chain and the key, both PEM.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let config = ArcSwap::new(read(certificate, key)?);
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), config }))
    }

    /// Reads the files again. On an error the old certificate stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(read(&self.certificate, &self.key)?);
        tracing::info!(certificate = %self.certificate.display(), "the certificate was read again");
        Ok(())
    }

    /// Looks every so often whether a file has changed, until `stop`.
    pub async fn watch(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let mut seen = self.changed();
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let now = self.changed();
            if now != seen {
                seen = now;
                if let Err(error) = self.reload() {
                    tracing::error!(%error, "the new certificate can't be used; the old one stays");
                }
            }
        }
    }

    /// What takes a connection's handshake now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key]
            .map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let fault = |file: &Path| {
        let file = file.to_owned();
        move |error| TlsError::File { file, error }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(fault(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(fault(key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Unusable)?;
    // WebSockets need HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

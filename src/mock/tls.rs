//! A certificate for the mock's listener.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// A certificate chain and its key.
#[derive(Debug)]
pub struct Tls {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Reads both from PEM text.
    ///
    /// # Errors
    /// There is no certificate or no key in it.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> io::Result<Self> {
        let chain = rustls_pemfile::certs(&mut &*chain).collect::<io::Result<Vec<_>>>()?;
        let key = rustls_pemfile::private_key(&mut &*key)?;
        match key {
            Some(key) if !chain.is_empty() => Ok(Self { chain, key }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "expected a PEM certificate and a PEM private key")),
        }
    }

    /// What turns connections into TLS connections, offering HTTP/2 first if `h2`.
    pub(super) fn acceptor(self, h2: bool) -> io::Result<TlsAcceptor> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(self.chain, self.key))
            .map_err(invalid)?;
        Ok(TlsAcceptor::from(Arc::new(offering(config, h2))))
    }
}

fn offering(mut config: ServerConfig, h2: bool) -> ServerConfig {
    let offered: &[&[u8]] = if h2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    config
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

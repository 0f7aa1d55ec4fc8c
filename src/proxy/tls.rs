//! The certificate of the client side, read again on reload.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora::listeners::tls::Acceptor;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// `--ssl_certfile_path` and `--ssl_keyfile_path`.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain in PEM, leaf first.
    pub certificate: PathBuf,
    /// The key in PEM.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads both files and checks that they belong together.
    ///
    /// # Errors
    /// A file cannot be read, holds no certificate or key, or the two do not match; the message names the file.
    pub(super) fn acceptor(&self) -> io::Result<Acceptor> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| at(&self.certificate, "a certificate chain in PEM", &error))?;
        if chain.is_empty() {
            return Err(at(&self.certificate, "a certificate chain in PEM", &"no certificate in it"));
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| at(&self.key, "a private key in PEM", &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| at(&self.key, "the key of the certificate", &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Acceptor::from_server_config(Arc::new(config)))
    }
}

fn at(path: &Path, expected: &str, found: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{}: expected {expected}: {found}", path.display()))
}

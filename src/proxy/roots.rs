//! The certificates that upstreams are verified by: the system's, and one's own beside them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pingora::connectors::ConnectorOptions;
use pingora::server::configuration::ServerConf;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::exchange::World;

/// A bundle of the system's roots and one's own. Pingora takes one file instead of the system's roots, so that both must
/// stand in it; it reads the file once, and it is removed when this is dropped.
pub(super) struct Bundle(PathBuf);

impl Bundle {
    /// Writes the bundle.
    ///
    /// # Errors
    /// The file cannot be read, holds no certificate, or the bundle cannot be written.
    pub(super) fn with(own: &Path) -> io::Result<Self> {
        let describe = |found: &dyn std::fmt::Display| {
            let text =
                format!("litellm_settings.ssl_verify: {}: expected CA certificates in PEM: {found}", own.display());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let certificates: Vec<_> =
            CertificateDer::pem_file_iter(own).and_then(Iterator::collect).map_err(|error| describe(&error))?;
        if certificates.is_empty() {
            return Err(describe(&"no certificate in it"));
        }
        let system = rustls_native_certs::load_native_certs()?;
        let bundle: String = system.iter().chain(&certificates).map(pem).collect();
        let path =
            std::env::temp_dir().join(format!("tollgate-roots-{}-{:016x}.pem", std::process::id(), fastrand::u64(..)));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let written = Self(path);
        file.write_all(bundle.as_bytes())?;
        Ok(written)
    }

    pub(super) fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            log::warn!("{} was not removed: {error}", self.0.display());
        }
    }
}

/// Makes a connector for requests of our own, which verifies upstreams as the configuration says.
///
/// # Errors
/// See [`Bundle::with`].
pub(super) fn connector<C>(world: &World, make: impl FnOnce(ConnectorOptions) -> C) -> io::Result<C> {
    let upstream = &world.settings.upstream;
    let roots = upstream.ca_file.as_deref().map(Bundle::with).transpose()?;
    let conf = ServerConf {
        upstream_keepalive_pool_size: upstream.pool_size,
        ca_file: roots.as_ref().map(Bundle::path),
        ..ServerConf::default()
    };
    Ok(make(ConnectorOptions::from_server_conf(&conf)))
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut out = String::with_capacity(text.len() + text.len() / 64 + 64);
    out.push_str("-----BEGIN CERTIFICATE-----\n");
    for start in (0..text.len()).step_by(64) {
        out.push_str(&text[start..text.len().min(start + 64)]);
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

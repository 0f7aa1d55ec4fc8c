//! `tollgate mock`: the command line.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::knobs::Knobs;
use super::server::{Options, Server};
use super::tls::Tls;

/// Arguments of `tollgate mock`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one and prints it
    #[arg(long, default_value_t = 4010)]
    pub port: u16,
    /// Threads that serve
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Serves TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Speaks HTTP/2 too: in the clear, and by ALPN with TLS
    #[arg(long)]
    pub h2: bool,
    /// How many of the latest requests GET /mock/requests shows
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub record: usize,
    /// How much of each of their bodies is kept
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 10)]
    pub record_bytes: usize,
    /// How requests are answered
    #[command(flatten)]
    pub knobs: Knobs,
}

/// Serves until the process is ended. The first line printed says where.
///
/// # Errors
/// A file cannot be read, or the address cannot be listened on.
pub fn run(args: Args) -> io::Result<()> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(Tls::from_pem(&read(cert)?, &read(key)?)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = Server::start(args.options(tls))?;
    writeln!(io::stdout().lock(), "tollgate mock: listening on {scheme}://{}", server.addr())?;
    server.wait();
    Ok(())
}

impl Args {
    fn options(self, tls: Option<Tls>) -> Options {
        let Self { host, port, threads, h2, record, record_bytes, knobs, .. } = self;
        Options { host, port, threads, h2, tls, record, record_bytes, knobs }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

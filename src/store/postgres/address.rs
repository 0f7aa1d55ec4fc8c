//! `postgres://...` as libpq reads it, with what Prisma adds to it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::{Tls, Trust};
use crate::store::StoreError;

/// Of Prisma's, and without a use here: pools and prepared statements are our own business.
const PRISMAS: [&str; 9] = [
    "schema",
    "connection_limit",
    "pool_timeout",
    "pgbouncer",
    "socket_timeout",
    "statement_cache_size",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
    "single_use_connections",
];

/// A database server, and how it is talked to.
#[derive(Clone, Debug)]
pub(in crate::store) struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// Prisma's `schema`: where LiteLLM's tables are.
    pub(in crate::store) schema: Option<String>,
}

impl Address {
    /// Reads an address. What is told of a wrong one holds no password.
    pub(in crate::store) fn parse(text: &str) -> Result<Self, StoreError> {
        let wrong = |what: &str| {
            StoreError::new(format!(
                "database_url: {what}; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE"
            ))
        };
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            let scheme = text.split_once("://").map_or("no scheme", |(scheme, _)| scheme);
            return Err(wrong(&format!("found {:?}", scheme.chars().take(20).collect::<String>())));
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut mode = "prefer".to_owned();
        let (mut root, mut certificate, mut key, mut strict, mut schema) = (None, None, None, false, None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, raw) = pair.split_once('=').ok_or_else(|| wrong("a parameter has no value"))?;
            let value = || unescape(raw).ok_or_else(|| wrong(&format!("{name} is not UTF-8")));
            match name {
                "sslmode" => mode = value()?,
                "sslrootcert" => root = Some(PathBuf::from(value()?)),
                "sslcert" => certificate = Some(PathBuf::from(value()?)),
                "sslkey" => key = Some(PathBuf::from(value()?)),
                "sslaccept" => strict = value()? == "strict",
                "schema" => schema = Some(value()?),
                _ if PRISMAS.contains(&name) => {}
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config = Config::from_str(&url).map_err(|error| wrong(&super::client::described(&error)))?;
        let (wish, trust) = match mode.as_str() {
            "disable" => (SslMode::Disable, Trust::Anybody),
            "allow" | "prefer" => (SslMode::Prefer, Trust::Anybody),
            "require" if strict => (SslMode::Require, Trust::Name),
            // As libpq: a root beside it is there to be used.
            "require" if root.is_some() => (SslMode::Require, Trust::Authority),
            "require" => (SslMode::Require, Trust::Anybody),
            "verify-ca" => (SslMode::Require, Trust::Authority),
            "verify-full" => (SslMode::Require, Trust::Name),
            _ => {
                return Err(wrong(&format!(
                    "sslmode is {mode:?}, which is none of disable, allow, prefer, require, verify-ca and verify-full"
                )));
            }
        };
        // As libpq: what does not leave the machine is not encrypted.
        let is_local = |host: &Host| matches!(host, Host::Unix(_));
        let local = !config.get_hosts().is_empty() && config.get_hosts().iter().all(is_local);
        config.ssl_mode(if local { SslMode::Disable } else { wish });
        if config.get_application_name().is_none() {
            config.application_name("tollgate");
        }
        let client = certificate.as_deref().zip(key.as_deref());
        let root = root.as_deref().filter(|root| *root != Path::new("system"));
        let tls = Tls::new(trust, root, client).map_err(|error| wrong(&error))?;
        Ok(Self { config, tls, schema })
    }

    /// Host and database, for messages.
    pub(in crate::store) fn shown(&self) -> String {
        let host = self.config.get_hosts().first().map_or_else(String::new, |host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("PostgreSQL at {host}:{port}/{}", self.config.get_dbname().unwrap_or_default())
    }
}

/// Percent signs, undone.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let (byte, next) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                (digit(high)? * 16 + digit(low)?, behind)
            }
            _ => (*first, behind),
        };
        bytes.push(byte);
        rest = next;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_libpq_and_prisma_write_it() {
        let address = "postgresql://u:p%40ss@db.example:6432/gate?schema=public&connection_limit=5&sslmode=require";
        let address = Address::parse(address).unwrap();
        assert_eq!(address.shown(), "PostgreSQL at db.example:6432/gate");
        assert_eq!(address.config.get_password(), Some(b"p@ss".as_slice()));
        assert_eq!((address.config.get_ssl_mode(), address.schema.as_deref()), (SslMode::Require, Some("public")));
        let socket = Address::parse("postgres://u@%2Frun%2Fpg:5433/gate").unwrap();
        assert_eq!(socket.shown(), "PostgreSQL at /run/pg:5433/gate");
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn a_wrong_address_is_told_of_without_its_password() {
        for (address, told) in [
            ("mysql://u:secret@h/d", "found \"mysql\""),
            ("u:secret@h/d", "found \"no scheme\""),
            ("postgres://u:secret@h/d?sslmode=maybe", "sslmode is \"maybe\""),
            ("postgres://u:secret@h/d?frob=1", "frob"),
            ("postgres://u:secret@h/d?sslmode", "has no value"),
            ("postgres://u:secret@h/d?sslmode=verify-full&sslrootcert=/nowhere.pem", "/nowhere.pem"),
        ] {
            let error = Address::parse(address).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{address}: {error}");
        }
    }
}

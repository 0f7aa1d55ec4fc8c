//! What outlives the process, and where it is managed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Build, secret, text};
use crate::config::settings::{Keeping, SpendDurability};
use crate::config::value;
use crate::vocabulary::Secret;

impl Build<'_> {
    /// Where the management API listens, if it has a place of its own.
    pub(super) fn admin(&mut self) -> Option<SocketAddr> {
        let port = self.general.at("admin_port").and_then(value::count)?;
        let host = match self.general.entry("admin_host") {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(entry) => match entry.value.text().and_then(|text| text.parse().ok()) {
                Some(host) => host,
                None => {
                    let found = entry.value.text().unwrap_or_default();
                    let reason = format!("expected an address like 127.0.0.1 or ::1, found {found:?}");
                    self.report.error(&entry.place, "general_settings.admin_host", &reason);
                    return None;
                }
            },
        };
        Some(SocketAddr::new(host, u16::try_from(port).ok()?))
    }

    /// The data directory or the database, and what is promised of it.
    pub(super) fn keeping(&mut self) -> Keeping {
        let database_url = self.database_url();
        let directory = self.general.entry("data_dir");
        let path = |entry: &crate::config::yaml::Entry| {
            entry.value.text().map(|path| secret::relative(&entry.place.file, path))
        };
        let relaxed = text(self.general, "spend_durability").is_some_and(|word| word == "relaxed");
        Keeping {
            data_dir: directory.and_then(path),
            database_url,
            durability: if relaxed { SpendDurability::Relaxed } else { SpendDurability::Strict },
            retention: self.general.at("maximum_spend_logs_retention_period").and_then(value::duration),
        }
    }
    /// Where PostgreSQL is. What it says beside that is read by whoever connects.
    fn database_url(&mut self) -> Option<Secret> {
        let general = self.general;
        let entry = general.entry("database_url")?;
        let path = "general_settings.database_url";
        let url = self.secret(&entry.value, path)?;
        if ["postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme)) {
            return Some(url);
        }
        let reason = "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, or os.environ/NAME of a variable with such an \
                      address; PostgreSQL is the database for several nodes";
        self.report.error(&entry.place, path, reason);
        None
    }
}

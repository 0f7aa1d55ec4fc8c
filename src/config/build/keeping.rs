//! What outlives the process, and where it is managed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Build, secret, text};
use crate::config::settings::{Keeping, SpendDurability};
use crate::config::value;

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

    /// The data directory and what is promised of it.
    pub(super) fn keeping(&self) -> Keeping {
        let directory = self.general.entry("data_dir");
        let path = |entry: &crate::config::yaml::Entry| {
            entry.value.text().map(|path| secret::relative(&entry.place.file, path))
        };
        let relaxed = text(self.general, "spend_durability").is_some_and(|word| word == "relaxed");
        Keeping {
            data_dir: directory.and_then(path),
            durability: if relaxed { SpendDurability::Relaxed } else { SpendDurability::Strict },
            retention: self.general.at("maximum_spend_logs_retention_period").and_then(value::duration),
        }
    }
}

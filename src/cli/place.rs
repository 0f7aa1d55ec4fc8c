//! Which database a command reads: that of a data directory, or PostgreSQL's.

use std::path::{Path, PathBuf};

use clap::Args;

use super::source::Configured;
use crate::store::{Database, Place};

/// Where it is: one of these.
#[derive(Args, Debug)]
pub(super) struct PlaceArguments {
    /// The directory that the gateway keeps its database in. It may be running.
    #[arg(long = "data-dir", visible_alias = "data_dir", value_name = "DIR", env = "TOLLGATE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// PostgreSQL's, in place of a directory: postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE.
    #[arg(long = "database-url", visible_alias = "database_url", value_name = "URL", conflicts_with = "config")]
    database_url: Option<String>,
    /// The configuration of the gateway, for its database_url or data_dir.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PlaceArguments {
    /// Which of them it is: what is said to be PostgreSQL goes before a directory, as it does for a gateway.
    pub(super) fn find(&self) -> Result<Place, String> {
        let named = self.database_url.as_deref().map(parse).transpose()?;
        let (directory, configured) = match &self.config {
            Some(config) => of_config(config)?,
            None => (None, None),
        };
        match (named.or(configured), self.data_dir.clone().or(directory)) {
            (Some(database), _) => Ok(Place::Database(Box::new(database))),
            (None, Some(directory)) => Ok(Place::Directory(directory)),
            (None, None) => {
                Err("expected --data-dir DIR, --database-url URL, or --config FILE of a gateway that has one \
                                 of them"
                    .into())
            }
        }
    }
}

/// The directory and the database that a configuration names.
pub(super) fn of_config(config: &Path) -> Result<(Option<PathBuf>, Option<Database>), String> {
    let (settings, report) = Configured::File(config.to_owned()).read();
    let Some(settings) = settings else {
        let fatal: Vec<_> =
            report.findings.iter().filter(|finding| finding.status.is_fatal()).map(ToString::to_string).collect();
        return Err(fatal.join("\n"));
    };
    let database = settings.keeping.database_url.as_ref().map(|url| parse(url.expose())).transpose()?;
    Ok((settings.keeping.data_dir, database))
}

fn parse(url: &str) -> Result<Database, String> {
    Database::parse(url).map_err(|error| error.to_string())
}

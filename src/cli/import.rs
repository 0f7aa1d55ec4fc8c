//! `tollgate import`: what another gateway keeps, read into the store.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::source::environment;
use super::{place, transfer};
use crate::exchange::SALT_KEYS;
use crate::store::{Database, Fate, Import, Imported, Row, import_litellm};
use crate::vocabulary::{Clock, PicoUsd, Secret};

/// What to import: a file of ours, or another gateway's database.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ImportCommand {
    #[command(subcommand)]
    from: Option<From>,
    #[command(flatten)]
    file: Option<transfer::ImportArguments>,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Read the PostgreSQL database of a LiteLLM proxy: keys by their hash, teams, members, users, customers,
    /// organizations, budgets, tags, credentials, models and spend. Nothing in it is changed.
    Litellm(LitellmArguments),
}

/// From where, and where to.
#[derive(Args, Debug)]
struct LitellmArguments {
    /// LiteLLM's database: postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE&schema=NAME.
    #[arg(
        long = "database-url",
        visible_alias = "database_url",
        value_name = "URL",
        env = "LITELLM_DATABASE_URL",
        hide_env_values = true
    )]
    database_url: String,
    /// What LiteLLM encrypted the secrets of its models with; without it LITELLM_MASTER_KEY, as LiteLLM does.
    #[arg(
        long = "salt-key",
        visible_alias = "salt_key",
        value_name = "KEY",
        env = "LITELLM_SALT_KEY",
        hide_env_values = true
    )]
    salt_key: Option<String>,
    /// The directory to import to. No gateway may run on it.
    #[arg(long = "data-dir", visible_alias = "data_dir", value_name = "DIR", env = "TOLLGATE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration of the gateway to import to, for its database_url or data_dir.
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    config: Option<PathBuf>,
    /// Read and tell, and write nothing.
    #[arg(long = "dry-run", visible_alias = "dry_run")]
    dry_run: bool,
    /// Write over records that are there already, and what was spent on them.
    #[arg(long)]
    replace: bool,
    /// Leave out the log of single requests.
    #[arg(long = "no-logs", visible_alias = "no_logs")]
    no_logs: bool,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

/// Imports, and prints what became of each row.
pub(super) fn run(arguments: &ImportCommand, out: &mut dyn Write, told: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    match (&arguments.from, &arguments.file) {
        (Some(From::Litellm(arguments)), _) => litellm(arguments, out),
        (None, Some(file)) => Ok(transfer::import(file, out, told)?),
        (None, None) => Err("expected a file that `tollgate export` wrote, or `litellm`".into()),
    }
}

fn litellm(arguments: &LitellmArguments, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let source = Database::parse(&arguments.database_url)?;
    let given = arguments.salt_key.clone().or_else(|| environment("LITELLM_MASTER_KEY"));
    let theirs = given.map(Secret::new);
    let ours = SALT_KEYS.iter().find_map(|name| environment(name)).map(Secret::new);
    let (directory, database) = target(arguments)?;
    let imported = import_litellm(&Import {
        source: &source,
        theirs: theirs.as_ref(),
        ours: ours.as_ref(),
        directory: directory.as_deref(),
        database: database.as_ref(),
        dry_run: arguments.dry_run,
        replace: arguments.replace,
        logs: !arguments.no_logs,
        wall_ms: Clock::machine().now().wall_ms,
    })?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &Told::of(&imported, arguments.dry_run))?;
        writeln!(out)?;
    } else {
        print(&imported, arguments.dry_run, out)?;
    }
    Ok(())
}

fn target(arguments: &LitellmArguments) -> Result<(Option<PathBuf>, Option<Database>), Box<dyn Error>> {
    let Some(config) = &arguments.config else { return Ok((arguments.data_dir.clone(), None)) };
    let (directory, database) = place::of_config(config)?;
    Ok((arguments.data_dir.clone().or(directory), database))
}

fn words(fate: &Fate) -> (&'static str, String) {
    match fate {
        Fate::Whole => ("whole", String::new()),
        Fate::Part(lost) => ("part", format!("without {}", lost.join(", "))),
        Fate::There => ("there", "one of this id is there already and stays (--replace writes over it)".to_owned()),
        Fate::LeftOut(reason) => ("left out", reason.clone()),
    }
}

fn print(imported: &Imported, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for Row { table, id, fate } in &imported.rows {
        let (word, more) = words(fate);
        *counts.entry(table).or_default().entry(word).or_default() += 1;
        let colon = if more.is_empty() { "" } else { ": " };
        writeln!(out, "{table} {id}: {word}{colon}{more}")?;
    }
    let would = if dry_run { "would be " } else { "" };
    for (table, counts) in counts {
        let counts: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        writeln!(out, "{table}: {}", counts.join(", "))?;
    }
    writeln!(
        out,
        "spend of {} accounts {would}taken, ${} of it on keys; {} rows of the log {would}taken, {} left out",
        imported.accounts, imported.spent_on_keys, imported.logs, imported.logs_left_out
    )
}

/// The same in JSON.
#[derive(Serialize)]
struct Told<'i> {
    dry_run: bool,
    rows: Vec<ToldRow<'i>>,
    accounts: usize,
    spent_on_keys: PicoUsd,
    logs: u64,
    logs_left_out: u64,
}

#[derive(Serialize)]
struct ToldRow<'i> {
    table: &'i str,
    id: &'i str,
    fate: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

impl<'i> Told<'i> {
    fn of(imported: &'i Imported, dry_run: bool) -> Self {
        let row = |row: &'i Row| {
            let (fate, reason) = words(&row.fate);
            ToldRow { table: row.table, id: &row.id, fate, reason }
        };
        Self {
            dry_run,
            rows: imported.rows.iter().map(row).collect(),
            accounts: imported.accounts,
            spent_on_keys: imported.spent_on_keys,
            logs: imported.logs,
            logs_left_out: imported.logs_left_out,
        }
    }
}

//! `tollgate export` and `tollgate import`: the whole database of a data directory as lines of JSON.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::place::PlaceArguments;
use crate::roster::Moment;
use crate::store::Place;
use crate::store::transfer::{self, Differing, Report, Tally};
use crate::vocabulary::Clock;

/// The file has keys' hashes, e-mails and sealed secrets: for its owner alone.
const OWNER_ONLY: u32 = 0o600;

/// What to export, and where to.
#[derive(Args, Debug)]
pub struct ExportArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// The file to write, which must not be there yet; standard output without it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Receipts, too: a line for every request that a provider was asked for.
    #[arg(long)]
    receipts: bool,
}

/// What to import, and where to.
#[derive(Args, Debug)]
pub struct ImportArguments {
    /// What `tollgate export` wrote; standard input without it.
    file: Option<PathBuf>,
    /// The directory to put it in; made if it is not there. No gateway may run on it.
    #[arg(long = "data-dir", visible_alias = "data_dir", value_name = "DIR", env = "TOLLGATE_DATA_DIR")]
    data_dir: PathBuf,
    /// What is done about a row that is there already and differs.
    #[arg(long = "on-conflict", value_enum, default_value = "refuse")]
    on_conflict: OnConflict,
    /// Read and check everything, and keep nothing of it.
    #[arg(long = "dry-run")]
    dry_run: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnConflict {
    /// Nothing is taken at all.
    Refuse,
    /// What is there stays.
    Keep,
    /// The file's takes its place.
    Replace,
}

impl From<OnConflict> for Differing {
    fn from(choice: OnConflict) -> Self {
        match choice {
            OnConflict::Refuse => Self::Refuse,
            OnConflict::Keep => Self::Keep,
            OnConflict::Replace => Self::Replace,
        }
    }
}

/// Writes the database out; what was written is told on `told`.
///
/// # Errors
/// The database cannot be read, or the file cannot be written.
pub fn export(arguments: &ExportArguments, out: &mut dyn Write, told: &mut dyn Write) -> io::Result<()> {
    let ExportArguments { place, output, receipts } = arguments;
    let place = place.find().map_err(io::Error::other)?;
    let at = Moment(Clock::machine().now().wall_ms);
    let report = match output {
        None => written(&place, *receipts, at, &mut BufWriter::new(out), told)?,
        Some(path) => {
            let mut file = BufWriter::new(new_file(path)?);
            let report = written(&place, *receipts, at, &mut file, told);
            let kept = report.and_then(|report| file.get_ref().sync_all().map(|()| report));
            kept.inspect_err(|_| {
                // A part of it would be refused by an import anyway.
                let _unremoved = std::fs::remove_file(path);
            })?
        }
    };
    for (kind, tally) in &report {
        writeln!(told, "{kind}: {}", tally.written)?;
    }
    Ok(())
}

fn written(place: &Place, receipts: bool, at: Moment, out: &mut dyn Write, told: &mut dyn Write) -> io::Result<Report> {
    let mut progress = |lines| far(told, lines);
    transfer::export(place, receipts, at, out, &mut progress).map_err(io::Error::other)
}

fn new_file(path: &Path) -> io::Result<File> {
    let open = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
    open.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AlreadyExists => "; name a file that is not there yet",
            _ => "",
        };
        io::Error::new(error.kind(), format!("--output {}: {error}{advice}", path.display()))
    })
}

fn far(told: &mut dyn Write, lines: u64) {
    // How far it is need not be told to somebody who left.
    let _unheard = writeln!(told, "{lines} lines so far");
}

/// Reads a database in, and prints what became of its rows.
///
/// # Errors
/// The directory is in use, or a line cannot be taken: nothing was taken then.
pub fn import(arguments: &ImportArguments, out: &mut dyn Write, told: &mut dyn Write) -> io::Result<()> {
    let ImportArguments { file, data_dir, on_conflict, dry_run, json } = arguments;
    let mut progress = |lines| far(told, lines);
    let mut take = |name: &str, input: &mut dyn io::BufRead| {
        let done = transfer::import(data_dir, (name, input), (*on_conflict).into(), *dry_run, &mut progress);
        done.map_err(io::Error::other)
    };
    let report = match file {
        None => take("standard input", &mut io::stdin().lock())?,
        Some(path) => {
            let opened = File::open(path).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{}: {error}; expected what `tollgate export` wrote", path.display()),
                )
            })?;
            take(&path.display().to_string(), &mut BufReader::with_capacity(1 << 20, opened))?
        }
    };
    if *json {
        let rows: Vec<_> = report.iter().map(|(kind, tally)| Shown::of(kind, *tally)).collect();
        serde_json::to_writer_pretty(&mut *out, &rows)?;
        return writeln!(out);
    }
    writeln!(out, "{:20}  {:>10}  {:>10}  {:>10}  {:>10}", "kind", "new", "same", "kept", "replaced")?;
    for (kind, Tally { written, same, kept, replaced }) in &report {
        writeln!(out, "{kind:20}  {written:>10}  {same:>10}  {kept:>10}  {replaced:>10}")?;
    }
    if *dry_run { writeln!(out, "nothing was kept of it: --dry-run") } else { Ok(()) }
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'a str,
    new: u64,
    same: u64,
    kept: u64,
    replaced: u64,
}

impl<'a> Shown<'a> {
    fn of(kind: &'a str, Tally { written, same, kept, replaced }: Tally) -> Self {
        Self { kind, new: written, same, kept, replaced }
    }
}

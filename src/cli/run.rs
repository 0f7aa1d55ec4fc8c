//! What `main` does: from arguments to an exit code.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::args::{Arguments, Command, ServeArguments};
use super::explain::{self, Question};
use super::manage::{self, Managed};
use super::source::{Configured, Served, environment};
use super::{check, import, quickstart};
use crate::config::{self, Purpose, Report, Settings, SpendDurability};
use crate::exchange::Surroundings;
use crate::ledger::Memory;
use crate::proxy::{Addresses, CertificateFiles, Gate, Inheritance, Listen, Succession, serve};
use crate::store::{self, Database, Store, Word};
use crate::telemetry::{ConfigRemark, Event, LogTo, Options, SERIES_MAX, Telemetry, Trouble};
use crate::vocabulary::Clock;

/// Exit code of a configuration or an address that cannot be served.
const UNUSABLE: u8 = 1;

/// Does what the arguments say; the exit code.
pub fn run(arguments: Arguments) -> u8 {
    let done = match arguments.command {
        Some(Command::Check { file, json }) => return run_check(&file, json),
        Some(Command::Explain { config, key, model, tags, json }) => {
            let question = Question { config: &config, key: key.as_deref(), model: &model, tags: &tags, json };
            return match explain::run(&question, &mut io::stdout().lock()) {
                Ok(()) => 0,
                Err(error) => complain(&error),
            };
        }
        Some(Command::Mock(mock)) => crate::mock::run(*mock),
        Some(Command::Block(block)) => manage::run(&Managed::Blocks(&block), &mut io::stdout().lock()),
        Some(Command::Spend(spend)) => super::spend::run(&spend, &mut io::stdout().lock()),
        Some(Command::Export(export)) => {
            super::transfer::export(&export, &mut io::stdout().lock(), &mut io::stderr().lock())
        }
        Some(Command::Key(key)) => manage::run(&Managed::Keys(&key), &mut io::stdout().lock()),
        Some(Command::Team(team)) => manage::run(&Managed::Teams(&team), &mut io::stdout().lock()),
        Some(Command::Import(import)) => match import::run(&import, &mut io::stdout().lock(), &mut io::stderr().lock())
        {
            Ok(()) => return 0,
            Err(error) => return complain(&error.to_string()),
        },
        Some(Command::Keys { markdown }) => print_keys(markdown),
        None => return run_serve(&arguments.serve),
    };
    match done {
        Ok(()) => 0,
        Err(error) => complain(&error.to_string()),
    }
}

fn complain(text: &str) -> u8 {
    // Nobody can be told if standard error is gone.
    let _unheard = writeln!(io::stderr(), "tollgate: {text}");
    UNUSABLE
}

fn run_check(file: &std::path::Path, json: bool) -> u8 {
    let format = if json { check::Format::Json } else { check::Format::Text };
    let surroundings = config::Surroundings { env: &environment, providers: &Served, purpose: Purpose::Serve };
    match check::run(file, format, &mut io::stdout().lock(), &surroundings) {
        Ok(verdict) => verdict.exit_code(),
        Err(error) => complain(&error.to_string()),
    }
}

fn print_keys(markdown: bool) -> io::Result<()> {
    let text = if markdown { config::reference_markdown() } else { config::full_yaml() };
    io::stdout().write_all(text.as_bytes())
}

fn run_serve(arguments: &ServeArguments) -> u8 {
    let clock = Clock::machine();
    let terminal = io::stderr().is_terminal() && !arguments.json_logs;
    let log = if terminal { LogTo::Stderr } else { LogTo::StderrJson };
    let telemetry = Telemetry::new(Options { log, series_max: SERIES_MAX, started_ms: clock.now().wall_ms });
    let around = Surroundings { env: environment, ..Surroundings::new(clock, Arc::new(Memory::new()), telemetry) };
    around.telemetry.capture_libraries(around.clock.clone());
    count_panics(&around);
    let configured = arguments.config.clone().map_or(Configured::QuickStart, Configured::File);
    remark_flags(arguments, &around);
    let (settings, report) = configured.read();
    remark(&report, &around);
    let Some(settings) = settings else {
        let fatal: Vec<_> =
            report.findings.iter().filter(|finding| finding.status.is_fatal()).map(ToString::to_string).collect();
        around.telemetry.flush(std::time::Duration::from_secs(1));
        return complain(&fatal.join("\ntollgate: "));
    };
    let served = keep_and_serve(settings, configured, arguments, &around);
    around.telemetry.flush(std::time::Duration::from_secs(1));
    match served {
        Ok(()) => 0,
        Err(error) => complain(&error.to_string()),
    }
}

/// Serves, with a store around it if there is a directory for one.
fn keep_and_serve(
    settings: Settings,
    configured: Configured,
    arguments: &ServeArguments,
    around: &Surroundings,
) -> Result<(), Box<dyn Error>> {
    let mut inherited = Inheritance::receive().map_err(|error| format!("taking over the socket: {error}"))?;
    let store = open_store(&settings, arguments, around, inherited.as_mut().and_then(Inheritance::take_lock))?;
    let lock = store.as_ref().and_then(Store::lock).map(|lock| lock.try_clone_to_owned()).transpose()?;
    let quick = matches!(configured, Configured::QuickStart);
    let ready = |addresses: &Addresses, gate: &Gate| {
        if let Some(store) = &store {
            store.serving();
        }
        greet(addresses, gate, arguments, quick)
    };
    let succession = Succession { inherited, lock };
    let served = serve(settings, Arc::new(configured), &listen(arguments), around.clone(), succession, ready);
    if let Some(store) = &store {
        store.close();
    }
    Ok(served?)
}

/// The store in the directory and the database that were named; without either it is said that nothing lasts.
fn open_store(
    settings: &Settings,
    arguments: &ServeArguments,
    around: &Surroundings,
    lock: Option<OwnedFd>,
) -> Result<Option<Store>, Box<dyn Error>> {
    let directory = arguments.data_dir.clone().or_else(|| settings.keeping.data_dir.clone());
    let database = settings.keeping.database_url.as_ref().map(|url| Database::parse(url.expose())).transpose()?;
    if directory.is_none() && database.is_none() {
        let text = "spend, budgets and keys that are made are kept in memory and end with this process; --data-dir DIR keeps \
                    them";
        around.telemetry.emit(&Event::Kept(text), around.clock.now());
        return Ok(None);
    }
    let durability = match settings.keeping.durability {
        SpendDurability::Strict => store::Durability::Strict,
        SpendDurability::Relaxed => store::Durability::Relaxed,
    };
    let (retention, waiting_max) = (settings.keeping.retention, store::WAITING_MAX);
    let options = store::Options { directory, database, durability, retention, waiting_max };
    let (telemetry, clock) = (around.telemetry.clone(), around.clock.clone());
    let tell = move |word: Word<'_>| match word {
        Word::Trouble(cause) => telemetry.emit(&Event::Trouble(Trouble { subject: "store", cause }), clock.now()),
        Word::Note(text) => telemetry.emit(&Event::Kept(text), clock.now()),
    };
    let store = Store::open(options, lock, &around.clock, &around.ledger, tell)?;
    store.keep_records(&around.roster)?;
    Ok(Some(store))
}

fn listen(arguments: &ServeArguments) -> Listen {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let files =
        |certificate: &PathBuf, key: &PathBuf| CertificateFiles { certificate: certificate.clone(), key: key.clone() };
    let tls = arguments.ssl_certfile_path.as_ref().zip(arguments.ssl_keyfile_path.as_ref());
    Listen {
        address: SocketAddr::new(arguments.host, arguments.port),
        tls: tls.map(|(certificate, key)| files(certificate, key)),
        workers: arguments.num_workers.unwrap_or_else(cores),
    }
}

fn greet(addresses: &Addresses, gate: &Gate, arguments: &ServeArguments, quick: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let scheme = if arguments.ssl_certfile_path.is_some() { "https" } else { "http" };
    let address = addresses.calls;
    writeln!(out, "tollgate: listening on {scheme}://{address}")?;
    if let Some(admin) = addresses.admin {
        writeln!(out, "tollgate: managed on {scheme}://{admin}")?;
    }
    out.flush()?;
    if quick {
        let models: Vec<_> = gate.world().table.listed().into_iter().map(str::to_owned).collect();
        let kept = gate.around().ledger.keeper().is_some();
        let stored = if kept { quickstart::Stored::Spend } else { quickstart::Stored::Nothing };
        quickstart::greet(&mut out, address, &models, stored)?;
    }
    Ok(())
}

fn remark_flags(arguments: &ServeArguments, around: &Surroundings) {
    for flag in arguments.ignored.given() {
        let text = format!("{flag} has no effect here: set it in the configuration");
        around
            .telemetry
            .emit(&Event::ConfigRemark(ConfigRemark { place: "command line", text: &text }), around.clock.now());
    }
}

fn remark(report: &Report, around: &Surroundings) {
    for finding in report.notable().filter(|finding| !finding.status.is_fatal()) {
        let place = format!("{}:{}", finding.file, finding.line);
        let text = format!("{}: {}", finding.key, finding.reason);
        around.telemetry.emit(&Event::ConfigRemark(ConfigRemark { place: &place, text: &text }), around.clock.now());
    }
}

/// A panic ends one task only; it is counted and its place is logged, its message is not: it may hold what a client sent.
fn count_panics(around: &Surroundings) {
    let around = around.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        around.telemetry.emit(&Event::Panicked(&place), around.clock.now());
    }));
}

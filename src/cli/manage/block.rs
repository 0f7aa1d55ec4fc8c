//! `tollgate block`.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::print::Columns;
use super::{Members, Question, Remote};
use crate::vocabulary::BlockKind;

/// `tollgate block`.
#[derive(Args, Debug)]
pub struct BlockArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Switch something off: what is new is refused, or goes to another group. What flows goes on.
    New {
        #[command(flatten)]
        what: What,
        /// What clients are told, with status 403.
        #[arg(long)]
        message: Option<String>,
        /// The model group that takes the requests meanwhile.
        #[arg(long)]
        reroute_to: Option<String>,
        /// When it is switched on again by itself, from now: 30m, 2h, 1d.
        #[arg(long = "for", value_name = "DURATION")]
        duration: Option<String>,
    },
    /// Switch it on again.
    Delete(What),
    /// List what is switched off.
    List,
}

#[derive(Args, Debug)]
struct What {
    /// What kind of thing.
    #[arg(value_parser = BlockKind::NAMES)]
    kind: String,
    /// Which: a model group, `model_info.id`, a key's alias, hash or itself, a team's id, a tag, a feature.
    name: String,
}

const NAMES: &[&str] = &["kind", "name", "message", "reroute_to", "until", "configured", "created_by"];
const ROW: Columns = Columns { list: None, inner: None, names: NAMES };
const ROWS: Columns = Columns { list: Some("blocks"), ..ROW };

/// Does it.
///
/// # Errors
/// The gateway cannot be asked, or refuses; or nothing can be printed.
pub(super) fn run(arguments: &BlockArguments, out: &mut dyn Write) -> io::Result<()> {
    arguments.remote.run(&question(&arguments.command)?, out)
}

fn question(command: &Command) -> io::Result<Question> {
    Ok(match command {
        Command::New { what, message, reroute_to, duration } => {
            let mut members = named(what)?;
            members.put("message", message)?;
            members.put("reroute_to", reroute_to)?;
            members.put("duration", duration)?;
            Question::post("/block/new", members.body()?, ROW)
        }
        Command::Delete(what) => Question::post("/block/delete", named(what)?.body()?, ROW),
        Command::List => Question::get("/block/list", ROWS),
    })
}

fn named(what: &What) -> io::Result<Members> {
    let mut members = Members::default();
    members.put("kind", &Some(&what.kind))?;
    members.put("name", &Some(&what.name))?;
    Ok(members)
}

//! `tollgate team`.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::print::Columns;
use super::{Limits, Members, Question, Remote, escaped};

/// `tollgate team`.
#[derive(Args, Debug)]
pub struct TeamArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a team.
    Create(Box<Create>),
    /// List teams.
    List,
    /// Show a team.
    Info(Named),
    /// Refuse all keys of a team from the next request on.
    Block(Named),
    /// Let them in again.
    Unblock(Named),
    /// Take teams away, with their keys.
    Delete {
        /// Ids of teams.
        #[arg(required = true, value_name = "TEAM")]
        teams: Vec<String>,
    },
}

#[derive(Args, Debug)]
struct Named {
    /// The team's id.
    #[arg(value_name = "TEAM")]
    named: String,
}

#[derive(Args, Debug)]
struct Create {
    /// What people call it.
    #[arg(long)]
    alias: Option<String>,
    /// Its id; made up without it.
    #[arg(long)]
    id: Option<String>,
    /// The organization it belongs to.
    #[arg(long)]
    organization: Option<String>,
    #[command(flatten)]
    limits: Limits,
}

const ROW: Columns = Columns {
    list: None,
    inner: Some("team_info"),
    names: &["team_id", "team_alias", "organization_id", "spend", "max_budget", "budget_duration", "models", "blocked"],
};

/// Does it.
///
/// # Errors
/// The gateway cannot be asked, or refuses; or nothing can be printed.
pub(super) fn run(arguments: &TeamArguments, out: &mut dyn Write) -> io::Result<()> {
    arguments.remote.run(&question(&arguments.command)?, out)
}

fn question(command: &Command) -> io::Result<Question> {
    let mut members = Members::default();
    Ok(match command {
        Command::Create(create) => {
            members.put("team_alias", &create.alias)?;
            members.put("team_id", &create.id)?;
            members.put("organization_id", &create.organization)?;
            create.limits.put(&mut members)?;
            Question::post("/team/new", members.body()?, ROW)
        }
        Command::List => Question::get("/team/list", ROW),
        Command::Info(team) => Question::get(format!("/team/info?team_id={}", escaped(&team.named)), ROW),
        Command::Block(team) => switch("/team/block", &team.named)?,
        Command::Unblock(team) => switch("/team/unblock", &team.named)?,
        Command::Delete { teams } => {
            members.put("team_ids", &Some(teams))?;
            Question::post("/team/delete", members.body()?, ROW)
        }
    })
}

fn switch(path: &str, named: &str) -> io::Result<Question> {
    let mut members = Members::default();
    members.put("team_id", &Some(named))?;
    Ok(Question::post(path, members.body()?, ROW))
}

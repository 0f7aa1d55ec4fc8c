//! `tollgate key`.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::print::Columns;
use super::{Limits, Members, Question, Remote, escaped, query};

/// `tollgate key`.
#[derive(Args, Debug)]
pub struct KeyArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key. It is shown this once.
    Create(Box<Create>),
    /// List keys.
    List {
        /// Only keys of this user.
        #[arg(long)]
        user: Option<String>,
        /// Only keys of this team.
        #[arg(long)]
        team: Option<String>,
        /// Only keys with this in their alias, hash, user or team.
        #[arg(long)]
        search: Option<String>,
        /// Only keys in this state: active, blocked, expired.
        #[arg(long)]
        status: Option<String>,
        /// Which page, from 1.
        #[arg(long, default_value_t = 1)]
        page: u64,
        /// Keys on a page, at most 100.
        #[arg(long, default_value_t = 100)]
        size: u64,
    },
    /// Show a key, by itself or its hash.
    Info(Named),
    /// Refuse a key from the next request on.
    Block(Named),
    /// Let a key in again.
    Unblock(Named),
    /// Put a new key in the place of one, with its limits and what it has spent. It is shown this once.
    Rotate {
        #[command(flatten)]
        key: Named,
        /// How long the old key is let in beside it: 24h. Not at all without it.
        #[arg(long)]
        grace: Option<String>,
    },
    /// Take keys away.
    Delete {
        /// Keys or their hashes.
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

#[derive(Args, Debug)]
struct Named {
    /// The key, or its hash.
    #[arg(value_name = "KEY")]
    named: String,
}

#[derive(Args, Debug)]
struct Create {
    /// What people call it.
    #[arg(long)]
    alias: Option<String>,
    /// The user it belongs to.
    #[arg(long)]
    user: Option<String>,
    /// The team it belongs to.
    #[arg(long)]
    team: Option<String>,
    /// How long it lasts: 30d. For ever without it.
    #[arg(long)]
    duration: Option<String>,
    /// What it is for: default, llm_api, management, read_only.
    #[arg(long = "type", value_name = "TYPE")]
    key_type: Option<String>,
    #[command(flatten)]
    limits: Limits,
}

const ROW: Columns = Columns {
    list: Some("keys"),
    inner: Some("info"),
    names: &["key_name", "key_alias", "user_id", "team_id", "spend", "max_budget", "expires", "status"],
};
const MADE: Columns = Columns { list: None, inner: None, names: &["key", "key_alias", "token", "expires"] };
const GONE: Columns = Columns { list: None, inner: None, names: &["deleted_keys"] };

/// Does it.
///
/// # Errors
/// The gateway cannot be asked, or refuses; or nothing can be printed.
pub(super) fn run(arguments: &KeyArguments, out: &mut dyn Write) -> io::Result<()> {
    arguments.remote.run(&question(&arguments.command)?, out)
}

fn question(command: &Command) -> io::Result<Question> {
    let mut members = Members::default();
    Ok(match command {
        Command::Create(create) => {
            members.put("key_alias", &create.alias)?;
            members.put("user_id", &create.user)?;
            members.put("team_id", &create.team)?;
            members.put("duration", &create.duration)?;
            members.put("key_type", &create.key_type)?;
            create.limits.put(&mut members)?;
            Question::post("/key/generate", members.body()?, MADE)
        }
        Command::List { user, team, search, status, page, size } => {
            let (page, size) = (page.to_string(), size.to_string());
            let query = query(&[
                ("return_full_object", Some("true")),
                ("user_id", user.as_deref()),
                ("team_id", team.as_deref()),
                ("search", search.as_deref()),
                ("status", status.as_deref()),
                ("page", Some(&page)),
                ("size", Some(&size)),
            ]);
            Question::get(format!("/key/list?{query}"), ROW)
        }
        Command::Info(key) => Question::get(format!("/key/info?key={}", escaped(&key.named)), ROW),
        Command::Block(key) => switch("/key/block", &key.named)?,
        Command::Unblock(key) => switch("/key/unblock", &key.named)?,
        Command::Rotate { key, grace } => {
            members.put("key", &Some(&key.named))?;
            members.put("grace_period", grace)?;
            Question::post("/key/regenerate", members.body()?, MADE)
        }
        Command::Delete { keys } => {
            members.put("keys", &Some(keys))?;
            Question::post("/key/delete", members.body()?, GONE)
        }
    })
}

fn switch(path: &str, named: &str) -> io::Result<Question> {
    let mut members = Members::default();
    members.put("key", &Some(named))?;
    Ok(Question::post(path, members.body()?, ROW))
}

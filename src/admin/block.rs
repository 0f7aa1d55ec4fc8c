//! `/block/*`: what is switched off at once, and switched on again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Needs;
use super::ask::{Action, Ask, put};
use super::check;
use super::patch::Patch;
use super::reply::{Refusal, Reply};
use super::route::Route;
use crate::config::BlockRule;
use crate::roster::{Block, Change, Kind, Moment};
use crate::vocabulary::{BlockKind, FEATURES, KeyHash, ModelName};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/block/new", Needs::Admin, "Switch a model, deployment, key, team, tag or feature off", new)
        .takes::<Wanted>()
        .gives::<Row>(),
    Route::post("/block/delete", Needs::Admin, "Switch something on again", delete).takes::<Named>().gives::<Row>(),
    Route::get("/block/list", Needs::Viewer, "List what is switched off", list).gives::<Listed>(),
];

/// What is to be switched off.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Wanted {
    /// `model`, `deployment`, `key`, `team`, `tag` or `feature`.
    kind: String,
    /// Which: a model group or alias, `model_info.id`, a key's alias, hash or itself, a team's id, a tag, a feature.
    name: String,
    /// What clients are told.
    #[serde(default)]
    message: Patch<String>,
    /// The model group that takes the requests meanwhile.
    #[serde(default)]
    reroute_to: Patch<String>,
    /// When it ends by itself, from now: `30m`.
    #[serde(default)]
    duration: Patch<String>,
}

/// What is to be switched on.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Named {
    /// As in `/block/new`.
    kind: String,
    /// As in `/block/new`.
    name: String,
}

/// Something that is switched off.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    kind: String,
    name: String,
    message: Option<String>,
    reroute_to: Option<String>,
    until: Option<Moment>,
    /// Whether it stands in the configuration file, and is to be taken out there.
    configured: bool,
    created_by: Option<String>,
}

/// What `/block/list` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    blocks: Vec<Row>,
}

impl From<&Block> for Row {
    fn from(block: &Block) -> Self {
        Self {
            kind: block.kind.clone(),
            name: block.name.clone(),
            message: block.message.clone(),
            reroute_to: block.reroute_to.clone(),
            until: block.until,
            configured: false,
            created_by: block.stamp.created_by.clone(),
        }
    }
}

impl From<&BlockRule> for Row {
    fn from(rule: &BlockRule) -> Self {
        Self {
            kind: rule.kind.as_str().to_owned(),
            name: rule.name.clone(),
            message: rule.message.clone(),
            reroute_to: rule.reroute_to.as_ref().map(ToString::to_string),
            until: rule.until_ms.map(Moment),
            configured: true,
            created_by: None,
        }
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let wanted: Wanted = ask.read()?;
    let (kind, name) = named(&wanted.kind, &wanted.name)?;
    if !is_known(ask, kind, &name) {
        return Err(Refusal::not_found("name", format!("no {} is called {}", kind.as_str(), check::Quoted(&name))));
    }
    if let Some(group) = wanted.reroute_to.value()
        && !is_known(ask, BlockKind::Model, group)
    {
        return Err(Refusal::not_found("reroute_to", format!("no model is called {}", check::Quoted(group))));
    }
    let until = match wanted.duration.value() {
        Some(duration) => check::end_of("duration", duration, ask.moment())?,
        None => None,
    };
    let writer = ask.write()?;
    let mut block =
        Block { block_id: id(kind, &name), kind: kind.as_str().to_owned(), name, until, ..Block::default() };
    wanted.message.put(&mut block.message);
    wanted.reroute_to.put(&mut block.reroute_to);
    block.stamp = ask.stamp();
    let row = Row::from(&block);
    ask.commit(&writer, Action::Blocked, vec![put(block)])?;
    Reply::json(&row)
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let wanted: Named = ask.read()?;
    let (kind, name) = named(&wanted.kind, &wanted.name)?;
    let writer = ask.write()?;
    let id = id(kind, &name);
    let Some(block) = ask.roster().blocks.find(&id) else {
        let of_file = ask.world.settings.blocks.iter().any(|rule| rule.kind == kind && rule.name == name);
        let why = if of_file { "it is switched off in the configuration file" } else { "it is not switched off" };
        return Err(Refusal::not_found("name", why));
    };
    ask.commit(&writer, Action::Unblocked, vec![Change::Remove(Kind::Block, id)])?;
    Reply::json(&Row::from(&*block))
}

fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut blocks: Vec<_> = ask.world.settings.blocks.iter().map(Row::from).collect();
    blocks.extend(ask.roster().blocks.all().iter().map(|block| Row::from(&**block)));
    blocks.sort_by(|a, b| (&a.kind, &a.name, a.configured).cmp(&(&b.kind, &b.name, b.configured)));
    Reply::json(&Listed { blocks })
}

/// One thing has one block: a second one takes the place of the first.
fn id(kind: BlockKind, name: &str) -> String {
    format!("{}:{name}", kind.as_str())
}

/// A kind and a name; of a key that is named by itself only the hash is kept.
fn named(kind: &str, name: &str) -> Result<(BlockKind, String), Refusal> {
    let unknown = || Refusal::bad(format_args!("kind: expected one of {}", BlockKind::NAMES.join(", ")));
    let kind = BlockKind::parse(kind).ok_or_else(unknown)?;
    check::name("name", name)?;
    let itself = kind == BlockKind::Key && name.starts_with("sk-");
    Ok((kind, if itself { KeyHash::of(name).to_string() } else { name.to_owned() }))
}

fn is_known(ask: &Ask<'_>, kind: BlockKind, name: &str) -> bool {
    let Ask { world, .. } = ask;
    match kind {
        BlockKind::Model => {
            let named = ModelName::parse(name).is_ok();
            named && (world.table.resolve(name).is_some() || world.table.alias(name).is_some())
        }
        BlockKind::Deployment => world.deployments.iter().any(|known| &*known.settings.id == name),
        BlockKind::Key => {
            let by_hash = KeyHash::parse(name).is_some_and(|hash| world.standing(&hash, ask.now).is_some());
            let declared = || world.settings.virtual_keys.iter().any(|key| key.alias.as_deref() == Some(name));
            by_hash || declared() || ask.roster().key_by_alias(name).is_some()
        }
        BlockKind::Team => ask.roster().teams.has(name),
        BlockKind::Tag => true,
        BlockKind::Feature => FEATURES.contains(&name),
    }
}

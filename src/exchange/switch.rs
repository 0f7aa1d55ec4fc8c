//! What is switched off: a model group, a deployment, a key, a team, a tag or a feature, by the configuration or on record.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use super::caller::Caller;
use super::enter::Common;
use super::plan::{self, Meant};
use super::{Deployment, World};
use crate::config::{BlockRule, Settings};
use crate::dialect::Endpoint;
use crate::dialect::openai::Request;
use crate::json;
use crate::roster::Roster;
use crate::vocabulary::{BlockKind, Fault, Kind, ModelName, Now};

/// How often a request is sent on from one group that is switched off to another.
const REROUTES_MAX: usize = 8;
/// That a deployment is switched on.
const ON: i64 = i64::MIN;

/// Something that is switched off.
#[derive(Debug)]
pub(super) struct Off {
    kind: BlockKind,
    name: Box<str>,
    message: Option<Box<str>>,
    /// The group that takes the requests meanwhile.
    instead: Option<ModelName>,
    until_ms: i64,
}

/// All that is switched off, as of one version of the roster.
#[derive(Debug, Default)]
struct Board {
    version: u64,
    off: [HashMap<Box<str>, Arc<Off>>; BlockKind::ALL.len()],
}

/// The board that holds now: made anew when the records of what is switched off have changed.
#[derive(Debug, Default)]
pub(super) struct Switches(ArcSwap<Board>);

impl Switches {
    pub(super) fn build(settings: &Settings, roster: &Roster, deployments: &[Deployment]) -> Self {
        Self(ArcSwap::from_pointee(Board::build(settings, roster, deployments)))
    }
}

/// Until when a deployment is switched off. Beside the board, because it is looked at for every member of a group.
#[derive(Debug)]
pub struct OffUntil(AtomicI64);

impl Default for OffUntil {
    fn default() -> Self {
        Self(AtomicI64::new(ON))
    }
}

impl OffUntil {
    /// Whether it is switched off.
    pub fn is_off(&self, now: Now) -> bool {
        now.wall_ms < self.0.load(Relaxed)
    }
}

impl Board {
    fn build(settings: &Settings, roster: &Roster, deployments: &[Deployment]) -> Self {
        let mut board = Self { version: roster.blocks_version(), ..Self::default() };
        settings.blocks.iter().for_each(|rule| board.put(rule));
        // Records come last: what was said while it ran is newer than the file.
        for block in roster.blocks.all() {
            let Some(kind) = BlockKind::parse(&block.kind) else { continue };
            let instead = block.reroute_to.as_deref().and_then(|name| ModelName::parse(name).ok());
            board.put(&BlockRule {
                kind,
                name: block.name.clone(),
                message: block.message.clone(),
                reroute_to: instead,
                until_ms: block.until.map(|until| until.0),
            });
        }
        for deployment in deployments {
            let off = board.off[BlockKind::Deployment as usize].get(&*deployment.settings.id);
            deployment.off.0.store(off.map_or(ON, |off| off.until_ms), Relaxed);
        }
        board
    }

    fn put(&mut self, rule: &BlockRule) {
        let off = Off {
            kind: rule.kind,
            name: rule.name.as_str().into(),
            message: rule.message.as_deref().map(Box::from),
            instead: rule.reroute_to.clone(),
            until_ms: rule.until_ms.unwrap_or(i64::MAX),
        };
        self.off[rule.kind as usize].insert(off.name.clone(), Arc::new(off));
    }

    fn is_empty(&self) -> bool {
        self.off.iter().all(HashMap::is_empty)
    }

    fn find(&self, kind: BlockKind, name: &str, now: Now) -> Option<Arc<Off>> {
        self.off[kind as usize].get(name).filter(|off| now.wall_ms < off.until_ms).cloned()
    }

    /// The first of a model's names that is switched off.
    fn model<const N: usize>(&self, names: [&str; N], now: Now) -> Option<Arc<Off>> {
        names.into_iter().find_map(|name| self.find(BlockKind::Model, name, now))
    }

    /// Whoever calls, if that is switched off.
    fn caller(&self, common: &Common, now: Now) -> Option<Arc<Off>> {
        let standing = common.caller.as_ref().and_then(Caller::standing)?;
        if !self.off[BlockKind::Key as usize].is_empty() {
            let of_alias = standing.key.alias.as_deref().and_then(|alias| self.find(BlockKind::Key, alias, now));
            let found = of_alias.or_else(|| self.find(BlockKind::Key, &standing.key.hash.to_string(), now));
            if found.is_some() {
                return found;
            }
        }
        let team = standing.record.as_ref().and_then(|record| record.team_id.as_deref())?;
        self.find(BlockKind::Team, team, now)
    }

    fn call(&self, common: &Common, passes: bool, now: Now) -> Option<Arc<Off>> {
        let word = if passes { "pass_through" } else { word(common.call?) };
        self.find(BlockKind::Feature, word, now)
    }

    /// What the request makes use of, if any of that is switched off.
    fn request(&self, common: &Common, request: &Request, now: Now) -> Option<Arc<Off>> {
        let feature = |word, used: bool| if used { self.find(BlockKind::Feature, word, now) } else { None };
        let tools = || {
            let at = request.document.find(&request.body, "tools");
            at.is_some_and(|at| json::elements(&request.body, request.document.members[at].value).next().is_some())
        };
        let of_key = common.caller.as_ref().and_then(Caller::key);
        let of_key = of_key.into_iter().flat_map(|key| key.tags.iter().map(|tag| &**tag));
        let mut tags = request.tags.iter().chain(&common.wishes.tags).map(String::as_str).chain(of_key);
        feature("streaming", request.stream)
            .or_else(|| feature("tools", tools()))
            .or_else(|| tags.find_map(|tag| self.find(BlockKind::Tag, tag, now)))
    }
}

/// The word that switches a call off.
fn word(call: Endpoint) -> &'static str {
    match call {
        Endpoint::ChatCompletions => "chat_completions",
        Endpoint::Completions => "completions",
        Endpoint::Embeddings => "embeddings",
        Endpoint::Responses => "responses",
        Endpoint::Messages => "messages",
        Endpoint::GenerateContent => "gemini",
        Endpoint::CountTokens | Endpoint::GeminiCountTokens => "count_tokens",
        Endpoint::Rerank => "rerank",
        Endpoint::Moderations => "moderations",
        Endpoint::ImageGenerations | Endpoint::ImageEdits => "images",
        Endpoint::Speech | Endpoint::Transcriptions | Endpoint::Translations => "audio",
        Endpoint::PassThrough => "pass_through",
    }
}

impl Off {
    /// What the client is told.
    fn fault(&self, now: Now) -> Fault {
        let text = match &self.message {
            Some(message) => message.to_string(),
            None => format!("The {} {} is switched off.", self.kind.as_str(), self.shown()),
        };
        let fault = Fault::client(Kind::SwitchedOff, text).param(self.kind.as_str());
        match u64::try_from(self.until_ms.saturating_sub(now.wall_ms)) {
            Ok(left) if self.until_ms != i64::MAX => fault.retry_after(Duration::from_millis(left)),
            _ => fault,
        }
    }

    /// The hash of a key says nothing to whoever holds it.
    fn shown(&self) -> &str {
        if self.kind == BlockKind::Key { "of this request" } else { &self.name }
    }
}

impl World {
    fn board(&self) -> Guard<Arc<Board>> {
        let board = self.switches.0.load();
        if board.version == self.around.roster.blocks_version() {
            return board;
        }
        self.switches.0.store(Arc::new(Board::build(&self.settings, &self.around.roster, &self.deployments)));
        self.switches.0.load()
    }

    /// Refuses at the door who, or what, is switched off and not sent elsewhere.
    ///
    /// # Errors
    /// It is.
    pub(super) fn check_door(&self, common: &Common, passes: bool, now: Now) -> Result<(), Fault> {
        let board = self.board();
        if board.is_empty() {
            return Ok(());
        }
        let off = board.caller(common, now).or_else(|| board.call(common, passes, now));
        match off.filter(|off| passes || off.instead.is_none()) {
            Some(off) => Err(off.fault(now)),
            None => Ok(()),
        }
    }

    /// What a request is for, unless it or its model is switched off: then what is asked instead, and its name.
    ///
    /// # Errors
    /// It is switched off, and nothing is asked instead.
    pub(super) fn unless_off(
        &self,
        common: &Common,
        request: &Request,
        meant: Meant,
        passes: bool,
        now: Now,
    ) -> Result<(Meant, Option<Arc<str>>), Fault> {
        let board = self.board();
        if board.is_empty() {
            return Ok((meant, None));
        }
        let asked = board.find(BlockKind::Model, request.model.as_str(), now);
        let off = board
            .caller(common, now)
            .or_else(|| board.call(common, passes, now))
            .or_else(|| board.request(common, request, now))
            .or(asked);
        match off {
            Some(off) if passes => Err(off.fault(now)),
            Some(off) => self.instead(&board, &off, now).map(|(meant, name)| (meant, Some(name))),
            None => self.group_unless_off(&board, meant, now),
        }
    }

    /// What a group means, unless it is switched off: then the group in its place, if there is one.
    pub(super) fn on_or_instead(&self, name: &str, meant: Meant, now: Now) -> Option<(Meant, Option<Arc<str>>)> {
        let board = self.board();
        match board.find(BlockKind::Model, name, now) {
            Some(off) => self.instead(&board, &off, now).map(|(meant, name)| (meant, Some(name))).ok(),
            None => self.group_unless_off(&board, meant, now).ok(),
        }
    }

    fn group_unless_off(&self, board: &Board, meant: Meant, now: Now) -> Result<(Meant, Option<Arc<str>>), Fault> {
        let off = board.model([&*meant.target, &*meant.group.name], now);
        match off {
            Some(off) => self.instead(board, &off, now).map(|(meant, name)| (meant, Some(name))),
            None => Ok((meant, None)),
        }
    }

    /// The group in the place of what is switched off. Nobody's access to it is checked: the operator wrote it.
    fn instead(&self, board: &Board, off: &Arc<Off>, now: Now) -> Result<(Meant, Arc<str>), Fault> {
        let mut at = off.clone();
        for _ in 0..REROUTES_MAX {
            let Some(name) = &at.instead else { break };
            let Some(meant) = plan::resolve_configured(self, name) else { break };
            let next = board.model([name.as_str(), &meant.target, &meant.group.name], now);
            match next {
                Some(next) => at = next,
                None => return Ok((meant, name.as_str().into())),
            }
        }
        Err(off.fault(now))
    }

    /// What clients are told of a deployment that is switched off, and the group that is asked where no other one is left.
    pub(super) fn deployment_off(&self, deployment: &Deployment, now: Now) -> Option<(Fault, Option<Arc<str>>)> {
        let off = self.board().find(BlockKind::Deployment, &deployment.settings.id, now)?;
        Some((off.fault(now), off.instead.as_ref().map(|name| name.as_str().into())))
    }
}

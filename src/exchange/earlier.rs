//! What processes before this one counted: metrics go on from there, so that a restart loses no money.

use std::collections::HashMap;

use super::World;
use crate::ledger::{CallType, Counted, Outcome};
use crate::telemetry::{self, Earlier, Endpoint, KeyLabel, Target};
use crate::vocabulary::KeyHash;

impl World {
    /// Gives the counters what is on file of keys and deployments that are still there. Reads the file; once, at the start.
    ///
    /// # Errors
    /// It cannot be read: why. The counters begin at zero then.
    pub fn count_earlier(&self) -> Result<(), String> {
        let Some(keeper) = self.around.ledger.keeper() else { return Ok(()) };
        let deployments: HashMap<_, _> = numbered(self.deployments.iter().map(|known| &*known.settings.id)).collect();
        let keys: HashMap<_, _> = numbered(self.settings.virtual_keys.iter().map(|key| key.hash)).collect();
        for counted in keeper.counted()? {
            let target = deployments.get(counted.deployment.as_str()).copied().map(Target::Deployment);
            if let (Some(target), Some(key)) = (target, self.label_of(counted.key.as_ref(), &keys)) {
                self.handles.count_earlier(key, target, endpoint(counted.call), &earlier(&counted));
            }
        }
        Ok(())
    }

    /// The label of a key; None for one that is gone.
    fn label_of(&self, key: Option<&KeyHash>, configured: &HashMap<KeyHash, u32>) -> Option<KeyLabel> {
        let hash = match key {
            None if self.settings.master_key.is_some() => return Some(KeyLabel::Master),
            None => return Some(KeyLabel::Unknown),
            Some(hash) => hash,
        };
        let on_record = || {
            let record = self.around.roster.keys.find(hash)?;
            Some(self.handles.late_key(record.key_alias.as_deref(), &record.token))
        };
        configured.get(hash).copied().map(KeyLabel::Virtual).or_else(on_record)
    }
}

fn numbered<T>(all: impl Iterator<Item = T>) -> impl Iterator<Item = (T, u32)> {
    all.zip(0..)
}

fn earlier(counted: &Counted) -> Earlier {
    let Counted { requests, prompt, completion, cache_read, cache_write, reasoning, cost, status, .. } = *counted;
    let outcome = match counted.outcome {
        Outcome::Complete => telemetry::Outcome::Complete,
        Outcome::ClientGone => telemetry::Outcome::ClientGone,
        Outcome::Cut => telemetry::Outcome::UpstreamCut,
        Outcome::Failed => telemetry::Outcome::UpstreamFailed,
        Outcome::Denied => telemetry::Outcome::Refused,
    };
    Earlier { status, outcome, requests, tokens: [prompt, completion, cache_read, cache_write, reasoning], cost }
}

fn endpoint(call: CallType) -> Endpoint {
    match call {
        CallType::Unknown => Endpoint::Other,
        CallType::Chat => Endpoint::ChatCompletions,
        CallType::Completion => Endpoint::Completions,
        CallType::Embedding => Endpoint::Embeddings,
        CallType::Responses => Endpoint::Responses,
        CallType::Messages => Endpoint::Messages,
        CallType::CountTokens => Endpoint::CountTokens,
        CallType::GenerateContent | CallType::GenerateContentStream => Endpoint::GenerateContent,
        CallType::Rerank => Endpoint::Rerank,
        CallType::Moderation => Endpoint::Moderations,
        CallType::ImageGeneration => Endpoint::ImageGenerations,
        CallType::Speech => Endpoint::Speech,
        CallType::Transcription | CallType::Translation => Endpoint::Transcriptions,
        CallType::ImageEdit => Endpoint::ImageEdits,
        CallType::PassThrough => Endpoint::PassThrough,
    }
}

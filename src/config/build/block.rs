//! `blocks`: what is switched off.

use super::{Build, text};
use crate::config::finding::shown_key;
use crate::config::settings::BlockRule;
use crate::config::value;
use crate::config::yaml::Node;
use crate::vocabulary::{BlockKind, FEATURES};

impl Build<'_> {
    /// All entries; one with an error is left out, which the report makes fatal.
    pub(super) fn blocks(&mut self) -> Vec<BlockRule> {
        let list = self.root.at("blocks").map_or(&[] as &[Node], Node::items);
        list.iter().enumerate().filter_map(|(index, node)| self.block(node, &format!("blocks[{index}]"))).collect()
    }

    fn block(&mut self, node: &Node, path: &str) -> Option<BlockRule> {
        let (Some(kind), Some(name)) = (text(node, "kind"), text(node, "name")) else {
            self.report.error(&node.place, path, "needs both kind and name");
            return None;
        };
        // Another word was reported with its place.
        let kind = BlockKind::parse(&kind)?;
        if kind == BlockKind::Feature && !FEATURES.contains(&name.as_str()) {
            let reason = format!("no feature is called {}; expected one of {}", shown_key(&name), FEATURES.join(", "));
            self.report.error(&node.place, &format!("{path}.name"), reason);
            return None;
        }
        Some(BlockRule {
            kind,
            name,
            message: text(node, "message"),
            reroute_to: node.at("reroute_to").and_then(value::model_name),
            until_ms: node.at("until").and_then(value::instant_ms),
        })
    }
}

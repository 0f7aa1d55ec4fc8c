//! The betas that parts of a request need.

use crate::chat::{Chat, Raw};

/// Collects betas, each once.
#[derive(Debug, Default)]
pub(super) struct Betas(pub(super) Vec<String>);

/// Native tools by the beginning of their type, and the beta that they need.
const TOOLS: [(&str, &str); 9] = [
    ("computer_20241022", "computer-use-2024-10-22"),
    ("computer_20250124", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("text_editor_20241022", "computer-use-2024-10-22"),
    ("bash_20241022", "computer-use-2024-10-22"),
    ("code_execution_20250522", "code-execution-2025-05-22"),
    ("code_execution_20250825", "code-execution-2025-08-25"),
    ("mcp_toolset", "mcp-client-2025-11-20"),
    ("advisor_20260301", "advisor-tool-2026-03-01"),
];

/// Top-level members and the beta that they need.
const MEMBERS: [(&str, &str); 2] =
    [("context_management", "context-management-2025-06-27"), ("speed", "fast-mode-2026-02-01")];

impl Betas {
    pub(super) fn add(&mut self, beta: &str) {
        let beta = beta.trim();
        if !beta.is_empty() && !self.0.iter().any(|known| known == beta) {
            self.0.push(beta.to_owned());
        }
    }

    /// What a native tool needs.
    pub(super) fn add_tool(&mut self, kind: &str) {
        TOOLS.iter().filter(|(tool, _)| kind.starts_with(tool)).for_each(|(_, beta)| self.add(beta));
    }

    /// What a top-level member needs.
    pub(super) fn add_member(&mut self, name: &str, chat: &Chat<'_>) {
        MEMBERS.iter().filter(|(member, _)| *member == name).for_each(|(_, beta)| self.add(beta));
        let older = !chat.tools.iter().any(|tool| super::tools::kind_of(tool).as_deref() == Some("mcp_toolset"));
        if name == "mcp_servers" && older {
            self.add("mcp-client-2025-04-04");
        }
    }

    /// What the client asked for: a list, or words between commas.
    pub(super) fn add_asked(&mut self, value: Raw<'_>) {
        if let Ok(list) = serde_json::from_str::<Vec<String>>(value.get()) {
            list.iter().for_each(|beta| self.add(beta));
        } else if let Ok(text) = serde_json::from_str::<String>(value.get()) {
            text.split(',').for_each(|beta| self.add(beta));
        }
    }
}

//! The items of `input`, gathered into messages.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::chat::{Api, Message, Native, Part, Raw, Role, Str, Tool, ToolCall, ToolResult};
use crate::json;
use crate::vocabulary::Fault;

use super::content::{self, Place};
use super::thought::{self, Sealed};
use super::tools;

/// An item. Members whose form depends on its type are carried raw.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    role: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    call_id: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow)]
    arguments: Option<Raw<'a>>,
    #[serde(borrow)]
    input: Option<Raw<'a>>,
    #[serde(borrow)]
    output: Option<Raw<'a>>,
    #[serde(borrow)]
    summary: Option<Raw<'a>>,
    #[serde(borrow)]
    encrypted_content: Option<Str<'a>>,
    #[serde(borrow)]
    tools: Option<Raw<'a>>,
    #[serde(borrow)]
    cache_control: Option<Raw<'a>>,
}

/// Gathers items: what the model said in a row becomes one message, and so do the results of its calls.
pub(super) struct Reader<'a> {
    /// The messages so far.
    pub(super) messages: Vec<Message<'a>>,
    /// The tools of the request, and those that came as an item.
    pub(super) tools: Vec<Tool<'a>>,
    // Signatures of calls that are yet to come, by the call's id.
    signatures: HashMap<String, String>,
    // The names of the first so many tools.
    names: HashSet<String>,
    named: usize,
}

impl<'a> Reader<'a> {
    /// With the tools of the request.
    pub(super) fn new(tools: Vec<Tool<'a>>) -> Self {
        Self { messages: Vec::new(), tools, signatures: HashMap::new(), names: HashSet::new(), named: 0 }
    }

    /// Reads the whole of `input`: a text, or items.
    pub(super) fn input(&mut self, input: Raw<'a>) -> Result<(), Fault> {
        if input.get().starts_with('"') {
            let text: Str<'a> = content::read(input, "input")?;
            self.messages.push(Message::new(Role::User, vec![Part::text(text)]));
            return Ok(());
        }
        if !input.get().starts_with('[') {
            return Err(content::refuse("input", "expected a string or a list of items"));
        }
        let items: Vec<Raw<'a>> = content::read(input, "input")?;
        items.into_iter().enumerate().try_for_each(|(index, raw)| self.item(raw, Place::item(index)))
    }

    fn item(&mut self, raw: Raw<'a>, place: Place) -> Result<(), Fault> {
        let item: Item<'a> = content::read(raw, place)?;
        let kind = match (&item.kind, &item.role) {
            (Some(kind), _) => kind.clone(),
            (None, Some(_)) => "message".into(),
            // A reference may leave its type out.
            (None, None) => "item_reference".into(),
        };
        match &*kind {
            "message" => self.message(item, place),
            "reasoning" => self.reasoning(item, place),
            "function_call" => self.function_call(item, place),
            "custom_tool_call" => self.custom_call(item, place),
            "function_call_output" | "custom_tool_call_output" => self.result(item, place),
            "additional_tools" => {
                let list = item.tools.ok_or_else(|| place.refuse("expected a list in 'tools'"))?;
                tools::read(list, &place.member("tools").to_string(), &mut self.tools)
            }
            "item_reference" => Err(place
                .refuse("items are not stored here, so an 'item_reference' cannot be followed; send the item itself")),
            "compaction" | "compaction_summary" | "context_compaction" | "compaction_trigger" => {
                Err(place.refuse(format_args!(
                    "an item of type '{kind}' can be read by its provider alone; send the conversation itself"
                )))
            }
            // Done and answered on the provider's side, or in a tool that only OpenAI's models know: the conversation
            // goes on without it elsewhere.
            _ => {
                self.said(Part::Native(Native { api: Api::Responses, json: raw }));
                Ok(())
            }
        }
    }

    fn message(&mut self, item: Item<'a>, place: Place) -> Result<(), Fault> {
        let place = place.member("content");
        let content = item.content.ok_or_else(|| place.refuse("a message needs a 'content'"))?;
        let parts = content::parts(content, place)?;
        let role = match item.role.as_deref() {
            Some("user") => Role::User,
            Some("system" | "developer") => Role::System,
            Some("assistant") => {
                parts.into_iter().for_each(|part| self.said(part));
                return Ok(());
            }
            role => {
                let text = "expected the role 'user', 'assistant', 'system' or 'developer', found";
                let place = Place { member: Some("role"), ..place };
                return Err(place.refuse(format_args!("{text} '{}'", role.unwrap_or("none"))));
            }
        };
        // A message without a part says nothing, and most providers refuse it.
        if !parts.is_empty() {
            self.messages.push(Message::new(role, parts));
        }
        Ok(())
    }

    fn reasoning(&mut self, item: Item<'a>, place: Place) -> Result<(), Fault> {
        let text = match item.summary {
            Some(summary) => joined(content::parts(summary, place.member("summary"))?),
            None => Str::default(),
        };
        let text = match item.content {
            Some(content) if text.is_empty() => joined(content::parts(content, place.member("content"))?),
            _ => text,
        };
        let sealed = item.encrypted_content.filter(|content| !content.is_empty()).map(thought::open);
        let signature = match sealed {
            Some(Sealed::Signature(signature)) => Some(signature),
            Some(Sealed::Redacted(data)) => {
                self.said(Part::Redacted { data });
                None
            }
            Some(Sealed::Call { id, signature }) => {
                self.signatures.insert(id, signature);
                None
            }
            Some(Sealed::Foreign) | None => None,
        };
        if !text.is_empty() || signature.is_some() {
            self.said(Part::Thinking { text, signature });
        }
        Ok(())
    }

    fn function_call(&mut self, item: Item<'a>, place: Place) -> Result<(), Fault> {
        let arguments = match item.arguments {
            // Some clients send the object that the text should hold.
            Some(raw) if raw.get().starts_with('{') => raw.get().into(),
            Some(raw) => content::read(raw, place.member("arguments"))?,
            None => Str::default(),
        };
        self.call(item.call_id, item.namespace, item.name, arguments, place)
    }

    fn custom_call(&mut self, item: Item<'a>, place: Place) -> Result<(), Fault> {
        let input: Str<'a> = match item.input {
            Some(raw) => content::read(raw, place.member("input"))?,
            None => Str::default(),
        };
        let quoted = json::quote(&input);
        let arguments = format!("{{\"{}\":{}}}", tools::FREEFORM, String::from_utf8_lossy(&quoted));
        self.call(item.call_id, item.namespace, item.name, arguments.into(), place)
    }

    fn call(
        &mut self,
        id: Option<Str<'a>>,
        namespace: Option<Str<'a>>,
        name: Option<Str<'a>>,
        arguments: Str<'a>,
        place: Place,
    ) -> Result<(), Fault> {
        let id = id.ok_or_else(|| place.member("call_id").refuse("a call needs the id that its result names"))?;
        let name = name.ok_or_else(|| place.member("name").refuse("a call needs the name of its tool"))?;
        let name = match namespace {
            Some(namespace) => self.name_within(&namespace, name),
            None => name,
        };
        let signature = self.signatures.remove(&*id).map(Str::from);
        self.said(Part::ToolCall(ToolCall { id, name, arguments, signature, cache: None }));
        Ok(())
    }

    /// What a tool of a namespace is called here. OpenAI names a tool that was loaded late as its own namespace.
    fn name_within(&mut self, namespace: &str, name: Str<'a>) -> Str<'a> {
        let unnamed = self.tools.get(self.named..).unwrap_or_default();
        self.names.extend(unnamed.iter().filter_map(|tool| match tool {
            Tool::Function(function) => Some(function.name.to_string()),
            Tool::Native(_) => None,
        }));
        self.named = self.tools.len();
        let joined = tools::joined_name(namespace, &name);
        let plain = *namespace == *name || (self.names.contains(&*name) && !self.names.contains(&joined));
        if plain { name } else { joined.into() }
    }

    fn result(&mut self, item: Item<'a>, place: Place) -> Result<(), Fault> {
        let id = item.call_id.ok_or_else(|| place.member("call_id").refuse("a result needs the id of its call"))?;
        let output = item.output.ok_or_else(|| place.member("output").refuse("a result needs an 'output'"))?;
        let parts = content::parts(output, place.member("output"))?;
        let cache = item.cache_control.map(|_| crate::chat::Cache::default());
        let part = Part::ToolResult(ToolResult { id, name: item.name, parts, error: false, cache });
        self.add(Role::Tool, part);
        Ok(())
    }

    fn said(&mut self, part: Part<'a>) {
        self.add(Role::Assistant, part);
    }

    fn add(&mut self, role: Role, part: Part<'a>) {
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.parts.push(part),
            _ => self.messages.push(Message::new(role, vec![part])),
        }
    }
}

/// The texts of a summary as one.
fn joined(parts: Vec<Part<'_>>) -> Str<'_> {
    let texts = parts.into_iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    });
    let mut texts: Vec<_> = texts.collect();
    match texts.len() {
        0 | 1 => texts.pop().unwrap_or_default(),
        _ => texts.iter().map(|text| &**text).collect::<Vec<_>>().join("\n\n").into(),
    }
}

//! Arguments of a call that come in pieces, each with its place.

use crate::chat::Broken;
use crate::dialect::gemini::PartialArg;

/// How deep a place may lie.
const DEPTH_MAX: usize = 64;

/// The arguments so far.
#[derive(Debug)]
pub(super) struct Arguments {
    whole: String,
    root: Option<Node>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
enum Node {
    Text(String),
    Bare(String),
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
    Nothing,
}

/// One step of a place: `.name`, `['name']` or `[0]`.
#[derive(Debug, PartialEq, Eq)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl Arguments {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { whole: String::new(), root: None, bytes: 0, bytes_max }
    }

    /// Takes arguments that came as one object.
    pub(super) fn whole(&mut self, json: &str) -> Result<(), Broken> {
        self.count(json.len())?;
        // An empty object beside pieces says nothing.
        if self.whole.is_empty() && !(self.root.is_some() && json == "{}") {
            json.clone_into(&mut self.whole);
        }
        Ok(())
    }

    /// Takes a piece.
    pub(super) fn piece(&mut self, piece: &PartialArg<'_>) -> Result<(), Broken> {
        let path = piece.json_path.as_deref().unwrap_or_default();
        let steps = steps(path).ok_or_else(|| Broken::Malformed(format!("arguments at an unknown place: {path:?}")))?;
        let number = piece.number_value.map(|raw| raw.get());
        let text = piece.string_value.as_deref();
        self.count(path.len() + text.or(number).map_or(8, str::len))?;
        let node = place(self.root.get_or_insert(Node::Nothing), &steps)?;
        match (text, number, piece.bool_value) {
            (Some(text), ..) => match node {
                Node::Text(before) => before.push_str(text),
                _ => *node = Node::Text(text.to_owned()),
            },
            (None, Some(number), _) => *node = Node::Bare(number.to_owned()),
            (None, None, Some(flag)) => *node = Node::Bare(flag.to_string()),
            (None, None, None) if matches!(node, Node::Nothing) => *node = Node::Bare("null".to_owned()),
            (None, None, None) => {}
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Broken> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max { Err(Broken::TooLong) } else { Ok(()) }
    }

    /// The arguments as JSON; empty for none.
    pub(super) fn text(self) -> String {
        match self.root {
            Some(root) if self.whole.is_empty() => {
                let mut out = String::with_capacity(self.bytes);
                root.write(&mut out);
                out
            }
            _ => self.whole,
        }
    }
}

impl Node {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(&serde_json::to_string(text).unwrap_or_default()),
            Self::Bare(text) => out.push_str(text),
            Self::Nothing => out.push_str("null"),
            Self::Object(members) => {
                out.push('{');
                for (at, (name, node)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    out.push_str(&serde_json::to_string(name).unwrap_or_default());
                    out.push(':');
                    node.write(out);
                }
                out.push('}');
            }
            Self::List(nodes) => {
                out.push('[');
                for (at, node) in nodes.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    node.write(out);
                }
                out.push(']');
            }
        }
    }
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == DEPTH_MAX {
            return None;
        }
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, left) = after.split_at_checked(end)?;
            steps.push(Step::Name(name));
            rest = left;
            continue;
        }
        let inside = rest.strip_prefix('[')?;
        let quote = inside.chars().next().filter(|first| matches!(first, '\'' | '"'));
        if let Some(quote) = quote {
            let (name, left) = inside.get(1..)?.split_once(quote)?;
            steps.push(Step::Name(name));
            rest = left.strip_prefix(']')?;
        } else {
            let (index, left) = inside.split_once(']')?;
            steps.push(Step::Index(index.parse().ok()?));
            rest = left;
        }
    }
    Some(steps)
}

fn place<'n>(mut node: &'n mut Node, steps: &[Step<'_>]) -> Result<&'n mut Node, Broken> {
    let gap = || Broken::Malformed("arguments at a place that cannot be".to_owned());
    for step in steps {
        node = match step {
            Step::Name(name) => {
                if !matches!(node, Node::Object(_)) {
                    *node = Node::Object(Vec::new());
                }
                let Node::Object(members) = node else { return Err(gap()) };
                let known = members.iter().position(|(known, _)| known == name);
                let at = known.unwrap_or(members.len());
                if known.is_none() {
                    members.push(((*name).to_owned(), Node::Nothing));
                }
                members.get_mut(at).map(|(_, node)| node).ok_or_else(gap)?
            }
            Step::Index(index) => {
                if !matches!(node, Node::List(_)) {
                    *node = Node::List(Vec::new());
                }
                let Node::List(nodes) = node else { return Err(gap()) };
                if *index == nodes.len() {
                    nodes.push(Node::Nothing);
                }
                nodes.get_mut(*index).ok_or_else(gap)?
            }
        };
    }
    Ok(node)
}

//! YAML text to a tree that remembers where everything stood.
//!
//! Numbers keep their text, so money stays exact. Anchors, aliases and merge keys work under a cap on the size of the
//! whole tree; a key that appears twice in one map is an error, because one of the two would be silently lost.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::finding::{Finding, shown_key};

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 64;
/// The most nodes one file may hold, aliases expanded.
const NODES_MAX: usize = 200_000;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file as it was named.
    pub(super) file: Arc<str>,
    /// From 1.
    pub(super) line: usize,
    /// From 1.
    pub(super) column: usize,
}

impl Place {
    fn new(file: &Arc<str>, marker: Marker) -> Self {
        Self { file: Arc::clone(file), line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// A value and where it stands. Has no `Debug`: it may hold credentials.
#[derive(Clone)]
pub(super) struct Node {
    /// What stands there.
    pub(super) value: Value,
    /// Where.
    pub(super) place: Place,
    /// The environment variable that supplied the value (or should have), if any.
    pub(super) variable: Option<Arc<str>>,
}

/// What a node holds.
#[derive(Clone)]
pub(super) enum Value {
    /// A text, as written.
    Scalar {
        /// The characters.
        text: String,
        /// Without quotes: `true`, `12` and the empty text then have their YAML meaning.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in file order.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) place: Place,
    /// Its value.
    pub(super) value: Node,
}

impl Node {
    /// An empty value at a place.
    pub(super) fn null(place: Place) -> Self {
        Self { value: Value::Scalar { text: String::new(), plain: true }, place, variable: None }
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entry of a map under `key`.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of a map under `key`; None also when it is null.
    pub(super) fn at(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !node.is_null())
    }

    fn size(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.value.size()).sum::<usize>(),
        }
    }
}

/// Reads one file's text.
///
/// # Errors
/// Not YAML, more than one document, a repeated key, or beyond a limit; the finding says where.
pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Node, Finding> {
    let mut tree = Tree { file, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let (event, span) = event.map_err(|error| syntax(file, text, &error))?;
        tree.take(event, span)?;
    }
    let start = Place { file: Arc::clone(file), line: 1, column: 1 };
    Ok(tree.root.unwrap_or_else(|| Node::null(start)))
}

fn syntax(file: &Arc<str>, text: &str, error: &ScanError) -> Finding {
    let place = Place::new(file, *error.marker());
    if let Some(place) = tab_near(&place, text) {
        let reason = format!("not YAML: a tab indents this line at column {}; use spaces", place.column);
        return Finding::error(&place, "", reason);
    }
    let advice = "check the quotes, brackets and indentation here and on the line before";
    Finding::error(&place, "", format!("not YAML at column {}: {}; {advice}", place.column, error.info()))
}

/// The tab that an error is about. A scanner that took it for the end of a text points at the start of that text.
fn tab_near(place: &Place, text: &str) -> Option<Place> {
    let near = text.lines().enumerate().skip(place.line - 1).take(3);
    near.filter_map(|(index, line)| {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        let place = Place { file: Arc::clone(&place.file), line: index + 1, column: spaces + 1 };
        line[spaces..].starts_with('\t').then_some(place)
    })
    .next()
}

struct Tree<'a> {
    file: &'a Arc<str>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

struct Frame {
    place: Place,
    anchor: usize,
    held: Held,
}

enum Held {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: HashMap<String, usize>, key: Option<(String, Place)> },
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Finding> {
        let place = Place::new(self.file, span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = plain(style, tag.as_deref(), &place)?;
                let value = Value::Scalar { text: text.into_owned(), plain };
                self.add(Node { value, place, variable: None }, anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::SequenceStart(anchor, tag) => {
                tag.map_or(Ok(()), |tag| known(&tag, &["seq"], &place))?;
                self.open(Held::List(Vec::new()), anchor, place)
            }
            Event::MappingStart(anchor, tag) => {
                tag.map_or(Ok(()), |tag| known(&tag, &["map"], &place))?;
                let held = Held::Map { entries: Vec::new(), lines: HashMap::new(), key: None };
                self.open(held, anchor, place)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::DocumentStart(_) if self.root.is_some() => Err(Finding::error(
                &place,
                "",
                "a second document starts here; expected one: remove the `---` or split the file and use `include`",
            )),
            _ => Ok(()),
        }
    }

    fn open(&mut self, held: Held, anchor: usize, place: Place) -> Result<(), Finding> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Finding::error(&place, "", format!("nested deeper than {DEPTH_MAX} levels")));
        }
        if let Some(Frame { held: Held::Map { key: None, .. }, .. }) = self.stack.last() {
            return Err(Finding::error(&place, "", "a key must be plain text, found a list or a map"));
        }
        self.stack.push(Frame { place, anchor, held });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Finding> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.held {
            Held::List(items) => Value::List(items),
            Held::Map { entries, .. } => Value::Map(merged(entries)?),
        };
        self.add(Node { value, place: frame.place, variable: None }, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Finding> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Finding::error(&place, "", "an alias (`*name`) that refers to itself or to nothing"));
        };
        self.nodes = self.nodes.saturating_add(node.size());
        if self.nodes > NODES_MAX {
            return Err(too_large(&place));
        }
        let node = Node { place, ..node.clone() };
        self.add(node, 0)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Finding> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(too_large(&node.place));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes = self.nodes.saturating_add(node.size());
        }
        match self.stack.last_mut().map(|frame| &mut frame.held) {
            None => self.root = Some(node),
            Some(Held::List(items)) => items.push(node),
            Some(Held::Map { entries, lines, key }) => match key.take() {
                Some((key, place)) => entries.push(Entry { key, place, value: node }),
                None => *key = Some(new_key(node, lines)?),
            },
        }
        Ok(())
    }
}

fn too_large(place: &Place) -> Finding {
    Finding::error(place, "", format!("more than {NODES_MAX} values, aliases counted; split or simplify the file"))
}

fn new_key(node: Node, lines: &mut HashMap<String, usize>) -> Result<(String, Place), Finding> {
    let Value::Scalar { text, .. } = node.value else {
        return Err(Finding::error(&node.place, "", "a key must be plain text, found a list or a map"));
    };
    // `<<` may be given more than once, as two merges.
    if text == "<<" {
        return Ok((text, node.place));
    }
    match lines.insert(text.clone(), node.place.line) {
        None => Ok((text, node.place)),
        Some(first) => {
            let reason = format!("given twice, on lines {first} and {}; remove one", node.place.line);
            Err(Finding::error(&node.place, &shown_key(&text), reason))
        }
    }
}

/// Expands `<<`: keys written out win over merged ones, and earlier merges over later ones.
fn merged(entries: Vec<Entry>) -> Result<Vec<Entry>, Finding> {
    if entries.iter().all(|entry| entry.key != "<<") {
        return Ok(entries);
    }
    let (merges, mut out): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key == "<<");
    for merge in merges {
        let sources = match merge.value.value {
            Value::List(items) => items,
            _ => vec![merge.value],
        };
        for source in sources {
            let Value::Map(entries) = source.value else {
                return Err(Finding::error(&merge.place, "<<", "expected a map or a list of maps to merge"));
            };
            for entry in entries {
                if out.iter().all(|own| own.key != entry.key) {
                    out.push(entry);
                }
            }
        }
    }
    Ok(out)
}

/// Whether a scalar has its YAML meaning (`yes` is true) or is text.
fn plain(style: ScalarStyle, tag: Option<&Tag>, place: &Place) -> Result<bool, Finding> {
    match tag {
        None => Ok(style == ScalarStyle::Plain),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(false),
        Some(tag) => known(tag, &["bool", "int", "float", "null"], place).map(|()| true),
    }
}

fn known(tag: &Tag, names: &[&str], place: &Place) -> Result<(), Finding> {
    if tag.is_yaml_core_schema() && names.contains(&tag.suffix.as_str()) {
        return Ok(());
    }
    Err(Finding::error(place, "", "a tag (`!name`) that is not supported; write the plain value"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Node, Finding> {
        parse(&"t.yaml".into(), text)
    }

    fn refusal(text: &str) -> Finding {
        read(text).err().unwrap()
    }

    fn text(node: &Node) -> &str {
        match &node.value {
            Value::Scalar { text, .. } => text,
            _ => panic!("not a scalar"),
        }
    }

    #[test]
    fn every_value_knows_its_line_and_column() {
        let root = read("a: 1\nb:\n  - x\n  - {c: 2.50}\n").unwrap();
        let list = root.at("b").unwrap().items();
        assert_eq!((list[0].place.line, list[0].place.column), (3, 5));
        assert_eq!(text(list[1].at("c").unwrap()), "2.50");
        assert_eq!(root.entry("b").unwrap().place.line, 2);
    }

    #[test]
    fn a_repeated_key_names_both_lines() {
        let finding = refusal("a: 1\nb: 2\na: 3\n");
        assert_eq!((finding.line, finding.key.as_str()), (3, "a"));
        assert!(finding.reason.contains("lines 1 and 3"), "{}", finding.reason);
    }

    #[test]
    fn a_tab_is_named_with_its_line() {
        let finding = refusal("a:\n  b: 1\n\tc: 2\n");
        assert_eq!(finding.line, 3);
        assert!(finding.reason.contains("use spaces"), "{}", finding.reason);
    }

    #[test]
    fn anchors_aliases_and_merge_keys_work() {
        let root = read("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\nlist: {<<: [*b, {z: 9}]}\n").unwrap();
        let mine = root.at("mine").unwrap();
        assert_eq!((text(mine.at("x").unwrap()), text(mine.at("y").unwrap())), ("1", "3"));
        assert_eq!(text(root.at("list").unwrap().at("z").unwrap()), "9");
    }

    #[test]
    fn brackets_may_close_at_the_margin_and_lists_need_no_indentation() {
        let root = read("a: {\n  b: 1\n}\nc: [\n  x,\n]\nd:\n- y\n").unwrap();
        assert_eq!(root.to_json(), r#"{"a":{"b":1},"c":["x"],"d":["y"]}"#);
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let previous = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![previous; 9].join(", ")));
        }
        assert!(refusal(&bomb).reason.contains("values"));
        assert!(read("a: &a [*a]").is_err());
    }

    #[test]
    fn depth_documents_tags_and_odd_keys_are_limited() {
        assert!(refusal(&("[".repeat(100) + &"]".repeat(100))).reason.contains("deeper"));
        assert_eq!(refusal(&"[".repeat(5000)).line, 1);
        assert!(refusal("a: 1\n---\nb: 2\n").reason.contains("second document"));
        assert!(refusal("a: !!python/object:os.system x\n").line == 1);
        assert!(refusal("a: !!python/object/apply:os.system [x]\n").line == 1);
        assert!(refusal("? [a]\n: b\n").reason.contains("key"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~\\n\\t]{0,200}") {
            if let Err(finding) = read(&text) {
                prop_assert!(finding.line >= 1);
            }
        }

        #[test]
        fn no_yaml_like_text_makes_it_panic(parts in proptest::collection::vec(
            prop_oneof![Just("a: "), Just("- "), Just("\n"), Just("  "), Just("{"), Just("}"), Just("["), Just("]"),
                Just(", "), Just("&x "), Just("*x"), Just("<<: "), Just("'"), Just("\""), Just("|\n"), Just("? "),
                Just("\t"), Just("#"), Just("!!str "), Just("---\n"), Just("%YAML"), Just("b"), Just(":")], 0..60)) {
            let text: String = parts.concat();
            if let Err(finding) = read(&text) {
                prop_assert!(finding.line >= 1);
            }
        }
    }
}

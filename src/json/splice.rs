//! Editing a scanned body in place: what is not edited is the client's own bytes.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use smallvec::SmallVec;

use super::scan::{Document, Span};
use super::{cursor, text};

/// Up to this size [`Segments::join`] copies into one piece.
pub const JOIN_BYTES_MAX: usize = 64 * 1024;

/// What to change in a body. Collected first, applied by [`splice`] in one go.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    replaced: SmallVec<[(Span, Bytes); 4]>,
    cut: SmallVec<[usize; 4]>,
    inserted: SmallVec<[Insertion; 4]>,
}

#[derive(Clone, Debug)]
struct Insertion {
    // None: the outermost object.
    object: Option<Span>,
    member: Bytes,
}

impl Edits {
    /// Nothing to change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.cut.is_empty() && self.inserted.is_empty()
    }

    /// Puts a JSON text in the place of a value. The last word on a value counts.
    pub fn replace(&mut self, value: Span, with: Bytes) {
        self.replaced.retain(|(span, _)| *span != value);
        self.replaced.push((value, with));
    }

    /// Removes the top-level member with this index, and one comma. Edits within it are moot.
    pub fn cut(&mut self, member: usize) {
        self.cut.push(member);
    }

    /// Adds a member at the end of the outermost object. The key must not be there yet (cut members do not count).
    pub fn insert(&mut self, key: &str, value: &[u8]) {
        self.inserted.push(Insertion { object: None, member: member(key, value) });
    }

    /// Adds a member at the end of an object within the body.
    pub fn insert_into(&mut self, object: Span, key: &str, value: &[u8]) {
        self.inserted.push(Insertion { object: Some(object), member: member(key, value) });
    }
}

fn member(key: &str, value: &[u8]) -> Bytes {
    let key = text::quote(key);
    let mut member = BytesMut::with_capacity(key.len() + 1 + value.len());
    member.extend_from_slice(&key);
    member.extend_from_slice(b":");
    member.extend_from_slice(value);
    member.freeze()
}

/// A body in pieces: slices of the original and what was put between them.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    /// The pieces, none of them empty.
    pub parts: SmallVec<[Bytes; 8]>,
    /// Bytes of all pieces together.
    pub len: usize,
}

impl Segments {
    /// A body of one piece.
    pub fn whole(body: Bytes) -> Self {
        let mut segments = Self::default();
        segments.push(body);
        segments
    }

    /// Adds a piece.
    pub fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push(part);
        }
    }

    /// Makes one piece of a body of up to [`JOIN_BYTES_MAX`]; a larger one keeps its pieces.
    #[must_use]
    pub fn join(self) -> Self {
        if self.len > JOIN_BYTES_MAX || self.parts.len() < 2 {
            return self;
        }
        Self::whole(self.to_bytes())
    }

    /// Whether what this looks for occurs, also where one piece goes on in the next.
    pub fn contains(&self, finder: &Finder<'_>) -> bool {
        let needle = finder.needle();
        let mut seam = Vec::new();
        self.parts.iter().any(|part| {
            if !seam.is_empty() {
                seam.extend_from_slice(part.get(..needle.len().min(part.len())).unwrap_or_default());
            }
            let found = finder.find(&seam).or_else(|| finder.find(part)).is_some();
            // A piece that is shorter than what is looked for is a part of the seam only.
            if part.len() >= needle.len() {
                seam.clear();
                seam.extend_from_slice(part.get(part.len() - needle.len()..).unwrap_or_default());
            } else if seam.is_empty() {
                seam.extend_from_slice(part);
            }
            found
        })
    }

    /// All bytes in one piece, copied unless there is only one.
    pub fn to_bytes(&self) -> Bytes {
        if let [only] = self.parts.as_slice() {
            return only.clone();
        }
        let mut joined = BytesMut::with_capacity(self.len);
        self.parts.iter().for_each(|part| joined.extend_from_slice(part));
        joined.freeze()
    }
}

/// One edit in terms of bytes: these go, those come.
#[derive(Clone, Debug)]
struct Patch {
    at: Span,
    with: Bytes,
}

/// Applies the edits to a body that was scanned. Bytes outside of them are shared with `body`, not copied.
pub fn splice(body: &Bytes, document: &Document, edits: &Edits) -> Segments {
    let mut patches: SmallVec<[Patch; 8]> = SmallVec::new();
    let kept_last = cuts(document, edits, &mut patches);
    patches.extend(edits.replaced.iter().map(|(at, with)| Patch { at: *at, with: with.clone() }));
    insertions(body, document, edits, kept_last, &mut patches);
    // Stable, and insertions come first at their place: before a cut that starts there.
    patches.sort_by_key(|patch| (patch.at.start, patch.at.end));
    apply(body, &patches)
}

fn apply(body: &Bytes, patches: &[Patch]) -> Segments {
    let mut segments = Segments::default();
    let mut done = 0;
    for patch in patches {
        let (start, end) = (patch.at.start as usize, patch.at.end as usize);
        // Within a cut, or not in this body at all.
        if start < done || end < start || end > body.len() {
            continue;
        }
        segments.push(body.slice(done..start));
        segments.push(patch.with.clone());
        done = end;
    }
    segments.push(body.slice(done.min(body.len())..));
    segments
}

/// Turns runs of cut members into ranges and answers the last member that stays.
fn cuts(document: &Document, edits: &Edits, patches: &mut SmallVec<[Patch; 8]>) -> Option<usize> {
    let mut kept_last = None;
    let mut index = 0;
    while index < document.members.len() {
        if !edits.cut.contains(&index) {
            kept_last = Some(index);
            index += 1;
            continue;
        }
        let after = (index..document.members.len()).find(|at| !edits.cut.contains(at));
        patches.extend(run_of_cuts(document, kept_last, index, after));
        index = after.unwrap_or(document.members.len());
    }
    kept_last
}

/// With a member before it a run goes with the comma in front of it, otherwise with the comma behind it.
fn run_of_cuts(document: &Document, before: Option<usize>, first: usize, after: Option<usize>) -> Option<Patch> {
    let members = &document.members;
    let start = match before {
        Some(before) => members.get(before)?.value.end,
        None => members.get(first)?.key.start,
    };
    let end = match (before, after) {
        (None, Some(after)) => members.get(after)?.key.start,
        (_, after) => members.get(after.unwrap_or(members.len()).checked_sub(1)?)?.value.end,
    };
    Some(Patch { at: Span { start, end }, with: Bytes::new() })
}

fn insertions(
    body: &Bytes,
    document: &Document,
    edits: &Edits,
    kept_last: Option<usize>,
    patches: &mut SmallVec<[Patch; 8]>,
) {
    for (index, insertion) in edits.inserted.iter().enumerate() {
        let earlier = edits.inserted.iter().take(index).any(|other| other.object == insertion.object);
        let last = match insertion.object {
            None => kept_last.and_then(|index| document.members.get(index)).copied(),
            Some(object) => cursor::members(body, object).last(),
        };
        let brace = insertion.object.unwrap_or(document.object).start + 1;
        let place = last.map_or(brace, |member| member.value.end);
        let with = if earlier || last.is_some() { behind_comma(&insertion.member) } else { insertion.member.clone() };
        patches.push(Patch { at: Span { start: place, end: place }, with });
    }
}

fn behind_comma(member: &[u8]) -> Bytes {
    let mut with = BytesMut::with_capacity(member.len() + 1);
    with.extend_from_slice(b",");
    with.extend_from_slice(member);
    with.freeze()
}

#[cfg(test)]
mod tests;

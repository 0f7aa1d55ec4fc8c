//! OpenAI's embeddings call, read and answered, for providers whose own differs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::members::Members;
use crate::chat::{Broken, Raw, Str};
use crate::vocabulary::{Fault, Kind, Metered};

/// What a client wants embedded.
#[derive(Debug)]
pub(super) struct Embeddings<'a> {
    /// One entry for each vector that is wanted, never empty.
    pub(super) input: Vec<Input<'a>>,
    /// How the vectors shall be written.
    pub(super) encoding: Encoding,
    /// How many numbers a vector shall have.
    pub(super) dimensions: Option<u64>,
    /// Who asks.
    pub(super) user: Option<Str<'a>>,
    /// Members that OpenAI does not know (`input_type`, `truncate`), in their order.
    pub(super) extra: Vec<(Str<'a>, Raw<'a>)>,
}

/// One text.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// In words.
    Text(Str<'a>),
    /// In OpenAI's tokens: an array of numbers.
    Tokens,
}

/// How OpenAI writes a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As an array of numbers.
    #[default]
    Float,
    /// As the base64 of its 32 bit numbers, least byte first.
    Base64,
}

/// A vector as a provider wrote it.
#[derive(Clone, Debug)]
pub(super) enum Vector<'a> {
    /// An array of numbers.
    Numbers(Raw<'a>),
    /// As [`Encoding::Base64`].
    Base64(Str<'a>),
}

impl<'a> Embeddings<'a> {
    /// Reads OpenAI's request.
    ///
    /// # Errors
    /// It is none: a 400 that says where and what.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Fault> {
        let Members(members) = serde_json::from_slice(body).map_err(|error| {
            Fault::client(Kind::BadJson, "the body is not a JSON object of an embeddings request").cause(error)
        })?;
        let mut read =
            Self { input: Vec::new(), encoding: Encoding::Float, dimensions: None, user: None, extra: Vec::new() };
        for (name, value) in members {
            match &*name {
                "model" => {}
                "input" => read.input = input(value)?,
                _ if value.get() == "null" => {}
                "encoding_format" => read.encoding = encoding(value)?,
                "dimensions" => read.dimensions = Some(parse(value, "dimensions", "a whole number")?),
                "user" => read.user = Some(parse(value, "user", "a text")?),
                _ => read.extra.push((name, value)),
            }
        }
        if read.input.is_empty() {
            return Err(bad("input", "'input' is missing or empty: give a text or a list of texts"));
        }
        Ok(read)
    }

    /// The texts, for a provider that takes no tokens.
    ///
    /// # Errors
    /// One is given in tokens.
    pub(super) fn texts<'s>(&'s self, provider: &str) -> Result<Vec<&'s str>, Fault> {
        let text = |(index, input): (usize, &'s Input<'a>)| match input {
            Input::Text(text) => Ok(&**text),
            Input::Tokens => Err(bad(
                "input",
                format!("input[{index}] is a list of tokens, which {provider} does not take: send the text itself"),
            )),
        };
        self.input.iter().enumerate().map(text).collect()
    }
}

/// A text, tokens, texts, or lists of tokens.
fn input(value: Raw<'_>) -> Result<Vec<Input<'_>>, Fault> {
    let wrong =
        || bad("input", "'input' must be a text, a list of texts, a list of tokens or a list of lists of tokens");
    if value.get().starts_with('"') {
        return Ok(vec![Input::Text(serde_json::from_str(value.get()).map_err(|_| wrong())?)]);
    }
    let items: Vec<Raw<'_>> = serde_json::from_str(value.get()).map_err(|_| wrong())?;
    if items.first().is_some_and(|first| first.get().starts_with(|digit: char| digit.is_ascii_digit())) {
        return tokens(value).map(|()| vec![Input::Tokens]).ok_or_else(wrong);
    }
    fn item(raw: Raw<'_>) -> Option<Input<'_>> {
        tokens(raw).map(|()| Input::Tokens)
    }
    fn text(raw: Raw<'_>) -> Option<Input<'_>> {
        serde_json::from_str(raw.get()).ok().map(Input::Text)
    }
    items.into_iter().map(|raw| text(raw).or_else(|| item(raw)).ok_or_else(wrong)).collect()
}

fn tokens(value: Raw<'_>) -> Option<()> {
    serde_json::from_str::<Vec<u64>>(value.get()).ok().filter(|tokens| !tokens.is_empty()).map(drop)
}

fn encoding(value: Raw<'_>) -> Result<Encoding, Fault> {
    match value.get() {
        "\"float\"" => Ok(Encoding::Float),
        "\"base64\"" => Ok(Encoding::Base64),
        _ => Err(bad("encoding_format", "'encoding_format' must be \"float\" or \"base64\"")),
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(value: Raw<'a>, name: &'static str, expected: &str) -> Result<T, Fault> {
    serde_json::from_str(value.get()).map_err(|_| bad(name, format!("'{name}' must be {expected}")))
}

fn bad(param: &'static str, text: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::client(Kind::BadRequest, text).param(param)
}

/// Writes OpenAI's answer. Numbers stand as the provider wrote them where the client wants numbers.
///
/// # Errors
/// A vector is not one.
pub(super) fn answer(
    model: &str,
    vectors: &[Vector<'_>],
    encoding: Encoding,
    metered: &Metered,
) -> Result<Bytes, Broken> {
    let entry = |(index, vector)| Ok(Entry { object: "embedding", index, embedding: written(vector, encoding)? });
    let data = vectors.iter().enumerate().map(entry).collect::<Result<Vec<_>, Broken>>()?;
    // Clients demand the member. What is counted here where the provider reports nothing is not known yet.
    let usage = metered.usage().copied().unwrap_or_default();
    let usage = Spent { prompt_tokens: usage.prompt, total_tokens: usage.total() };
    let list = List { object: "list", data, model, usage };
    serde_json::to_vec(&list).map(Bytes::from).map_err(|error| Broken::Malformed(error.to_string()))
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
    model: &'a str,
    usage: Spent,
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'static str,
    index: usize,
    embedding: Form<'a>,
}

#[derive(Serialize)]
struct Spent {
    prompt_tokens: u64,
    total_tokens: u64,
}

enum Form<'a> {
    AsItStands(Raw<'a>),
    Numbers(Vec<f32>),
    Text(&'a str),
    Base64(String),
}

impl Serialize for Form<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AsItStands(raw) => raw.serialize(serializer),
            Self::Numbers(numbers) => numbers.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Base64(text) => serializer.serialize_str(text),
        }
    }
}

fn written<'v>(vector: &'v Vector<'_>, encoding: Encoding) -> Result<Form<'v>, Broken> {
    let wrong = || Broken::Malformed("an embedding is not a list of numbers".to_owned());
    match (vector, encoding) {
        (Vector::Numbers(raw), Encoding::Float) if raw.get().starts_with('[') => Ok(Form::AsItStands(raw)),
        (Vector::Base64(text), Encoding::Base64) => Ok(Form::Text(text)),
        (Vector::Numbers(raw), Encoding::Base64) => {
            let numbers: Vec<f32> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            Ok(Form::Base64(BASE64_STANDARD.encode(bytes)))
        }
        (Vector::Base64(text), Encoding::Float) => numbers(text).map(Form::Numbers).ok_or_else(wrong),
        (Vector::Numbers(_), Encoding::Float) => Err(wrong()),
    }
}

fn numbers(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() % 4 == 0)?;
    let number = |four: &[u8]| four.try_into().ok().map(f32::from_le_bytes).filter(|number| number.is_finite());
    bytes.chunks_exact(4).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Usage;

    fn raw(text: &str) -> Raw<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_four_forms_of_input() {
        let count = |body: &'static str| Embeddings::read(body.as_bytes()).unwrap().input.len();
        assert_eq!(count(r#"{"input":"a"}"#), 1);
        assert_eq!(count(r#"{"input":["a","b"],"dimensions":null}"#), 2);
        assert_eq!(count(r#"{"input":[1,2,3]}"#), 1);
        assert_eq!(count(r#"{"input":[[1,2],[3]]}"#), 2);
        for body in [r#"{"input":[]}"#, "{}", r#"{"input":[{}]}"#, r#"{"input":null}"#, r#"{"input":[[]]}"#] {
            assert_eq!(Embeddings::read(body.as_bytes()).unwrap_err().param.as_deref(), Some("input"), "{body}");
        }
    }

    #[test]
    fn tokens_are_refused_by_place() {
        let read = Embeddings::read(br#"{"input":["a",[1]],"input_type":"query","user":"u"}"#).unwrap();
        assert!(read.texts("cohere").unwrap_err().public.contains("input[1]"));
        assert_eq!((&*read.extra[0].0, read.user.as_deref()), ("input_type", Some("u")));
    }

    #[test]
    fn numbers_stand_as_they_were_written() {
        let metered = Metered::Reported(Usage { prompt: 3, ..Usage::default() });
        let out = answer("m", &[Vector::Numbers(raw("[0.10,-1e-3]"))], Encoding::Float, &metered).unwrap();
        let want = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,-1e-3]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
        assert_eq!(out, want);
    }

    #[test]
    fn base64_is_made_and_undone() {
        let out = answer("m", &[Vector::Numbers(raw("[1,-0.5]"))], Encoding::Base64, &Metered::Absent).unwrap();
        assert!(std::str::from_utf8(&out).unwrap().contains(r#""embedding":"AACAPwAAAL8=""#), "{out:?}");
        let out = answer("m", &[Vector::Base64("AACAPwAAAL8=".into())], Encoding::Float, &Metered::Absent).unwrap();
        assert!(std::str::from_utf8(&out).unwrap().contains(r#""embedding":[1.0,-0.5]"#), "{out:?}");
        for vector in [Vector::Base64("AAA".into()), Vector::Base64("!".into()), Vector::Numbers(raw("{}"))] {
            assert!(answer("m", &[vector], Encoding::Float, &Metered::Absent).is_err());
        }
    }
}

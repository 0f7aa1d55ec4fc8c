//! Forms with files (RFC 7578): where the model stands in one. Read strictly, so that whoever reads it after us finds the
//! same model; everything but that one value stays byte for byte.

use bytes::Bytes;
use memchr::memmem;

use crate::json::{Segments, Span};
use crate::vocabulary::{Fault, Kind};

/// The most fields of a form.
const PARTS_MAX: usize = 256;
/// The most bytes of a part's head.
const HEAD_BYTES_MAX: usize = 4096;
/// The most bytes of a boundary.
const BOUNDARY_BYTES_MAX: usize = 70;

/// A form that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The value of `model`.
    pub model: Option<Span>,
    /// The value of `stream`.
    pub stream: Option<Span>,
    /// All fields, in order.
    pub fields: Vec<FormField>,
    boundary: String,
}

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormField {
    /// Its name.
    pub name: String,
    /// Where its value stands in the body.
    pub value: Span,
    /// Whether it is a file.
    pub is_file: bool,
}

impl Form {
    /// Reads a form.
    ///
    /// # Errors
    /// It is none, it breaks off, or a field that decisions are made on stands in it twice.
    pub fn read(content_type: &[u8], body: &[u8]) -> Result<Self, Fault> {
        let boundary = boundary(content_type).ok_or_else(|| {
            let text = "this path takes a form: send multipart/form-data with a boundary";
            Fault::client(Kind::UnsupportedMedia, text).param("content-type")
        })?;
        let mut form = Self { model: None, stream: None, fields: Vec::new(), boundary };
        match form.parts(body) {
            Some(true) => Ok(form),
            Some(false) => {
                let text = "the form has the field 'model' or 'stream' twice, or as a file: send it once, as text";
                Err(Fault::client(Kind::BadRequest, text).param("model"))
            }
            None => Err(Fault::client(Kind::BadRequest, "the form is not multipart/form-data as RFC 7578 has it")
                .param("request_body")),
        }
    }

    /// Reads all parts; None where the form is broken, false where a field is there twice.
    fn parts(&mut self, body: &[u8]) -> Option<bool> {
        let start = format!("--{}", self.boundary);
        let delimiter = memmem::Finder::new(start.as_bytes());
        if !body.starts_with(start.as_bytes()) {
            return None;
        }
        let mut at = start.len();
        loop {
            match body.get(at..)? {
                rest if rest.starts_with(b"--") => {
                    return rest.get(2..)?.iter().all(u8::is_ascii_whitespace).then_some(true);
                }
                rest if rest.starts_with(b"\r\n") => at += 2,
                _ => return None,
            }
            let rest = body.get(at..)?;
            let head_length = memmem::find(rest.get(..rest.len().min(HEAD_BYTES_MAX))?, b"\r\n\r\n")?;
            let value_at = at + head_length + 4;
            // The delimiter begins with the line end before it.
            let mut end = value_at;
            loop {
                end += delimiter.find(body.get(end..)?)?;
                match body.get(..end)? {
                    before if before.ends_with(b"\r\n") && end >= value_at + 2 => break,
                    // Some readers would take this for a delimiter.
                    before if before.ends_with(b"\n") => return None,
                    _ => end += 1,
                }
            }
            let value = Span { start: u32::try_from(value_at).ok()?, end: u32::try_from(end - 2).ok()? };
            let (name, is_file) = name(rest.get(..head_length)?)?;
            if !self.field(&name, is_file, value) {
                return Some(false);
            }
            if self.fields.len() >= PARTS_MAX {
                return None;
            }
            self.fields.push(FormField { name, value, is_file });
            at = end + start.len();
        }
    }

    /// Notes a field; false where it may not stand there.
    fn field(&mut self, name: &str, is_file: bool, value: Span) -> bool {
        let place = match name.to_ascii_lowercase().as_str() {
            "model" | "model[]" => &mut self.model,
            "stream" | "stream[]" => &mut self.stream,
            _ => return true,
        };
        let plain = matches!(name, "model" | "stream");
        plain && !is_file && place.replace(value).is_none()
    }

    /// The form with another model. `insert`: also where it had none.
    pub fn with_model(&self, body: &Bytes, model: &str, insert: bool) -> Segments {
        let slice = |from: usize, to: usize| body.get(from..to).map(|part| body.slice_ref(part)).unwrap_or_default();
        let mut out = Segments::default();
        match self.model {
            Some(Span { start, end }) => {
                out.push(slice(0, start as usize));
                out.push(Bytes::copy_from_slice(model.as_bytes()));
                out.push(slice(end as usize, body.len()));
            }
            None => {
                if insert {
                    let head = "Content-Disposition: form-data; name=\"model\"";
                    out.push(Bytes::from(format!("--{}\r\n{head}\r\n\r\n{model}\r\n", self.boundary)));
                }
                out.push(body.clone());
            }
        }
        out
    }
}

/// The boundary that a content type names.
fn boundary(content_type: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content_type).ok()?;
    let mut parameters = text.split(';');
    if !parameters.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    });
    let value = found.next()?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let good = !value.is_empty() && value.len() <= BOUNDARY_BYTES_MAX && value.bytes().all(fits);
    (good && found.next().is_none()).then(|| value.to_owned())
}

/// The name in a part's head, and whether it is a file.
fn name(head: &[u8]) -> Option<(String, bool)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut found = head.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value.trim())
    });
    let disposition = found.next()?;
    let is_bare = head.split("\r\n").any(|line| line.contains(['\r', '\n']));
    if is_bare || found.next().is_some() {
        return None;
    }
    let mut rest = disposition.strip_prefix("form-data")?.trim_start();
    let (mut field, mut is_file) = (None, false);
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, value) = parameter.split_once('=')?;
        let (value, after) = value.strip_prefix('"')?.split_once('"')?;
        match key.trim() {
            "name" if !value.contains('\\') && field.is_none() => field = Some(value.to_owned()),
            "filename" => is_file = true,
            // What is in another character set stands beside a plain one.
            _ => return None,
        }
        rest = after.trim_start();
    }
    rest.is_empty().then_some((field?, is_file))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &[u8] = b"multipart/form-data; boundary=\"x-y\"";

    fn part(head: &str, value: &str) -> String {
        format!("--x-y\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    }

    fn form(parts: &[String]) -> Bytes {
        Bytes::from(format!("{}--x-y--\r\n", parts.concat()))
    }

    #[test]
    fn the_model_is_replaced_and_nothing_else_moves() {
        let file = part("name=\"file\"; filename=\"a.wav\"", "\r\n--x-\r\nRIFF --x-y no delimiter\r\n");
        let body = form(&[file.clone(), part("name=\"model\"", "mine"), part("name=\"language\"", "en")]);
        let read = Form::read(KIND, &body).unwrap();
        assert_eq!(read.model.unwrap().of(&body), b"mine");
        let written = read.with_model(&body, "whisper-1", true).to_bytes();
        let expected = form(&[file.clone(), part("name=\"model\"", "whisper-1"), part("name=\"language\"", "en")]);
        assert_eq!(written, expected);
        let without = form(&[file]);
        let written = Form::read(KIND, &without).unwrap().with_model(&without, "whisper-1", true).to_bytes();
        assert_eq!(Form::read(KIND, &written).unwrap().model.unwrap().of(&written), b"whisper-1");
    }

    #[test]
    fn what_two_readers_would_read_in_two_ways_is_refused() {
        let model = part("name=\"model\"", "a");
        for body in [
            form(&[model.clone(), model.clone()]),
            form(&[model.clone(), part("name=\"Model\"", "b")]),
            form(&[part("name=\"model\"; filename=\"m\"", "a")]),
            form(&[part("name=\"model\"; name=\"x\"", "a")]),
            form(&[part("name=\"mo\\del\"", "a")]),
            form(&[part("name=model", "a")]),
            form(&[part("name*=UTF-8''model", "a")]),
            form(&[part("name=\"file\"; filename=\"f\"", &format!("a\n{model}"))]),
            form(&[format!("--x-y\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n{model}")]),
            form(&[part("name=\"f\"\nContent-Disposition: form-data; name=\"model\"", "a")]),
            Bytes::from(format!("preamble\r\n{model}--x-y--")),
            Bytes::from(model.clone()),
            Bytes::from(format!("{model}--x-y--\r\n{model}")),
            Bytes::new(),
        ] {
            assert!(Form::read(KIND, &body).is_err(), "{body:?}");
        }
        for kind in ["application/json", "multipart/form-data", "multipart/form-data; boundary=a; boundary=b"] {
            assert!(Form::read(kind.as_bytes(), &form(std::slice::from_ref(&model))).is_err(), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn hostile_forms_are_read_or_refused(body in "(--x-y|\r\n|--|Content-Disposition: form-data; name=\"model\"|a){0,20}") {
            if let Ok(form) = Form::read(KIND, body.as_bytes()) {
                let body = Bytes::from(body);
                form.with_model(&body, "m", true);
            }
        }
    }
}

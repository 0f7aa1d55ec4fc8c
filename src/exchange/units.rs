//! What sound, pictures and rankings are charged by, beside tokens: read from the request where the provider does not say.

use memchr::memmem;

use crate::dialect::Endpoint;
use crate::dialect::openai::Request;
use crate::json::{self, Cursor};
use crate::pricing::sound;
use crate::vocabulary::{Metered, Units, Usage};

/// How fast text is spoken, where a second of it has a price.
const CHARACTERS_PER_SECOND: u64 = 15;
/// What is drawn where nobody says how large.
const SIZE: (u64, u64) = (1024, 1024);
/// How good it is drawn where nobody says.
const QUALITY: &str = "standard";
/// The largest side of a picture that is believed.
const SIDE_MAX: u64 = 16_384;
/// Documents of a search, as Cohere counts them: longer ones are cut into several.
const DOCUMENTS_PER_QUERY: u64 = 100;
/// Lookups that a request may make which lets the model look things up; more than most do.
const LOOKUPS_HELD: u64 = 10;
/// The bytes of a document that is surely not cut.
const DOCUMENT_BYTES: u64 = 500;

/// What is used as far as the request tells.
pub(super) fn asked(request: &Request) -> Units {
    let measure = |file: &[u8]| sound::millis(file);
    units(request, measure)
}

/// The most that can be used.
pub(super) fn most(request: &Request) -> Units {
    let queries = match request.endpoint {
        Endpoint::Rerank => {
            let pieces = documents(request).saturating_add(request.body.len() as u64 / DOCUMENT_BYTES);
            pieces.div_ceil(DOCUMENTS_PER_QUERY)
        }
        _ => 0,
    };
    let (searches, maps) = lookups(request);
    Units { queries, searches, maps, ..units(request, |file| sound::most_millis(file.len() as u64)) }
}

/// Searches of the web and questions to a map that are held for: the model decides how many it makes.
fn lookups(request: &Request) -> (u64, u64) {
    let tools = request.document.find(&request.body, "tools").and_then(|at| request.document.members.get(at));
    let tools = tools.map_or(&b""[..], |tools| tools.value.of(&request.body));
    let offers = |names: &[&str]| names.iter().any(|name| memmem::find(tools, name.as_bytes()).is_some());
    let searches = offers(&["web_search", "google_search", "googleSearch", "WebSearch"])
        || request.document.find(&request.body, "web_search_options").is_some()
        // Of OpenAI's: they always search.
        || request.model.as_str().contains("-search-");
    let held = |some: bool| if some { LOOKUPS_HELD } else { 0 };
    (held(searches), held(offers(&["google_maps", "googleMaps"])))
}

/// A usage with what the request tells where the provider does not.
pub(super) fn filled(metered: Metered, request: &Request) -> Metered {
    let asked = match request.endpoint.is_media() {
        true => asked(request),
        false => return metered,
    };
    let fill = |usage: Usage| {
        let or = |reported: u64, asked: u64| if reported > 0 { reported } else { asked };
        let units = Units {
            millis: or(usage.units.millis, asked.millis),
            characters: or(usage.units.characters, asked.characters),
            pictures: or(usage.units.pictures, asked.pictures),
            pixels: or(usage.units.pixels, asked.pixels),
            ..usage.units
        };
        Usage { units, ..usage }
    };
    match metered {
        Metered::Absent => Metered::Estimated(fill(Usage::default())),
        counted => counted.map(fill),
    }
}

/// What stands before a model's name in price lists that go by quality and size, best first.
pub(super) fn drawn_as(request: &Request) -> Vec<String> {
    if !matches!(request.endpoint, Endpoint::ImageGenerations | Endpoint::ImageEdits) {
        return Vec::new();
    }
    let (width, height) = size(request);
    let quality = value(request, "quality").filter(|text| text.bytes().all(|byte| byte.is_ascii_lowercase()));
    let quality = quality.filter(|text| text.len() <= 16 && text != "auto").unwrap_or_else(|| QUALITY.to_owned());
    vec![format!("{quality}/{width}-x-{height}"), format!("{width}-x-{height}")]
}

fn units(request: &Request, measure: impl Fn(&[u8]) -> u64) -> Units {
    match request.endpoint {
        Endpoint::Speech => {
            let characters = value(request, "input").map_or(0, |text| text.chars().count() as u64);
            Units { characters, millis: (characters * 1000).div_ceil(CHARACTERS_PER_SECOND), ..Units::default() }
        }
        Endpoint::Transcriptions | Endpoint::Translations => {
            let files = request.form.iter().flat_map(|form| &form.fields).filter(|field| field.is_file);
            Units { millis: files.map(|field| measure(field.value.of(&request.body))).sum(), ..Units::default() }
        }
        Endpoint::ImageGenerations | Endpoint::ImageEdits => {
            let pictures = value(request, "n").and_then(|text| text.parse::<u32>().ok()).map_or(1, u64::from).max(1);
            let (width, height) = size(request);
            Units { pictures, pixels: pictures.saturating_mul(width * height), ..Units::default() }
        }
        _ => Units::default(),
    }
}

/// Width and height in pixels.
fn size(request: &Request) -> (u64, u64) {
    let sides = value(request, "size").and_then(|text| {
        let (width, height) = text.split_once('x')?;
        Some((width.parse::<u64>().ok()?, height.parse::<u64>().ok()?))
    });
    sides.filter(|(width, height)| *width.max(height) <= SIDE_MAX).unwrap_or(SIZE)
}

/// A field of the form, or a member of the body: a text, or a number as it stands.
fn value(request: &Request, name: &str) -> Option<String> {
    if let Some(form) = &request.form {
        let field = form.fields.iter().find(|field| field.name == name && !field.is_file)?;
        return std::str::from_utf8(field.value.of(&request.body)).ok().map(str::to_owned);
    }
    let member = request.document.find(&request.body, name)?;
    let raw = request.document.members.get(member)?.value.of(&request.body);
    match json::as_str(raw) {
        Some(text) => Some(text.into_owned()),
        None => std::str::from_utf8(raw).ok().map(str::to_owned),
    }
}

fn documents(request: &Request) -> u64 {
    let Some(member) = request.document.find(&request.body, "documents") else { return 0 };
    let mut cursor = Cursor::new(request.document.members[member].value.of(&request.body));
    let mut count = 0;
    let mut walk = || {
        cursor.open_array()?;
        while cursor.element()? {
            cursor.skip()?;
            count += 1;
        }
        Some(())
    };
    // As far as it is one.
    let _broken = walk();
    count
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn json(endpoint: Endpoint, body: &str) -> Request {
        Request::read(endpoint, Bytes::copy_from_slice(body.as_bytes()), Some("m")).unwrap()
    }

    fn form(endpoint: Endpoint, fields: &[(&str, &str)]) -> Request {
        let part =
            |(head, value): &(&str, &str)| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let body: String = fields.iter().map(part).chain(["--b--\r\n".to_owned()]).collect();
        Request::in_form(endpoint, body.into(), b"multipart/form-data; boundary=b", Some("m")).unwrap()
    }

    #[test]
    fn speech_is_counted_in_characters_and_in_seconds() {
        let units = asked(&json(Endpoint::Speech, r#"{"input":"H\u00e9llo, wor\nld! 12"}"#));
        assert_eq!((units.characters, units.millis), (17, 1134));
    }

    #[test]
    fn pictures_are_counted_by_number_and_size() {
        let request = json(Endpoint::ImageGenerations, r#"{"prompt":"x","n":3,"size":"1792x1024","quality":"hd"}"#);
        let units = asked(&request);
        assert_eq!((units.pictures, units.pixels), (3, 3 * 1792 * 1024));
        assert_eq!(drawn_as(&request), ["hd/1792-x-1024", "1792-x-1024"]);
        let request = form(
            Endpoint::ImageEdits,
            &[("name=\"image\"; filename=\"a\"", "PNG"), ("name=\"n\"", "2"), ("name=\"size\"", "auto")],
        );
        assert_eq!(asked(&request), Units { pictures: 2, pixels: 2 * 1024 * 1024, ..Units::default() });
        assert_eq!(drawn_as(&request)[0], "standard/1024-x-1024");
    }

    #[test]
    fn sound_is_measured_where_the_provider_does_not_say() {
        let sound = "x".repeat(32_000);
        let request = form(Endpoint::Transcriptions, &[("name=\"file\"; filename=\"a.mp3\"", &sound)]);
        assert_eq!((asked(&request).millis, most(&request).millis), (2000, 32_000));
        let reported = Usage { units: Units { millis: 700, ..Units::default() }, ..Usage::default() };
        assert_eq!(filled(Metered::Reported(reported), &request), Metered::Reported(reported));
        assert_eq!(filled(Metered::Absent, &request).usage().unwrap().units.millis, 2000);
    }

    #[test]
    fn a_request_that_may_search_is_held_for_searches() {
        let most = |body: &str| most(&json(Endpoint::ChatCompletions, body));
        let looked_up = |body: &str| (most(body).searches, most(body).maps);
        assert_eq!(looked_up(r#"{"messages":[{"role":"user","content":"web_search"}]}"#), (0, 0));
        assert_eq!(
            looked_up(r#"{"messages":[{"role":"user","content":"Hi"}],"web_search_options":{}}"#),
            (LOOKUPS_HELD, 0)
        );
        assert_eq!(
            looked_up(r#"{"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"web_search_20250305"}]}"#),
            (LOOKUPS_HELD, 0)
        );
        assert_eq!(
            looked_up(r#"{"messages":[{"role":"user","content":"Hi"}],"tools":[{"googleMaps":{}}]}"#),
            (0, LOOKUPS_HELD)
        );
    }

    #[test]
    fn a_ranking_is_at_least_one_search_and_more_for_many_or_long_documents() {
        let ask = |count, text: &str| {
            let documents = vec![format!("\"{text}\""); count].join(",");
            most(&json(Endpoint::Rerank, &format!(r#"{{"query":"q","documents":[{documents}]}}"#))).queries
        };
        assert_eq!((ask(3, "a"), ask(101, "a"), ask(2, &"a".repeat(50_000))), (1, 2, 3));
    }
}

//! Images, documents, films and sounds as Converse takes them.

use super::body::{Block, Document, Medium, S3, Source};
use crate::chat::{self, Media, MediaKind};
use crate::provider::refuse::Place;
use crate::vocabulary::{Fault, Kind};

/// What AWS calls a format, and by which media types and file extensions it is known.
type Format = (&'static str, &'static [&'static str]);

const IMAGES: [Format; 4] = [
    ("png", &["image/png"]),
    ("jpeg", &["image/jpeg", "image/jpg", "jpg"]),
    ("gif", &["image/gif"]),
    ("webp", &["image/webp"]),
];

const VIDEOS: [Format; 9] = [
    ("mp4", &["video/mp4"]),
    ("mov", &["video/quicktime"]),
    ("mkv", &["video/x-matroska", "video/matroska"]),
    ("webm", &["video/webm"]),
    ("flv", &["video/x-flv"]),
    ("mpeg", &["video/mpeg"]),
    ("mpg", &["video/mpg"]),
    ("wmv", &["video/x-ms-wmv", "video/wmv"]),
    ("three_gp", &["video/3gpp", "3gp"]),
];

const AUDIOS: [Format; 15] = [
    ("mp3", &["audio/mp3", "audio/mpeg"]),
    ("wav", &["audio/wav", "audio/x-wav", "audio/wave"]),
    ("flac", &["audio/flac", "audio/x-flac"]),
    ("ogg", &["audio/ogg"]),
    ("opus", &["audio/opus"]),
    ("aac", &["audio/aac"]),
    ("x-aac", &["audio/x-aac"]),
    ("m4a", &["audio/m4a", "audio/x-m4a"]),
    ("mp4", &["audio/mp4"]),
    ("webm", &["audio/webm"]),
    ("pcm", &["audio/pcm", "audio/l16"]),
    ("mka", &["audio/x-matroska"]),
    ("mkv", &[]),
    ("mpeg", &[]),
    ("mpga", &[]),
];

const DOCUMENTS: [Format; 9] = [
    ("pdf", &["application/pdf"]),
    ("csv", &["text/csv"]),
    ("doc", &["application/msword"]),
    ("docx", &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"]),
    ("xls", &["application/vnd.ms-excel"]),
    ("xlsx", &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]),
    ("html", &["text/html", "htm"]),
    ("md", &["text/markdown", "text/x-markdown"]),
    ("txt", &["text/plain"]),
];

const NAME_CHARS_MAX: usize = 200;

/// The names of documents so far: two with the same name are refused by some models.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<String>);

/// Writes a medium. `place` is where it stands in the client's request.
pub(super) fn block<'a>(media: &Media<'a>, names: &mut Names, place: Place) -> Result<Block<'a>, Fault> {
    let (mime, source) = source(media, place)?;
    let mime = mime.or(media.mime.as_deref());
    let medium = |formats: &'static [Format], source| {
        Ok::<_, Fault>(Medium { format: format(formats, media, mime, place)?, source })
    };
    Ok(match media.kind {
        MediaKind::Image => Block::Image(medium(&IMAGES, source)?),
        MediaKind::Video => Block::Video(medium(&VIDEOS, source)?),
        MediaKind::Audio => Block::Audio(medium(&AUDIOS, source)?),
        MediaKind::File => {
            // A file may be any of them.
            match mime.unwrap_or_default() {
                mime if mime.starts_with("image/") => return Ok(Block::Image(medium(&IMAGES, source)?)),
                mime if mime.starts_with("video/") => return Ok(Block::Video(medium(&VIDEOS, source)?)),
                mime if mime.starts_with("audio/") => return Ok(Block::Audio(medium(&AUDIOS, source)?)),
                _ => {}
            }
            Block::Document(Document {
                format: format(&DOCUMENTS, media, mime, place)?,
                name: names.pick(media),
                source,
            })
        }
    })
}

/// Where the bytes are, and the media type if their address tells it.
fn source<'a, 'm>(media: &'m Media<'a>, place: Place) -> Result<(Option<&'m str>, Source<'a>), Fault> {
    match &media.source {
        chat::Source::Base64(data) => Ok((None, Source::Bytes(data.clone()))),
        chat::Source::Text(text) => Ok((None, Source::Text(text.clone()))),
        chat::Source::Url(url) if url.starts_with("s3://") => Ok((None, Source::S3Location(S3 { uri: url.clone() }))),
        chat::Source::Url(url) => match data_url(url) {
            Some((mime, data)) => Ok((Some(mime), Source::Bytes(data.to_owned().into()))),
            None => Err(refused(
                place,
                "Bedrock does not fetch addresses; send it as a data URL (data:image/png;base64,...) or as s3://",
            )),
        },
        chat::Source::Id(_) => Err(refused(place, "Bedrock knows no uploaded files; send the file itself, in base64")),
    }
}

/// `data:image/png;base64,...`: the media type and the data.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    Some((head.split(';').next().unwrap_or_default(), data))
}

fn format(
    formats: &'static [Format],
    media: &Media<'_>,
    mime: Option<&str>,
    place: Place,
) -> Result<&'static str, Fault> {
    let find = |word: &str| {
        let word = word.to_ascii_lowercase();
        formats.iter().find(|(format, words)| *format == word || words.contains(&&*word)).map(|(format, _)| *format)
    };
    let mime = mime.map(|mime| mime.split(';').next().unwrap_or_default().trim());
    let url = match &media.source {
        chat::Source::Url(url) if url.starts_with("s3://") => extension(url),
        _ => None,
    };
    let by_word = [mime, media.name.as_deref().and_then(extension), url].into_iter().flatten().find_map(find);
    let by_bytes = || sniff(&media.source).and_then(find);
    // What is text and nothing more special is `txt`.
    let by_text = || {
        (mime.is_some_and(|mime| mime.starts_with("text/")) || matches!(media.source, chat::Source::Text(_)))
            .then(|| find("txt"))
            .flatten()
    };
    by_word.or_else(by_bytes).or_else(by_text).ok_or_else(|| {
        let known = formats.iter().map(|(format, _)| *format).collect::<Vec<_>>().join(", ");
        refused(place, &format!("Bedrock takes {known}; found {}", mime.unwrap_or("no media type")))
    })
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit('/').next()?.rsplit_once('.').map(|(_, extension)| extension)
}

/// The format that the first bytes tell, in base64.
fn sniff(source: &chat::Source<'_>) -> Option<&'static str> {
    let chat::Source::Base64(data) = source else { return None };
    let known = [("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"), ("JVBERi", "pdf")];
    known.iter().find(|(begin, _)| data.starts_with(begin)).map(|(_, format)| *format)
}

fn refused(place: Place, why: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("{place}: {why}")).param(place.to_string())
}

impl Names {
    /// A name that is not taken yet, in the characters that AWS takes.
    fn pick(&mut self, media: &Media<'_>) -> String {
        let name = allowed(media.name.as_deref().unwrap_or_default());
        let mut unique = name.clone();
        for number in 2.. {
            if !self.0.contains(&unique) {
                break;
            }
            unique = format!("{name} {number}");
        }
        self.0.push(unique.clone());
        unique
    }
}

/// Letters, digits, hyphens, parentheses, brackets and single spaces; the extension stands in the format.
fn allowed(name: &str) -> String {
    let stem = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 5 => stem,
        _ => name,
    };
    let mut out = String::with_capacity(stem.len());
    for char in stem.chars().take(NAME_CHARS_MAX - 8) {
        match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '(' | ')' | '[' | ']' => out.push(char),
            char if char.is_whitespace() && out.ends_with(' ') => {}
            char if char.is_whitespace() => out.push(' '),
            _ => out.push('-'),
        }
    }
    let out = out.trim();
    if out.is_empty() { "document".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Str;

    fn media(
        kind: MediaKind,
        source: chat::Source<'static>,
        mime: Option<&'static str>,
        name: Option<&'static str>,
    ) -> Media<'static> {
        Media { kind, source, mime: mime.map(Str::from), name: name.map(Str::from), detail: None, cache: None }
    }

    fn written(media: &Media<'_>) -> Result<String, String> {
        let block = block(media, &mut Names::default(), Place::message(0).part(1))
            .map_err(|fault| fault.public.into_owned())?;
        Ok(serde_json::to_string(&block).unwrap())
    }

    #[test]
    fn media_are_bytes_or_lie_in_s3() {
        let png = media(MediaKind::Image, chat::Source::Base64("AA==".into()), Some("image/png"), None);
        assert_eq!(written(&png).unwrap(), r#"{"image":{"format":"png","source":{"bytes":"AA=="}}}"#);
        let data = media(MediaKind::Image, chat::Source::Url("data:image/jpeg;base64,AA==".into()), None, None);
        assert_eq!(written(&data).unwrap(), r#"{"image":{"format":"jpeg","source":{"bytes":"AA=="}}}"#);
        let film = media(MediaKind::Video, chat::Source::Url("s3://b/c.3gp".into()), None, None);
        assert_eq!(
            written(&film).unwrap(),
            r#"{"video":{"format":"three_gp","source":{"s3Location":{"uri":"s3://b/c.3gp"}}}}"#
        );
        let sniffed = media(MediaKind::Image, chat::Source::Base64("R0lGODlh".into()), None, None);
        assert_eq!(written(&sniffed).unwrap(), r#"{"image":{"format":"gif","source":{"bytes":"R0lGODlh"}}}"#);
        let sound = media(MediaKind::Audio, chat::Source::Base64("AA==".into()), Some("wav"), None);
        assert_eq!(written(&sound).unwrap(), r#"{"audio":{"format":"wav","source":{"bytes":"AA=="}}}"#);
    }

    #[test]
    fn documents_have_a_format_and_a_name_of_their_own() {
        let pdf = media(MediaKind::File, chat::Source::Base64("AA==".into()), None, Some("Q3: report v1.2.pdf"));
        let expected = r#"{"document":{"format":"pdf","name":"Q3- report v1-2","source":{"bytes":"AA=="}}}"#;
        assert_eq!(written(&pdf).unwrap(), expected);
        let text = media(MediaKind::File, chat::Source::Text("hello".into()), None, None);
        assert_eq!(
            written(&text).unwrap(),
            r#"{"document":{"format":"txt","name":"document","source":{"text":"hello"}}}"#
        );
        let mut names = Names::default();
        let picked: Vec<_> = (0..3).map(|_| names.pick(&pdf)).collect();
        assert_eq!(picked, ["Q3- report v1-2", "Q3- report v1-2 2", "Q3- report v1-2 3"]);
        let image = media(MediaKind::File, chat::Source::Base64("AA==".into()), Some("image/webp"), Some("a.webp"));
        assert!(written(&image).unwrap().starts_with(r#"{"image""#));
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_its_place() {
        for source in [chat::Source::Url("https://example.com/a.png".into()), chat::Source::Id("file-1".into())] {
            let text = written(&media(MediaKind::Image, source, Some("image/png"), None)).unwrap_err();
            assert!(text.starts_with("messages[0].content[1]: ") && text.contains("send"), "{text}");
        }
        let tiff = media(MediaKind::Image, chat::Source::Base64("AA==".into()), Some("image/tiff"), None);
        assert!(written(&tiff).unwrap_err().contains("png, jpeg, gif, webp; found image/tiff"));
    }
}

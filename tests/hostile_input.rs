//! Hostile bodies and queries, for every route and every member that the OpenAPI document names: an answer of the four
//! hundreds with a word of why, never of the five hundreds, and nothing has changed.
//!
//! `TOLLGATE_HOSTILE=1 cargo test --test hostile_input` tries every value in every place; the usual run takes turns.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde::Deserialize;
use serde_json::value::RawValue;
use support::admin::Admin;
use support::client::{Answer, Client, Reply};
use support::rig::{self, Rig};

const MASTER: &str = "sk-hostile-master-0001";
/// In the usual run each member meets one of so many values.
const TURNS: usize = 10;
/// Whether something has changed is asked of every so many bodies.
const BODIES_PER_LOOK: usize = 5;

#[derive(Deserialize)]
struct Document {
    paths: BTreeMap<String, BTreeMap<String, Operation>>,
    components: Components,
}

#[derive(Deserialize)]
struct Components {
    schemas: BTreeMap<String, Shape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    #[serde(default)]
    parameters: Vec<Parameter>,
    request_body: Option<RequestBody>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    r#in: String,
}

#[derive(Deserialize)]
struct RequestBody {
    content: BTreeMap<String, Media>,
}

#[derive(Deserialize)]
struct Media {
    schema: Shape,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Shape {
    #[serde(rename = "$ref")]
    reference: Option<String>,
    r#type: Option<Types>,
    properties: BTreeMap<String, Self>,
    any_of: Vec<Self>,
    one_of: Vec<Self>,
    all_of: Vec<Self>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Types {
    One(String),
    Many(Vec<String>),
}

/// What a member takes.
#[derive(Clone, Default)]
struct Member {
    /// JSON's names of types; none where anything is taken.
    types: BTreeSet<String>,
}

impl Document {
    fn members(&self, shape: &Shape) -> BTreeMap<String, Member> {
        let shape = self.resolved(shape);
        let mut all: BTreeMap<_, _> =
            shape.properties.iter().map(|(name, of)| (name.clone(), Member { types: self.types(of) })).collect();
        for part in shape.any_of.iter().chain(&shape.one_of).chain(&shape.all_of) {
            all.extend(self.members(part));
        }
        all
    }

    fn resolved<'a>(&'a self, shape: &'a Shape) -> &'a Shape {
        let name = shape.reference.as_deref().and_then(|reference| reference.rsplit('/').next());
        name.and_then(|name| self.components.schemas.get(name)).unwrap_or(shape)
    }

    fn types(&self, shape: &Shape) -> BTreeSet<String> {
        let shape = self.resolved(shape);
        let mut types: BTreeSet<String> = match &shape.r#type {
            Some(Types::One(one)) => BTreeSet::from([one.clone()]),
            Some(Types::Many(many)) => many.iter().cloned().collect(),
            None => BTreeSet::new(),
        };
        for part in shape.any_of.iter().chain(&shape.one_of) {
            let of_part = self.types(part);
            if of_part.is_empty() {
                return of_part;
            }
            types.extend(of_part);
        }
        types
    }
}

/// Values as JSON; those that are no JSON at all among them.
fn hostile() -> Vec<String> {
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let mut values: Vec<String> = [
        "-1",
        "-0.000000000001",
        "1e308",
        "1e400",
        "-1e400",
        "0.1e-400",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "1e19",
        "1.5",
        "NaN",
        "Infinity",
        "-Infinity",
        "0x10",
        "01",
        "+1",
        "true",
        "null",
        "[]",
        "{}",
        "[null]",
        "[[1]]",
        "[{}]",
        r#"[{"a":1},"b",2]"#,
        r#"{"":null}"#,
        r#"{"a":{"b":[1,{}]}}"#,
        r#""""#,
        r#"" ""#,
        r#""\u0000""#,
        r#""a\nb\r\nc: d""#,
        r#""\ud800""#,
        r#""\ud83d\ude00""#,
        r#""\u202egnp.exe""#,
        "\"\u{feff}\"",
        "\"A\u{030a}\"",
        "\"\u{1f600}\u{1f600}\"",
        r#""' OR '1'='1""#,
        r#""'; DROP TABLE record; --""#,
        r#""%27%20OR%201=1""#,
        r#""../../../../etc/passwd""#,
        r#""..%2f..%2fetc%2fpasswd""#,
        r#""/etc/passwd\u0000.json""#,
        r#""file:///etc/passwd""#,
        r#""http://169.254.169.254/latest""#,
        r#""$(id)""#,
        r#""{{7*7}}""#,
        r#""NaN""#,
        r#""Infinity""#,
        r#""-1""#,
        r#""1e400""#,
        r#""99999999999999999999d""#,
        r#""-1d""#,
        r#""0s""#,
        r#""1e9mo""#,
        r#""9999-12-31T23:59:59Z""#,
        r#""99999-01-01T00:00:00Z""#,
        r#""-9999-01-01T00:00:00Z""#,
        r#""2026-02-30T25:61:61Z""#,
        r#""1970-01-01""#,
        r#""os.environ/PATH""#,
        r#""sk-""#,
        r#""*""#,
        r#""all-proxy-models""#,
    ]
    .map(str::to_owned)
    .into();
    values.push(nested("[", "]", 100));
    values.push(nested("[", "]", 100_000));
    values.push(nested(r#"{"a":"#, "}", 100));
    values.push(format!("\"{}\"", "x".repeat(300)));
    values.push(format!("\"{}\"", "y".repeat(300_000)));
    values.push(format!("[{}\"z\"]", "\"z\",".repeat(20_000)));
    values.push(format!("{{{}\"last\":1}}", (0..5_000).map(|at| format!("\"m{at}\":1,")).collect::<String>()));
    values
}

/// Whether the document says that such a value is refused, whatever stands beside it. Numbers in texts are taken.
fn must_be_refused(name: &str, member: &Member, value: &str) -> bool {
    let Ok(raw) = serde_json::from_str::<&RawValue>(value) else { return true };
    let kind = match raw.get().as_bytes()[0] {
        b'[' => "array",
        b'{' => "object",
        _ if name.ends_with("budget") && value.starts_with('-') => return !member.types.is_empty(),
        _ => return false,
    };
    !member.types.is_empty() && !member.types.contains(kind)
}

struct Place {
    address: SocketAddr,
    client: Client,
}

impl Place {
    fn new(rig: &Rig) -> Self {
        Self { address: rig.gateway.address(), client: rig.client() }
    }

    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Answer {
        let headers = format!("authorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n");
        let line = format!("{} {path}", method.to_uppercase());
        let answer = self.client.send(&line, &headers, body).and_then(Reply::whole);
        answer.unwrap_or_else(|_| {
            // The connection was closed after a request that was not read to the end.
            self.client = Client::connect(self.address).unwrap();
            self.client.send(&line, &headers, body).and_then(Reply::whole).unwrap()
        })
    }

    /// How many changes were made so far.
    fn changes(&mut self) -> u64 {
        self.ask("get", "/audit?page_size=1", b"").at("total").parse().unwrap()
    }
}

/// Whether it is a refusal that says why. Never a failure of ours.
fn judged(answer: &Answer) -> Result<bool, String> {
    let (status, text) = (answer.status, answer.text());
    let told = [answer.at("error.message"), answer.at("detail"), answer.at("error")].concat();
    match status {
        200..400 => Ok(false),
        400..500 if told.len() > 5 && text.len() < 8_192 => Ok(true),
        400..500 => Err(format!("{status} with {} bytes, {} of them a word of why", text.len(), told.len())),
        _ => Err(format!("{status} {text}")),
    }
}

/// What went wrong, all of it: one run tells everything.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn note(&mut self, what: &str, why: impl std::fmt::Display) {
        let what: String = what.chars().take(160).collect();
        self.0.push(format!("{what}: {}", why.to_string().chars().take(240).collect::<String>()));
    }

    #[track_caller]
    fn assert_nothing(&self) {
        let first: Vec<_> = self.0.iter().take(60).map(String::as_str).collect();
        assert!(first.is_empty(), "{} went wrong, the first of them:\n{}", self.0.len(), first.join("\n"));
    }
}

fn rig(name: &str) -> Rig {
    Rig::start(name, |base| {
        format!("model_list:\n{}general_settings: {{master_key: {MASTER}}}\n", rig::deployment("chat", base, ""))
    })
}

fn document(rig: &Rig) -> Document {
    let text = Admin::new(rig.gateway.address(), MASTER).get("/openapi.json").text();
    serde_json::from_str(&text).unwrap()
}

/// Parameters of the path filled in with something that is not there.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for (at, part) in path.split(['{', '}']).enumerate() {
        filled.push_str(if at % 2 == 0 { part } else { "nothing-of-this-name" });
    }
    filled
}

#[test]
fn no_value_of_any_member_of_any_body_breaks_anything() {
    let rig = rig("hostile-members");
    let (document, values) = (document(&rig), hostile());
    let turns = if std::env::var_os("TOLLGATE_HOSTILE").is_some() { 1 } else { TURNS };
    let mut place = Place::new(&rig);
    let (mut members, mut asked, mut refused, mut wrong) = (0, 0, 0, Wrong::default());
    for (path, methods) in &document.paths {
        for (method, operation) in methods {
            let Some(body) = &operation.request_body else { continue };
            for (name, member) in document.members(&body.content["application/json"].schema) {
                members += 1;
                for (_, value) in values.iter().enumerate().filter(|(at, _)| (at + members) % turns == 0) {
                    let what = format!("{method} {path} {name}={value}");
                    let before = (asked % BODIES_PER_LOOK == 0).then(|| place.changes());
                    let sent = format!("{{\"{name}\":{value}}}");
                    let answer = place.ask(method, &filled(path), sent.as_bytes());
                    asked += 1;
                    match judged(&answer) {
                        Err(why) => wrong.note(&what, why),
                        Ok(false) if must_be_refused(&name, &member, value) => {
                            wrong.note(&what, format!("taken, {}", answer.text()));
                        }
                        Ok(false) => {}
                        Ok(true) => {
                            refused += 1;
                            if before.is_some_and(|before| place.changes() != before) {
                                wrong.note(&what, "refused, and something has changed");
                            }
                        }
                    }
                }
            }
        }
    }
    wrong.assert_nothing();
    assert!(members > 300 && refused > 500, "{members} members, {asked} asked, {refused} refused");
    println!("{members} members, {asked} bodies, {refused} of them refused");
}

#[test]
fn no_body_as_a_whole_breaks_anything() {
    let rig = rig("hostile-bodies");
    let document = document(&rig);
    let mut place = Place::new(&rig);
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let twice = r#"{"max_budget":1,"max_budget":1000000}"#;
    let bodies: [(&str, &[u8], &[u16]); 11] = [
        ("deep", deep.as_bytes(), &[400, 422]),
        ("a member twice", twice.as_bytes(), &[400]),
        ("a nested member twice", br#"{"metadata":{"a":1,"a":2}}"#, &[400]),
        ("no JSON", b"max_budget=1&models=x", &[400]),
        ("half of it", br#"{"max_budget":"#, &[400]),
        ("two of it", br#"{}{}"#, &[400]),
        ("no UTF-8", b"{\"key_alias\":\"\xff\xfe\"}", &[400]),
        ("a list", b"[]", &[400, 422]),
        ("a text", br#""{}""#, &[400, 422]),
        ("null", b"null", &[400, 422]),
        ("zeros", &[0; 64], &[400]),
    ];
    let (before, mut wrong) = (place.changes(), Wrong::default());
    for (path, methods) in &document.paths {
        for (method, _) in methods.iter().filter(|(_, operation)| operation.request_body.is_some()) {
            for (name, body, statuses) in &bodies {
                let what = format!("{method} {path}, {name}");
                let answer = place.ask(method, &filled(path), body);
                // A path may be refused before its body is read, for what it names is not there.
                let gone = path.contains('{') && answer.status == 404;
                match judged(&answer) {
                    Err(why) => wrong.note(&what, why),
                    Ok(_) if statuses.contains(&answer.status) || gone => {}
                    Ok(_) => wrong.note(&what, format!("{} {}", answer.status, answer.text())),
                }
            }
            let status = status_of_much(place.address, method, &filled(path));
            if status != 413 {
                wrong.note(&format!("{method} {path}, ten megabytes"), status);
            }
        }
    }
    wrong.assert_nothing();
    assert_eq!(place.changes(), before, "nothing has changed");
}

/// The answer to a body of ten megabytes, which comes before all of it was sent.
fn status_of_much(address: SocketAddr, method: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{{\"metadata\":\"",
        method.to_uppercase(),
        10 << 20
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    std::str::from_utf8(&start[9..]).unwrap().parse().unwrap()
}

#[test]
fn no_value_in_a_path_or_a_query_breaks_anything() {
    let rig = rig("hostile-queries");
    let document = document(&rig);
    let mut place = Place::new(&rig);
    let values = [
        "",
        "%00",
        "%0d%0aset-cookie:%20x=y",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "%27%20OR%20%271%27=%271",
        "%ff%fe",
        "%F0%9F%98%80",
        "%E2%80%AEgnp",
        "-1",
        "0",
        "99999999999999999999",
        "1e400",
        "NaN",
        "true",
        "%5B%5D",
        "%7B%7D",
        "9999-12-31",
        "99999-01-01",
        "-1-01-01",
        "2026-02-30",
        "2026-01-01T25%3A00%3A00Z",
        "%",
        "%zz",
        "a%26b=c",
        "*",
    ];
    let long = "x".repeat(4_000);
    let before = place.changes();
    let (mut asked, mut wrong) = (0, Wrong::default());
    for (path, methods) in &document.paths {
        for (method, operation) in methods {
            for parameter in &operation.parameters {
                for value in values.iter().copied().chain([long.as_str()]) {
                    let line = match parameter.r#in.as_str() {
                        "query" => format!("{}?{}={value}", filled(path), parameter.name),
                        _ => path
                            .replace(&format!("{{{}}}", parameter.name), if value.is_empty() { "%20" } else { value }),
                    };
                    if line.contains('{') {
                        continue;
                    }
                    let answer = place.ask(method, &line, b"");
                    if let Err(why) = judged(&answer) {
                        wrong.note(&format!("{method} {line}"), why);
                    }
                    if answer.head.contains("set-cookie") {
                        wrong.note(&format!("{method} {line}"), "a header of the caller's");
                    }
                    asked += 1;
                }
            }
        }
    }
    wrong.assert_nothing();
    assert!(asked > 1_000, "{asked}");
    assert_eq!(place.changes(), before, "nothing has changed");
}

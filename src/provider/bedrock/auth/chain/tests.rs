use std::collections::HashMap;

use super::*;
use crate::provider::bedrock::auth::plan::Setting;
use http::{HeaderMap, Method};

/// Noon of a day in 2026.
const NOON_MS: i64 = 1_795_000_000_000;
const MINUTE_MS: i64 = 60 * 1000;

fn at(minutes: i64) -> Now {
    Now { mono_ns: (minutes * MINUTE_MS) as u64 * 1_000_000, wall_ms: NOON_MS + minutes * MINUTE_MS }
}

fn time(minutes: i64) -> String {
    jiff::Timestamp::from_millisecond(NOON_MS + minutes * MINUTE_MS).unwrap().to_string()
}

fn chain(given: &[(&'static str, &'static str)], variables: &[(&'static str, &'static str)]) -> Chain {
    let (given, variables): (HashMap<_, _>, HashMap<_, _>) =
        (given.iter().copied().collect(), variables.iter().copied().collect());
    let given = |name: &str| given.get(name).map(|value| Secret::new(*value));
    let variable = |name: &str| variables.get(name).map(|value| Secret::new(*value));
    Chain::new(Plan::new(&Setting { region: "eu-west-1", given: &given, variable: &variable }).unwrap())
}

/// What is wanted: `URGENT method url` or a path, and the body.
fn wanted(chain: &Chain, now: Now) -> Option<(String, String, Vec<String>)> {
    let want = chain.want(now)?;
    let urgent = if want.urgent { "! " } else { "" };
    Some(match want.fetch {
        Fetch::File(path) => (format!("{urgent}{}", path.display()), String::new(), Vec::new()),
        Fetch::Http { method, url, headers, body } => {
            let headers = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            (format!("{urgent}{method} {url}"), String::from_utf8(body.to_vec()).unwrap(), headers)
        }
    })
}

fn is_wanted(chain: &Chain, now: Now, expected: &str) {
    assert_eq!(wanted(chain, now).map(|(what, ..)| what).as_deref(), Some(expected));
}

fn take(chain: &Chain, status: u16, body: &str, now: Now) -> Result<(), String> {
    let taken = chain.take(&Fetched { status, body: body.as_bytes() }, now);
    taken.map_err(|fault| fault.cause.unwrap().into_string())
}

fn signer(chain: &Chain, now: Now) -> Option<String> {
    let mut headers = HeaderMap::new();
    let request = Unsigned { method: &Method::POST, authority: "h", path: "/model/a%3A0/converse", body: &[] };
    chain.sign(&request, &mut headers, now).ok()?;
    let text = headers["authorization"].to_str().unwrap().to_owned();
    let (_, rest) = text.split_once("Credential=").unwrap();
    Some(rest.split(',').next().unwrap().to_owned())
}

fn xml(id: &str, minutes: i64) -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>{}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
        time(minutes)
    )
}

fn json(id: &str, minutes: i64) -> String {
    format!(r#"{{"AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t","Expiration":"{}"}}"#, time(minutes))
}

#[test]
fn keys_at_hand_sign_at_once() {
    let chain = chain(&[("aws_access_key_id", "AK"), ("aws_secret_access_key", "SK")], &[("AWS_ACCESS_KEY_ID", "no")]);
    assert!(chain.want(at(0)).is_none());
    assert_eq!(signer(&chain, at(0)).unwrap(), "AK/20261118/eu-west-1/bedrock/aws4_request");
    let environment = [("AWS_ACCESS_KEY_ID", "EK"), ("AWS_SECRET_ACCESS_KEY", "SK"), ("AWS_SESSION_TOKEN", "T")];
    assert!(signer(&self::chain(&[], &environment), at(0)).unwrap().starts_with("EK/"));
}

#[test]
fn a_role_is_assumed_and_renewed_ahead_of_its_end() {
    let given = [
        ("aws_access_key_id", "AK"),
        ("aws_secret_access_key", "SK"),
        ("aws_role_name", "arn:aws:iam::1:role/r"),
        ("aws_session_name", "me"),
        ("aws_external_id", "x y"),
    ];
    let chain = chain(&given, &[]);
    assert!(signer(&chain, at(0)).is_none());
    let (what, body, headers) = wanted(&chain, at(0)).unwrap();
    assert_eq!(what, "! POST https://sts.eu-west-1.amazonaws.com/");
    let expected = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&ExternalId=x%20y";
    assert_eq!(body, expected);
    assert!(
        headers.iter().any(|header| header.contains("Credential=AK/20261118/eu-west-1/sts/aws4_request")),
        "{headers:?}"
    );
    take(&chain, 200, &xml("R1", 60), at(0)).unwrap();
    assert!(signer(&chain, at(1)).unwrap().starts_with("R1/") && chain.want(at(54)).is_none());
    is_wanted(&chain, at(56), "POST https://sts.eu-west-1.amazonaws.com/");
    assert!(take(&chain, 500, "oops", at(56)).unwrap_err().contains("status 500"));
    assert!(chain.want(at(56)).is_none(), "a renewal that failed is not tried again at once");
    assert!(signer(&chain, at(56)).unwrap().starts_with("R1/"), "and the old keys still sign");
    is_wanted(&chain, at(57), "POST https://sts.eu-west-1.amazonaws.com/");
    is_wanted(&chain, at(61), "! POST https://sts.eu-west-1.amazonaws.com/");
    take(&chain, 200, &xml("R2", 120), at(61)).unwrap();
    assert!(signer(&chain, at(61)).unwrap().starts_with("R2/"));
}

#[test]
fn a_refusal_is_told_without_the_credential() {
    let given = [
        ("aws_web_identity_token", "TOKENTOKEN"),
        ("aws_role_name", "arn:r"),
        ("aws_sts_endpoint", "http://sts.test/"),
    ];
    let chain = chain(&given, &[]);
    let (what, body, _) = wanted(&chain, at(0)).unwrap();
    assert_eq!(what, "! POST http://sts.test/");
    assert!(body.ends_with("&RoleArn=arn%3Ar&RoleSessionName=tollgate&WebIdentityToken=TOKENTOKEN"), "{body}");
    let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not you</Message></Error></ErrorResponse>";
    let cause = take(&chain, 403, refusal, at(0)).unwrap_err();
    assert!(cause.contains("AccessDenied: Not you") && !cause.contains("TOKENTOKEN"), "{cause}");
    assert!(!format!("{chain:?} {:?}", chain.want(at(1))).contains("TOKENTOKEN"));
    take(&chain, 200, &xml("W", 60), at(1)).unwrap();
    assert!(signer(&chain, at(1)).unwrap().starts_with("W/"));
}

#[test]
fn a_token_in_a_file_is_read_again_for_each_renewal() {
    let chain = chain(&[], &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/token"), ("AWS_ROLE_ARN", "arn:r")]);
    is_wanted(&chain, at(0), "! /var/token");
    take(&chain, 200, "first\n", at(0)).unwrap();
    assert!(wanted(&chain, at(0)).unwrap().1.ends_with("WebIdentityToken=first"));
    take(&chain, 200, &xml("W1", 60), at(0)).unwrap();
    is_wanted(&chain, at(58), "/var/token");
    take(&chain, 200, "second", at(58)).unwrap();
    assert!(wanted(&chain, at(58)).unwrap().1.ends_with("WebIdentityToken=second"));
}

#[test]
fn a_machine_is_asked_last() {
    let chain = chain(&[], &[("HOME", "/home/me")]);
    is_wanted(&chain, at(0), "! /home/me/.aws/credentials");
    take(&chain, 404, "", at(0)).unwrap();
    is_wanted(&chain, at(0), "! /home/me/.aws/config");
    take(&chain, 404, "", at(0)).unwrap();
    is_wanted(&chain, at(0), "! PUT http://169.254.169.254/latest/api/token");
    take(&chain, 200, "METATOKEN", at(0)).unwrap();
    let (what, _, headers) = wanted(&chain, at(0)).unwrap();
    assert_eq!(what, "! GET http://169.254.169.254/latest/meta-data/iam/security-credentials/");
    assert_eq!(headers, ["x-aws-ec2-metadata-token: METATOKEN"]);
    take(&chain, 200, "my-role\n", at(0)).unwrap();
    is_wanted(&chain, at(0), "! GET http://169.254.169.254/latest/meta-data/iam/security-credentials/my-role");
    take(&chain, 200, &json("M", 60), at(0)).unwrap();
    assert!(signer(&chain, at(0)).unwrap().starts_with("M/") && chain.want(at(50)).is_none());
    is_wanted(&chain, at(58), "/home/me/.aws/credentials");
}

#[test]
fn nothing_anywhere_is_told_with_what_was_tried() {
    let chain = chain(&[], &[("HOME", "/h"), ("AWS_PROFILE", "p")]);
    take(&chain, 404, "", at(0)).unwrap();
    take(&chain, 200, "[default]\n", at(0)).unwrap();
    let cause = take(&chain, 0, "", at(0)).unwrap_err();
    assert_eq!(cause, "no AWS credentials: no profile \"p\"; the machine's metadata: status 0");
    is_wanted(&chain, at(0), "! /h/.aws/credentials");
}

#[test]
fn a_profile_assumes_roles_one_after_the_other() {
    let chain = chain(&[("aws_profile_name", "a"), ("aws_role_name", "arn:last")], &[("HOME", "/h")]);
    let config =
        "[profile a]\nrole_arn=arn:a\nsource_profile=b\n[profile b]\nrole_arn=arn:b\ncredential_source=EcsContainer\n";
    take(&chain, 404, "", at(0)).unwrap();
    assert!(take(&chain, 200, config, at(0)).unwrap_err().contains("no container"), "there is none here");
    let variables = [
        ("HOME", "/h"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "ct"),
    ];
    let chain = self::chain(&[("aws_profile_name", "a"), ("aws_role_name", "arn:last")], &variables);
    take(&chain, 404, "", at(0)).unwrap();
    take(&chain, 200, config, at(0)).unwrap();
    let (what, _, headers) = wanted(&chain, at(0)).unwrap();
    assert_eq!(what, "! GET http://169.254.170.2/v2/x");
    assert!(headers.contains(&"authorization: ct".to_owned()));
    take(&chain, 200, &json("C", 60), at(0)).unwrap();
    for (role, id) in [("arn%3Ab", "B"), ("arn%3Aa", "A"), ("arn%3Alast", "L")] {
        assert!(wanted(&chain, at(0)).unwrap().1.contains(&format!("RoleArn={role}&")));
        take(&chain, 200, &xml(id, 60), at(0)).unwrap();
    }
    assert!(signer(&chain, at(0)).unwrap().starts_with("L/"));
}

#[test]
fn half_a_pair_is_refused() {
    let given = |name: &str| (name == "aws_access_key_id").then(|| Secret::new("AK"));
    let setting = Setting { region: "r", given: &given, variable: &|_| None };
    assert_eq!(Plan::new(&setting).unwrap_err().what, "aws_secret_access_key");
}

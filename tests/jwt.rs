//! Tokens of an identity provider: which are taken, and whom requests with them are held against.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::issuer::{SigningKey, encoded, key_set};
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{Ending, Entry, Head, LocalAnswer, Opened, Planned, Refused, Surroundings, World};
use tollgate::ledger::Memory;
use tollgate::roster::{Change, Key, Record, Team, User};
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, Fault, KeyHash, Kind, PicoUsd};

const YAML: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_key: sk-up, input_cost_per_token: 0, output_cost_per_token: 0.001}
  - model_name: other
    litellm_params: {model: openai/up, api_key: sk-up, input_cost_per_token: 0, output_cost_per_token: 0.001}
general_settings:
  master_key: sk-master-0123456789abcdef
  enable_jwt_auth: true
"#;
const KEYS_URL: &str = "http://127.0.0.1:1/keys";
const STARTED_S: i64 = 1_795_226_400;
/// The claims of a token that is taken, but for the braces.
const GOOD: &str = r#""iss":"https://login.test","aud":"tollgate","exp":1795230000"#;

struct Scene {
    world: Arc<World>,
    clock: Clock,
    key: SigningKey,
}

impl Scene {
    /// With these lines in `litellm_jwtauth`, and the issuer's keys here.
    fn new(rules: &str) -> Self {
        let env = |name: &str| match name {
            "JWT_PUBLIC_KEY_URL" => Some(KEYS_URL.to_owned()),
            "JWT_AUDIENCE" => Some("tollgate".to_owned()),
            "JWT_ISSUER" => Some("https://login.test".to_owned()),
            _ => None,
        };
        let from = config::Surroundings { env: &env, providers: &Served, purpose: Purpose::Serve };
        let (settings, report) = config::load_text("jwt.yaml", &format!("{YAML}  litellm_jwtauth: {{{rules}}}"), &from);
        assert!(settings.is_some(), "{:?}", report.findings);
        let started_ms = STARTED_S * 1000;
        let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms });
        let clock = Clock::manual(started_ms);
        let around = Surroundings::new(clock.clone(), Arc::new(Memory::new()), telemetry);
        let world = Arc::new(World::build(settings.unwrap(), around, None).unwrap());
        let scene = Self { world, clock, key: SigningKey::new("k1") };
        scene.publish(&[&scene.key]);
        scene
    }

    /// Hands the verifier these keys, as the shell does.
    fn publish(&self, keys: &[&SigningKey]) {
        let any = SigningKey::new("k0").sign(&format!("{{{GOOD}}}"));
        let wanted = self.world.wanted_keys(&any, self.clock.now()).unwrap();
        assert_eq!(&*wanted.source.url(), KEYS_URL);
        wanted.source.take(200, key_set(keys).as_bytes(), self.clock.now()).unwrap();
    }

    fn put<R: Into<Record>>(&self, record: R) -> &Self {
        self.world.around.roster.apply([Change::Put(record.into())]);
        self
    }

    fn token(&self, claims: &str) -> String {
        self.key.sign(&format!("{{{GOOD}{claims}}}"))
    }

    fn enter(&self, token: &str, line: (&str, &str), headers: &[(&str, &str)]) -> Result<Entry, Fault> {
        let now = self.clock.now();
        let bearer = format!("Bearer {token}");
        let header = |name: &str| match name {
            "authorization" => Some(bearer.as_bytes()),
            _ => headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes()),
        };
        let head = Head {
            method: line.0,
            path: line.1,
            header: &header,
            client_ip: "192.0.2.1".parse().ok(),
            query: None,
            content_length: None,
        };
        Opened::enter(&self.world, &head, "x1".to_owned(), now).map_err(|refused| self.told(refused))
    }

    fn told(&self, refused: Box<Refused>) -> Fault {
        let fault = refused.fault.clone();
        refused.close(400, 0, Ending::Refused, self.clock.now());
        fault
    }

    fn ask(&self, token: &str, model: &str, headers: &[(&str, &str)]) -> Result<Box<Planned>, Fault> {
        let entry = self.enter(token, ("POST", "/v1/chat/completions"), headers)?;
        let Entry::Call(opened) = entry else { unreachable!() };
        let body = format!(
            r#"{{"model":"{model}","user":"eve","messages":[{{"role":"user","content":"Hi"}}],"max_tokens":10}}"#
        );
        let now = self.clock.now();
        opened.plan(body.into(), now, now).map_err(|refused| self.told(refused))
    }

    fn chat(&self, token: &str) -> Result<Box<Planned>, Fault> {
        self.ask(token, "chat", &[])
    }

    fn refusal(&self, token: &str) -> Fault {
        self.chat(token).err().unwrap()
    }

    /// What is held just now of a team's budget.
    fn held(&self, team: &str) -> PicoUsd {
        let now = self.clock.now();
        let party = self.world.party(tollgate::exchange::Whose::Team(team), now).unwrap();
        party.statement(&self.world.around.ledger, now).unwrap().reserved
    }
}

fn team(id: &str, models: &[&str]) -> Team {
    Team { team_id: id.to_owned(), models: models.iter().map(|name| (*name).to_owned()).collect(), ..Team::default() }
}

fn user(id: &str) -> User {
    User { user_id: id.to_owned(), ..User::default() }
}

/// What a chat may cost: ten tokens, a tenth of a cent each.
const HELD: PicoUsd = PicoUsd(10_000_000_000);

#[test]
fn a_token_is_let_in_beside_keys_and_its_team_pays() {
    let scene = Scene::new("team_id_jwt_field: team, user_id_jwt_field: sub");
    scene.put(team("blue", &[])).put(user("ada"));
    let planned = scene.chat(&scene.token(r#","sub":"ada","team":"blue""#)).unwrap();
    assert_eq!(scene.held("blue"), HELD);
    drop(planned);
    assert_eq!(scene.held("blue"), PicoUsd::ZERO);
    assert!(scene.chat("sk-master-0123456789abcdef").is_ok());
    assert_eq!(scene.refusal("sk-nobody-0123456789abcd").kind, Kind::UnknownKey);
    let poor = Team {
        bounds: tollgate::roster::Bounds { max_budget: Some(PicoUsd(1)), ..Default::default() },
        ..team("blue", &[])
    };
    scene.put(poor);
    assert_eq!(scene.refusal(&scene.token(r#","sub":"ada","team":"blue""#)).kind, Kind::BudgetExceeded);
    scene.put(Team { blocked: true, ..team("blue", &[]) });
    assert_eq!(scene.refusal(&scene.token(r#","sub":"ada","team":"blue""#)).kind, Kind::BlockedKey);
}

#[test]
fn what_is_not_a_good_token_is_refused_with_what_was_expected() {
    let scene = Scene::new("algorithms: [ES256, RS256], leeway: 5");
    let (key, good) = (&scene.key, format!("{{{GOOD}}}"));
    assert!(scene.chat(&key.sign(&good)).is_ok());
    let other = SigningKey::new("k1");
    let header = |more: &str| key.sign_with(&format!(r#"{{"kid":"k1",{more}}}"#), &good);
    let claims = |claims: &str| key.sign(&format!("{{{claims}}}"));
    // The public key as a shared secret: everybody has that.
    let shared = {
        let signed = format!("{}.{}", encoded(br#"{"alg":"HS256","kid":"k1"}"#), encoded(good.as_bytes()));
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.public());
        format!("{signed}.{}", encoded(ring::hmac::sign(&secret, signed.as_bytes()).as_ref()))
    };
    let tampered = {
        let token = key.sign(&good);
        let mut parts = token.split('.');
        let (head, _, signature) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
        format!("{head}.{}.{signature}", encoded(format!(r#"{{{GOOD},"scope":"litellm_proxy_admin"}}"#).as_bytes()))
    };
    let cases = [
        (header(r#""alg":"none""#), "alg value is not allowed"),
        (header(r#""alg":"es256""#), "alg value is not allowed"),
        (header(r#""alg":"ES384""#), "alg value is not allowed"),
        (shared, "alg value is not allowed"),
        // The key is of another kind than the algorithm says.
        (header(r#""alg":"RS256""#), "No matching public key found. kid=k1"),
        (header(r#""alg":"ES256","typ":"logout+jwt""#), "Invalid JWT"),
        (header(r#""alg":"ES256","crit":["b64"],"b64":false"#), "Invalid JWT"),
        (key.sign_with(r#"{"alg":"ES256","kid":"k9"}"#, &good), "No matching public key found. kid=k9"),
        (other.sign(&good), "Signature verification failed"),
        (tampered, "Signature verification failed"),
        (claims(r#""iss":"https://login.test","aud":"tollgate""#), "missing the \"exp\" claim"),
        (claims(r#""iss":"https://login.test","aud":"tollgate","exp":"soon""#), "missing the \"exp\" claim"),
        (claims(r#""iss":"https://login.test","aud":["a","b"],"exp":1795230000"#), "Audience doesn't match"),
        (claims(r#""iss":"https://login.test","exp":1795230000"#), "Audience doesn't match"),
        (claims(r#""iss":"https://login.test/","aud":"tollgate","exp":1795230000"#), "Invalid issuer"),
        (claims(r#""aud":"tollgate","exp":1795230000"#), "Invalid issuer"),
        (scene.token(r#","nbf":1795226406"#), "not yet valid"),
        (scene.token(r#","iat":1795226406"#), "not yet valid"),
        ("a.b.c".to_owned(), "Invalid JWT"),
    ];
    for (token, expected) in cases {
        let fault = scene.refusal(&token);
        assert_eq!((fault.kind, fault.param.as_deref()), (Kind::MalformedKey, Some("None")), "{}", fault.public);
        assert!(fault.public.contains(expected), "{expected}: {}", fault.public);
    }
    assert!(scene.chat(&scene.token(r#","nbf":1795226405,"iat":1795226405"#)).is_ok(), "within the leeway");
    assert!(scene.chat(&header(r#""alg":"ES256","typ":"at+JWT""#)).is_ok(), "an access token (RFC 9068)");
    let fault = scene.refusal(&claims(r#""iss":"https://login.test","aud":"tollgate","exp":1795226395"#));
    assert_eq!((fault.kind, &*fault.public), (Kind::ExpiredKey, "Token Expired"));
}

#[test]
fn a_token_that_was_taken_ends_on_time_and_with_its_key() {
    let scene = Scene::new("");
    let token = scene.key.sign(r#"{"iss":"https://login.test","aud":"tollgate","exp":1795226460}"#);
    assert!(scene.chat(&token).is_ok() && scene.chat(&token).is_ok());
    let long = scene.token("");
    assert!(scene.chat(&long).is_ok());
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(scene.refusal(&token).kind, Kind::ExpiredKey);
    assert!(scene.chat(&long).is_ok());
    scene.clock.advance(Duration::from_secs(600));
    let new = SigningKey::new("k2");
    scene.publish(&[&new]);
    assert!(scene.refusal(&long).public.contains("No matching public key"));
    assert!(scene.chat(&new.sign(&format!("{{{GOOD}}}"))).is_ok());
}

#[test]
fn keys_are_fetched_when_due_and_not_for_every_stranger() {
    let scene = Scene::new("public_key_ttl: 100, public_key_stale_ttl: 50");
    let known = scene.token("");
    let strange = || SigningKey::new("k9").sign(&format!("{{{GOOD}}}"));
    let wanted = |token: &str| scene.world.wanted_keys(token, scene.clock.now());
    assert!(wanted(&known).is_none() && wanted(&strange()).is_none(), "they were fetched just now");
    scene.clock.advance(Duration::from_secs(10));
    let due = wanted(&strange()).unwrap();
    assert!(due.urgent && wanted(&known).is_none());
    assert!(due.source.take(503, b"", scene.clock.now()).is_err());
    assert!(wanted(&strange()).is_none() && wanted(&strange()).is_none(), "one fetch for all of them");
    assert!(scene.chat(&known).is_ok(), "the keys that are here stay");
    scene.clock.advance(Duration::from_secs(90));
    let due = wanted(&known).unwrap();
    assert!(!due.urgent, "renewed beside the request");
    for body in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"k1","k":"c2VjcmV0"}]}"#] {
        assert!(due.source.take(200, body.as_bytes(), scene.clock.now()).is_err(), "{body}");
    }
    assert!(scene.chat(&known).is_ok(), "stale keys serve for a while");
    scene.clock.advance(Duration::from_secs(50));
    assert!(wanted(&known).unwrap().urgent);
    assert_eq!(scene.refusal(&known).kind, Kind::Overloaded, "and no longer");
    due.source.take(200, key_set(&[&scene.key]).as_bytes(), scene.clock.now()).unwrap();
    assert!(scene.chat(&known).is_ok());
}

#[test]
fn of_several_teams_the_first_that_may_use_the_model_pays() {
    let scene = Scene::new("team_ids_jwt_field: realm.groups");
    scene.put(team("blue", &["other"])).put(team("green", &["chat"])).put(team("red", &["chat"]));
    let token = scene.token(r#","realm":{"groups":["red","green","blue","unknown"]}"#);
    let planned = scene.chat(&token).unwrap();
    assert_eq!((scene.held("blue"), scene.held("green"), scene.held("red")), (PicoUsd::ZERO, HELD, PicoUsd::ZERO));
    drop(planned);
    let planned = scene.ask(&token, "chat", &[("x-litellm-team-id", "red")]).unwrap();
    assert_eq!((scene.held("green"), scene.held("red")), (PicoUsd::ZERO, HELD));
    drop(planned);
    let fault = scene.ask(&token, "chat", &[("x-litellm-team-id", "blue")]).err().unwrap();
    assert!(matches!(fault.kind, Kind::ScopeModelNotAllowed(_)));
    let fault = scene.ask(&token, "chat", &[("x-litellm-team-id", "black")]).err().unwrap();
    assert_eq!(fault.kind, Kind::Forbidden);
    assert!(fault.public.contains("x-litellm-team-id 'black'"), "{}", fault.public);
    scene.put(Team { blocked: true, ..team("green", &["chat"]) });
    let planned = scene.chat(&token).unwrap();
    assert_eq!(scene.held("red"), HELD);
    drop(planned);
    for groups in [r#"["blue"]"#, r#"["unknown"]"#] {
        let fault = scene.refusal(&scene.token(&format!(r#","realm":{{"groups":{groups}}}"#)));
        assert_eq!(fault.kind, Kind::Forbidden);
        assert!(fault.public.contains("No team has access to the requested model: chat"), "{}", fault.public);
    }
    let Ok(Entry::Local(LocalAnswer::Json(models))) = scene.enter(&token, ("GET", "/v1/models"), &[]) else {
        unreachable!()
    };
    let models = String::from_utf8(models.to_vec()).unwrap();
    assert!(models.contains("\"chat\"") && models.contains("\"other\""), "all teams' models: {models}");
}

#[test]
fn a_team_that_must_be_there_is_asked_for() {
    let scene = Scene::new("team_id_jwt_field: team, team_alias_jwt_field: name");
    scene.put(Team { team_alias: Some("Blue".to_owned()), ..team("blue", &[]) });
    let fault = scene.refusal(&scene.token(""));
    assert!(fault.public.contains("No team found in token. Checked team_id field 'team'"), "{}", fault.public);
    assert_eq!(fault.kind, Kind::MalformedKey);
    let fault = scene.refusal(&scene.token(r#","team":"gone""#));
    assert_eq!(
        (fault.kind, &*fault.public),
        (Kind::Forbidden, "Team doesn't exist in db. Team=gone. Create team via `/team/new` call.")
    );
    let planned = scene.chat(&scene.token(r#","name":"Blue""#)).unwrap();
    assert_eq!(scene.held("blue"), HELD);
    drop(planned);
    let scene = Scene::new("team_ids_jwt_field: groups, enforce_team_based_model_access: true");
    let fault = scene.refusal(&scene.token(""));
    assert!(fault.public.starts_with("No teams found in token."), "{}", fault.public);
    let scene = Scene::new("team_id_jwt_field: team, team_id_default: blue");
    scene.put(team("blue", &[]));
    let planned = scene.chat(&scene.token("")).unwrap();
    assert_eq!(scene.held("blue"), HELD);
    drop(planned);
}

#[test]
fn a_user_is_on_record_or_served_all_the_same_and_has_the_right_domain() {
    let scene = Scene::new("user_id_jwt_field: sub, user_email_jwt_field: email, user_allowed_email_domain: good.test");
    let token = scene.token(r#","sub":"ada","email":"ada@good.test""#);
    let fault = scene.refusal(&token);
    assert!(fault.public.contains("User doesn't exist in db. 'user_id'=ada"), "{}", fault.public);
    scene.put(User { models: vec!["other".to_owned()], ..user("ada") });
    assert!(matches!(scene.refusal(&token).kind, Kind::ScopeModelNotAllowed(_)));
    assert!(scene.ask(&token, "other", &[]).is_ok());
    scene.put(User { blocked: true, ..user("ada") });
    assert_eq!(scene.refusal(&token).kind, Kind::BlockedKey);
    for email in [r#","email":"ada@good.test.evil.test""#, r#","email":"good.test""#, ""] {
        let fault = scene.refusal(&scene.token(&format!(r#","sub":"ada"{email}"#)));
        assert_eq!((fault.kind, fault.param.as_deref()), (Kind::Forbidden, Some("user_email")), "{email}");
    }
    let scene = Scene::new("user_id_jwt_field: sub, user_id_upsert: true");
    assert!(scene.chat(&scene.token(r#","sub":"ada""#)).is_ok());
}

#[test]
fn an_admin_sees_everything_and_calls_what_is_allowed() {
    let scene = Scene::new("user_id_jwt_field: sub");
    let admin = scene.token(r#","sub":"root","scope":"openid litellm_proxy_admin""#);
    assert!(matches!(scene.enter(&admin, ("GET", "/metrics"), &[]), Ok(Entry::Local(LocalAnswer::Metrics))));
    let fault = scene.refusal(&admin);
    assert!(
        fault.public.contains("Admin not allowed to access this route. Route=/v1/chat/completions"),
        "{}",
        fault.public
    );
    scene.put(user("ada"));
    let plain = scene.token(r#","sub":"ada","scope":"openid""#);
    assert_eq!(scene.enter(&plain, ("GET", "/metrics"), &[]).err().unwrap().kind, Kind::NeedsMasterKey);
    let scene = Scene::new("admin_jwt_scope: root, admin_allowed_routes: [openai_routes]");
    assert!(scene.chat(&scene.token(r#","scope":["root"]"#)).is_ok());
    let scene = Scene::new("team_id_jwt_field: team, team_allowed_routes: [/v1/embeddings]");
    scene.put(team("blue", &[]));
    let fault = scene.refusal(&scene.token(r#","team":"blue""#));
    assert_eq!(fault.kind, Kind::Forbidden);
    assert!(fault.public.contains("Allowed Routes=['/v1/embeddings']"), "{}", fault.public);
}

#[test]
fn roles_and_scopes_decide_where_they_are_asked() {
    let rules = "roles_jwt_field: roles, object_id_jwt_field: oid, enforce_rbac: true, role_mappings: \
                 [{role: crew, internal_role: team}, {role: chief, internal_role: proxy_admin}]";
    let scene = Scene::new(rules);
    scene.put(team("blue", &[]));
    let planned = scene.chat(&scene.token(r#","roles":["x","crew"],"oid":"blue""#)).unwrap();
    assert_eq!(scene.held("blue"), HELD);
    drop(planned);
    let fault = scene.refusal(&scene.token(r#","roles":["x"],"oid":"blue""#));
    assert!(fault.public.contains("enforce_rbac is set to True"), "{}", fault.public);
    let chief = scene.token(r#","roles":"chief""#);
    assert!(scene.enter(&chief, ("GET", "/metrics"), &[]).is_ok());
    let scene = Scene::new(
        "enforce_scope_based_access: true, scope_mappings: [{scope: chat.use, models: [chat]}, {scope: all.use, models: ['*']}]",
    );
    assert!(scene.chat(&scene.token(r#","scope":"chat.use""#)).is_ok());
    let chat_only = scene.token(r#","scope":"chat.use""#);
    assert_eq!(scene.ask(&chat_only, "other", &[]).err().unwrap().kind, Kind::ModelNotAllowed);
    assert_eq!(scene.refusal(&scene.token("")).kind, Kind::ModelNotAllowed);
    assert!(scene.ask(&scene.token(r#","scope":"all.use""#), "other", &[]).is_ok());
}

#[test]
fn a_claim_may_stand_for_a_virtual_key() {
    let rules = "virtual_key_claim_field: azp, virtual_keys: {app-1: the-key, app-2: gone}, \
                 unregistered_jwt_client_behavior: reject";
    let scene = Scene::new(rules);
    let key = Key {
        key_alias: Some("the-key".to_owned()),
        models: vec!["chat".to_owned()],
        ..Key::new(KeyHash::of("sk-a"), "sk-...")
    };
    scene.put(key.clone());
    let token = scene.token(r#","azp":"app-1""#);
    assert!(scene.chat(&token).is_ok());
    assert_eq!(scene.ask(&token, "other", &[]).err().unwrap().kind, Kind::ModelNotAllowed);
    scene.put(Key { blocked: true, ..key });
    assert_eq!(scene.refusal(&token).kind, Kind::BlockedKey);
    for claims in [r#","azp":"app-2""#, r#","azp":"app-3""#, ""] {
        assert_eq!(scene.refusal(&scene.token(claims)).kind, Kind::Forbidden, "{claims}");
    }
}

#[test]
fn an_issuer_of_its_own_has_its_own_audience_and_names() {
    let rules = "issuers: [{issuer: 'https://own.test', jwks_url: 'http://127.0.0.1:1/own', audience: [gate], team_id_jwt_field: crew}]";
    let scene = Scene::new(rules);
    scene.put(team("blue", &[]));
    let own = SigningKey::new("k1");
    let claims = r#"{"iss":"https://own.test","aud":["x","gate"],"exp":1795230000,"crew":["blue"]}"#;
    let wanted = scene.world.wanted_keys(&own.sign(claims), scene.clock.now()).unwrap();
    assert!(wanted.urgent && wanted.source.url().ends_with("/own"));
    wanted.source.take(200, key_set(&[&own]).as_bytes(), scene.clock.now()).unwrap();
    let planned = scene.chat(&own.sign(claims)).unwrap();
    assert_eq!(scene.held("blue"), HELD);
    drop(planned);
    let fault = scene.refusal(&scene.key.sign(claims));
    assert!(fault.public.contains("Signature verification failed"), "another issuer's key: {}", fault.public);
    let others = own.sign(&format!("{{{GOOD}}}"));
    assert!(scene.refusal(&others).public.contains("Signature verification failed"));
    let aud = own.sign(r#"{"iss":"https://own.test","aud":"tollgate","exp":1795230000,"crew":"blue"}"#);
    assert!(scene.refusal(&aud).public.contains("Audience doesn't match"));
}

#[test]
fn the_customer_of_a_token_wins_over_the_requests() {
    let scene = Scene::new("end_user_id_jwt_field: customer");
    let blocked = tollgate::roster::Customer { user_id: "mallory".to_owned(), blocked: true, ..Default::default() };
    scene.put(blocked);
    assert!(scene.chat(&scene.token("")).is_ok());
    assert_eq!(scene.refusal(&scene.token(r#","customer":"mallory""#)).kind, Kind::BlockedKey);
}

//! A bad reload changes nothing and says why; a good one is taken without a request noticing.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as they do")]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use support::client::{Answer, Client};
use support::rig::{self, Rig, body, eventually, of_event};
use support::{Process, Scratch, tls};
use tollgate::cli::{Served, environment};
use tollgate::config::{self, Purpose, Surroundings};

const KEY: &str = "sk-reload-0123456789abcdef";
const OTHER: &str = "sk-reload-other-0123456789";
/// How many clients call while configurations come and go.
const CALLERS: usize = 3;
/// How many broken configurations there are at least.
const BROKEN: usize = 300;

fn config(base: &str) -> String {
    with_models(base, &["chat"])
}

fn with_models(base: &str, models: &[&str]) -> String {
    let prices = "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n";
    let models: String = models.iter().map(|model| rig::deployment(model, base, prices)).collect();
    format!(
        "model_list:\n{models}router_settings:
  num_retries: 1
  timeout: 30
litellm_settings:
  max_budget: 100.00
  budget_duration: 1d
  drop_params: false
general_settings:
  max_request_size_mb: 4
  header_timeout: 10
  drain_timeout: 5
virtual_keys:
{}{}",
        rig::key(
            KEY,
            "steady",
            "    max_budget: 50\n    budget_duration: 30d\n    rpm_limit: 1000000\n    allowed_ips: [127.0.0.1]\n"
        ),
        rig::key(OTHER, "fleeting", "    models: [chat]\n    max_budget: 0.001\n    model_rpm_limit: {chat: 4}\n"),
    )
}

fn chat(rig: &Rig, key: &str, model: &str) -> Answer {
    rig.client().chat(key, &body(model, r#","max_tokens":10"#)).unwrap()
}

fn reloads(rig: &Rig, result: &str) -> usize {
    rig.gateway.output().matches(&format!(r#""event":"reload","result":"{result}""#)).count()
}

/// Sends SIGHUP and waits until it was acted upon.
fn hang_up(rig: &Rig, result: &str) {
    let before = rig.gateway.printed();
    rig.gateway.signal("HUP");
    let line = format!(r#""event":"reload","result":"{result}""#);
    eventually("the configuration was read again", || rig.gateway.output_from(before).contains(&line));
}

/// Calls without a pause until `work` is done; how many were answered and how many of them were not as they should be.
fn under_load(rig: &Rig, work: impl FnOnce()) -> (usize, Vec<String>) {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let call = |streamed: bool| {
        let body = body("chat", if streamed { r#","stream":true,"max_tokens":5"# } else { r#","max_tokens":5"# });
        let (mut client, mut failures) = (rig.client(), Vec::new());
        while !over.load(Ordering::Relaxed) {
            match client.chat(KEY, &body) {
                Ok(answer) if answer.status == 200 && (!streamed || answer.text().ends_with("data: [DONE]\n\n")) => {}
                Ok(answer) => failures.push(format!("{} {}", answer.head, answer.text())),
                Err(error) => {
                    failures.push(error.to_string());
                    break;
                }
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
        failures
    };
    let failures = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|caller| scope.spawn(move || call(caller % 2 == 1))).collect();
        // Also when the work fails: the callers must not go on for ever.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        let failures = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        failures
    });
    (answered.into_inner(), failures)
}

/// Ways to break a line of a configuration.
fn break_line(line: &str) -> Vec<Vec<u8>> {
    let mut broken: Vec<Vec<u8>> = vec![
        format!("\t{line}").into_bytes(),
        format!("{line}\n{line}").into_bytes(),
        format!(" {line}").into_bytes(),
        [line.as_bytes(), b" \xff\xfe"].concat(),
    ];
    if let Some((key, value)) = line.split_once(": ") {
        let values = [
            "[",
            "{a: [}",
            "\"open",
            "*nothing",
            "-1",
            "soon",
            "25,00",
            "{}",
            "''",
            "!!binary x",
            "1e999",
            "os.environ/NO_SUCH_VARIABLE",
        ];
        broken
            .extend(values.iter().filter(|other| **other != value).map(|other| format!("{key}: {other}").into_bytes()));
        broken.push(format!("{key}{value}").into_bytes());
    }
    broken
}

/// All mutations of a text, line by line and cut off anywhere.
fn mutations(text: &str) -> Vec<Vec<u8>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mutations = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for broken in break_line(line) {
            let mut parts: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            parts[index] = &broken;
            mutations.push(parts.join(&b'\n'));
        }
    }
    mutations.extend((0..text.len()).step_by(37).map(|end| text.as_bytes()[..end].to_vec()));
    mutations.push(vec![b' '; 5 << 20]);
    mutations
}

/// Whether the loader refuses it.
fn is_broken(path: &Path, text: &[u8]) -> bool {
    std::fs::write(path, text).unwrap();
    let surroundings = Surroundings { env: &environment, providers: &Served, purpose: Purpose::Serve };
    config::load(path, &surroundings).0.is_none()
}

#[test]
fn hundreds_of_broken_configurations_under_load_fail_no_request() {
    let rig = Rig::start("reload-broken", config);
    let good = std::fs::read_to_string(rig.config()).unwrap();
    let draft = rig.scratch.path().join("draft.yaml");
    let broken: Vec<_> = mutations(&good).into_iter().filter(|text| is_broken(&draft, text)).collect();
    assert!(broken.len() >= BROKEN, "only {} mutations are broken", broken.len());
    // The same number of each kind, spread over the file.
    let step = broken.len() / BROKEN;
    let applied = broken.iter().step_by(step).count();
    let (answered, failures) = under_load(&rig, || {
        for text in broken.iter().step_by(step) {
            rig.configure(text);
            hang_up(&rig, "failure");
        }
    });
    assert_eq!(failures, [""; 0], "of {answered} requests");
    assert!(answered > 0);
    assert_eq!(reloads(&rig, "success"), 0, "a broken configuration was taken");
    let log = rig.gateway.output();
    let refusals: Vec<_> = of_event(&log, "reload").collect();
    assert!(refusals.len() >= applied);
    for refusal in refusals {
        assert!(names_a_place(refusal), "no file, line and key: {refusal}");
    }
    assert_eq!(rig.metric("tollgate_config_last_reload_successful", &[]), 0.0);
    assert_eq!(rig.metric("tollgate_config_generation", &[]), 1.0);
    rig.configure(&good);
    hang_up(&rig, "success");
    assert_eq!(rig.metric("tollgate_config_last_reload_successful", &[]), 1.0);
    println!("{applied} broken configurations under {answered} requests: 0 failed");
}

/// `config.yaml:31: some.key: ...`
fn names_a_place(line: &str) -> bool {
    let Some((_, behind)) = line.split_once("config.yaml:") else { return false };
    let digits = behind.len() - behind.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    digits > 0 && behind[digits..].starts_with(':')
}

#[test]
fn a_new_model_answers_after_a_hang_up_and_after_a_change_of_the_file_alone() {
    let rig = Rig::start("reload-good", config);
    let base = format!("http://{}/v1", rig.mock.addr());
    let (_, failures) = under_load(&rig, || {
        assert_eq!(chat(&rig, KEY, "second").status, 400);
        rig.configure(with_models(&base, &["chat", "second"]));
        rig.gateway.signal("HUP");
        eventually("the second model answers", || chat(&rig, KEY, "second").status == 200);
        assert_eq!(chat(&rig, KEY, "third").status, 400);
        rig.configure(with_models(&base, &["chat", "second", "third"]));
        eventually("the third model answers", || chat(&rig, KEY, "third").status == 200);
    });
    assert_eq!(failures, [""; 0]);
}

#[test]
fn spend_and_limits_stand_after_a_reload_as_they_stood_before() {
    let rig = Rig::start("reload-levels", config);
    let base = format!("http://{}/v1", rig.mock.addr());
    let spend = |key: &str| {
        // Two of the four requests that this key may make a minute, and most of its budget.
        let call = body("chat", r#","max_tokens":10,"mock":{"prompt_tokens":100,"completion_tokens":150}"#);
        rig.client().chat(key, &call).unwrap()
    };
    assert_eq!((spend(OTHER).status, spend(OTHER).status), (200, 200));
    rig.quiesce();
    let left = || rig.metric("tollgate_budget_remaining_usd", &["key=\"fleeting\""]);
    let before = left();
    assert!(before > 0.0 && before < 0.001, "{before}");
    rig.configure(with_models(&base, &["chat", "second"]));
    hang_up(&rig, "success");
    assert_eq!(left(), before, "the budget was forgotten");
    let answer = chat(&rig, OTHER, "chat");
    let remaining: u32 = answer.header("x-ratelimit-model_per_key-remaining-requests").unwrap().parse().unwrap();
    assert!(remaining <= 1, "the limit was forgotten: {}", answer.head);
    rig.quiesce();
    let spent: f64 = rig.metric("tollgate_spend_usd_total", &["key=\"fleeting\""]);
    assert!(spent > 0.001 - before, "counters go on: {spent}");
}

#[test]
fn a_key_that_is_removed_is_refused_at_once_and_its_stream_goes_on() {
    let rig = Rig::start("reload-key", config);
    let mut client = rig.client();
    let mut stream =
        client.stream(OTHER, &body("chat", r#","stream":true,"mock":{"gap_ms":100,"chunks":20}"#)).unwrap();
    assert!(stream.events(1).unwrap().starts_with("data: "));
    let good = std::fs::read_to_string(rig.config()).unwrap();
    let (without, _) = good.split_once(&rig::key(OTHER, "fleeting", "")).unwrap();
    rig.configure(without);
    hang_up(&rig, "success");
    assert_eq!(chat(&rig, OTHER, "chat").status, 401);
    assert_eq!(chat(&rig, KEY, "chat").status, 200);
    assert!(stream.whole().unwrap().text().ends_with("data: [DONE]\n\n"), "what is open keeps its configuration");
}

#[test]
fn a_certificate_is_read_again_and_a_wrong_one_is_not_taken() {
    let (first, second) = (tls::Pair::new(), tls::Pair::new());
    let scratch = Scratch::new("reload-tls");
    let certificate = scratch.write("cert.pem", &first.certificate_pem);
    let key = scratch.write("key.pem", &first.key_pem);
    let config = scratch.write(
        "config.yaml",
        &format!(
            "model_list:\n{}virtual_keys:\n{}",
            rig::deployment("chat", "http://127.0.0.1:1", "      mock_response: Hello\n"),
            rig::key(KEY, "tls", "")
        ),
    );
    let flags = ["--ssl_certfile_path", certificate.to_str().unwrap(), "--ssl_keyfile_path", key.to_str().unwrap()];
    let gateway = Process::gateway(config, &flags);
    let shows = |pair: &tls::Pair| pair.connect(gateway.address()).is_ok();
    let mut kept = first.connect(gateway.address()).unwrap();
    assert_eq!(kept.chat(KEY, &body("chat", "")).unwrap().status, 200);
    assert!(!shows(&second));

    // A certificate without its key: the old pair stays, and the log names the file.
    scratch.write("cert.pem", &second.certificate_pem);
    gateway.signal("HUP");
    eventually("the wrong pair is refused", || {
        of_event(&gateway.output(), "reload").any(|line| line.contains("failure") && line.contains("key.pem"))
    });
    assert!(shows(&first) && !shows(&second));

    scratch.write("key.pem", &second.key_pem);
    gateway.signal("HUP");
    eventually("the new certificate is shown", || shows(&second));
    assert!(!shows(&first));
    assert_eq!(kept.chat(KEY, &body("chat", "")).unwrap().status, 200, "open connections go on");
    let mut fresh: Client<_> = second.connect(gateway.address()).unwrap();
    assert_eq!(fresh.chat(KEY, &body("chat", "")).unwrap().status, 200);
}

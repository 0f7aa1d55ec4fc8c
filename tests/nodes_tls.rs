//! PostgreSQL and Redis over TLS: one that shows the right certificate is spoken to, one that shows another is not.

mod support;

use support::client::Client;
use support::nodes::{Site, admin, chat};
use support::postgres::Postgres;
use support::redis::{Redis, free_port};
use support::rig::{self, body, eventually, sum};
use support::tls::Pair;
use support::{Process, Scratch};

const ENCRYPTED: &str = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                         WHERE ssl AND client_addr IS NOT NULL";
const KEY: &str = "sk-nodes-tls-0123456789ab";

#[test]
fn a_database_with_its_certificate_is_used_and_an_impostor_is_not() {
    let (ours, another) = (Pair::new(), Pair::new());
    let Some(database) = Postgres::start_with_tls(&ours) else { return };
    let scratch = Scratch::new("nodes-tls-roots");
    let (root, wrong) =
        (scratch.write("root.pem", &ours.certificate_pem), scratch.write("wrong.pem", &another.certificate_pem));
    let mut site = Site::on(database, "nodes-tls", "");
    for mode in ["verify-full", "verify-ca", "require"] {
        site.url = site.database.url_over_tls(mode, &root);
        let node = site.node(None);
        let key = admin(&node).key(r#"{"max_budget":1}"#);
        assert_eq!(chat(&node, &key).status, 200, "{mode}");
        assert!(site.database.number(ENCRYPTED) > 0, "{mode}");
    }
    for mode in ["verify-full", "verify-ca"] {
        let refused = site.refused(&site.database.url_over_tls(mode, &wrong));
        assert!(refused.contains("certificate"), "{mode}: {refused}");
    }
    let plain = site.refused(&site.database.url_over_tls("disable", &root));
    assert!(plain.contains("no encryption"), "{plain}");
}

#[test]
fn redis_with_a_certificate_of_the_systems_is_used_and_an_impostor_is_not() {
    let (ours, another) = (Pair::new(), Pair::new());
    let scratch = Scratch::new("nodes-tls-redis");
    let (root, wrong) =
        (scratch.write("root.pem", &ours.certificate_pem), scratch.write("wrong.pem", &another.certificate_pem));
    let (key, port) = (scratch.write("key.pem", &ours.key_pem), free_port());
    let files = [("cert", &root), ("key", &key), ("ca-cert", &root)];
    let mut flags = ["--tls-auth-clients", "no", "--tls-port"].map(str::to_owned).to_vec();
    flags.push(port.to_string());
    flags.extend(files.iter().flat_map(|(what, path)| [format!("--tls-{what}-file"), path.display().to_string()]));
    let Some(_redis) = Redis::start("nodes-tls-redis-home", &flags) else { return };
    let mock = tollgate::mock::Server::start(tollgate::mock::Options::default()).unwrap();
    let models = rig::deployment("chat", &format!("http://{}/v1", mock.addr()), "");
    let keys = rig::key(KEY, "limited", "    rpm_limit: 1\n");
    let config = format!(
        "model_list:\n{models}router_settings: {{redis_url: \"rediss://localhost:{port}\", shared_limits: strict}}\n\
         virtual_keys:\n{keys}"
    );
    let config = scratch.write("config.yaml", &config);
    let node = |roots: &std::path::Path| {
        let arguments = ["--port", "0", "--config", config.to_str().unwrap()];
        Process::spawn(arguments, &[("SSL_CERT_FILE", roots.to_str().unwrap())])
    };
    let up = |node: &Process| {
        let text = Client::connect(node.address()).unwrap().get("/metrics").unwrap().text();
        sum(&text, "tollgate_redis_up", &[])
    };
    let ask = |node: &Process| Client::connect(node.address()).unwrap().chat(KEY, &body("chat", "")).unwrap().status;
    let (one, two) = (node(&root), node(&root));
    eventually("both reach it", || up(&one) == 1.0 && up(&two) == 1.0);
    assert_eq!((ask(&one), ask(&two)), (200, 429), "one limit for both");
    let deceived = node(&wrong);
    eventually("it says why", || deceived.output().contains("certificate"));
    assert_eq!(up(&deceived), 0.0);
}

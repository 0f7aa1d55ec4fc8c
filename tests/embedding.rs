//! The filter works in somebody else's Pingora server: `examples/embed.rs`, started and called.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what surrounds the tests fails as they do")]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::client::Client;
use support::rig::{body, eventually};

const KEY: &str = "sk-tollgate-quickstart-0001";

struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Pingora does not say which port it took, so one that was free a moment ago is named.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn the_filter_serves_beside_a_service_that_was_there_before() {
    // Cargo builds examples together with the tests, into a directory beside the binary.
    let example = Path::new(env!("CARGO_BIN_EXE_tollgate")).with_file_name("examples").join("embed");
    assert!(example.exists(), "{} is missing: cargo build --examples", example.display());
    let (gateway, theirs) = (free_address(), free_address());
    let mut command = Command::new(example);
    command.args([gateway.to_string(), theirs.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Example(command.spawn().unwrap());
    eventually("the example listens", || Client::connect(gateway).is_ok() && Client::connect(theirs).is_ok());

    let answer = Client::connect(gateway).unwrap().chat(KEY, &body("mock", "")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("Hello!"), "{}", answer.text());
    let streamed = Client::connect(gateway).unwrap().chat(KEY, &body("mock", r#","stream":true"#)).unwrap();
    assert!(streamed.text().ends_with("data: [DONE]\n\n"), "{}", streamed.text());
    let refused = Client::connect(gateway).unwrap().chat("sk-somebody-else-0123456", &body("mock", "")).unwrap();
    assert_eq!(refused.status, 401, "{}", refused.text());
    let first = Client::connect(theirs).unwrap().get("/").unwrap();
    assert_eq!((first.status, first.text().as_str()), (200, "This service was here first.\n"));
}

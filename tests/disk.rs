//! A disk that is full, may not be written, fails or is locked: money stops with a word of why, the rest goes on, and it
//! recovers by itself. What a client was served is on file, once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as they do")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use support::admin::Admin;
use support::client::{Answer, Client};
use support::rig::{body, eventually, of_event};
use support::site::{FREE, KEY, MASTER, Site, USAGE, call, chat, id, price};
use support::{Process, stand};

/// A small file system of one's own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(path).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// Writes zeros until there is no room.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [65_536, 4_096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_stops_what_costs_money_and_nothing_else_until_there_is_room() {
    let site = Site::new("durable-full", "");
    let Some(_disk) = SmallDisk::mount(&site.data) else {
        return stand::skipped("no file system can be mounted here");
    };
    let mut gateway = site.start();
    let mut ids = vec![id(&chat(&gateway, KEY, &call("")))];
    let filler = site.data.join("filler");
    fill(&filler);
    let mut refusal = None;
    eventually("a request is refused", || {
        // Room that was given back in the meantime is taken, too.
        fill(&site.data.join("filler-2"));
        let answer = chat(&gateway, KEY, &call(""));
        match answer.status {
            200 => ids.push(id(&answer)),
            503 => refusal = Some(answer.text()),
            _ => panic!("{}", answer.text()),
        }
        refusal.is_some()
    });
    let refusal = refusal.unwrap();
    assert!(
        refusal.contains("spend cannot be recorded") && refusal.contains("full") || refusal.contains("space"),
        "{refusal}"
    );
    let ready = readiness(&gateway);
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("cause"), "{}", ready.text());
    for (key, call) in [(FREE, call("")), (KEY, body("gift", &format!(r#","mock":{{{USAGE}}}"#)))] {
        let answer = chat(&gateway, key, &call);
        assert_eq!(answer.status, 200, "without a budget, or without a price: {}", answer.text());
        if key == FREE {
            ids.push(id(&answer));
        }
    }
    std::fs::remove_file(&filler).unwrap();
    std::fs::remove_file(site.data.join("filler-2")).unwrap();
    eventually("it recovers by itself", || {
        let answer = chat(&gateway, KEY, &call(""));
        if answer.status == 200 {
            ids.push(id(&answer));
        }
        answer.status == 200
    });
    eventually("it says so", || readiness(&gateway).status == 200);
    assert_eq!(of_event(&gateway.output(), "trouble").count(), 1);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let rows = site.rows();
    assert!(ids.iter().all(|id| rows.costs.get(id) == Some(&price())), "{} ids, {} rows", ids.len(), rows.costs.len());
    rows.assert_even();
}

fn readiness(gateway: &Process) -> Answer {
    Client::connect(gateway.address()).unwrap().get("/health/readiness").unwrap()
}

/// One call: its id if it was served, the refusal if spend cannot be recorded.
fn served(gateway: &Process) -> Result<String, String> {
    let answer = chat(gateway, KEY, &call(""));
    match answer.status {
        200 => Ok(id(&answer)),
        503 => Err(answer.text()),
        _ => panic!("{}", answer.text()),
    }
}

/// Asks until money is closed, then undoes the cause and asks until it is open again; all that were served are on file.
fn assert_closed_until(gateway: &Process, ids: &mut Vec<String>, causes: &[&str], undo: impl FnOnce()) {
    let mut refusal = String::new();
    eventually("money is closed", || match served(gateway) {
        Ok(id) => {
            ids.push(id);
            false
        }
        Err(text) => {
            refusal = text;
            true
        }
    });
    assert!(
        refusal.contains("spend cannot be recorded") && causes.iter().any(|cause| refusal.contains(cause)),
        "{refusal}"
    );
    let ready = readiness(gateway);
    assert!(ready.status == 503 && causes.iter().any(|cause| ready.text().contains(cause)), "{}", ready.text());
    assert_eq!(chat(gateway, FREE, &call("")).status, 200, "without a budget");
    undo();
    eventually("it recovers by itself", || served(gateway).map(|id| ids.push(id)).is_ok());
    eventually("it says so", || readiness(gateway).status == 200);
}

/// How long any file may be that the process writes.
fn limit_files(gateway: &Process, bytes: Option<u64>) {
    let pid = Pid::from_raw(gateway.pid().try_into().unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

#[test]
fn a_journal_that_may_not_grow_beyond_any_byte_closes_the_money_and_tears_nothing() {
    let site = Site::new("disk-limit", "");
    let mut gateway = site.start();
    let mut ids = Vec::new();
    // Within the head of a file, of a frame, and of what is in it.
    for bytes in [0, 1, 15, 16, 17, 20, 24, 25, 60, 200, 300, 500] {
        limit_files(&gateway, Some(bytes));
        assert_closed_until(&gateway, &mut ids, &["too large", "disk I/O error"], || limit_files(&gateway, None));
    }
    gateway.signal("KILL");
    gateway.wait();
    let _next = site.start();
    let rows = site.rows();
    let lost: Vec<_> = ids.iter().filter(|id| rows.costs.get(*id) != Some(&price())).collect();
    assert!(lost.is_empty(), "{} of {}", lost.len(), ids.len());
    rows.assert_even();
}

#[test]
fn a_database_that_another_process_has_locked_closes_money_and_management_until_it_lets_go() {
    let site = Site::new("disk-locked", "");
    let mut gateway = site.start();
    let mut ids = vec![served(&gateway).unwrap()];
    let other = Connection::open(site.data.join("tollgate.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let admin = Admin::new(gateway.address(), MASTER);
    let refused = admin.post("/key/generate", r#"{"key_alias":"late"}"#);
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("locked") && refused.text().contains("nothing has changed"), "{}", refused.text());
    assert_eq!(admin.get("/key/list?key_alias=late").at("total_count"), "0");
    assert_closed_until(&gateway, &mut ids, &["locked"], || other.execute_batch("ROLLBACK").unwrap());
    admin.done("/key/generate", r#"{"key_alias":"late"}"#);
    // What is served now cannot be moved: the next start finds it in the journal.
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    ids.push(served(&gateway).unwrap());
    gateway.signal("KILL");
    gateway.wait();
    let words = site.refused();
    assert!(words.contains("locked") && words.contains("end whoever holds the database"), "{words}");
    other.execute_batch("ROLLBACK").unwrap();
    let next = site.start();
    let rows = site.rows();
    assert!(ids.iter().all(|id| rows.costs.get(id) == Some(&price())), "{} ids", ids.len());
    rows.assert_even();
    assert_eq!(Admin::new(next.address(), MASTER).get("/key/list?key_alias=late").at("total_count"), "1");
}

/// What a process may not do that is no superuser.
const COMMON: [&str; 3] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];

#[test]
fn what_may_not_be_written_is_refused_at_the_start_with_its_name_and_the_next_move() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new("disk-modes", "");
    let mut tried = Command::new(COMMON[0]);
    if !tried.args(&COMMON[1..]).arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return stand::skipped("setpriv is not there, or may not drop capabilities");
    }
    let set = |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    // The directory itself, and what a killed process leaves in it; the index of the log is made anew by whoever may.
    for start in ["", "tollgate.db", "tollgate.db-wal", "tollgate.lock", "journal-"] {
        let mut gateway = site.start();
        served(&gateway).unwrap();
        gateway.signal("KILL");
        gateway.wait();
        let path = if start.is_empty() { site.data.clone() } else { beginning_with(&site.data, start) };
        let before = std::fs::metadata(&path).unwrap().permissions().mode();
        set(&path, before & !0o222);
        let words = site.refuses(&mut site.command(&COMMON));
        set(&path, before);
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(words.contains(&*name) || words.contains("tollgate.db"), "{name}: {words}");
        assert!(words.contains("to the user this process runs as"), "{name}: {words}");
    }
    let gateway = site.start();
    served(&gateway).unwrap();
    site.rows().assert_even();
}

/// The first file whose name begins so.
fn beginning_with(directory: &Path, start: &str) -> PathBuf {
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with(start)).unwrap()
}

#[test]
fn a_disk_that_is_mounted_for_reading_is_refused_at_the_start() {
    let site = Site::new("disk-read-only", "");
    let Some(_disk) = SmallDisk::mount(&site.data) else {
        return stand::skipped("no file system can be mounted here");
    };
    let mut gateway = site.start();
    served(&gateway).unwrap();
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let remount = |how: &str| {
        let mut mount = Command::new("mount");
        assert!(mount.args(["-o", &format!("remount,{how}")]).arg(&site.data).status().unwrap().success());
    };
    remount("ro");
    let words = site.refused();
    assert!(words.contains("Read-only file system") && words.contains("mount it for writing"), "{words}");
    remount("rw");
    served(&site.start()).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let site = Site::new("disk-foreign", "");
    std::fs::create_dir_all(&site.data).unwrap();
    let path = site.data.join("tollgate.db");
    for bytes in [
        &b"not a database, but longer than a head of one would be: a hundred bytes at the very least, and then some"[..],
        b"short",
    ] {
        std::fs::write(&path, bytes).unwrap();
        let words = site.refused();
        assert!(words.contains("tollgate.db") && words.contains("must be an SQLite file"), "{words}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

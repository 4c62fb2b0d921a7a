//! Everything a filter must not do, one thing for each message.
//!
//! What it does in `describe` and `configure` stands in the configuration, as text that contains
//! a word such as `configure-panics`; what it does in a call is the text of the message.

use std::hint::black_box;
use std::time::{Instant, SystemTime};

use exports::weir::filter::{chat, lifecycle};
use weir::filter::types::{Command, Context, FilterError, User};
use weir::filter::{clock, config, kv, log, metrics, random};

wit_bindgen::generate!({ path: "../../wit", world: "chat-filter" });

/// Lines of a flood: six times what a call may log, and no more than a busy machine writes in time.
const FLOOD: u32 = 200;

struct Hostile;
export!(Hostile);

impl lifecycle::Guest for Hostile {
    fn describe() -> lifecycle::FilterInfo {
        let asked = config::document();
        if asked.contains("describe-loops") {
            endless();
        }
        if asked.contains("describe-panics") {
            panic!("no description");
        }
        let name = if asked.contains("describe-floods") {
            "x".repeat(4 << 20)
        } else if asked.contains("describe-nothing") {
            String::new()
        } else {
            env!("CARGO_PKG_NAME").to_owned()
        };
        lifecycle::FilterInfo {
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(document: String) -> Result<(), String> {
        if document.contains("configure-loops") {
            endless();
        }
        if document.contains("configure-panics") {
            panic!("cannot be configured on a {}", "Saturday");
        }
        if document.contains("configure-refuses") {
            return Err("colour must be one of red, green".to_owned());
        }
        if document.contains("configure-floods") {
            return Err("x".repeat(4 << 20));
        }
        Ok(())
    }
}

impl chat::Guest for Hostile {
    fn on_message(_: Context, message: chat::Message) -> Result<chat::Outcome, FilterError> {
        let text = message.text.as_str();
        match text {
            "loop" => endless(),
            "recursion" => drop(black_box(recurse(1))),
            "memory" => drop(black_box(hoard())),
            "table" => {
                let before = grow_table(black_box(1 << 20));
                return hold(format!("the table had {before} elements"));
            }
            "panic" => panic!("asked to panic"),
            "exit" => std::process::exit(3),
            "sleep" => std::thread::sleep(std::time::Duration::from_secs(60)),
            // More than half of what it may have, and less than all.
            "keep" => std::mem::forget(black_box(vec![1_u8; 10 << 20])),
            "host-calls" => loop {
                black_box(clock::now_ms());
            },
            "kv-calls" => loop {
                black_box(kv::get("a").ok());
            },
            "log" => {
                for line in 0..FLOOD {
                    log::log(log::Level::Info, &format!("line {line}"));
                }
            }
            "long-log" => log::log(log::Level::Info, &"x".repeat(1 << 20)),
            "stderr" => {
                for line in 0..FLOOD {
                    eprintln!("line {line}");
                }
            }
            "metrics" => {
                for name in 0..200_u32 {
                    metrics::count(&format!("name_{name}"), 1);
                }
            }
            "random" => return hold(format!("{} bytes", random::bytes(u32::MAX).len())),
            "kv-fill" => return hold(fill_kv()),
            "result" => return hold("x".repeat(8 << 20)),
            "commands" => {
                return Ok(chat::Outcome {
                    verdict: chat::Verdict::Allow,
                    commands: vec![Command::SlowMode(1); 10_000],
                });
            }
            "look-around" => return hold(look_around()),
            "clock" => return hold(watch_the_clock()),
            "error" => return Err(FilterError::Internal("x".repeat(1 << 20))),
            _ => {}
        }
        Ok(chat::Outcome {
            verdict: chat::Verdict::Allow,
            commands: vec![],
        })
    }

    fn on_join(_: Context, _: User) -> Result<Vec<Command>, FilterError> {
        Ok(vec![])
    }

    fn on_leave(_: Context, _: User) -> Result<Vec<Command>, FilterError> {
        Ok(vec![])
    }
}

fn hold(why: String) -> Result<chat::Outcome, FilterError> {
    Ok(chat::Outcome {
        verdict: chat::Verdict::Hold(why),
        commands: vec![],
    })
}

fn endless() {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + depth)
}

/// All memory there is, and then more.
fn hoard() -> Vec<Vec<u8>> {
    let mut hoard = vec![];
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// The test replaces this body with `ref.null func; local.get 0; table.grow 0`, which Rust cannot
/// say. The constant is how it finds the body.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn grow_table(by: u32) -> i32 {
    let mut n = black_box(by);
    for _ in 0..black_box(3) {
        n = black_box(n ^ 0x5ee_d7ab).rotate_left(black_box(7));
    }
    n as i32
}

fn fill_kv() -> String {
    let value = vec![7_u8; 60_000];
    for n in 0..100_000_u32 {
        if let Err(error) = kv::set(&format!("key-{n}"), &value, None) {
            return format!("{error:?} after {n}");
        }
    }
    "no end".to_owned()
}

/// What of the world a filter can find out.
fn look_around() -> String {
    let files = std::fs::read_dir("/").map_or(0, Iterator::count);
    let variables = std::env::vars_os().count();
    let arguments = std::env::args_os().count();
    let wrote = std::fs::write("/tmp/weir-was-here", b"x").is_ok();
    let connected = std::net::TcpStream::connect("127.0.0.1:22").is_ok();
    let bound = std::net::UdpSocket::bind("127.0.0.1:0").is_ok();
    let resolved = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok();
    format!(
        "files {files}, variables {variables}, arguments {arguments}, wrote {wrote}, connected {connected}, bound {bound}, resolved {resolved}"
    )
}

/// Whether time passes while a call works.
fn watch_the_clock() -> String {
    let (wall, monotonic, contract) = (SystemTime::now(), Instant::now(), clock::now_ms());
    for n in 0..1_000_000_u64 {
        black_box(n);
    }
    let unix = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |t| t.as_millis());
    format!(
        "wall {}, monotonic {}, contract {}, unix {}",
        wall.elapsed().map_or(0, |t| t.as_nanos()),
        monotonic.elapsed().as_nanos(),
        clock::now_ms() - contract,
        u128::from(contract) == unix,
    )
}

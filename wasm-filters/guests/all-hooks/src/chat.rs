//! The chat hook: words to drop, and one command for each thing of the host.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::exports::weir::filter::chat::{Edit, Guest, Message, Outcome, Verdict};
use crate::weir::filter::types::{Command, Context, FilterError, Outgoing, Rejection, User};
use crate::weir::filter::{clock, config as host_config, crypto, kv, log, metrics, random};
use crate::{AllHooks, config};

/// Messages that this instance has seen: 1 for every message when instances are not used again.
static SEEN: AtomicU32 = AtomicU32::new(0);

impl Guest for AllHooks {
    fn on_message(ctx: Context, message: Message) -> Result<Outcome, FilterError> {
        let config = config()?;
        let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
        if config.words.iter().any(|word| message.text.contains(word)) {
            return Ok(Outcome {
                verdict: Verdict::Drop(Rejection {
                    code: "word".to_owned(),
                    message: "mind your words".to_owned(),
                    retry_after_ms: None,
                }),
                commands: vec![],
            });
        }
        let Some(command) = message.text.strip_prefix('!') else {
            return Ok(Outcome {
                verdict: Verdict::Allow,
                commands: vec![],
            });
        };
        let (command, argument) = command.split_once(' ').unwrap_or((command, ""));
        let text = answer(&ctx, command, argument, seen)?;
        Ok(Outcome {
            verdict: Verdict::Modify(Edit {
                text: Some(text.clone()),
                kind: None,
                add_attrs: vec![],
            }),
            commands: vec![say(&ctx, text)],
        })
    }

    fn on_join(ctx: Context, who: User) -> Result<Vec<Command>, FilterError> {
        Ok(vec![say(&ctx, format!("welcome, {}", who.name))])
    }

    fn on_leave(ctx: Context, who: User) -> Result<Vec<Command>, FilterError> {
        kv::delete(&format!("user:{}", who.id)).map_err(store)?;
        Ok(vec![say(&ctx, format!("{} has left", who.name))])
    }
}

fn answer(ctx: &Context, command: &str, argument: &str, seen: u32) -> Result<String, FilterError> {
    Ok(match command {
        "label" => config()?.label.clone(),
        "seen" => seen.to_string(),
        "count" => kv::add(argument, 1, None).map_err(store)?.to_string(),
        "get" => match kv::get(argument).map_err(store)? {
            Some(value) => String::from_utf8_lossy(&value).into_owned(),
            None => "nothing".to_owned(),
        },
        "set" => {
            let (key, value) = argument.split_once('=').unwrap_or((argument, ""));
            kv::set(key, value.as_bytes(), None).map_err(store)?;
            "set".to_owned()
        }
        "swap" => {
            let expected = b"1".to_vec();
            let new = Some(&b"2"[..]);
            let swapped = kv::compare_and_set(argument, Some(&expected), new, None);
            swapped.map_err(store)?.to_string()
        }
        "take" => match kv::take_token(argument, 2, 60).map_err(store)? {
            None => "taken".to_owned(),
            Some(_) => "wait".to_owned(),
        },
        "now" => clock::now_ms().to_string(),
        "random" => random::bytes(argument.parse().unwrap_or(0))
            .len()
            .to_string(),
        "config" => host_config::document(),
        "log" => {
            log::log(log::Level::Info, argument);
            "logged".to_owned()
        }
        "metric" => {
            metrics::count("messages", 1);
            metrics::gauge("level", 2.5);
            metrics::observe("size", argument.len() as f64);
            "measured".to_owned()
        }
        "mac" => match crypto::hmac_sha256(&config()?.key, argument.as_bytes()) {
            Ok(mac) => format!("{} bytes", mac.len()),
            Err(error) => format!("{error:?}"),
        },
        "jwt" => crypto::verify_jwt(&config()?.key, argument)
            .unwrap_or_else(|error| format!("{error:?}")),
        "room" => ctx.room.clone(),
        "panic" => panic!("asked to panic: {argument}"),
        "error" => return Err(FilterError::Unavailable(argument.to_owned())),
        other => format!("no command {other:?}"),
    })
}

fn say(ctx: &Context, text: String) -> Command {
    Command::Publish(Outgoing {
        room: ctx.room.clone(),
        to: None,
        kind: "system".to_owned(),
        text,
        payload: String::new(),
    })
}

fn store(error: kv::KvError) -> FilterError {
    FilterError::Unavailable(format!("kv: {error:?}"))
}

//! What rooms know of their gifts: leaderboards, goals, earnings, the latest.

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use bus::RoomName;
use gift_records::{Day, Goal, Period, Reached};
use http::StatusCode;
use ledger::{Currency, Error as LedgerError, Store as _};
use rooms::schema::{Body, Notice, Publish};
use serde::Deserialize;
use serde_json::{Value, json};

use super::records::shown;
use crate::caller::{BROADCASTER, MODERATOR, Person, STAFF};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::wallet::{Paging, account, now};
use crate::problem::{Checked, Problem};

/// Places of a leaderboard.
const PLACES: usize = 50;
/// Days of earnings, unless it is said how many.
const DAYS: u64 = 30;
/// And at most.
const DAYS_MAX: u64 = 366;
/// Records that are given at once, unless it is said how many.
const RECORDS: usize = 50;
/// Longest title of a goal, in bytes.
const TITLE_BYTES_MAX: usize = 120;
/// Greatest target of a goal: what browsers count exactly.
const TARGET_MAX: u64 = rooms::NUMBER_MAX;
/// Who says what is nobody's doing.
const SYSTEM: &str = "system";

/// Below `/v1`.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route("/v1/leaderboard", get(everywhere))
        .route("/v1/rooms/{room}/leaderboard", get(leaderboard))
        .route(
            "/v1/rooms/{room}/goal",
            get(goal).put(set_goal).delete(clear_goal),
        )
        .route("/v1/rooms/{room}/earnings", get(earnings))
        .route("/v1/rooms/{room}/gifts/latest", get(latest))
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PeriodName {
    Day,
    #[default]
    All,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BoardQuery {
    #[serde(default)]
    period: PeriodName,
}

async fn everywhere(
    State(desk): State<Desk>,
    Checked(Query(query)): Checked<Query<BoardQuery>>,
) -> Result<Json<Value>, Problem> {
    board(&desk, None, query.period).await
}

async fn leaderboard(
    State(desk): State<Desk>,
    Path(room): Path<String>,
    Checked(Query(query)): Checked<Query<BoardQuery>>,
) -> Result<Json<Value>, Problem> {
    let room = room_name(&room)?;
    board(&desk, Some(room.as_str()), query.period).await
}

async fn board(
    desk: &Desk,
    room: Option<&str>,
    period: PeriodName,
) -> Result<Json<Value>, Problem> {
    let (name, of) = match period {
        PeriodName::Day => ("day", Period::Day(Day::of(unix_ms()))),
        PeriodName::All => ("all", Period::All),
    };
    let board = desk.records.leaderboard(room, of, PLACES).await?;
    let entries = board.entries.iter().zip(1..).map(|(entry, rank)| {
        let rank: u32 = rank;
        json!({
            "rank": rank,
            "user": { "id": entry.user_id, "name": entry.name },
            "points": entry.points,
        })
    });
    let entries: Vec<Value> = entries.collect();
    Ok(Json(
        json!({ "period": name, "entries": entries, "total": board.total }),
    ))
}

async fn goal(State(desk): State<Desk>, Path(room): Path<String>) -> Result<Json<Goal>, Problem> {
    let room = room_name(&room)?;
    let goal = desk.records.goal(room.as_str()).await?;
    let none = || Problem::unknown("no-goal", "this room has no goal");
    goal.map(Json).ok_or_else(none)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGoal {
    title: String,
    target: u64,
}

async fn set_goal(
    State(desk): State<Desk>,
    Path(room): Path<String>,
    person: Person,
    Checked(Json(new)): Checked<Json<NewGoal>>,
) -> Result<Json<Goal>, Problem> {
    let room = room_name(&room)?;
    desk.may(&person, &room, &[BROADCASTER, MODERATOR]).await?;
    let title = new.title.trim();
    let is_title =
        (1..=TITLE_BYTES_MAX).contains(&title.len()) && !title.chars().any(char::is_control);
    if !is_title || !(1..=TARGET_MAX).contains(&new.target) {
        let detail = "a title has 1 to 120 bytes, a target is 1 to 2^53 - 1";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "out-of-range", detail));
    }
    let goal = desk
        .records
        .set_goal(room.as_str(), title, new.target, unix_ms())
        .await?;
    desk.tell(&room, "goal", goal_payload(&goal)).await;
    Ok(Json(goal))
}

async fn clear_goal(
    State(desk): State<Desk>,
    Path(room): Path<String>,
    person: Person,
) -> Result<StatusCode, Problem> {
    let room = room_name(&room)?;
    desk.may(&person, &room, &[BROADCASTER, MODERATOR]).await?;
    if desk.records.clear_goal(room.as_str()).await? {
        desk.tell(&room, "goal", json!({})).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EarningsQuery {
    days: Option<u64>,
}

async fn earnings(
    State(desk): State<Desk>,
    Path(room): Path<String>,
    person: Person,
    Checked(Query(query)): Checked<Query<EarningsQuery>>,
) -> Result<Json<Value>, Problem> {
    let room = room_name(&room)?;
    desk.may(&person, &room, &[BROADCASTER]).await?;
    let days = query.days.unwrap_or(DAYS).clamp(1, DAYS_MAX);
    let to = Day::of(unix_ms());
    let from = to.minus(days - 1);
    let sums = desk.records.earnings(room.as_str(), from, to).await?;
    let mut sums = sums.into_iter().peekable();
    let mut all = Vec::new();
    let mut day = from;
    for _ in 0..days {
        let sum = sums.next_if(|sum| sum.day == day);
        let (gifts, coins, diamonds) =
            sum.map_or((0, 0, 0), |sum| (sum.gifts, sum.coins, sum.diamonds));
        all.push(json!({
            "day": day.to_string(),
            "gifts": gifts,
            "coins": coins,
            "diamonds": diamonds,
        }));
        day = day.next();
    }
    let id = account(Currency::Diamonds, &format!("room:{room}"))?;
    let balance = match desk.ledger.balance(&id, now()).await {
        Ok(balance) => balance.balance,
        Err(LedgerError::UnknownAccount { .. }) => 0,
        Err(error) => return Err(error.into()),
    };
    Ok(Json(json!({
        "currency": Currency::Diamonds.as_str(),
        "balance": balance,
        "days": all,
    })))
}

async fn latest(
    State(desk): State<Desk>,
    Path(room): Path<String>,
    person: Person,
    Checked(Query(paging)): Checked<Query<Paging>>,
) -> Result<Json<Value>, Problem> {
    let room = room_name(&room)?;
    desk.may(&person, &room, &[BROADCASTER, MODERATOR]).await?;
    let limit = paging.limit.unwrap_or(RECORDS);
    let page = desk
        .records
        .gifts(Some(room.as_str()), None, paging.before, limit)
        .await?;
    let items: Vec<Value> = page.gifts.iter().map(shown).collect();
    Ok(Json(json!({ "items": items, "next": page.next })))
}

fn room_name(name: &str) -> Result<RoomName, Problem> {
    RoomName::new(name).map_err(|_| Problem::unknown("unknown-room", "there is no such room"))
}

fn goal_payload(goal: &Goal) -> Value {
    json!({ "title": goal.title, "target": goal.target, "progress": goal.progress })
}

impl Desk {
    /// Whether somebody has one of the roles in a room, or is staff; as of now, whatever the token says.
    async fn may(&self, person: &Person, room: &RoomName, roles: &[&str]) -> Result<(), Problem> {
        let account = self.accounts.account(&person.id).await;
        let account = account.map_err(|error| match error {
            accounts::Error::Unknown => Problem::signed_out(),
            error => error.into(),
        })?;
        let holds = |role: &&str| account.has_grant(room.as_str(), role) || account.has_role(role);
        let may = account.state == accounts::State::Active
            && (account.has_role(STAFF) || roles.iter().any(holds));
        if may {
            return Ok(());
        }
        Err(Problem::forbidden("this is for those who run the room"))
    }

    /// Tells a room something of the system's. A room that is not there needs no word.
    async fn tell(&self, room: &RoomName, kind: &str, payload: Value) {
        let publish = notice(kind, &format!("{kind}.{}", unix_ms()), &payload);
        if let Err(error) = self.rooms.say(room, publish).await {
            tracing::warn!(%room, kind, ?error, "a room was not told");
        }
    }

    /// Tells rooms of goals that gifts have reached.
    pub(super) async fn tell_reached(&self, reached: Vec<Reached>) {
        for Reached { room, goal } in reached {
            if let Ok(room) = RoomName::new(&room) {
                let payload = json!({ "title": goal.title, "target": goal.target });
                self.tell(&room, "goal_reached", payload).await;
            }
        }
    }
}

/// Something that the system says.
pub(super) fn notice(kind: &str, id: &str, payload: &Value) -> Publish {
    Publish {
        author: SYSTEM.to_owned(),
        client_id: id.to_owned(),
        media_ms: None,
        body: Body::Notice(Notice {
            id: id.to_owned(),
            kind: kind.to_owned(),
            text: String::new(),
            payload: payload.to_string(),
        }),
    }
}

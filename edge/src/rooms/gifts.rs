//! Gifts: a filter plans, the control API pays.
//!
//! What is shown comes to the room like all else, from the hub: nothing is shown that is not paid.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use rooms::schema::{Animation, Combo, Roles, User};
use rooms::{ID_BYTES_MAX, NAME_BYTES_MAX};
use serde::Deserialize;
use wasm_filters::contract::{gifts as contract, types};
use wasm_filters::grants::Granted;
use wasm_filters::host::GiftAnswer;

use super::Entrance;
use super::door::user_of;
use super::effects;
use super::speak::{contract_user, message_id};
use crate::clock;
use crate::control::Answer;
use crate::problem;

/// The longest request, in bytes.
pub const GIFT_BYTES_MAX: usize = 4 << 10;
/// Series that an edge remembers; beyond that those that have ended are forgotten, then all.
const COMBOS_MAX: usize = 16_384;
/// Gifts that an edge remembers to have handed over; one takes about a kilobyte.
const ORDERS_MAX: usize = 4_096;
/// The currency of gifts, as filters call it.
const COIN: &str = "coin";
/// What rooms earn, as filters call it.
const DIAMOND: &str = "diamond";

/// What a viewer gives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// The same tap again has the same one.
    client_id: String,
    item: String,
    count: u32,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    media_ms: Option<u64>,
}

impl Request {
    fn is_well_formed(&self) -> bool {
        (1..=ID_BYTES_MAX).contains(&self.client_id.len())
            && (1..=NAME_BYTES_MAX.min(gifts::ITEM_BYTES_MAX)).contains(&self.item.len())
            && (1..=gifts::COUNT_MAX).contains(&self.count)
            && self
                .note
                .as_ref()
                .is_none_or(|note| note.len() <= gifts::NOTE_BYTES_MAX)
    }
}

/// Who has given what how often in a row, as far as this edge has seen. The hub counts for everybody;
/// this is what filters are told before it does.
#[derive(Debug, Default)]
pub(super) struct Combos {
    series: Mutex<HashMap<Series, (u32, u64)>>,
}

/// Room, user, item.
type Series = (String, String, String);

/// What was handed over and answered, by the gift's id: a tap that comes again is the same gift, whatever
/// its filter would say of it by now.
#[derive(Debug, Default)]
pub(super) struct Orders {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_id: HashMap<Arc<str>, Arc<gifts::Order>>,
    /// The oldest first.
    order: VecDeque<Arc<str>>,
}

impl Orders {
    fn find(&self, id: &str) -> Option<Arc<gifts::Order>> {
        self.kept.lock().by_id.get(id).cloned()
    }

    fn keep(&self, order: Arc<gifts::Order>) {
        let id: Arc<str> = order.id.as_str().into();
        let mut kept = self.kept.lock();
        if kept.by_id.insert(Arc::clone(&id), order).is_some() {
            return;
        }
        kept.order.push_back(id);
        if kept.order.len() > ORDERS_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_id.remove(&oldest);
        }
    }

    /// What was refused for good is no gift: who taps again is asked about it anew, at today's price and
    /// under today's limits.
    fn settle(&self, id: &str, answer: &Answer) {
        let may_pass = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        if !answer.status.is_client_error() || may_pass.contains(&answer.status) {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.by_id.remove(id).is_some() {
            kept.order.retain(|kept| **kept != *id);
        }
    }
}

impl Combos {
    fn so_far(&self, series: &Series, now_ms: u64) -> u32 {
        let all = self.series.lock();
        let (count, until_ms) = all.get(series).copied().unwrap_or_default();
        if until_ms > now_ms { count } else { 0 }
    }

    fn go_on(&self, series: Series, count: u32, until_ms: u64, now_ms: u64) {
        let mut all = self.series.lock();
        if all.len() >= COMBOS_MAX {
            all.retain(|_, (_, until_ms)| *until_ms > now_ms);
            if all.len() >= COMBOS_MAX {
                all.clear();
            }
        }
        all.insert(series, (count, until_ms));
    }
}

impl Entrance {
    /// What can be given here, for somebody or for nobody in particular.
    pub async fn catalogue(&self, viewer: Option<&Granted>) -> Bytes {
        let filters = self.rooms.filters();
        let table = filters.host().snapshot();
        let viewer = viewer.map_or_else(nobody, |granted| granted.user.clone());
        let attrs = self.room.attrs();
        let request_id = filters.request_id();
        let name = self.room.name().as_str();
        let info = filters.room_info(&request_id, name, &viewer.id, &attrs);
        let items = filters.host().catalog(&table, info, &viewer).await;
        let items: Vec<serde_json::Value> = items.into_iter().map(shown).collect();
        serde_json::json!({ "items": items }).to_string().into()
    }

    /// Gives, if a filter plans it and the sender can pay.
    pub async fn give(&self, granted: &Granted, body: &[u8]) -> Answer {
        let request = match read(body) {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
        let user = user_of(&granted.user);
        if granted.user.name.is_empty() {
            return refused(StatusCode::UNAUTHORIZED, "sign-in", "sign in to give");
        }
        let now_ms = clock::unix_ms();
        if !user.roles.intersects(Roles::IN_CHARGE) && self.room.is_silenced(&user.id) {
            let detail = "who may not speak in this room may not give either";
            return refused(StatusCode::FORBIDDEN, "sanctioned", detail);
        }
        let room = self.room.name().as_str().to_owned();
        let id = message_id(&room, &user.id, &request.client_id);
        let orders = &self.rooms.inner.orders;
        if let Some(order) = orders.find(&id) {
            if order.item != request.item || order.count != request.count {
                let detail = "this client_id was another gift";
                return refused(StatusCode::CONFLICT, "client-id-reused", detail);
            }
            return self.hand_over(&order).await;
        }
        let series = (room.clone(), user.id.clone(), request.item.clone());
        let combo_so_far = self.rooms.inner.combos.so_far(&series, now_ms);
        let gift = contract::Gift {
            id,
            sender: contract_user(&user, &granted.user.attrs),
            recipient: format!("room:{room}"),
            item: request.item.clone(),
            count: request.count,
            note: request.note.clone(),
            combo_so_far,
            attrs: Vec::new(),
        };
        let (filter, plan) = match self.plan(&gift).await {
            GiftAnswer::Accept { filter, plan } => (filter.as_str().to_owned(), plan),
            GiftAnswer::Reject(rejection) => return rejected(&rejection),
        };
        let commands = plan.commands.clone();
        let Some(order) = order(&gift, &user, request, filter, plan) else {
            tracing::error!(
                item = gift.item,
                "a gift filter plans in unknown currencies"
            );
            let detail = "the gifts of this room are out of order";
            return refused(StatusCode::SERVICE_UNAVAILABLE, "bad-plan", detail);
        };
        let order = Arc::new(order);
        // Before it is handed over: what comes again while nobody has answered is the same, too.
        orders.keep(Arc::clone(&order));
        let answer = self.hand_over(&order).await;
        if is_given(&answer) {
            if let Some(combo) = &order.plan.combo {
                let until_ms = now_ms.saturating_add(u64::from(combo.window_ms));
                let combos = &self.rooms.inner.combos;
                combos.go_on(
                    series,
                    combo_so_far.saturating_add(order.count),
                    until_ms,
                    now_ms,
                );
            }
            effects::apply(&self.rooms, &self.room, Some(&user), &gift.id, commands);
        }
        answer
    }

    async fn hand_over(&self, order: &gifts::Order) -> Answer {
        let body = serde_json::to_vec(order).unwrap_or_default();
        let path = format!("/v1/rooms/{}/gifts", order.room);
        let answer = self.rooms.control().hand_over(&path, body.into()).await;
        self.rooms.inner.orders.settle(&order.id, &answer);
        answer
    }

    async fn plan(&self, gift: &contract::Gift) -> GiftAnswer {
        let filters = self.rooms.filters();
        let table = filters.host().snapshot();
        let attrs = self.room.attrs();
        let request_id = filters.request_id();
        let name = self.room.name().as_str();
        let info = filters.room_info(&request_id, name, &gift.sender.id, &attrs);
        filters.host().on_gift(&table, info, gift).await
    }
}

/// Whether the money has moved now. What is held has no effects, until staff let it, and none again when
/// it was given before.
fn is_given(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Outcome<'a> {
        state: &'a str,
    }
    let outcome = serde_json::from_slice(&answer.body);
    answer.status == StatusCode::CREATED && outcome.is_ok_and(|Outcome { state }| state == "given")
}

/// What is given, if it can be read.
fn read(body: &[u8]) -> Result<Request, Answer> {
    match serde_json::from_slice::<Request>(body) {
        Ok(request) if request.is_well_formed() => Ok(request),
        Ok(_) => {
            let detail = "client_id, item, count or note is out of range";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(refused(status, "out-of-range", detail))
        }
        Err(_) => {
            let detail = "this is not {\"client_id\", \"item\", \"count\"}";
            Err(refused(StatusCode::BAD_REQUEST, "malformed", detail))
        }
    }
}

/// What goes to the control API; none if a currency is unknown.
fn order(
    gift: &contract::Gift,
    sender: &User,
    request: Request,
    filter: String,
    plan: contract::Plan,
) -> Option<gifts::Order> {
    let transfers = plan.transfers.into_iter().map(|it| {
        Some(gifts::Transfer {
            currency: currency(&it.currency)?,
            debit: it.debit,
            credit: it.credit,
            amount: it.amount,
        })
    });
    Some(gifts::Order {
        id: gift.id.clone(),
        room: gift.recipient.strip_prefix("room:")?.to_owned(),
        sender: sender.clone(),
        recipient: gift.recipient.clone(),
        item: request.item,
        count: request.count,
        note: request.note.filter(|note| !note.is_empty()),
        media_ms: request.media_ms,
        filter,
        plan: gifts::Plan {
            total: plan.total,
            currency: currency(&plan.currency)?,
            transfers: transfers.collect::<Option<_>>()?,
            combo: plan.combo.map(|combo| Combo {
                id: combo.id,
                count: combo.count,
                window_ms: combo.window_ms,
            }),
            animation: plan.animation.map(|animation| Animation {
                asset: animation.asset,
                duration_ms: animation.duration_ms,
                layer: animation.layer,
                payload: animation.payload,
            }),
        },
    })
}

fn currency(name: &str) -> Option<gifts::Currency> {
    match name {
        COIN => Some(gifts::Currency::Coin),
        DIAMOND => Some(gifts::Currency::Diamond),
        _ => None,
    }
}

fn shown(item: contract::Item) -> serde_json::Value {
    let attrs: serde_json::Map<String, serde_json::Value> = item
        .attrs
        .into_iter()
        .map(|attr| (attr.key, attr.value.into()))
        .collect();
    serde_json::json!({
        "id": item.id,
        "name": item.name,
        "price": item.price,
        "currency": item.currency,
        "animation": item.animation,
        "attrs": attrs,
    })
}

/// Who looks at a catalogue without having signed in.
fn nobody() -> types::User {
    types::User {
        id: String::new(),
        name: String::new(),
        roles: types::Roles::empty(),
        level: 0,
        attrs: Vec::new(),
    }
}

fn refused(status: StatusCode, code: &str, detail: &str) -> Answer {
    Answer {
        status,
        body: problem::body(status, detail, Some(code)).into(),
        content_type: HeaderValue::from_static(problem::CONTENT_TYPE),
        retry_after: None,
    }
}

/// What a filter says of a gift that it does not want.
fn rejected(by: &types::Rejection) -> Answer {
    let status = match (by.code.as_str(), by.retry_after_ms) {
        (_, Some(_)) => StatusCode::TOO_MANY_REQUESTS,
        ("unknown-gift", _) => StatusCode::NOT_FOUND,
        ("self-gift" | "gifts-off" | "missing-role" | "muted", _) => StatusCode::FORBIDDEN,
        ("filter-unavailable", _) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Answer {
        retry_after: by.retry_after_ms.map(|it| it.div_ceil(1_000).max(1)),
        ..refused(status, &by.code, &by.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_ends_when_its_time_is_over() {
        let combos = Combos::default();
        let series = ("demo".to_owned(), "u-1".to_owned(), "rose".to_owned());
        assert_eq!(combos.so_far(&series, 1_000), 0);
        combos.go_on(series.clone(), 3, 6_000, 1_000);
        assert_eq!(combos.so_far(&series, 5_999), 3);
        assert_eq!(combos.so_far(&series, 6_000), 0);
    }

    #[test]
    fn what_is_remembered_of_series_is_bounded() {
        let combos = Combos::default();
        for number in 0..2 * COMBOS_MAX {
            let series = ("demo".to_owned(), number.to_string(), "rose".to_owned());
            combos.go_on(series, 1, 6_000, 1_000);
            assert!(combos.series.lock().len() <= COMBOS_MAX);
        }
    }

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::from_static(body.as_bytes()),
            content_type: HeaderValue::from_static("application/json"),
            retry_after: None,
        }
    }

    #[test]
    fn what_is_held_has_no_effects_yet() {
        assert!(is_given(&answer(201, r#"{"id":"g","state":"given"}"#)));
        assert!(!is_given(&answer(201, r#"{"id":"g","state":"held"}"#)));
        assert!(!is_given(&answer(200, r#"{"id":"g","state":"given"}"#)));
        assert!(!is_given(&answer(201, "")));
    }

    fn an_order(id: &str) -> Arc<gifts::Order> {
        let order = serde_json::json!({
            "id": id, "room": "demo", "sender": { "id": "u-1", "name": "Ann" }, "recipient": "room:demo",
            "item": "rose", "count": 1, "filter": "gifts",
            "plan": { "total": 10, "currency": "coin", "transfers": [] },
        });
        Arc::new(serde_json::from_value(order).unwrap())
    }

    #[test]
    fn what_was_refused_for_good_is_forgotten_and_nothing_else_is() {
        let orders = Orders::default();
        for (status, stays) in [
            (200, true),
            (201, true),
            (408, true),
            (425, true),
            (429, true),
            (500, true),
            (503, true),
            (401, false),
            (402, false),
            (403, false),
            (409, false),
            (422, false),
        ] {
            orders.keep(an_order("g"));
            orders.settle("g", &answer(status, "{}"));
            assert_eq!(orders.find("g").is_some(), stays, "{status}");
            let kept = orders.kept.lock();
            assert_eq!(kept.order.len(), kept.by_id.len());
        }
    }

    #[test]
    fn a_filters_no_has_a_status() {
        let no = |code: &str, retry_after_ms| {
            let rejection = types::Rejection {
                code: code.to_owned(),
                message: "no".to_owned(),
                retry_after_ms,
            };
            let answer = rejected(&rejection);
            (answer.status.as_u16(), answer.retry_after)
        };
        assert_eq!(no("too-fast", Some(1_500)), (429, Some(2)));
        assert_eq!(no("unknown-gift", None), (404, None));
        assert_eq!(no("self-gift", None), (403, None));
        assert_eq!(no("retired", None), (422, None));
        assert_eq!(no("filter-unavailable", None), (503, None));
    }
}

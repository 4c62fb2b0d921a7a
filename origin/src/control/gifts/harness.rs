//! An origin's desk in this process, and people with coins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::gifts::{Currency as GiftCurrency, Order, Plan, SignalRules, Signals, Transfer};
use accounts::{DisplayName, Login, NewAccount, Password, Role, Room, UserId};
use gift_records::State as RecordState;
use ledger::{HoldState, Store as _};
use rooms::schema::{Roles, User};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::pay::{Paid, batch, hold_id, transfer_id};
use crate::clock::unix_ms;
use crate::config;
use crate::control::coins::{Movement, move_coins};
use crate::control::{Control, Desk};
use crate::problem::Problem;
use crate::rooms::{Counts, Hubs};
use crate::window::Catalog;

/// For what a loaded machine does in its own time.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(10);
/// More than anybody here gives: gifts may be held, and none is.
pub(super) const WATCHFUL: &str = "[control.gifts]\nvelocity_coins = 1000000\n";

/// An origin's desk, without listeners.
pub(super) struct World {
    directory: TempDir,
    pub(super) desk: Desk,
    _control: Control,
}

impl World {
    pub(super) async fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            "[rtmp]\nenabled = false\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [[streams]]\nname = \"demo\"\npublish_key = \"key-of-the-demo-stream\"\n\
             [rooms]\nenabled = true\nlink_tokens = [\"the-token-of-the-link\"]\n\
             state_dir = {rooms:?}\n[control]\nenabled = true\n{more}\n\
             [control.store]\ndirectory = {control:?}\n",
            rooms = directory.path().join("rooms"),
            control = directory.path().join("control"),
        );
        let settings = config::parse(Path::new("test.toml"), &text).unwrap();
        let registry = telemetry::Registry::new();
        let opened = Control::open(settings.control.unwrap(), &registry);
        let opened = opened.await.unwrap();
        let rooms = Hubs::start(
            settings.rooms.unwrap(),
            Some(opened.accounts()),
            opened.directory(),
            Catalog::default(),
            Counts::default(),
            &registry,
        );
        let rooms = rooms.await.unwrap();
        tokio::spawn(rooms.hubs.clone().run(rooms.inbox));
        let control = opened.start(rooms.hubs).await.unwrap().control;
        Self {
            directory,
            desk: control.desk.clone(),
            _control: control,
        }
    }

    /// Somebody with so many coins.
    pub(super) async fn rich(&self, login: &str, coins: i64) -> UserId {
        let new = NewAccount {
            login: Login::new(login).unwrap(),
            display_name: DisplayName::new(login).unwrap(),
            password: Password::new("correct horse").unwrap(),
        };
        let account = self.desk.accounts.register(new, unix_ms()).await.unwrap();
        let movement = Movement {
            id: &format!("topup/{login}"),
            user: &account.id,
            amount: coins,
            reference: "test",
        };
        move_coins(&self.desk, &movement).await.unwrap();
        account.id
    }

    pub(super) async fn make_broadcaster(&self, user: &UserId) {
        let room = Some(Room::new("demo").unwrap());
        let role = Role::new("broadcaster").unwrap();
        let granted = self.desk.accounts.grant(user, room, role, unix_ms()).await;
        granted.unwrap();
    }

    pub(super) async fn hold_of(&self, order: &Order) -> Option<HoldState> {
        let id = hold_id(&order.id).unwrap();
        let hold = self.desk.ledger.find_hold(&id).await.unwrap();
        hold.map(|hold| hold.state)
    }

    pub(super) async fn record_of(&self, order: &Order) -> Option<RecordState> {
        let record = self.desk.records.gift(&order.id).await.unwrap();
        record.map(|record| record.state)
    }

    pub(super) async fn is_paid(&self, order: &Order) -> bool {
        let first = transfer_id(&order.id, 0).unwrap();
        !self.desk.ledger.linked(&first).await.unwrap().is_empty()
    }

    pub(super) async fn coins(&self, user: &UserId) -> i64 {
        self.desk.available(user.as_str()).await.unwrap()
    }

    pub(super) async fn hold(&self, order: &Order) -> Result<Paid, Problem> {
        self.desk.hold(order, &suspicious(), unix_ms()).await
    }

    pub(super) async fn give(&self, order: &Order) -> Result<Paid, Problem> {
        let moves = self.desk.moves(order).unwrap();
        let batch = batch(order, &moves, unix_ms()).unwrap();
        self.desk.give(order, batch, true).await
    }

    /// Pays, and looks for nothing afterwards.
    pub(super) async fn commit(&self, order: &Order) -> Result<(), ledger::Error> {
        let moves = self.desk.moves(order).unwrap();
        let batch = batch(order, &moves, unix_ms()).unwrap();
        let sender = &order.sender.id;
        self.desk.commit(batch, sender, unix_ms()).await
    }

    /// Of the control API.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("control").join(name)
    }

    /// Nothing is written into a store as long as this is there.
    pub(super) fn lock(&self, file: &str) -> Connection {
        let connection = Connection::open(self.file(file)).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }
}

pub(super) fn suspicious() -> Signals {
    let rules = SignalRules {
        self_gifts: true,
        ..SignalRules::default()
    };
    let giver = ::gifts::Giver {
        is_own_room: true,
        ..Default::default()
    };
    Signals::of(rules, giver, 1)
}

pub(super) fn order(id: &str, sender: &UserId, total: u64) -> Order {
    let transfer = |debit: &str, credit: &str, amount, currency| Transfer {
        debit: debit.to_owned(),
        credit: credit.to_owned(),
        amount,
        currency,
    };
    Order {
        id: id.to_owned(),
        room: "demo".to_owned(),
        sender: User {
            id: sender.to_string(),
            name: "Ana".to_owned(),
            roles: Roles::NONE,
            level: 0,
        },
        recipient: "room:demo".to_owned(),
        item: "rose".to_owned(),
        count: 1,
        note: None,
        media_ms: None,
        filter: "gifts".to_owned(),
        plan: Plan {
            total,
            currency: GiftCurrency::Coin,
            transfers: vec![
                transfer(sender.as_str(), "filter:gifts", total, GiftCurrency::Coin),
                transfer("filter:gifts:issue", "room:demo", 1, GiftCurrency::Diamond),
            ],
            combo: None,
            animation: None,
        },
    }
}

pub(super) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect(what);
}

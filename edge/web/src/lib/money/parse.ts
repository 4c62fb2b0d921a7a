/**
 * Reads answers of the API about gifts, money and people. Null: it is not what was asked for.
 *
 * Names and notes may be missing; a sum may not: a list with an entry whose money cannot be read is not a list.
 */

import { record, text } from "../filters/parse";
import { shortId } from "./words";
import type {
  Account, AccountSheet, Board, Currency, Difference, Earnings, GiftRecord, GiftSheet, Goal, Item, LedgerAccount,
  LedgerReport, LedgerSummary, Page, Person, Report, Transfer, Wallet,
} from "./types";

type Json = Readonly<Record<string, unknown>>;

/** A whole number that is exact. */
function whole(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
}

/** As `whole`, and not below zero. */
function natural(value: unknown): number | null {
  const found = whole(value);
  return found === null || found < 0 ? null : found;
}

/** All entries as `read` has them; null when one cannot be read, or it is no list. */
function all<T>(value: unknown, read: (entry: Json) => T | null): readonly T[] | null {
  if (!Array.isArray(value)) {
    return null;
  }
  const found: T[] = [];
  for (const entry of value) {
    const json = record(entry);
    const one = json === null ? null : read(json);
    if (one === null) {
      return null;
    }
    found.push(one);
  }
  return found;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string" && item !== "") : [];
}

function person(value: unknown): Person | null {
  const json = record(value);
  const id = text(json?.["id"]);
  return id === "" ? null : { id, name: text(json?.["name"]) || shortId(id) };
}

/** The ledger says `coins` where the API says `coin`. */
export function currencyOf(value: unknown): Currency | string {
  const said = text(value);
  return said === "coins" ? "coin" : said === "diamonds" ? "diamond" : said;
}

/** What to ask for next, as it stands in a query. */
function next(value: unknown): string | null {
  return typeof value === "number" && Number.isFinite(value) ? String(value) : text(value) || null;
}

function page<T>(value: unknown, names: readonly string[], read: (entry: Json) => T | null): Page<T> | null {
  const json = record(value);
  const name = names.find((known) => Array.isArray(json?.[known]));
  const items = json === null || name === undefined ? null : all(json[name], read);
  return items === null ? null : { items, next: next(json?.["next"]) };
}

// Gifts

function item(json: Json): Item | null {
  const id = text(json["id"]);
  const price = natural(json["price"]);
  if (id === "" || price === null) {
    return null;
  }
  const attrs = Object.entries(record(json["attrs"]) ?? {}).map(([key, value]): [string, string] => [key, typeof value === "number" ? String(value) : text(value)]);
  return { id, name: text(json["name"]) || id, price, currency: currencyOf(json["currency"]), animation: text(json["animation"]), attrs: new Map(attrs) };
}

/** `GET /api/rooms/{room}/gifts` */
export function parseItems(value: unknown): readonly Item[] | null {
  return all(record(value)?.["items"], item);
}

function giftRecord(json: Json): GiftRecord | null {
  const id = text(json["id"]);
  // Who was erased has no name any more; the gift stays.
  const sender = person(json["sender"]) ?? { id: "", name: "–" };
  const [count, total, points] = [natural(json["count"]), natural(json["total"]), natural(json["points"])];
  if (id === "" || count === null || total === null || points === null) {
    return null;
  }
  return {
    id,
    seq: natural(json["seq"]) ?? 0,
    atMs: natural(json["at_ms"]) ?? 0,
    room: text(json["room"]),
    sender,
    item: text(json["item"]),
    count,
    total,
    points,
    note: text(json["note"]),
    state: text(json["state"]),
  };
}

/** `GET /api/rooms/{room}/gifts/latest`, `GET /api/admin/gifts` */
export function parseGifts(value: unknown): Page<GiftRecord> | null {
  return page(value, ["items"], giftRecord);
}

function transfer(json: Json): Transfer | null {
  const amount = natural(json["amount"]);
  const [id, debit, credit] = [text(json["id"]), text(json["debit"]), text(json["credit"])];
  if (amount === null || debit === "" || credit === "") {
    return null;
  }
  return {
    id,
    seq: natural(json["seq"]),
    batch: natural(json["batch"]),
    atMs: natural(json["at_ms"]),
    debit,
    credit,
    amount,
    currency: currencyOf(json["currency"]),
    kind: text(json["kind"]),
    reference: text(json["reference"]),
    reverses: text(json["reverses"]) || null,
  };
}

/** `GET /api/admin/gifts/{id}` */
export function parseGiftSheet(value: unknown): GiftSheet | null {
  const json = record(value);
  const gift = json === null ? null : giftRecord(json);
  const transfers = all(json?.["transfers"] ?? [], transfer);
  return gift === null || transfers === null ? null : { gift, transfers, signals: texts(json?.["signals"]) };
}

// What a room earns

/** `GET /api/rooms/{room}/earnings` */
export function parseEarnings(value: unknown): Earnings | null {
  const json = record(value);
  const balance = whole(json?.["balance"]);
  const days = all(json?.["days"], (entry) => {
    const day = text(entry["day"]);
    const [gifts, coins, diamonds] = [natural(entry["gifts"]), natural(entry["coins"]), natural(entry["diamonds"])];
    return gifts === null || coins === null || diamonds === null || !/^\d{4}-\d{2}-\d{2}$/.test(day) ? null : { day, gifts, coins, diamonds };
  });
  return balance === null || days === null ? null : { currency: currencyOf(json?.["currency"]), balance, days };
}

/** `GET /api/rooms/{room}/leaderboard` */
export function parseBoard(value: unknown): Board | null {
  const json = record(value);
  const entries = all(json?.["entries"], (entry) => {
    const user = person(entry["user"]);
    const points = natural(entry["points"]);
    return user === null || points === null ? null : { rank: natural(entry["rank"]) ?? 0, user, points };
  });
  return entries === null ? null : { entries, total: natural(json?.["total"]) ?? 0 };
}

/** `GET /api/rooms/{room}/goal` */
export function parseGoal(value: unknown): Goal | null {
  const json = record(value);
  const target = natural(json?.["target"]);
  const progress = natural(json?.["progress"]);
  if (json === null || target === null || target === 0 || progress === null) {
    return null;
  }
  return { title: text(json["title"]), target, progress, setAtMs: natural(json["set_at_ms"]) ?? 0, reachedAtMs: natural(json["reached_at_ms"]) };
}

// People

function account(json: Json): Account | null {
  const id = text(json["id"]);
  if (id === "") {
    return null;
  }
  const rooms = Object.entries(record(json["rooms"]) ?? {}).map(([room, roles]): [string, readonly string[]] => [room, texts(roles)]);
  const login = text(json["login"]);
  return {
    id,
    login,
    name: text(json["name"]) || login || id,
    roles: texts(json["roles"]),
    rooms: new Map(rooms.filter(([, roles]) => roles.length > 0)),
    createdMs: natural(json["created_at_ms"]) ?? 0,
    blocked: json["state"] === "blocked",
  };
}

/** `GET /api/admin/users` */
export function parseAccounts(value: unknown): Page<Account> | null {
  return page(value, ["users"], account);
}

function wallet(value: unknown): Wallet | null {
  const json = record(value);
  const [balance, available, held] = [whole(json?.["balance"]), whole(json?.["available"]), natural(json?.["held"])];
  return balance === null || available === null || held === null ? null : { balance, available, held };
}

/** `GET /api/admin/users/{id}` */
export function parseAccountSheet(value: unknown): AccountSheet | null {
  const json = record(value);
  const found = json === null ? null : account(json);
  return found === null ? null : { account: found, wallet: wallet(json?.["wallet"]) };
}

/** `GET /api/admin/reports` */
export function parseReports(value: unknown): readonly Report[] | null {
  return all(record(value)?.["reports"], (json) => {
    const review = record(json["review"]);
    const message = record(review?.["message"]);
    const id = text(review?.["id"]);
    const room = text(json["room"]);
    if (review === null || id === "" || room === "") {
      return null;
    }
    return {
      room,
      id,
      kind: review["kind"] === "held" ? "held" : "report",
      author: person(message?.["author"]) ?? { id: "", name: "" },
      text: text(message?.["text"]),
      reason: text(review["reason"]),
      by: text(review["by"]),
    };
  });
}

// The ledger

/** `GET /api/admin/ledger/summary` */
export function parseLedgerSummary(value: unknown): LedgerSummary | null {
  const json = record(value);
  const currencies = all(json?.["currencies"], (entry) => {
    const [issued, accounts] = [whole(entry["issued"]), natural(entry["accounts"])];
    return issued === null || accounts === null ? null : { currency: currencyOf(entry["currency"]), issued, accounts };
  });
  const waiting = natural(json?.["outbox_waiting"]);
  return currencies === null || waiting === null ? null : { currencies, outboxWaiting: waiting, batches: natural(json?.["batches"]) ?? 0 };
}

/** `{"balance":{"account":"..","stored":1}}`: the kind is the key. */
function difference(json: Json): Difference | null {
  const [kind, told] = Object.entries(json)[0] ?? [];
  if (kind === undefined) {
    return null;
  }
  const fields = Object.entries(record(told) ?? {}).map(([key, value]): [string, string] => [key, typeof value === "string" ? value : JSON.stringify(value)]);
  return { kind, fields: new Map(fields) };
}

/** `POST /api/admin/ledger/verify`. All is well only when it says so, and names nothing that is not. */
export function parseLedgerReport(value: unknown): LedgerReport | null {
  const json = record(value);
  const differences = all(json?.["differences"], difference);
  const sums = all(json?.["sums"] ?? [], (entry) => ({
    currency: currencyOf(entry["currency"]),
    accounts: natural(entry["accounts"]) ?? 0,
    sum: String(entry["sum"]),
  }));
  if (json === null || typeof json["ok"] !== "boolean" || differences === null || sums === null) {
    return null;
  }
  const more = natural(json["more"]) ?? 0;
  return {
    ok: json["ok"] && differences.length === 0 && more === 0,
    accounts: natural(json["accounts"]) ?? 0,
    holdsOpen: natural(json["holds_open"]) ?? 0,
    batches: natural(json["batches"]) ?? 0,
    transfers: natural(json["transfers"]) ?? 0,
    messagesPending: natural(json["messages_pending"]) ?? 0,
    sums,
    differences,
    more,
  };
}

/** `GET /api/admin/ledger/accounts/{id}` */
export function parseLedgerAccount(value: unknown): LedgerAccount | null {
  const json = record(value);
  const id = text(json?.["id"]);
  const balance = whole(json?.["balance"]);
  const held = natural(json?.["held"] ?? 0);
  return json === null || id === "" || balance === null || held === null
    ? null
    : { id, currency: currencyOf(json["currency"]) || (id.split(":")[0] ?? ""), overdraft: json["overdraft"] === true, balance, held };
}

/** `GET /api/admin/ledger/accounts/{id}/history` */
export function parseHistory(value: unknown): Page<Transfer> | null {
  return page(value, ["items", "transfers"], transfer);
}

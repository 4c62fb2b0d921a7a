import { describe, expect, it } from "vitest";
import * as parse from "./parse";
import { differenceText } from "./words";

const SENDER = { id: "u-1", name: "Ada" };
const GIFT = { id: "g-1", seq: 4, at_ms: 1000, room: "demo", sender: SENDER, item: "rose", count: 2, total: 200, points: 200, note: "hi", state: "given" };
const TRANSFER = { seq: 9, batch: 3, at_ms: 1000, id: "g-1/1", debit: "coin:u-1", credit: "coin:filter:gifts", amount: 200, currency: "coins", kind: "gift", reference: "g-1", reverses: null };

describe("answers about gifts", () => {
  it("are read", () => {
    const page = parse.parseGifts({ items: [GIFT, { ...GIFT, id: "g-2", note: undefined, state: "held" }], next: 4 });
    expect(page?.items.map(({ id, note, state, total }) => [id, note, state, total])).toEqual([["g-1", "hi", "given", 200], ["g-2", "", "held", 200]]);
    expect([page?.next, parse.parseGifts({ items: [], next: null })?.next]).toEqual(["4", null]);
    const sheet = parse.parseGiftSheet({ ...GIFT, transfers: [TRANSFER], signals: ["velocity", 3, ""] });
    expect([sheet?.signals, sheet?.transfers[0]?.currency, sheet?.transfers[0]?.reverses]).toEqual([["velocity"], "coin", null]);
    expect(parse.parseGiftSheet({ ...GIFT })?.transfers).toEqual([]);
  });

  it("stay when their giver is erased, and when they were never given", () => {
    const items = [{ ...GIFT, sender: { id: `u-${"1f".repeat(16)}`, name: "" } }, { ...GIFT, id: "g-2", sender: null, seq: null, state: "held" }];
    expect(parse.parseGifts({ items })?.items.map(({ sender, seq }) => [sender.name, seq])).toEqual([["u-1f1f1f1f…", 4], ["–", 0]]);
  });

  it("are refused as a whole when a sum cannot be read", () => {
    for (const wrong of [{ total: "200" }, { total: -1 }, { total: 1.5 }, { total: 2 ** 60 }, { count: undefined }, { points: null }, { id: "" }]) {
      expect([wrong, parse.parseGifts({ items: [GIFT, { ...GIFT, ...wrong }] })]).toEqual([wrong, null]);
    }
    expect([parse.parseGifts(null), parse.parseGifts({}), parse.parseGifts({ items: "no" }), parse.parseGifts({ items: [3] })]).toEqual([null, null, null, null]);
    expect(parse.parseGiftSheet({ ...GIFT, transfers: [{ ...TRANSFER, amount: -200 }] })).toBeNull();
  });

  it("name what a room offers", () => {
    const items = parse.parseItems({ items: [{ id: "rose", name: "Rose", price: 1, currency: "coin", animation: "", attrs: { emoji: "🌹", duration_ms: 2500, odd: {} } }] });
    expect([...(items?.[0]?.attrs ?? [])]).toEqual([["emoji", "🌹"], ["duration_ms", "2500"], ["odd", ""]]);
    expect(parse.parseItems({ items: [{ id: "rose", price: -1 }] })).toBeNull();
  });

  it("tell what a room earned, on days of the calendar", () => {
    const day = { day: "2026-11-22", gifts: 1, coins: 200, diamonds: 100 };
    expect(parse.parseEarnings({ currency: "diamond", balance: -5, days: [day] })).toEqual({ currency: "diamond", balance: -5, days: [day] });
    for (const wrong of [{ day: "yesterday" }, { diamonds: undefined }, { coins: -1 }]) {
      expect(parse.parseEarnings({ balance: 0, days: [{ ...day, ...wrong }] })).toBeNull();
    }
    expect(parse.parseEarnings({ days: [] })).toBeNull();
  });

  it("tell who gave most, and a goal that can be divided by", () => {
    expect(parse.parseBoard({ entries: [{ rank: 1, user: SENDER, points: 5 }], total: 5 })).toEqual({ entries: [{ rank: 1, user: SENDER, points: 5 }], total: 5 });
    expect(parse.parseBoard({ entries: [{ user: SENDER }] })).toBeNull();
    expect(parse.parseGoal({ title: "x", target: 10, progress: 12, set_at_ms: 1 })).toEqual({ title: "x", target: 10, progress: 12, setAtMs: 1, reachedAtMs: null });
    expect([parse.parseGoal({ title: "x", target: 0, progress: 0 }), parse.parseGoal(null)]).toEqual([null, null]);
  });
});

describe("answers about people", () => {
  it("are read", () => {
    const user = { id: "u-1", login: "ada", name: "", roles: ["staff", 3], rooms: { demo: ["moderator"], other: [], odd: 3 }, created_at_ms: 7, state: "blocked" };
    const page = parse.parseAccounts({ users: [user], next: "ada" });
    expect(page?.next).toBe("ada");
    expect(page?.items[0]).toEqual({ id: "u-1", login: "ada", name: "ada", roles: ["staff"], rooms: new Map([["demo", ["moderator"]]]), createdMs: 7, blocked: true });
    expect(parse.parseAccounts({ users: [{}] })).toBeNull();
  });

  it("have a wallet only when all of it can be read", () => {
    const user = { id: "u-1", login: "ada" };
    expect(parse.parseAccountSheet({ ...user, wallet: { balance: 5, available: 3, held: 2 } })?.wallet).toEqual({ balance: 5, available: 3, held: 2 });
    expect(parse.parseAccountSheet({ ...user, wallet: { balance: 5 } })?.wallet).toBeNull();
    expect(parse.parseAccountSheet(user)?.wallet).toBeNull();
  });

  it("report what was said", () => {
    const review = { id: "r-1", kind: "held", message: { author: SENDER, text: "hello" }, reason: "links", by: "" };
    expect(parse.parseReports({ reports: [{ room: "demo", review }] })).toEqual([{ room: "demo", id: "r-1", kind: "held", author: SENDER, text: "hello", reason: "links", by: "" }]);
    expect(parse.parseReports({ reports: [{ room: "demo" }] })).toBeNull();
  });
});

describe("answers about the ledger", () => {
  const REPORT = { ok: true, accounts: 3, holds_open: 0, batches: 2, transfers: 4, messages_pending: 0, sums: [{ currency: "coins", accounts: 3, sum: 0 }], differences: [], more: 0 };

  it("are green only when the report says so and names nothing", () => {
    const differences = [{ sum: { currency: "coins", sum: 40 } }];
    expect(parse.parseLedgerReport(REPORT)?.ok).toBe(true);
    expect(parse.parseLedgerReport({ ...REPORT, ok: false })?.ok).toBe(false);
    expect(parse.parseLedgerReport({ ...REPORT, differences })?.ok).toBe(false);
    expect(parse.parseLedgerReport({ ...REPORT, more: 1 })?.ok).toBe(false);
    for (const wrong of [{ ok: undefined }, { ok: "true" }, { differences: null }, { differences: [{}] }]) {
      expect(parse.parseLedgerReport({ ...REPORT, ...wrong })).toBeNull();
    }
  });

  it("say what differs", () => {
    const differences = [
      { balance: { account: "coin:u-1", stored: 5000, computed: 4 } },
      { gap: { sequence: "transfers", last: 1, found: 3 } },
      { below_zero: { account: "coin:u-1", balance: -5, held: 0 } },
      { brand_new: { of: "tomorrow", n: 3 } },
      { hold: {} },
    ];
    expect(parse.parseLedgerReport({ ...REPORT, differences })?.differences.map((difference) => differenceText(difference, "en"))).toEqual([
      "coin:u-1 has a balance of 5,000, and its transfers sum to 4.",
      "In transfers, 3 comes after 1.",
      "coin:u-1 has \u22125, of which 0 is held.",
      "brand new: of tomorrow, n 3",
      "Hold ? and what was paid from it differ.",
    ]);
  });

  it("have a summary, accounts and their history", () => {
    expect(parse.parseLedgerSummary({ currencies: [{ currency: "coins", issued: 5, accounts: 2 }], outbox_waiting: 3, batches: 9 })).toEqual({ currencies: [{ currency: "coin", issued: 5, accounts: 2 }], outboxWaiting: 3, batches: 9 });
    expect(parse.parseLedgerSummary({ currencies: [] })).toBeNull();
    expect(parse.parseLedgerAccount({ id: "coin:topup", balance: -5 })).toEqual({ id: "coin:topup", currency: "coin", overdraft: false, balance: -5, held: 0 });
    expect(parse.parseHistory({ transfers: [TRANSFER], next: 8 })?.next).toBe("8");
    expect(parse.parseHistory({ items: [TRANSFER], next: null })?.items[0]?.seq).toBe(9);
    expect(parse.parseHistory({ next: null })).toBeNull();
  });
});

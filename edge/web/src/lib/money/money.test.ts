import { describe, expect, it, vi } from "vitest";
import { Problem } from "../../account/problem";
import { Caller, type Fetch, Refused, said } from "./call";
import { checkCredit, checkGoal, checkPassword, isConfirmed, isRole, isRoom, wholeOf } from "./check";
import { dayBegan, GIFTS_SHOWN_MAX, shownGifts, type ToldGift } from "./gifts";
import { Keys } from "./keys";
import { Loaded, Paged } from "./loaded";
import type { GiftRecord } from "./types";
import { accountText, dayText, effectOn, grouped, kindText, moment, named, signed, sum } from "./words";

describe("forms", () => {
  it("take whole numbers as people write them", () => {
    const written = ["1000", " 1,000 ", "1.000", "1 000", "1\u202f000", "1'000", "+5", "-50", "\u221250", "0"];
    expect(written.map(wholeOf)).toEqual([1000, 1000, 1000, 1000, 1000, 1000, 5, -50, -50, 0]);
    expect(["", "x", "1.5", "1,5", "1,00", "1,0000", "1e3", "0x10", "--1", "1 coin", "99999999999999999999", "1,000.000,000x"].map(wholeOf)).toEqual(Array(12).fill(null));
  });

  it("say what is wrong with a credit", () => {
    expect([checkCredit("5", "x"), checkCredit("-5", "x"), checkCredit("", "x"), checkCredit("0", "x"), checkCredit("1000000001", "x"), checkCredit("5", " "), checkCredit("5", "x".repeat(201))]).toEqual([null, null, "no-number", "zero", "too-much", "no-note", "long-note"]);
  });

  it("say what is wrong with a goal, a password, a role and a room", () => {
    expect([checkGoal("a", "5"), checkGoal(" ", "5"), checkGoal("x".repeat(121), "5"), checkGoal("a", "0"), checkGoal("a", "-1"), checkGoal("a", "?")]).toEqual([null, "no-title", "long-title", "bad-target", "bad-target", "bad-target"]);
    // As the origin counts: bytes.
    expect([" ".repeat(9) + "x".repeat(120), "é".repeat(60), "é".repeat(61), "目".repeat(40), "目".repeat(41)].map((title) => checkGoal(title, "5"))).toEqual([null, null, "long-title", null, "long-title"]);
    expect([checkPassword("1234567"), checkPassword("12345678"), checkPassword("é".repeat(129)), checkPassword("😀😀")]).toEqual(["short", null, "long", null]);
    expect([isRole("moderator"), isRole("Moderator"), isRole(""), isRole("x".repeat(17)), isRoom("demo-1"), isRoom("a/b"), isRoom("..")]).toEqual([true, false, false, false, true, false, false]);
  });

  it("erase only whom one has named", () => {
    expect([isConfirmed(" Ada ", "ada"), isConfirmed("ad", "ada"), isConfirmed("", "")]).toEqual([true, false, false]);
  });
});

describe("asking", () => {
  const answer = (status: number, body: unknown = {}, headers = {}): Response => new Response(status === 204 ? null : JSON.stringify(body), { status, headers });
  const caller = (...answers: (Response | Error)[]): { call: Caller; asked: [string, RequestInit][]; keys: () => (string | null)[] } => {
    const asked: [string, RequestInit][] = [];
    const fetch: Fetch = (path, init) => {
      asked.push([path, init]);
      const next = answers.shift() ?? answer(204);
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    };
    let n = 0;
    return { call: new Caller(fetch, new Keys(() => `k${(n += 1)}`)), asked, keys: () => asked.map(([, init]) => new Headers(init.headers).get("Idempotency-Key")) };
  };
  const credit = { method: "POST", path: "/credits", body: { amount: 5 } } as const;
  const refused = async (run: Promise<unknown>): Promise<Refused> => {
    try {
      await run;
    } catch (error) {
      if (error instanceof Refused) {
        return error;
      }
    }
    throw new Error("it was not refused");
  };

  it("sends what nobody answered again with the same key, and what was answered with another", async () => {
    const { call, keys } = caller(new TypeError("network"), answer(503), answer(204), answer(204), answer(409), answer(204));
    for (let turn = 0; turn < 6; turn += 1) {
      await call.do(credit).catch(() => undefined);
    }
    expect(keys()).toEqual(["k1", "k1", "k1", "k2", "k3", "k4"]);
  });

  it("sends what was answered by half, or by what it does not understand, again with the same key", async () => {
    const cut = (error: Error): Response => new Response(new ReadableStream({ start: (body) => (body.enqueue(new TextEncoder().encode('{"entry":')), body.error(error)) }));
    const answers = [cut(new TypeError("network")), cut(new DOMException("slow", "TimeoutError")), new Response('{"entry":'), answer(200, { odd: 1 }), answer(200, { entry: 7 })];
    const { call, keys } = caller(...answers, answer(200, { entry: 8 }));
    const ask = (): Promise<number> => call.change(credit, (json) => (json as { entry?: number } | null)?.entry ?? null);
    const errors = [await refused(ask()), await refused(ask())];
    expect(errors.map(({ isOpen }) => isOpen)).toEqual([true, true]);
    expect(errors.map(said)).toEqual(["The server cannot be reached.", "No answer within 30 s."]);
    await refused(ask());
    await refused(ask());
    expect([await ask(), await ask(), keys()]).toEqual([7, 8, ["k1", "k1", "k1", "k1", "k1", "k2"]]);
  });

  it("has a key for each content, and none where nothing is repeated", async () => {
    const { call, keys, asked } = caller(new TypeError("network"), new TypeError("network"), answer(503));
    await call.do(credit).catch(() => undefined);
    await call.do({ ...credit, body: { amount: 6 } }).catch(() => undefined);
    await call.do(credit).catch(() => undefined);
    await call.do({ method: "DELETE", path: "/goal" });
    expect(keys()).toEqual(["k1", "k2", "k1", null]);
    expect([asked[0]?.[1].body, asked[3]?.[1].body]).toEqual(['{"amount":5}', undefined]);
  });

  it("keeps few keys", () => {
    let n = 0;
    const keys = new Keys(() => String((n += 1)));
    for (let path = 0; path < 101; path += 1) {
      keys.take(`/${path}`, "");
    }
    expect([keys.take("/100", ""), keys.take("/0", "")]).toEqual(["101", "102"]);
  });

  it("says why not, and whether it may have been done", async () => {
    const { call } = caller(answer(409, { detail: "there are 3 coins", code: "insufficient" }), answer(429, {}, { "Retry-After": "3" }), answer(502, "<html>"), new TypeError("x"));
    const errors = [await refused(call.do(credit)), await refused(call.do(credit)), await refused(call.do(credit)), await refused(call.do(credit))];
    expect(errors.map(({ status, code, isOpen }) => [status, code, isOpen])).toEqual([[409, "insufficient", false], [429, "", false], [502, "", true], [0, "", true]]);
    expect(errors.map(said)).toEqual(["There are 3 coins.", "The server answered 429. Try again in 3 s.", "The server answered 502.", "The server cannot be reached."]);
  });

  it("does not take for an answer what is none", async () => {
    const { call } = caller(answer(200, { odd: 1 }), answer(200, [1]));
    expect((await refused(call.get("/x", () => null))).status).toBe(0);
    expect(await call.get("/x", (json) => (Array.isArray(json) ? json.length : null))).toBe(1);
  });

  it("tells what the session tells", async () => {
    const { call } = caller(new Problem(401, "signed-out", "sign in again"), new Problem(429, "too-many", "slower", 3000), new Problem(0, "timeout"), new DOMException("slow", "TimeoutError"));
    const errors = [await refused(call.get("/x", () => 1)), await refused(call.get("/x", () => 1)), await refused(call.do(credit)), await refused(call.do(credit))];
    expect(errors.map(({ status, code, retryAfterMs }) => [status, code, retryAfterMs])).toEqual([[401, "signed-out", null], [429, "too-many", 3000], [0, "timeout", null], [0, "timeout", null]]);
    expect(errors.map(said)).toEqual(["Sign in again.", "Slower. Try again in 3 s.", "No answer within 30 s.", "No answer within 30 s."]);
  });
});

describe("what is loaded", () => {
  const later = <T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } => {
    let resolve: (value: T) => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
    return { promise, resolve, reject };
  };

  it("is the answer to the last question, whatever comes later", async () => {
    const [first, second] = [later<string>(), later<string>()];
    const loaded = new Loaded<string>();
    const drawn = vi.fn();
    const both = Promise.all([loaded.load(() => first.promise, drawn), loaded.load(() => second.promise, drawn)]);
    second.resolve("new");
    first.resolve("old");
    await both;
    expect([loaded.value, loaded.loading, drawn.mock.calls.length]).toEqual(["new", false, 3]);
  });

  it("stays when it cannot be loaded again, and forgets when told to", async () => {
    const loaded = new Loaded<string>();
    await loaded.load(() => Promise.resolve("there"), () => undefined);
    await loaded.load(() => Promise.reject(new Error("away")), () => undefined);
    expect([loaded.value, loaded.problem]).toEqual(["there", new Error("away")]);
    const late = later<string>();
    const loading = loaded.load(() => late.promise, () => undefined);
    loaded.forget();
    late.resolve("late");
    await loading;
    expect([loaded.value, loaded.problem, loaded.loading]).toEqual([null, null, false]);
  });

  it("grows page by page", async () => {
    const pages = new Paged<number>();
    const asked: (string | null)[] = [];
    const ask = (next: string | null) => {
      asked.push(next);
      return Promise.resolve(next === null ? { items: [3, 2], next: "2" } : { items: [1], next: null });
    };
    await pages.load(ask, () => undefined);
    expect([pages.items, pages.hasMore]).toEqual([[3, 2], true]);
    await Promise.all([pages.more(() => undefined), pages.more(() => undefined)]);
    expect([pages.items, pages.hasMore, asked]).toEqual([[3, 2, 1], false, [null, "2"]]);
    await pages.more(() => undefined);
    expect(asked).toHaveLength(2);
  });
});

describe("gifts as they come", () => {
  const told = (id: string, atMs: number): ToldGift => ({ id, atMs, sender: { id: "u-1", name: "Ada" }, item: "rose", count: 1, points: 5, note: "" });
  const recorded = (id: string, atMs: number, state = "given"): GiftRecord => ({ ...told(id, atMs), seq: 1, room: "demo", total: 5, state });

  it("are each there once, the newest first, as they are recorded", () => {
    const shown = shownGifts([recorded("a", 10), recorded("b", 20, "refunded")], [told("b", 21), told("c", 30), told("c", 30)], 5);
    expect(shown.map(({ id, total, state }) => [id, total, state])).toEqual([["c", null, "given"], ["b", 5, "refunded"], ["a", 5, "given"]]);
    expect(shownGifts([recorded("a", 10)], [told("b", 4)], 10).map(({ id }) => id)).toEqual(["a"]);
    expect(shownGifts([], Array.from({ length: 90 }, (_, n) => told(String(n), n)), 0)).toHaveLength(GIFTS_SHOWN_MAX);
  });

  it("are those of the server's day, wherever one reads it", () => {
    for (const zone of ["UTC", "America/Los_Angeles", "Asia/Shanghai"]) {
      vi.stubEnv("TZ", zone);
      const began = ["2026-11-22T00:00:00.000Z", "2026-11-22T12:30:00.000Z", "2026-11-22T23:59:59.999Z"].map((time) => new Date(dayBegan(Date.parse(time))).toISOString());
      expect([zone, new Set(began)]).toEqual([zone, new Set(["2026-11-22T00:00:00.000Z"])]);
    }
    vi.unstubAllEnvs();
  });
});

describe("words", () => {
  it("group numbers and count coins", () => {
    expect([sum(1, "coin", "en"), sum(1234, "coin", "en"), sum(-50, "diamond", "en"), signed(5, "en"), signed(-5000, "en"), signed(0, "en"), grouped(1234, "de")]).toEqual(["1 coin", "1,234 coins", "\u221250 diamonds", "+5", "\u22125,000", "0", "1.234"]);
  });

  it("have the date with the time, and a day stays the day it is", () => {
    expect(moment(new Date(2026, 10, 22, 5, 21).getTime(), "en-GB")).toBe("22 Nov 2026, 05:21");
    expect([moment(null), moment(0)]).toEqual(["–", "–"]);
    expect([dayText("2026-11-22", "en-GB"), dayText("2026-11-22", "en-GB", true), dayText("odd", "en")]).toEqual(["22 Nov", "Sun, 22 Nov 2026", "odd"]);
  });

  it("name accounts", () => {
    const user = `u-${"1f".repeat(16)}`;
    expect(["coin:topup", `coin:${user}`, "coin:guest-3", "diamond:room:demo", "coin:filter:gifts", "diamond:filter:gifts:issue", "odd"].map(accountText)).toEqual([
      "top-ups", "u-1f1f1f1f…", "guest-3", "room demo", "filter gifts", "issue of filter gifts", "odd",
    ]);
    expect(["", "topup", "gift_back"].map(kindText)).toEqual(["transfer", "top-up", "gift back"]);
  });

  it("let no name turn the sentence around it", () => {
    expect(named("\u202eevil\u2069")).toBe("\u2068evil\u2069");
  });

  it("tell what came to an account, and what went", () => {
    const transfer = { debit: "coin:a", credit: "coin:b", amount: 5 };
    expect(["coin:a", "coin:b", "coin:c"].map((account) => effectOn(account, transfer))).toEqual([-5, 5, 0]);
  });
});

import { beforeEach, describe, expect, it } from "vitest";
import { settle } from "../lib/fake-clock";
import { Problem } from "./problem";
import type { Session } from "./session";
import { Wallet, WalletHistory } from "./wallet";

/** Who is signed in, and a server that answers when the test says so. */
class Desk {
  user: { id: string } | null = { id: "u-ann" };
  readonly asked: { path: string; answer: (value: unknown) => void; fail: (error: unknown) => void }[] = [];
  #listener: () => void = () => undefined;
  readonly session = this as unknown as Session;

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  json(path: string): Promise<unknown> {
    return new Promise((answer, fail) => this.asked.push({ path, answer, fail }));
  }

  signIn(id: string | null): void {
    this.user = id === null ? null : { id };
    this.#listener();
  }

  take(part: string): { path: string; answer: (value: unknown) => void; fail: (error: unknown) => void } {
    const at = this.asked.findIndex(({ path }) => path.includes(part));
    const [one] = this.asked.splice(at, 1);
    if (at < 0 || one === undefined) {
      throw new Error(`nobody asked for ${part}`);
    }
    return one;
  }
}

const page = (from: number, count: number, next: number | null): unknown => ({ items: Array.from({ length: count }, (_, at) => ({ seq: from - at, kind: "topup", amount: 1 })), next });

let desk: Desk;
let wallet: Wallet;
beforeEach(() => {
  desk = new Desk();
  wallet = new Wallet(desk.session);
});

describe("a history", () => {
  it("is read page by page, and again where a page did not come", async () => {
    const history = new WalletHistory(wallet);
    const begun = history.begin();
    desk.take("history").answer(page(9, 2, 7));
    expect([await begun, history.lines.length, history.hasMore]).toEqual([true, 2, true]);
    const failed = history.more();
    desk.take("before=7").fail(new Problem(503, "unavailable"));
    expect([await failed, history.problem?.code, history.lines.length, history.hasMore]).toEqual([true, "unavailable", 2, true]);
    const more = history.more();
    desk.take("before=7").answer(page(7, 1, null));
    expect([await more, history.problem, history.lines.map(({ seq }) => seq), history.hasMore]).toEqual([true, null, [9, 8, 7], false]);
  });

  it("is nobody else's: what comes after another one has signed in is dropped", async () => {
    const history = new WalletHistory(wallet);
    const begun = history.begin();
    const late = desk.take("history");
    desk.signIn("u-bob");
    expect(history.isOver).toBe(true);
    late.answer(page(9, 2, 7));
    expect([await begun, history.lines]).toEqual([false, []]);
    const own = history.begin();
    desk.take("history").answer(page(3, 1, null));
    expect([await own, history.isOver, history.lines.length]).toEqual([true, false, 1]);
    desk.signIn(null);
    expect(history.isOver).toBe(true);
  });

  it("has no more where it is as long as it gets", async () => {
    const history = new WalletHistory(wallet);
    const begun = history.begin();
    desk.take("history").answer(page(5000, 999, 4001));
    expect([await begun, history.hasMore]).toEqual([true, true]);
    const more = history.more();
    desk.take("history").answer(page(4001, 30, 3971));
    expect([await more, history.lines.length, history.hasMore]).toEqual([true, 1000, false]);
  });
});

describe("a balance", () => {
  it("is what the answers to gifts say, and asked for where one does not say it", async () => {
    desk.take("/api/wallet").answer({ balance: 100, available: 100, held: 0 });
    await settle();
    wallet.paid(10, 80);
    wallet.paid(10, 90);
    expect([wallet.left, desk.asked.length]).toEqual([80, 0]);
    wallet.paid(10, null);
    expect([wallet.left, desk.asked.map(({ path }) => path)]).toEqual([70, ["/api/wallet"]]);
    desk.take("/api/wallet").answer({ balance: 75, available: 65, held: 10 });
    await settle();
    expect([wallet.left, wallet.balance?.held]).toEqual([65, 10]);
  });

  it("that is not known yet is asked for, too", async () => {
    desk.take("/api/wallet").fail(new Problem(503, "unavailable"));
    await settle();
    wallet.paid(10, null);
    desk.take("/api/wallet").answer({ balance: 5, available: 5, held: 0 });
    await settle();
    expect(wallet.left).toBe(5);
  });
});

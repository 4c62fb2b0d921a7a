import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../account/problem";
import { FakeClock, settle } from "../lib/fake-clock";
import type { Item } from "./catalogue";
import { ANSWER_MS_MAX, type Fate, FLYING_MAX, type Given, GiftSender, type Tap, WAITING_MAX } from "./sender";

const item = (id: string, price = 10): Item => ({ id, name: id, price, emoji: "🌹", tier: "small", combo: true, durationMs: 0 });
const ROSE = item("rose");

/** An edge that answers when the test says so, and a clock that moves when it says so. */
class Edge extends FakeClock {
  ids = 0;
  posts: { tap: Tap; resolve: (given: Given) => void; reject: (error: unknown) => void }[] = [];
  sent: string[] = [];
  fates: Fate[] = [];
  flyingMax = 0;
  readonly sender = new GiftSender({
    post: (tap) => {
      this.sent.push(tap.clientId);
      return new Promise((resolve, reject) => {
        this.posts.push({ tap, resolve, reject });
        this.flyingMax = Math.max(this.flyingMax, this.posts.length);
      });
    },
    newId: () => `g${(this.ids += 1)}`,
    now: () => this.nowMs,
    later: (run, ms) => this.later(run, ms),
    onFate: (fate) => void this.fates.push(fate),
    onChange: () => undefined,
  });

  async answer(available = 100, state: Given["state"] = "given"): Promise<void> {
    const post = this.posts.shift();
    post?.resolve({ id: "x", state, available });
    await settle();
  }

  async refuse(status: number, code = "", retryAfterMs: number | null = null): Promise<void> {
    this.posts.shift()?.reject(status === 0 ? new TypeError("network") : new Problem(status, code, "", retryAfterMs));
    await settle();
  }

  get told(): unknown[] {
    return this.fates.map((fate) => (fate.type === "failed" ? [fate.problem.code, fate.taps.length, fate.again] : fate.type === "given" ? fate.state : fate.type));
  }
}

let edge: Edge;
beforeEach(() => (edge = new Edge()));
const taps = (count: number, what = ROSE): boolean[] => Array.from({ length: count }, () => edge.sender.give(what, 1, null));

describe("sender", () => {
  it("sends each tap by itself, four at a time, and all of them", async () => {
    taps(10);
    expect([edge.posts.length, edge.sender.cost]).toEqual([FLYING_MAX, 100]);
    for (let answered = 0; answered < 10; answered += 1) {
      await edge.answer();
    }
    expect([edge.flyingMax, new Set(edge.sent).size, edge.told.length, edge.sender.cost]).toEqual([FLYING_MAX, 10, 10, 0]);
  });

  it("takes no more than it can keep, and says so", () => {
    const taken = taps(WAITING_MAX + FLYING_MAX + 3);
    expect([taken.filter((ok) => ok).length, edge.sender.isFull]).toEqual([WAITING_MAX + FLYING_MAX, true]);
  });

  it("tries again with the same id when nobody answers", async () => {
    taps(1);
    await edge.refuse(0);
    await edge.pass(300);
    await edge.refuse(503, "unavailable");
    await edge.pass(600);
    await edge.answer();
    expect([edge.sent, edge.told]).toEqual([["g1", "g1", "g1"], ["given"]]);
  });

  it("gives up after ten seconds, says so, and can try once more with the same id", async () => {
    taps(1);
    for (let spent = 0; spent < ANSWER_MS_MAX + 5000; spent += 2400) {
      await edge.refuse(0);
      await edge.pass(2400);
    }
    expect([edge.told, edge.sender.lost, edge.sender.cost]).toEqual([[["unavailable", 1, true]], 1, 0]);
    edge.sender.again();
    await edge.answer();
    expect([edge.told.at(-1), edge.sender.lost, new Set(edge.sent).size]).toEqual(["given", 0, 1]);
  });

  it("stops at once when the coins are gone, and loses nothing without a word", async () => {
    taps(9);
    await edge.answer(0);
    await edge.refuse(402, "insufficient");
    expect(edge.told).toEqual(["given", ["insufficient", 5, false]]);
    await edge.refuse(402, "insufficient");
    await edge.refuse(402, "insufficient");
    await edge.refuse(402, "insufficient");
    const lost = edge.fates.flatMap((fate) => (fate.type === "failed" ? fate.taps : [])).length;
    expect([lost, edge.sender.cost]).toEqual([8, 0]);
  });

  it("waits as long as the server wants, and goes on with the same tap", async () => {
    taps(6);
    await edge.refuse(429, "too-many", 3000);
    await edge.answer();
    await edge.answer();
    await edge.answer();
    expect([edge.told, edge.posts.length]).toEqual([["paused", "given", "given", "given"], 0]);
    await edge.pass(2999);
    expect(edge.posts.length).toBe(0);
    await edge.pass(1);
    expect(edge.posts.map(({ tap }) => tap.clientId)).toEqual(["g1", "g5", "g6"]);
  });

  it("does not wait for ever", async () => {
    taps(2);
    await edge.refuse(429, "too-many", 60_000);
    expect(edge.told).toEqual([["too-many", 1, false]]);
  });

  it("drops what would fare the same, and nothing else", async () => {
    taps(5);
    taps(1, item("cake"));
    await edge.refuse(404, "unknown-gift");
    expect(edge.told).toEqual([["unknown-gift", 2, false]]);
    expect(edge.posts.map(({ tap }) => tap.item.id)).toEqual(["rose", "rose", "rose", "cake"]);
    await edge.refuse(403, "banned");
    expect(edge.told.at(-1)).toEqual(["banned", 1, false]);
    await edge.answer(5, "held");
    expect(edge.told.at(-1)).toBe("held");
  });

  it("leaves nothing of one's own to who signs in next", async () => {
    taps(6);
    await edge.refuse(0);
    await edge.refuse(429, "too-many", 3000);
    // Two are in the air; two wait for their turn, one for its pause, and one to be tried again.
    expect([edge.posts.length, edge.sender.clear(), edge.sender.cost]).toEqual([2, 4, 0]);
    await edge.refuse(0);
    await edge.answer(7);
    await edge.pass(30_000);
    expect([edge.sent, edge.posts.length, edge.told, edge.sender.lost]).toEqual([["g1", "g2", "g3", "g4"], 0, ["paused"], 0]);
    taps(1);
    await edge.answer();
    expect([edge.sent.at(-1), edge.told, edge.sender.cost]).toEqual(["g7", ["paused", "given"], 0]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fakeBrowser, realBrowser } from "../room/fake-edge";
import { ROUND_MS, Rounds, SOON_MS } from "./rounds";

let asked = 0;
let visible = true;
let rounds: Rounds;
beforeEach(() => {
  fakeBrowser();
  asked = 0;
  visible = true;
  rounds = new Rounds({ ask: () => (asked += 1), isVisible: () => visible });
});
afterEach(realBrowser);

/** How often it was asked in this time. */
function within(ms: number): number {
  const before = asked;
  vi.advanceTimersByTime(ms);
  return asked - before;
}

describe("rounds", () => {
  it("are as long as it is wanted, each at another time", () => {
    expect(within(10 * ROUND_MS)).toBe(0);
    rounds.follow(true);
    expect([within(ROUND_MS - 1), within(1)]).toEqual([0, 1]);
    vi.mocked(Math.random).mockReturnValue(0.99);
    rounds.follow(true);
    expect([within(ROUND_MS), within(1.9 * ROUND_MS), within(0.09 * ROUND_MS)]).toEqual([1, 0, 1]);
    rounds.follow(false);
    expect(within(10 * ROUND_MS)).toBe(0);
  });

  it("ask for nothing that nobody sees", () => {
    rounds.follow(true);
    visible = false;
    expect(within(5 * ROUND_MS)).toBe(0);
    visible = true;
    expect(within(ROUND_MS)).toBe(1);
  });

  it("take many reasons in a short time for one", () => {
    vi.mocked(Math.random).mockReturnValue(0.5);
    rounds.soon();
    rounds.soon();
    expect([within(SOON_MS / 2 - 1), within(SOON_MS)]).toEqual([0, 1]);
    rounds.soon();
    expect(within(SOON_MS)).toBe(1);
  });
});

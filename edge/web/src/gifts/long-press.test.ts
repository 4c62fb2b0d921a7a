import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fakeBrowser, realBrowser } from "../room/fake-edge";
import { LONG_PRESS_MS, LongPress } from "./long-press";

let told: string[] = [];
let press: LongPress<string>;
beforeEach(() => {
  fakeBrowser();
  told = [];
  press = new LongPress({ long: (what) => told.push(`long ${what}`), shortAfterAll: (what) => told.push(`short ${what}`) });
});
afterEach(realBrowser);

describe("a press", () => {
  it("that is short is a tap", () => {
    press.down(1, "rose", 1000);
    press.up(1, 1100);
    expect([press.isTap(false), vi.getTimerCount(), told]).toEqual([true, 0, []]);
  });

  it("that is long is told while it lasts, and its end is no tap", () => {
    press.down(1, "rose", 1000);
    vi.advanceTimersByTime(LONG_PRESS_MS + 1);
    press.leave();
    press.up(2, 1010);
    press.up(1, 1700);
    expect([told, press.isTap(false), press.isTap(true)]).toEqual([["long rose"], false, true]);
  });

  it("that is short is a tap where the page was busy: its end comes after the timer, but before the next task", () => {
    press.down(1, "rose", 1000);
    vi.advanceTimersToNextTimer();
    press.up(1, 1100);
    vi.runAllTimers();
    expect([told, press.isTap(false)]).toEqual([[], true]);
  });

  it("that is short is one even where its end comes after the menu: it is closed, and the click gives nothing twice", () => {
    press.down(1, "rose", 1000);
    vi.runAllTimers();
    press.leave();
    press.up(1, 1000 + LONG_PRESS_MS - 1);
    expect([told, press.isTap(false)]).toEqual([["long rose", "short rose"], false]);
  });

  it("that is long is one where its end was told before the timer: nothing is given that was not meant", () => {
    press.down(1, "rose", 1000);
    press.up(1, 1000 + LONG_PRESS_MS);
    vi.runAllTimers();
    expect([told, press.isTap(false)]).toEqual([["long rose"], false]);
  });

  it("that ends elsewhere, scrolls, or is of something else means nothing", () => {
    press.down(1, "rose", 1000);
    press.leave();
    press.down(1, "rose", 2000);
    press.cancel(false);
    press.down(1, null, 3000);
    vi.runAllTimers();
    expect([told, press.isTap(false)]).toEqual([[], true]);
    press.down(1, "rose", 4000);
    press.cancel(true);
    vi.runAllTimers();
    expect([told, press.isTap(false)]).toEqual([[], false]);
  });
});

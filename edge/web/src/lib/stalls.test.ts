import { describe, expect, it } from "vitest";
import { StallCounter } from "./stalls";

/** Samples every 100 ms from `fromMs` for `forMs`; the playhead moves in real time if `moving`. Returns the end. */
function run(counter: StallCounter, at: { ms: number; position: number }, forMs: number, moving: boolean, held = false) {
  for (let t = 0; t < forMs; t += 100) {
    at.ms += 100;
    at.position += moving ? 0.1 : 0;
    counter.observe({ nowMs: at.ms, position: at.position, held, seeking: false });
  }
}

describe("StallCounter", () => {
  it("does not count the time before the first frame", () => {
    const counter = new StallCounter();
    run(counter, { ms: 0, position: 0 }, 5000, false);
    expect(counter.stalls).toBe(0);
    expect(counter.stalledMs(5000)).toBe(0);
  });

  it("counts one stall from the last advance to the next", () => {
    const counter = new StallCounter();
    const at = { ms: 0, position: 0 };
    run(counter, at, 1000, true);
    run(counter, at, 700, false);
    expect(counter.stalled).toBe(true);
    expect(counter.presentMs(at.ms)).toBe(700);
    run(counter, at, 1000, true);
    expect(counter.stalled).toBe(false);
    expect(counter.stalls).toBe(1);
    expect(counter.stalledMs(at.ms)).toBe(800);
  });

  it("ignores gaps too short to see", () => {
    const counter = new StallCounter();
    const at = { ms: 0, position: 0 };
    for (let i = 0; i < 10; i += 1) {
      run(counter, at, 500, true);
      run(counter, at, 200, false);
    }
    expect(counter.stalls).toBe(0);
  });

  it("does not blame the viewer's own pause", () => {
    const counter = new StallCounter();
    const at = { ms: 0, position: 0 };
    run(counter, at, 1000, true);
    run(counter, at, 4000, false, true);
    // Unpaused, and the playhead needs a moment: still no stall before it moved once.
    run(counter, at, 600, false);
    run(counter, at, 1000, true);
    expect(counter.stalls).toBe(0);
  });

  it("ends a stall when the viewer pauses", () => {
    const counter = new StallCounter();
    const at = { ms: 0, position: 0 };
    run(counter, at, 1000, true);
    run(counter, at, 1000, false);
    run(counter, at, 5000, false, true);
    expect(counter.stalls).toBe(1);
    expect(counter.stalledMs(at.ms)).toBe(1100);
  });

  it("does not count the sleep of the page", () => {
    const counter = new StallCounter();
    const at = { ms: 0, position: 0 };
    run(counter, at, 1000, true);
    at.ms += 60_000;
    run(counter, at, 300, false);
    expect(counter.stalls).toBe(0);
  });

  it("does not take a seek for playback, nor for a stall", () => {
    const counter = new StallCounter();
    const at = { ms: 0, position: 0 };
    run(counter, at, 1000, true);
    at.position += 30;
    counter.observe({ nowMs: (at.ms += 100), position: at.position, held: false, seeking: true });
    run(counter, at, 600, false);
    run(counter, at, 1000, true);
    expect(counter.stalls).toBe(0);
  });

  it("lets a jump to the live edge be part of the stall it mends", () => {
    const counter = new StallCounter();
    const at = { ms: 0, position: 0 };
    run(counter, at, 1000, true);
    run(counter, at, 1000, false);
    at.position += 30;
    counter.observe({ nowMs: (at.ms += 100), position: at.position, held: false, seeking: true });
    run(counter, at, 500, false);
    expect(counter.stalled).toBe(true);
    run(counter, at, 500, true);
    expect(counter.stalls).toBe(1);
    expect(counter.stalledMs(at.ms)).toBe(1700);
  });
});

import { describe, expect, it } from "vitest";
import { Pace } from "./pace";

const { FAST_RATE, SLOW_RATE } = Pace;

describe("Pace", () => {
  it("begins when far ahead of the target and ends when it is reached", () => {
    const pace = new Pace();
    expect(pace.observe(1.3, 1.0, 1)).toBe(null);
    expect(pace.observe(0.7, 1.0, 1)).toBe(null);
    expect(pace.observe(0.5, 1.0, 1)).toBe(SLOW_RATE);
    expect(pace.observe(0.7, 1.0, 1)).toBe(SLOW_RATE);
    expect(pace.observe(0.96, 1.0, 1)).toBe(null);
    expect(pace.observe(0.7, 1.0, 1)).toBe(null);
  });

  it("measures what is too near by the target", () => {
    const pace = new Pace();
    expect(pace.observe(0.4, 0.64, 0.3)).toBe(null);
    expect(pace.observe(0.37, 0.64, 0.3)).toBe(SLOW_RATE);
  });

  it("reaches a target that is nearer than hls.js goes", () => {
    const pace = new Pace();
    expect(pace.observe(0.7, 0.64, 0.6)).toBe(null);
    expect(pace.observe(0.8, 0.64, 0.7)).toBe(FAST_RATE);
    expect(pace.observe(0.7, 0.64, 0.6)).toBe(FAST_RATE);
    expect(pace.observe(0.66, 0.64, 0.6)).toBe(null);
    // Also where the buffer goes up and down around hls.js's second: one of the two leads, not both in turn.
    expect(pace.observe(1.3, 0.64, 1.1)).toBe(FAST_RATE);
    expect(pace.observe(1.7, 0.64, 1.5)).toBe(null);
    // Next to nothing is there to be played faster.
    expect(pace.observe(0.8, 0.64, 0.2)).toBe(null);
  });

  it("leaves a target of a second and more to hls.js", () => {
    expect(new Pace().observe(1.3, 1.03, 0.9)).toBe(null);
  });

  it("does nothing while it knows nothing", () => {
    const pace = new Pace();
    expect(pace.observe(0.2, 1.0, 1)).toBe(SLOW_RATE);
    expect(pace.observe(null, 1.0, 1)).toBe(null);
    expect(pace.observe(0.7, null, 1)).toBe(null);
    expect(pace.observe(0.7, 1.0, 1)).toBe(null);
  });
});

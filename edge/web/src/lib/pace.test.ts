import { describe, expect, it } from "vitest";
import { Pace } from "./pace";

describe("Pace", () => {
  it("begins when far ahead of the target and ends when it is reached", () => {
    const pace = new Pace();
    expect(pace.observe(1.3, 1.0)).toBe(false);
    expect(pace.observe(0.7, 1.0)).toBe(false);
    expect(pace.observe(0.5, 1.0)).toBe(true);
    expect(pace.observe(0.7, 1.0)).toBe(true);
    expect(pace.observe(0.96, 1.0)).toBe(false);
    expect(pace.observe(0.7, 1.0)).toBe(false);
  });

  it("does nothing while it knows nothing", () => {
    const pace = new Pace();
    expect(pace.observe(0.2, 1.0)).toBe(true);
    expect(pace.observe(null, 1.0)).toBe(false);
    expect(pace.observe(0.7, null)).toBe(false);
    expect(pace.observe(0.7, 1.0)).toBe(false);
  });
});

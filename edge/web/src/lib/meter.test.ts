import { describe, expect, it } from "vitest";
import { ByteMeter } from "./meter";

describe("meter", () => {
  it("averages over its window", () => {
    const meter = new ByteMeter(10_000);
    expect(meter.rate(0)).toBeNull();
    for (let second = 0; second < 30; second += 1) {
      meter.observe(125_000, second * 1000);
    }
    expect(meter.rate(30_000)).toBe(900_000);
    expect(meter.rate(60_000)).toBeNull();
  });
  it("says nothing too soon", () => {
    const meter = new ByteMeter(10_000);
    meter.observe(1000, 0);
    expect([meter.rate(4000), meter.rate(5000)]).toEqual([null, 1600]);
  });
});

import { describe, expect, it } from "vitest";
import { barAfterKey, barAt, barChart, stepOf } from "./chart";

const BOX = { width: 340, height: 130, left: 40, top: 10, bottom: 20 };

describe("bar chart", () => {
  it("has lines at round numbers, the highest not below the highest bar", () => {
    expect([0, 1, 3, 4, 7, 40, 99, 100, 101, 4243, 1_000_000].map((max) => stepOf(max))).toEqual([1, 1, 1, 1, 2, 10, 50, 50, 50, 2000, 500_000]);
    for (const max of [0, 1, 3, 99, 4243, 123_456_789]) {
      const { ticks } = barChart([max], BOX);
      expect(ticks[0]).toEqual({ value: 0, y: 110 });
      expect(ticks.at(-1)?.y).toBe(10);
      expect(ticks.at(-1)?.value).toBeGreaterThanOrEqual(max);
      expect(ticks.length).toBeLessThanOrEqual(7);
    }
  });

  it("has a bar for each value in a slot of its own", () => {
    const { bars } = barChart([0, 50, 100], BOX);
    expect(bars.map(({ slotX, slotWidth }) => [slotX, slotWidth])).toEqual([[40, 100], [140, 100], [240, 100]]);
    expect(bars.map(({ y, height }) => [y, height])).toEqual([[110, 0], [60, 50], [10, 100]]);
    for (const { x, width, slotX, slotWidth } of bars) {
      expect(x + width / 2).toBeCloseTo(slotX + slotWidth / 2);
    }
  });

  it("shows that little is not nothing", () => {
    const { bars } = barChart([1, 1_000_000], BOX);
    expect(bars[0]?.height).toBe(2);
  });

  it("stays within its box, however many values and however little room", () => {
    for (const width of [200, 360, 1400]) {
      for (const count of [0, 1, 7, 30, 90]) {
        const box = { ...BOX, width };
        const { bars, labels } = barChart(Array.from({ length: count }, (_, n) => n * 7), box);
        expect(bars).toHaveLength(count);
        expect(bars.every(({ x, width: wide, y, height }) => x >= box.left && x + wide <= width + 0.2 && y >= box.top && y + height <= box.height - box.bottom + 0.1)).toBe(true);
        expect(labels.every(({ x }) => x >= 0 && x <= width + 0.1)).toBe(true);
        for (const [at, label] of labels.entries()) {
          expect(label.x - (labels[at - 1]?.x ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(50);
        }
        expect(labels.at(-1)?.index).toBe(count === 0 ? undefined : count - 1);
      }
    }
  });

  it("says which bar a pointer is over", () => {
    const chart = barChart([1, 2, 3], BOX);
    expect([0, 39, 40, 139.9, 140, 339, 340].map((x) => barAt(chart, x))).toEqual([null, null, 0, 0, 1, 2, null]);
    expect(barAt(barChart([], BOX), 100)).toBeNull();
  });

  it("is walked through with the arrows, from the newest", () => {
    expect([barAfterKey("ArrowLeft", null, 30), barAfterKey("ArrowRight", null, 30), barAfterKey("Home", null, 30), barAfterKey("End", 3, 30)]).toEqual([29, 29, 0, 29]);
    expect([barAfterKey("ArrowLeft", 29, 30), barAfterKey("ArrowLeft", 0, 30), barAfterKey("ArrowRight", 29, 30)]).toEqual([28, 0, 29]);
    expect([barAfterKey("Tab", 3, 30), barAfterKey("ArrowLeft", null, 0)]).toEqual([null, null]);
  });
});

import { describe, expect, it } from "vitest";
import { linePath, scaleOf, yOf } from "./lines";
import { parseStream, parseStreams } from "./parse";

const BOX = { width: 110, height: 70, left: 10, top: 10, bottom: 10 };

describe("scaleOf", () => {
  it.each([
    [[[3000, 3100]], 0, [0, 2000, 4000]],
    [[[29.97, 30]], 0, [0, 10, 20, 30]],
    [[[-40, 20]], 0, [-40, -20, 0, 20]],
    [[[null]], 1, [0, 0.5, 1]],
    [[[0.2], [0.9]], 1, [0, 0.5, 1]],
  ])("of %j, at least %d, is round", (rows, mostMin, ticks) => {
    expect(scaleOf(rows, mostMin).ticks.map((tick) => Math.round(tick * 1e6) / 1e6)).toEqual(ticks);
  });

  it("holds every value", () => {
    for (let index = 1; index < 2000; index++) {
      const values = [Math.sin(index) * index ** 1.7, Math.cos(index * 3) * index];
      const { least, most, ticks } = scaleOf([values], 0.1);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(least);
      expect(Math.max(...values)).toBeLessThanOrEqual(most);
      expect(ticks.length).toBeLessThan(8);
      expect(ticks.some((tick) => Math.abs(tick) < 1e-6)).toBe(true);
    }
  });
});

describe("linePath", () => {
  const scale = scaleOf([[0, 100]], 0);
  it("ends at the right edge and leaves gaps", () => {
    expect(linePath([0, 100, null, 100], 5, scale, BOX)).toBe(`M35 ${yOf(0, scale, BOX)}L60 ${yOf(100, scale, BOX)}M110 ${yOf(100, scale, BOX)}`);
    expect(linePath([], 5, scale, BOX)).toBe("");
  });
});

describe("parse", () => {
  it("takes what the origin says and survives what it does not", () => {
    const json = {
      name: "demo", live: true, state: "bad", seconds: 9, media_sequence_number: 7,
      reasons: [{ code: "no_picture", state: "bad", text: "no picture for 4 s", seconds: 3 }],
      publisher: { transport: "rtmps", encoder: null, seconds: 9 },
      source: { video_codec: "avc1.42c01e", audio_codec: null, width: 640, height: 360, renditions: ["360p"] },
      now: { frame_rate: 30, rungs: [{ name: "360p", speed: 1, lag_ms: 40 }] },
      totals: { frames: 3 },
      history: { until_ms: 5, step_seconds: 1, frame_rate: [null, 30], rungs: [{ name: "360p", speed: [1], lag_ms: [0] }] },
    };
    const detail = parseStream(json);
    expect(detail?.state).toBe("bad");
    expect(detail?.history.rows.frame_rate).toEqual([null, 30]);
    expect(detail?.history.rows.pace).toEqual([]);
    expect(detail?.source?.codecs).toBe("avc1.42c01e");
    expect(parseStreams({ streams: [json, {}, 3] })?.length).toBe(3);
    expect(parseStreams({})).toBeNull();
    expect(parseStream({ name: "demo" })).toBeNull();
  });
});

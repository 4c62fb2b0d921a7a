import { describe, expect, it } from "vitest";
import { bitrate, clockTime, count, elapsed, liveSince, milliseconds, resolution, seconds } from "./format";

describe("format", () => {
  it("writes seconds with one digit until ten", () => {
    expect([1.84, 9.94, 9.96, 42.4, 0, -0.2].map(seconds)).toEqual(["1.8 s", "9.9 s", "10 s", "42 s", "0.0 s", "-0.2 s"]);
    expect([null, Number.NaN, Number.POSITIVE_INFINITY].map(seconds)).toEqual(["–", "–", "–"]);
  });

  it("writes milliseconds below a second", () => {
    expect([0, 340.4, 999, 1000, null].map(milliseconds)).toEqual(["0 ms", "340 ms", "999 ms", "1.0 s", "–"]);
  });

  it("writes bit rates", () => {
    expect([850_000, 999_400, 999_600, 4_200_000, 12_300_000, 0, null].map(bitrate)).toEqual([
      "850 kb/s", "999 kb/s", "1.0 Mb/s", "4.2 Mb/s", "12 Mb/s", "–", "–",
    ]);
  });

  it("writes how long a show has run", () => {
    const minute = 60_000;
    expect([-5, 0.5, 1, 59, 60, 125, 47 * 60, 49 * 60].map((m) => elapsed(0, m * minute))).toEqual([
      "just now", "just now", "1 min", "59 min", "1 h 00 min", "2 h 05 min", "47 h 00 min", "2 days",
    ]);
  });

  it("adds the date only for another day", () => {
    const now = new Date(2026, 10, 21, 12, 0).getTime();
    expect(clockTime(new Date(2026, 10, 21, 10, 32).getTime(), now, "en-GB")).toBe("10:32");
    expect(clockTime(new Date(2026, 10, 20, 23, 5).getTime(), now, "en-GB")).toBe("20 Nov, 23:05");
    expect(liveSince(new Date(2026, 10, 21, 11, 56).getTime(), now, "en-GB")).toBe("since 11:56 · 4 min");
  });

  it("names resolutions by the short side", () => {
    expect(resolution(1280, 720, 30)).toBe("720p");
    expect(resolution(1920, 1080, 59.94)).toBe("1080p60");
    expect(resolution(720, 1280, null)).toBe("720p");
    expect(resolution(null, 720, 30)).toBe("");
  });

  it("counts with a noun", () => {
    expect([0, 1, 2].map((n) => count(n, "stall"))).toEqual(["0 stalls", "1 stall", "2 stalls"]);
  });
});

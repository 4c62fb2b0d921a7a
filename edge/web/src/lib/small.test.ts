import { describe, expect, it } from "vitest";
import { backoffMs } from "./backoff";
import { failureOfStatus, worthRetrying } from "./failure";
import { levelLabel, menuOrder } from "./levels";
import { HUES_COUNT, patternOf } from "./pattern";
import { firstVariantUri, hasEnded, isPlaylist } from "./playlist";
import { livePath, multivariantPath, streamOfPath, STUDIO_PREFIX, tokenOfQuery, watchPath, withToken } from "./route";
import { Series, sparklinePath, sparklineTop } from "./sparkline";

describe("route", () => {
  it("finds the stream of a watch path", () => {
    expect(streamOfPath("/watch/demo")).toBe("demo");
    expect(streamOfPath("/watch/demo/")).toBe("demo");
    expect(streamOfPath(watchPath("a b/ü?#"))).toBe("a b/ü?#");
    expect(["/", "/watch/", "/watch/a/b", "/watch/%zz", "/live/demo"].map((path) => streamOfPath(path))).toEqual([null, null, null, null, null]);
    expect([streamOfPath("/studio/demo", STUDIO_PREFIX), streamOfPath("/watch/demo", STUDIO_PREFIX)]).toEqual(["demo", null]);
  });

  it("builds media paths", () => {
    expect(livePath("a b")).toBe("/live/a%20b/");
    expect(multivariantPath("demo")).toBe("/live/demo/index.m3u8");
  });

  it("passes the token on", () => {
    expect(tokenOfQuery("?token=a.b%3D&x=1")).toBe("a.b=");
    expect(tokenOfQuery("?token=")).toBeNull();
    expect(withToken("/p", "a.b=")).toBe("/p?token=a.b%3D");
    expect(withToken("/p", null)).toBe("/p");
  });
});

describe("backoff", () => {
  it("doubles up to the maximum, upper half at random", () => {
    const range = { firstMs: 500, maxMs: 5000 };
    expect([0, 1, 2, 3, 4, 99].map((n) => backoffMs(n, range, 0))).toEqual([250, 500, 1000, 2000, 2500, 2500]);
    expect(backoffMs(99, range, 0.999999)).toBe(5000);
  });
});

describe("failure", () => {
  it("tells what passes by itself from what does not", () => {
    expect([401, 403, 404, 410, 400, 500, 502, 503, 0, undefined].map(failureOfStatus)).toEqual([
      "denied", "denied", "absent", "absent", "network", "network", "network", "network", "network", "network",
    ]);
    expect([401, 404, 503].map(worthRetrying)).toEqual([false, true, true]);
  });
});

describe("playlist", () => {
  const multivariant = '#EXTM3U\r\n#EXT-X-MEDIA:TYPE=AUDIO,URI="audio/index.m3u8"\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\n720p/index.m3u8\r\n';
  it("finds the first variant", () => {
    expect(firstVariantUri(multivariant)).toBe("720p/index.m3u8");
    expect(firstVariantUri("#EXTM3U\nx.m4s")).toBeNull();
  });
  it("knows a playlist and its end", () => {
    expect(isPlaylist(multivariant)).toBe(true);
    expect(isPlaylist("<!doctype html>")).toBe(false);
    expect(hasEnded("#EXTM3U\n#EXTINF:2,\n1.m4s\n#EXT-X-ENDLIST\r\n")).toBe(true);
    expect(hasEnded("#EXTM3U\n#EXTINF:2,\n1.m4s\n")).toBe(false);
  });
});

describe("levels", () => {
  const level = (width: number, height: number, frameRate = 30, name?: string) => ({
    width, height, frameRate, name, bitrate: height * 3000,
  });
  it("labels by picture, then name, then bit rate", () => {
    expect(levelLabel(level(1280, 720))).toBe("720p");
    expect(levelLabel(level(1920, 1080, 60))).toBe("1080p60");
    expect(levelLabel(level(0, 0, 0, "audio"))).toBe("audio");
    expect(levelLabel({ ...level(0, 0), bitrate: 128_000 })).toBe("128 kb/s");
  });
  it("orders from best to worst", () => {
    expect(menuOrder([level(854, 480), level(1920, 1080), level(1280, 720)])).toEqual([1, 2, 0]);
  });
});

describe("sparkline", () => {
  it("draws the newest value at the right edge and leaves gaps", () => {
    const series = new Series(5);
    [1, null, 2, 4].forEach((value) => series.push(value));
    expect(sparklineTop(series, 2)).toBe(5);
    expect(sparklinePath(series, { width: 40, height: 20, topMin: 2 })).toBe("M10 16M30 12L40 4");
  });
  it("forgets the oldest", () => {
    const series = new Series(2);
    [1, 2, 3, Number.NaN].forEach((value) => series.push(value));
    expect(series.values).toEqual([3, null]);
    expect(sparklinePath(new Series(3), { width: 1, height: 1, topMin: 1 })).toBe("");
  });
});

describe("pattern", () => {
  it("is the same for the same name and stays in range", () => {
    expect(patternOf("demo")).toEqual(patternOf("demo"));
    expect(patternOf("demo").lines).not.toEqual(patternOf("demo2").lines);
    for (const name of ["", "a", "\0", "名前", "x".repeat(300)]) {
      const { hue, lines } = patternOf(name);
      expect(hue).toBeGreaterThanOrEqual(0);
      expect(hue).toBeLessThan(HUES_COUNT);
      expect(lines.join("")).not.toContain("NaN");
    }
  });
});

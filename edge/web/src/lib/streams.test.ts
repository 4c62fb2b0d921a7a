import { expect, it } from "vitest";
import { parseStreams } from "./streams";

it("reads the documented answer", () => {
  const streams = parseStreams({
    streams: [
      {
        name: "demo", title: "Demo", started_at: "2026-11-21T10:00:00Z", renditions: ["720p", "480p", "audio"],
        width: 1280, height: 720, fps: 30, passthrough: true, viewers: 7,
      },
    ],
  });
  expect(streams).toEqual([
    {
      name: "demo", title: "Demo", startedMs: Date.UTC(2026, 10, 21, 10), renditions: ["720p", "480p", "audio"],
      width: 1280, height: 720, fps: 30, viewers: 7,
    },
  ]);
});

it("takes Unix seconds, rendition objects and absent fields", () => {
  expect(parseStreams({ streams: [{ name: "a", started_at: 1_700_000_000, renditions: [{ name: "x" }, 3] }] })).toEqual([
    { name: "a", title: "a", startedMs: 1_700_000_000_000, renditions: ["x"], width: null, height: null, fps: null, viewers: null },
  ]);
});

it("drops what is not a stream and refuses what is not a list", () => {
  expect(parseStreams({ streams: [null, 3, {}, { name: "" }, { name: "a", fps: "fast" }, { name: "a" }] })).toHaveLength(1);
  expect([null, [], "x", {}, { streams: {} }].map(parseStreams)).toEqual([null, null, null, null, null]);
});

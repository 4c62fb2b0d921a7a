import { afterEach, expect, test, vi } from "vitest";
import { playerConfig } from "./config";
import { latencyField, requester } from "./request";

afterEach(() => vi.unstubAllGlobals());

function sent(url: string, token: string | null, latency: number | null): string[] {
  vi.stubGlobal("location", { origin: "https://edge.example", href: "https://edge.example/watch/demo" });
  const calls: string[] = [];
  const request = {
    open: (method: string, to: string) => calls.push(`${method} ${to}`),
    setRequestHeader: (name: string, value: string) => calls.push(`${name}: ${value}`),
  };
  requester("demo", token, () => latency)(request as unknown as XMLHttpRequest, url);
  return calls;
}

test("a request for the stream says how late the picture is", () => {
  expect(sent("/live/demo/720p/7.1.m4s", "t", 1.2345)).toEqual([
    "GET https://edge.example/live/demo/720p/7.1.m4s",
    "Authorization: Bearer t",
    "CMCD-Request: ltc=1235",
  ]);
  expect(sent("/live/demo/index.m3u8", null, null)).toEqual(["GET https://edge.example/live/demo/index.m3u8"]);
});

test("another site is told nothing", () => {
  const elsewhere = "https://other.example/live/demo/index.m3u8";
  expect(sent(elsewhere, "t", 1)).toEqual([`GET ${elsewhere}`]);
});

test("a latency that cannot be is not said", () => {
  for (const latency of [null, -0.1, Number.NaN, Number.POSITIVE_INFINITY, 601]) {
    expect(latencyField(latency)).toBeNull();
  }
  expect(latencyField(0)).toBe("ltc=0");
});

test("hls.js sends CMCD as fields, so that URLs stay as they are", () => {
  const cmcd = playerConfig(1e6, () => undefined).cmcd;
  expect(cmcd?.useHeaders).toBe(true);
  expect(cmcd?.version).toBe(2);
  for (const key of ["bl", "br", "bs", "mtp", "sid", "su", "v"]) {
    expect(cmcd?.includeKeys).toContain(key);
  }
});

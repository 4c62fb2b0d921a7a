import { describe, expect, it } from "vitest";
import auditJson from "./fixtures/audit.json";
import hostJson from "./fixtures/host.json";
import { GAP_MS_MAX, History, HookHistory, ratesBetween, SAMPLES_MAX } from "./history";
import { parseAudit, parseHostStatus } from "./parse";
import { readTail } from "./tail";
import type { HookStatus } from "./types";
import { ago, auditText, bytes, compact, duration, problemText, rate, share } from "./words";

function hook(calls: number, failed = 0): HookStatus {
  return { hook: "auth", calls, reused: 0, decisions: {}, failures: failed === 0 ? {} : { cpu: failed }, p50Us: 40, p99Us: 90 };
}

describe("rates", () => {
  const sample = (atMs: number, calls: number, failures = 0) => ({ atMs, calls, failures });
  it("are what happened between two samples", () => {
    expect(ratesBetween(sample(1000, 10), sample(3000, 50, 4))).toEqual({ calls: 20, failures: 2 });
    expect(ratesBetween(sample(1000, 10), sample(3000, 10))).toEqual({ calls: 0, failures: 0 });
  });
  it("are unknown without two samples that belong together", () => {
    expect(ratesBetween(null, sample(1, 1))).toBeNull();
    expect(ratesBetween(sample(1000, 50), sample(3000, 10))).toBeNull();
    expect(ratesBetween(sample(1000, 50, 5), sample(3000, 60, 0))).toBeNull();
    expect(ratesBetween(sample(1000, 1), sample(1000, 2))).toBeNull();
    expect(ratesBetween(sample(0, 1), sample(GAP_MS_MAX + 1, 2))).toBeNull();
  });
  it("are smoothed, and leave a gap where the page was hidden", () => {
    const history = new HookHistory();
    expect(history.callsPerSecond).toBeNull();
    [0, 100, 300].forEach((calls, index) => history.add(hook(calls), index * 1000));
    expect(history.callsPerSecond).toBe(150);
    history.add(hook(9000), 60_000);
    expect(history.calls.values).toEqual([null, 100, 200, null, null]);
    expect(history.p99Us.values.at(-2)).toBeNull();
    history.add(hook(9010, 5), 61_000);
    expect(history.failuresPerSecond).toBeCloseTo(5 / 3);
  });
  it("have nothing to say about the time of a version without calls", () => {
    const history = new HookHistory();
    history.add(hook(0), 0);
    expect(history.p99Us.values).toEqual([null]);
  });
  it("are kept for each version while it is loaded, and for so long", () => {
    const status = parseHostStatus(hostJson);
    const auth = status?.filters.get("auth");
    const [before, active] = auth?.versions ?? [];
    if (status == null || auth === undefined || before === undefined || active === undefined) {
      throw new Error("the fixture has lost its versions");
    }
    const history = new History();
    for (let sample = 0; sample <= SAMPLES_MAX + 5; sample += 1) {
      history.add(status, sample * 2000);
    }
    expect(history.find("auth", active, "auth")?.calls.values).toHaveLength(SAMPLES_MAX);
    expect(history.total("auth", [before, active], "callsPerSecond")).toBe(0);
    history.add({ ...status, filters: new Map([["auth", { ...auth, versions: [active] }]]) }, 400_000);
    expect(history.find("auth", before, "auth")).toBeNull();
    expect(history.total("auth", [before], "callsPerSecond")).toBeNull();
  });
});

describe("words", () => {
  it("writes counts and rates", () => {
    expect([0, 842, 9999, 12_340, 999_400, 4_100_000, 2.5e9].map(compact)).toEqual(["0", "842", "9999", "12.3k", "999k", "4.1M", "2.5G"]);
    expect([null, 0, 0.01, 0.4, 12.3, 12_300].map(rate)).toEqual(["–", "0", "<0.1", "0.4", "12", "12.3k"]);
  });
  it("writes durations, sizes and shares", () => {
    expect([4, 999, 1200, 15_400, 1_400_000].map((us) => duration(us))).toEqual(["4 µs", "999 µs", "1.2 ms", "15 ms", "1.4 s"]);
    expect(duration(0, false)).toBe("–");
    expect([12, 655_360, 1_468_006, 16 << 20].map(bytes)).toEqual(["12 B", "640 KiB", "1.4 MiB", "16 MiB"]);
    expect([share(0, 10), share(1, 5000), share(1, 40), share(1, 3), share(1, 0)]).toEqual(["0 %", "<0.1 %", "2.5 %", "33 %", "–"]);
    expect([share(10, 10), share(9999, 10_000), share(998, 1000), share(99, 100)]).toEqual(["100 %", ">99.9 %", "99.8 %", "99 %"]);
  });
  it("writes how long ago", () => {
    const now = 10_000_000_000;
    expect([0, 2, 12, 300, 7200, 400_000].map((s) => ago(now - s * 1000, now))).toEqual(["now", "now", "12 s ago", "5 min ago", "2 h ago", "4 days ago"]);
    expect(ago(0, now)).toBe("–");
  });
  it("tells what happened", () => {
    const told = (parseAudit(auditJson) ?? []).map(auditText);
    expect(told.map(({ filter, what }) => (filter === null ? what : `${filter} ${what}`))).toEqual([
      "uploaded a component of 793 KiB",
      "auth pushed v1",
      "revoked grants of user eve",
      "auth pushed v4",
      "geo-block switched off",
      "auth made v5 the shadow",
      "auth edge-2 refused v5",
      "auth activated v4",
      "auth rolled back from v4 to v3",
      "word-guard activated v3 for 5 %",
    ]);
    expect(told[7]?.detail).toBe("before: v3, judged for 60 s");
    expect(told[8]?.detail).toBe("judged by edge-1: errors 4.8 % (31 of 641 calls), before 0.0 %");
    const unknown = { seq: 1, atMs: 0, actor: "x", peer: null, action: "key_rotated", fields: {} };
    expect(auditText(unknown).what).toBe("key rotated");
  });
  it("says what an error says", () => {
    expect(problemText(502, null)).toBe("the server answered 502");
    expect(problemText(409, { title: "Conflict", detail: "nothing to go back to" })).toBe("nothing to go back to");
    expect(problemText(422, { detail: "edge-2 refused it", stage: "probe", reason: "trap" })).toBe("edge-2 refused it. probe: trap");
    expect(problemText(412, { detail: "overtaken", changed: { by: "ben", what: "activated v3", at_unix_ms: 1 } })).toBe("overtaken. ben was faster: activated v3");
  });
});

describe("tail", () => {
  const logOf = (length: number) => {
    let reads = 0;
    const read = (after: number) => {
      reads += 1;
      const first = Math.min(after, length);
      return Promise.resolve(Array.from({ length: Math.min(500, length - first) }, (_, index) => ({ seq: first + index + 1 })));
    };
    return { read, reads: () => reads };
  };
  it("finds the newest records of a short and of a long log", async () => {
    for (const length of [0, 1, 30, 200, 499, 500, 501, 1000, 1001, 12_345, 1_000_000]) {
      const log = logOf(length);
      const tail = await readTail(log.read, 0, 200);
      expect(tail.length).toBe(Math.min(200, length));
      expect(tail.at(-1)?.seq ?? 0).toBe(length);
      expect(log.reads()).toBeLessThan(50);
    }
  });
  it("asks once when there is nothing new", async () => {
    const log = logOf(40);
    expect(await readTail(log.read, 40, 200)).toEqual([]);
    expect(log.reads()).toBe(1);
    expect((await readTail(log.read, 38, 200)).map(({ seq }) => seq)).toEqual([39, 40]);
  });
});

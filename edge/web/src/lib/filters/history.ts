/** What this page saw of each hook of each version over the last minutes: rates come from two samples. Pure. */

import { Series } from "../sparkline";
import type { HookStatus, HostStatus, LoadedVersion } from "./types";

/** Samples that are kept: five minutes at one in two seconds. */
export const SAMPLES_MAX = 150;
/** Samples further apart than this say nothing about the time between them: the page was hidden. */
export const GAP_MS_MAX = 10_000;
/** A rate as people read it is the mean of so many. */
const SMOOTHED_OVER = 5;

interface Sample {
  readonly atMs: number;
  readonly calls: number;
  readonly failures: number;
}

/** Calls and failures a second between two samples; null when they cannot be compared. */
export function ratesBetween(before: Sample | null, after: Sample): { calls: number; failures: number } | null {
  const elapsedMs = before === null ? 0 : after.atMs - before.atMs;
  // Counters that fell: the version was loaded anew.
  if (before === null || elapsedMs <= 0 || elapsedMs > GAP_MS_MAX || after.calls < before.calls || after.failures < before.failures) {
    return null;
  }
  const perSecond = (from: number, to: number): number => ((to - from) * 1000) / elapsedMs;
  return { calls: perSecond(before.calls, after.calls), failures: perSecond(before.failures, after.failures) };
}

export class HookHistory {
  readonly calls = new Series(SAMPLES_MAX);
  readonly failures = new Series(SAMPLES_MAX);
  readonly p99Us = new Series(SAMPLES_MAX);
  #last: Sample | null = null;

  add(hook: HookStatus, atMs: number): void {
    const sample = { atMs, calls: hook.calls, failures: failuresOf(hook) };
    const rates = ratesBetween(this.#last, sample);
    if (this.#last !== null && atMs - this.#last.atMs > GAP_MS_MAX) {
      this.miss();
    }
    this.calls.push(rates?.calls ?? null);
    this.failures.push(rates?.failures ?? null);
    this.p99Us.push(hook.calls > 0 ? hook.p99Us : null);
    this.#last = sample;
  }

  /** Leaves a gap. */
  miss(): void {
    this.calls.push(null);
    this.failures.push(null);
    this.p99Us.push(null);
  }

  get callsPerSecond(): number | null {
    return mean(this.calls);
  }

  get failuresPerSecond(): number | null {
    return mean(this.failures);
  }
}

/** All of them, by filter, version and hook. */
export class History {
  #hooks = new Map<string, HookHistory>();

  add(status: HostStatus, atMs: number): void {
    const seen = new Set<string>();
    for (const [filter, { versions }] of status.filters) {
      for (const version of versions) {
        for (const hook of version.hooks) {
          const key = keyOf(filter, version, hook.hook);
          const history = this.#hooks.get(key) ?? new HookHistory();
          history.add(hook, atMs);
          this.#hooks.set(key, history);
          seen.add(key);
        }
      }
    }
    // What is no longer loaded is forgotten: were it loaded again, it would count anew.
    this.#hooks.forEach((_, key) => {
      if (!seen.has(key)) {
        this.#hooks.delete(key);
      }
    });
  }

  find(filter: string, version: LoadedVersion, hook: string): HookHistory | null {
    return this.#hooks.get(keyOf(filter, version, hook)) ?? null;
  }

  /** Calls a second of what serves, all hooks and versions together; null when unknown. */
  total(filter: string, versions: readonly LoadedVersion[], of: "callsPerSecond" | "failuresPerSecond"): number | null {
    let total: number | null = null;
    for (const version of versions) {
      for (const hook of version.hooks) {
        const value = this.find(filter, version, hook.hook)?.[of] ?? null;
        total = value === null ? total : (total ?? 0) + value;
      }
    }
    return total;
  }

  clear(): void {
    this.#hooks.clear();
  }
}

/** All failures of a hook. */
export function failuresOf(hook: HookStatus): number {
  return Object.values(hook.failures).reduce((sum, count) => sum + count, 0);
}

function keyOf(filter: string, version: LoadedVersion, hook: string): string {
  return `${filter} ${version.id} ${version.shadow ? "shadow" : "serving"} ${hook}`;
}

function mean(series: Series): number | null {
  const values = series.values.slice(-SMOOTHED_OVER).filter((value) => value !== null);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

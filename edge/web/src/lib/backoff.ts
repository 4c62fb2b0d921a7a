/** Waiting times between attempts. `random` is an argument: a number in [0, 1). */

export interface BackoffRange {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Doubles per attempt up to the maximum; the upper half is drawn at random, so that a crowd does not return in step. */
export function backoffMs(attempt: number, range: BackoffRange, random: number): number {
  const ceiling = Math.min(range.maxMs, range.firstMs * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling * (0.5 + random / 2));
}

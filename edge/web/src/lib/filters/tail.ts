/** The newest records of a log that can only be read from somewhere on: `read(after)` gives the first ones above `after`. */

export interface Numbered {
  readonly seq: number;
}

/** Requests that one search may make: enough for a log of 2^20 pages. */
const READS_MAX = 48;

/**
 * The last `keep` records, oldest first. Numbers rise without large gaps, so the end is found by doubling and halving
 * instead of reading everything.
 */
export async function readTail<T extends Numbered>(
  read: (after: number) => Promise<readonly T[]>,
  after: number,
  keep: number,
): Promise<readonly T[]> {
  const first = await read(after);
  let page = first;
  let low = after;
  let empty = Number.POSITIVE_INFINITY;
  let step = Math.max(1, first.length);
  for (let reads = 1; page.length > 0 && reads < READS_MAX; reads += 1) {
    low = page.at(-1)?.seq ?? low;
    const probe = empty === Number.POSITIVE_INFINITY ? low + step : Math.floor((low + empty) / 2);
    if (probe <= low) {
      break;
    }
    step *= 2;
    const next = await read(probe);
    if (next.length > 0) {
      page = next;
      continue;
    }
    empty = probe;
    // Nothing beyond the probe: what lies between is the rest, or too much for one page.
    const rest = await read(low);
    if (rest.length === 0) {
      break;
    }
    page = rest;
  }
  if (low <= after) {
    return [];
  }
  const tail = await read(Math.max(after, low - keep));
  return tail.slice(-keep);
}

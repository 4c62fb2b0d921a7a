/** Ids that were seen, the last so many of them, as a value: who has an older one sees nothing of what was added. Pure. */

/** What is copied for one more. */
const PART = 64;
const PARTS = 64;
/** So many are remembered at least. */
export const SEEN_IDS_MIN = PART * (PARTS - 1);

/** Of all parts only the last one grows. */
export type SeenIds = readonly ReadonlySet<string>[];

export function hasSeen(seen: SeenIds, id: string): boolean {
  return seen.some((part) => part.has(id));
}

export function withSeen(seen: SeenIds, id: string): SeenIds {
  const last = seen.at(-1);
  return last === undefined || last.size >= PART ? [...seen, new Set([id])].slice(-PARTS) : [...seen.slice(0, -1), new Set([...last, id])];
}

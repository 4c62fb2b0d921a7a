/** One's own taps on an item in a row, counted before any answer comes. Pure. */

export interface OwnCombo {
  readonly item: string;
  /** Items given. */
  readonly total: number;
  readonly taps: number;
  readonly windowMs: number;
  readonly untilMs: number;
}

/** Where nothing else is known: as the hub has it. */
export const WINDOW_MS_DEFAULT = 3000;

export function tapped(combo: OwnCombo | null, item: string, count: number, windowMs: number, nowMs: number): OwnCombo {
  const goesOn = combo !== null && combo.item === item && nowMs <= combo.untilMs;
  return { item, total: (goesOn ? combo.total : 0) + count, taps: (goesOn ? combo.taps : 0) + 1, windowMs, untilMs: nowMs + windowMs };
}

/** Some of it was not taken. */
export function untapped(combo: OwnCombo | null, item: string, count: number): OwnCombo | null {
  if (combo === null || combo.item !== item) {
    return combo;
  }
  const total = combo.total - count;
  return total <= 0 ? null : { ...combo, total, taps: Math.max(1, combo.taps - 1) };
}

export function isOver(combo: OwnCombo, nowMs: number): boolean {
  return nowMs > combo.untilMs;
}

/**
 * The running series of a room, in a few slots at the side of the picture. A series stays in its slot while it grows, and for a
 * moment after its end; where there is no slot the dearest waits for one. Pure: the time is an argument.
 */

import type { Gift } from "../room/gift";

export const RUNS_MAX = 24;
/** After the last tap of a series that nobody ended. */
const GRACE_MS = 1500;
const SINGLE_MS = 3500;
/** What has ended is seen a moment longer. */
const END_MS = 1200;

export interface Run {
  readonly key: string;
  readonly senderId: string;
  readonly sender: string;
  readonly emoji: string;
  readonly name: string;
  readonly total: number;
  readonly points: number;
  readonly untilMs: number;
  readonly ended: boolean;
}

export interface Tray {
  /** In the order that they stand; null is an empty slot. */
  readonly slots: readonly (Run | null)[];
  readonly waiting: readonly Run[];
}

export function emptyTray(slots: number): Tray {
  return { slots: Array.from({ length: slots }, () => null), waiting: [] };
}

export interface Look {
  readonly emoji: string;
  readonly name: string;
}

export function trayAfter(tray: Tray, gift: Gift, look: Look, nowMs: number): Tray {
  const { combo } = gift;
  const key = combo === null ? `${gift.sender.id} ${gift.item}` : combo.id;
  const known = [...tray.slots, ...tray.waiting].find((run) => run?.key === key) ?? null;
  const before = known !== null && !known.ended ? known.total : 0;
  const run: Run = {
    key,
    senderId: gift.sender.id,
    sender: gift.sender.name,
    ...look,
    // Who comes in the middle of a series sees how long it is.
    total: Math.max(before + gift.count, combo?.count ?? 0),
    points: (known?.points ?? 0) + gift.points,
    untilMs: nowMs + (combo === null ? SINGLE_MS : combo.windowMs + GRACE_MS),
    ended: false,
  };
  if (known !== null) {
    return mapped(tray, (one) => (one.key === key ? run : one));
  }
  const waiting = [...tray.waiting, run].sort((a, b) => b.points - a.points).slice(0, RUNS_MAX);
  return settled({ ...tray, waiting }, nowMs);
}

/** The room says that a series is over. */
export function trayEnded(tray: Tray, key: string, nowMs: number): Tray {
  return mapped(tray, (run) => (run.key === key ? { ...run, ended: true, untilMs: Math.min(run.untilMs, nowMs + END_MS) } : run));
}

/** Another number of slots, as when a phone is turned: what has none any more waits for one. */
export function withSlots(tray: Tray, slots: number, nowMs: number): Tray {
  if (slots === tray.slots.length) {
    return tray;
  }
  const without = tray.slots.slice(slots).filter((run) => run !== null);
  const added = emptyTray(Math.max(0, slots - tray.slots.length)).slots;
  const waiting = [...tray.waiting, ...without].sort((a, b) => b.points - a.points).slice(0, RUNS_MAX);
  return settled({ slots: [...tray.slots.slice(0, slots), ...added], waiting }, nowMs);
}

/** What is over goes, what waits comes. */
export function settled(tray: Tray, nowMs: number): Tray {
  const over = (run: Run | null): boolean => run !== null && run.untilMs <= nowMs;
  let waiting = tray.waiting.filter((run) => !over(run));
  const slots = tray.slots.map((run) => {
    if (run !== null && !over(run)) {
      return run;
    }
    const [next = null, ...rest] = waiting;
    waiting = rest;
    return next;
  });
  const same = waiting.length === tray.waiting.length && slots.every((run, at) => run === tray.slots[at]);
  return same ? tray : { slots, waiting };
}

/** When there is something to settle next; null when there is nothing. */
export function nextMs(tray: Tray): number | null {
  const times = tray.slots.filter((run) => run !== null).map(({ untilMs }) => untilMs);
  return times.length === 0 ? null : Math.min(...times);
}

function mapped(tray: Tray, change: (run: Run) => Run): Tray {
  return { slots: tray.slots.map((run) => (run === null ? null : change(run))), waiting: tray.waiting.map(change) };
}

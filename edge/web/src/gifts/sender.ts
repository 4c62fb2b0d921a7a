/**
 * Gives gifts, one request per tap. Each tap has a client id of its own and keeps it however often it is tried, so that it is
 * charged once. What becomes of a tap is always told: nothing is lost without a word.
 */

import { asProblem, CODE_UNAVAILABLE, Problem } from "../account/problem";
import { field, text } from "../lib/json";
import type { Item } from "./catalogue";

export const FLYING_MAX = 4;
export const WAITING_MAX = 100;
/** Tried for so long when nobody answers. */
export const ANSWER_MS_MAX = 10_000;
const RETRY_MS = [300, 600, 1200, 2400] as const;
/** To be told to wait longer than this is a refusal. */
const PAUSE_MS_MAX = 30_000;
const PAUSE_MS = 1000;
const PAUSES_MAX = 8;

export interface Tap {
  readonly clientId: string;
  readonly item: Item;
  readonly count: number;
  readonly mediaMs: number | null;
}

export interface Given {
  /** The gift's, by which the room tells of it. */
  readonly id: string;
  readonly state: "given" | "held";
  /** Null: it was paid, and the balance could not be read. */
  readonly available: number | null;
}

/** What an edge answers; null if it says nothing of a gift. */
export function parseGiven(answer: unknown): Given | null {
  const [state, available] = [field(answer, "state"), field(answer, "available")];
  if (state !== "given" && state !== "held") {
    return null;
  }
  return { id: text(field(answer, "id")), state, available: typeof available === "number" && Number.isFinite(available) ? available : null };
}

export type Fate =
  | ({ readonly type: "given"; readonly tap: Tap } & Given)
  /** `taps` were not taken. `again`: nobody knows whether they were; to try again charges nothing twice. */
  | { readonly type: "failed"; readonly taps: readonly Tap[]; readonly problem: Problem; readonly again: boolean }
  /** The server wants a pause; it goes on by itself. */
  | { readonly type: "paused"; readonly ms: number };

export interface SenderOptions {
  /** Rejects with a `Problem`. */
  post(tap: Tap): Promise<Given>;
  newId(): string;
  now(): number;
  later(run: () => void, ms: number): void;
  onFate(fate: Fate): void;
  /** What is on its way has changed. */
  onChange(): void;
}

interface Try {
  readonly tap: Tap;
  /** Who gave it, as `#owner` counts them. */
  readonly owner: number;
  /** Between being sent and what came of that. */
  inAir: boolean;
  sentMs: number | null;
  tries: number;
  pauses: number;
}

export class GiftSender {
  readonly #options: SenderOptions;
  #waiting: Try[] = [];
  #flying = new Set<Try>();
  #pausedUntilMs = 0;
  #lost: readonly Tap[] = [];
  /** Goes up when somebody else is signed in: what the one before gave is no matter of theirs. */
  #owner = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Coins on their way. */
  get cost(): number {
    return [...this.#waiting, ...this.#flying].reduce((sum, { tap }) => sum + tap.item.price * tap.count, 0);
  }

  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  get lost(): number {
    return this.#lost.length;
  }

  /** False when too many wait already. */
  give(item: Item, count: number, mediaMs: number | null): boolean {
    if (this.isFull) {
      return false;
    }
    this.#enter([{ clientId: this.#options.newId(), item, count, mediaMs }]);
    return true;
  }

  /** What nobody answered, with the ids it had. */
  again(): void {
    const lost = this.#lost;
    this.#lost = [];
    this.#enter(lost);
  }

  /**
   * Somebody else is signed in, or nobody: what is not sent yet is not theirs, nor is what comes of the rest. Says how many taps
   * are not sent, or not again.
   */
  clear(): number {
    const count = this.#waiting.length + this.#lost.length + [...this.#flying].filter(({ inAir }) => !inAir).length;
    this.#owner += 1;
    this.#waiting = [];
    this.#flying = new Set();
    this.#lost = [];
    this.#pausedUntilMs = 0;
    this.#options.onChange();
    return count;
  }

  #enter(taps: readonly Tap[]): void {
    this.#waiting.push(...taps.map((tap): Try => ({ tap, owner: this.#owner, inAir: false, sentMs: null, tries: 0, pauses: 0 })));
    this.#pump();
    this.#options.onChange();
  }

  #pump(): void {
    while (this.#flying.size < FLYING_MAX && this.#options.now() >= this.#pausedUntilMs) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        return;
      }
      this.#flying.add(next);
      void this.#fly(next);
    }
  }

  async #fly(one: Try): Promise<void> {
    if (one.owner !== this.#owner) {
      return;
    }
    one.sentMs ??= this.#options.now();
    one.tries += 1;
    one.inAir = true;
    let given: Given;
    try {
      given = await this.#options.post(one.tap);
    } catch (thrown) {
      one.inAir = false;
      if (one.owner === this.#owner) {
        this.#fail(one, asProblem(thrown));
      }
      return;
    }
    if (one.owner !== this.#owner) {
      return;
    }
    this.#land(one);
    this.#options.onFate({ type: "given", tap: one.tap, ...given });
    this.#options.onChange();
    this.#pump();
  }

  #fail(one: Try, problem: Problem): void {
    const { tap } = one;
    if (problem.status === 429) {
      const ms = problem.retryAfterMs ?? PAUSE_MS;
      one.pauses += 1;
      if (ms <= PAUSE_MS_MAX && one.pauses <= PAUSES_MAX) {
        this.#pause(one, ms);
        return;
      }
      this.#land(one);
      this.#refused([tap, ...this.#drop(() => true)], problem, false);
    } else if (isNoAnswer(problem)) {
      const waitMs = RETRY_MS[Math.min(one.tries, RETRY_MS.length) - 1] ?? 0;
      if (this.#options.now() + waitMs - (one.sentMs ?? 0) < ANSWER_MS_MAX) {
        this.#options.later(() => void this.#fly(one), waitMs);
        return;
      }
      this.#land(one);
      this.#lost = [...this.#lost, tap];
      this.#refused([tap], problem, true);
    } else {
      this.#land(one);
      // What follows would fare the same.
      const like = problem.status === 404 || problem.status === 422 ? (other: Tap) => other.item.id === tap.item.id : problem.status === 409 ? () => false : () => true;
      this.#refused([tap, ...this.#drop(like)], problem, false);
    }
    this.#options.onChange();
    this.#pump();
  }

  /** It comes first again when the pause is over. */
  #pause(one: Try, ms: number): void {
    const until = this.#options.now() + ms;
    this.#flying.delete(one);
    this.#waiting.unshift(one);
    one.sentMs = null;
    one.tries = 0;
    if (until > this.#pausedUntilMs) {
      this.#pausedUntilMs = until;
      this.#options.later(() => this.#pump(), ms);
      this.#options.onFate({ type: "paused", ms });
    }
  }

  #refused(taps: readonly Tap[], problem: Problem, again: boolean): void {
    this.#options.onFate({ type: "failed", taps, problem, again });
  }

  #land(one: Try): void {
    this.#flying.delete(one);
  }

  #drop(takes: (tap: Tap) => boolean): readonly Tap[] {
    const dropped = this.#waiting.filter(({ tap }) => takes(tap)).map(({ tap }) => tap);
    this.#waiting = this.#waiting.filter(({ tap }) => !takes(tap));
    return dropped;
  }
}

function isNoAnswer({ status, code }: Problem): boolean {
  return status === 0 || status >= 500 || code === CODE_UNAVAILABLE;
}

/**
 * Counts stalls: pauses in playback that the viewer did not ask for.
 * It looks at no media element; the caller samples one and says what it saw.
 *
 * The measure is the playhead, not the `waiting` event: browsers raise that event for gaps too short to see,
 * and not at all when a decoder hangs.
 */

/** What the media element looked like at one moment. */
export interface PlaybackSample {
  /** A monotonic clock in milliseconds. */
  readonly nowMs: number;
  /** The playhead in seconds. */
  readonly position: number;
  /** Playback is meant to stand still: paused by the viewer, ended, or nothing to play. */
  readonly held: boolean;
  /** The element is seeking. A seek out of a stall belongs to the stall; any other seek is none. */
  readonly seeking: boolean;
}

/** A playhead that stands for longer than this is a stall; shorter gaps are not visible. */
export const STALL_THRESHOLD_MS = 250;
/** No sample for longer than this: the page was asleep, and nobody was watching. */
export const SAMPLE_GAP_MS_MAX = 3000;
/** A playhead that moved by less has not moved. */
const POSITION_EPSILON_S = 0.001;
/** A playhead that moved this much more than time allows has jumped, not played. */
const JUMP_S = 1;

type Phase =
  | { readonly kind: "waiting" }
  | { readonly kind: "playing"; readonly advancedMs: number }
  | { readonly kind: "stalled"; readonly sinceMs: number };

/** Feed it a sample about every 100 ms; read `stalls`, `stalledMs(now)` and `stalled`. */
export class StallCounter {
  #phase: Phase = { kind: "waiting" };
  #position: number | null = null;
  #sampledMs: number | null = null;
  #stalls = 0;
  #closedMs = 0;

  /** How many stalls there have been, the present one included. */
  get stalls(): number {
    return this.#stalls;
  }

  /** Whether playback stands still right now. */
  get stalled(): boolean {
    return this.#phase.kind === "stalled";
  }

  /** Time lost to stalls up to `nowMs`. */
  stalledMs(nowMs: number): number {
    const open = this.#phase.kind === "stalled" ? Math.max(0, nowMs - this.#phase.sinceMs) : 0;
    return this.#closedMs + open;
  }

  /** How long the present stall has lasted, 0 outside one. */
  presentMs(nowMs: number): number {
    return this.#phase.kind === "stalled" ? Math.max(0, nowMs - this.#phase.sinceMs) : 0;
  }

  /** Takes one sample. */
  observe(sample: PlaybackSample): void {
    const { nowMs } = sample;
    const gapMs = this.#sampledMs === null ? 0 : nowMs - this.#sampledMs;
    const moved = this.#position === null ? 0 : Math.abs(sample.position - this.#position);
    const jumped = moved > JUMP_S + (2 * gapMs) / 1000;
    const advanced = moved > POSITION_EPSILON_S && !jumped && !sample.seeking;
    const asleepSinceMs = gapMs > SAMPLE_GAP_MS_MAX ? nowMs - gapMs : null;
    this.#position = sample.position;
    this.#sampledMs = nowMs;

    if (sample.held) {
      this.#wait(nowMs);
    } else if (advanced) {
      this.#close(nowMs);
      this.#phase = { kind: "playing", advancedMs: nowMs };
    } else if (asleepSinceMs !== null) {
      // The time asleep was not watched; what follows is judged afresh.
      this.#wait(asleepSinceMs);
    } else if (this.#phase.kind === "playing") {
      this.#judge(this.#phase.advancedMs, nowMs, jumped || sample.seeking);
    }
  }

  #judge(advancedMs: number, nowMs: number, seeking: boolean): void {
    if (seeking) {
      this.#wait(nowMs);
    } else if (nowMs - advancedMs >= STALL_THRESHOLD_MS) {
      this.#stalls += 1;
      this.#phase = { kind: "stalled", sinceMs: advancedMs };
    }
  }

  #wait(nowMs: number): void {
    this.#close(nowMs);
    this.#phase = { kind: "waiting" };
  }

  #close(nowMs: number): void {
    if (this.#phase.kind === "stalled") {
      this.#closedMs += Math.max(0, nowMs - this.#phase.sinceMs);
    }
  }
}

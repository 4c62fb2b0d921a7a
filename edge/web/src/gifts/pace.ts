/** Whether this machine keeps up with what is played on it: by how long its frames take. Pure: the time is an argument. */

/** Slower than 30 frames a second is too slow, and what is faster than 45 is well again. */
const SLOW_MS = 33;
const WELL_MS = 22;
/** A share of the newest frame in the average. */
const SHARE = 0.05;
/** One long frame is no slow machine. */
const FRAME_MS_MAX = 80;
/** A longer gap is no frame: nothing was played, or nobody looked. */
const GAP_MS_MAX = 1000;

export class FramePace {
  #lastMs: number | null = null;
  #averageMs = 16;
  #slow = false;

  get isSlow(): boolean {
    return this.#slow;
  }

  frame(nowMs: number): void {
    const gap = this.#lastMs === null ? null : nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (gap === null || gap > GAP_MS_MAX) {
      return;
    }
    this.#averageMs += (Math.min(gap, FRAME_MS_MAX) - this.#averageMs) * SHARE;
    this.#slow = this.#averageMs > (this.#slow ? WELL_MS : SLOW_MS);
  }

  /** What comes next does not follow. */
  pause(): void {
    this.#lastMs = null;
  }
}

/** How far the chat is held back so that it is in step with the picture. Pure. */

import { HOLD_MS_MAX } from "./protocol";

/** Smaller changes are not worth a message. */
export const STEP_MS = 500;
/** Share of the newest latency in the smoothed one, at one sample a second. */
const WEIGHT = 0.2;

export class Hold {
  #smooth: number | null = null;
  #told = 0;

  /** What the edge was told last. */
  get toldMs(): number {
    return this.#told;
  }

  /** Takes one sample; the hold to tell the edge now, or null. `inStep` false: chat comes at once. */
  observe(latencyMs: number | null, inStep: boolean): number | null {
    if (!inStep) {
      this.#smooth = null;
      return this.#tell(0, 1);
    }
    if (latencyMs === null || !Number.isFinite(latencyMs)) {
      return null;
    }
    const bounded = Math.min(HOLD_MS_MAX, Math.max(0, latencyMs));
    // A jump of the picture is no noise.
    const jump = this.#smooth === null || Math.abs(bounded - this.#smooth) > 5 * STEP_MS;
    this.#smooth = jump ? bounded : (this.#smooth ?? 0) * (1 - WEIGHT) + bounded * WEIGHT;
    return this.#tell(Math.round(this.#smooth / 100) * 100, STEP_MS);
  }

  #tell(holdMs: number, stepMs: number): number | null {
    if (Math.abs(holdMs - this.#told) < stepMs) {
      return null;
    }
    this.#told = holdMs;
    return holdMs;
  }
}

/**
 * Whether playback is so near to the newest media that it should go slower for a while.
 *
 * hls.js only catches up. After a gap in the stream, or a seek over a hole, it may play a fraction of a second behind the
 * newest part: the next hiccup of the network is then a stall. It knows latencies; it touches no player.
 */
export class Pace {
  /** Nearer than the target by more than this: begin. */
  static readonly AHEAD_S_MAX = 0.4;
  /** Nearer by no more than this: done. */
  static readonly AHEAD_S_DONE = 0.05;
  /** 5 % slower is not heard: browsers keep the pitch. */
  static readonly SLOW_RATE = 0.95;

  #slow = false;

  /** Takes both in seconds, null while unknown; says whether to play slower now. */
  observe(latency: number | null, target: number | null): boolean {
    if (latency === null || target === null) {
      this.#slow = false;
      return false;
    }
    this.#slow = target - latency > (this.#slow ? Pace.AHEAD_S_DONE : Pace.AHEAD_S_MAX);
    return this.#slow;
  }
}

/**
 * How fast to play where hls.js would not steer.
 *
 * hls.js only catches up, and only with more than a second in its buffer. After a gap in the stream, or a seek over a
 * hole, it may play a fraction of a second behind the newest part: the next hiccup of the network is then a stall. And a
 * target of less than a second (parts of 200 ms) it never reaches again once it is behind it. This knows latencies; it
 * touches no player.
 */
export class Pace {
  /** Nearer than the target by more than this much of it: begin to play slower. */
  static readonly AHEAD_MAX = 0.4;
  /** Nearer by no more than so many seconds: done. */
  static readonly AHEAD_S_DONE = 0.05;
  /** 5 % slower, or faster, is not heard: browsers keep the pitch. */
  static readonly SLOW_RATE = 0.95;
  static readonly FAST_RATE = 1.05;
  /** With more seconds than this in the buffer hls.js catches up itself; a target beyond it is hls.js's to reach. */
  static readonly HLS_BUFFER_S = 1;
  /** Behind the target by more seconds than this: begin to play faster. */
  static readonly BEHIND_S_MAX = 0.1;
  static readonly BEHIND_S_DONE = 0.03;
  /** Behind by more seconds than this: hls.js has a second in its buffer, and is faster. */
  static readonly BEHIND_S_LEFT = 1;
  /** Faster only with this much of the target in the buffer. */
  static readonly BUFFER_MIN = 0.5;

  #rate: number | null = null;

  /** Takes seconds, null while unknown, and what is buffered ahead; gives the rate, or null: hls.js decides. */
  observe(latency: number | null, target: number | null, buffered: number): number | null {
    this.#rate = latency === null || target === null ? null : this.#choose(latency - target, target, buffered);
    return this.#rate;
  }

  #choose(behind: number, target: number, buffered: number): number | null {
    const ahead = this.#rate === Pace.SLOW_RATE ? Pace.AHEAD_S_DONE : Pace.AHEAD_MAX * target;
    if (-behind > ahead) {
      return Pace.SLOW_RATE;
    }
    const near = target < Pace.HLS_BUFFER_S && behind <= Pace.BEHIND_S_LEFT && buffered >= Pace.BUFFER_MIN * target;
    const late = this.#rate === Pace.FAST_RATE ? Pace.BEHIND_S_DONE : Pace.BEHIND_S_MAX;
    return near && behind > late ? Pace.FAST_RATE : null;
  }
}

/**
 * One viewer's session with one stream: opens a player, and goes on opening it for as long as the page is there.
 * It knows why nothing plays (`SessionState`) and what to do about it; it draws nothing.
 */

import { backoffMs } from "../lib/backoff";
import type { Failure } from "../lib/failure";
import { Pace } from "../lib/pace";
import { StallCounter } from "../lib/stalls";
import { recallBandwidth, rememberBandwidth } from "./memory";
import type { Engine, EngineEvents } from "./engine";
import { AUTO_LEVEL } from "./engine";
import { HlsEngine } from "./hls-engine";
import { NativeEngine } from "./native-engine";
import { probe } from "./probe";

/**
 * `connecting`: no frame yet. `playing`: also while stalled or paused. `recovering`: lost after having played.
 * `absent`: no such live stream now. `over`: the show has ended. `denied`: the token is missing or refused.
 * `unsupported`: this browser can play no HLS, or not this codec.
 */
export type SessionState = "connecting" | "playing" | "recovering" | "absent" | "over" | "denied" | "unsupported";

const SAMPLE_INTERVAL_MS = 100;
const REOPEN = { firstMs: 500, maxMs: 5000 } as const;
const PROBE = { firstMs: 2500, maxMs: 6000 } as const;
const PROBE_HIDDEN = { firstMs: 20_000, maxMs: 30_000 } as const;
/** A stall this long is not left to the player. */
const STALL_MS_MAX = 10_000;
/** No first frame after this long, although nothing keeps it from playing. */
const OPEN_MS_MAX = 15_000;
/** A broadcaster of whom a segment is there, and who is still not shown so long after, is opened anew. */
const RETURN_MS_MAX = 1_500;
/** Nobody is waited for longer than this without opening anew. */
const ABSENT_MS_MAX = 60_000;
/** After the end of the playlist: how long past its own length playback may take. */
const ENDING_GRACE_MS = 4000;
const ERRORS_COUNT_MAX = 50;
/** What is nearer to the live position than this is the live position. */
const LIVE_S = 1.5;
/** Nearer to the end of the window than this, a player would lose the race against it. */
const WINDOW_MARGIN_S = 4;
/**
 * Behind the target by more than this for `BEHIND_MS_MAX`, and not by the viewer's own pause: go to the live position.
 * hls.js plays faster only within one Target Duration of its target; beyond that it would stay behind for good.
 */
const BEHIND_S_MAX = 2.5;
const BEHIND_MS_MAX = 1000;
const SKIP_INTERVAL_MS = 5000;

export interface SessionOptions {
  readonly video: HTMLVideoElement;
  readonly stream: string;
  readonly token: string | null;
  /** The state, or anything a menu shows, has changed. */
  onChange(): void;
}

export class Session {
  readonly stalls = new StallCounter();
  readonly #video: HTMLVideoElement;
  readonly #options: SessionOptions;
  readonly #errors: string[] = [];
  #state: SessionState = "connecting";
  #engine: Engine | null = null;
  #openedMs = 0;
  #endingMs: number | null = null;
  #attempt = 0;
  #timer: number | null = null;
  #probing = false;
  #firstFrameMs: number | null = null;
  #position = 0;
  #wanted = true;
  #needsGesture = false;
  /** The viewer paused and resumed, or went back: being behind is their choice. */
  #shifted = false;
  readonly #pace = new Pace();
  #behindMs: number | null = null;
  #skippedMs = Number.NEGATIVE_INFINITY;
  /** When the broadcaster was away last, until it is shown again. */
  #absentMs: number | null = null;
  /** And when that began. */
  #leftMs: number | null = null;
  #chosenHeight: number | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#video = options.video;
    const retryNow = (): void => {
      if (document.visibilityState === "visible" && this.#timer !== null && this.#state !== "denied") {
        this.retry();
      }
    };
    window.addEventListener("online", retryNow);
    document.addEventListener("visibilitychange", retryNow);
    this.#video.addEventListener("ended", () => this.#finish());
    // The media keys, a picture-in-picture window, unplugged headphones: a pause that did not come through the page.
    this.#video.addEventListener("pause", () => {
      if (this.#state === "playing" && this.#engine !== null && !this.#video.ended && this.#video.readyState > 0) {
        this.#wanted = false;
        this.#options.onChange();
      }
    });
    this.#video.addEventListener("play", () => {
      if (!this.#wanted) {
        this.#stayWherePaused();
      }
      this.#wanted = true;
      this.#options.onChange();
    });
    window.setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS);
  }

  get state(): SessionState {
    return this.#state;
  }

  get engine(): Engine | null {
    return this.#engine;
  }

  get errors(): readonly string[] {
    return this.#errors;
  }

  /** Milliseconds from the start of the page load to the first frame. */
  get firstFrameMs(): number | null {
    return this.#firstFrameMs;
  }

  /** The viewer wants playback (has not paused). */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** How many times in a row opening or looking has failed. */
  get attempts(): number {
    return this.#attempt;
  }

  /** The browser refused to start by itself; a gesture of the viewer is needed. */
  get needsGesture(): boolean {
    return this.#needsGesture;
  }

  /** Seconds of media ahead of the playhead. */
  get buffer(): number {
    const { buffered, currentTime } = this.#video;
    for (let index = 0; index < buffered.length; index += 1) {
      if (buffered.start(index) <= currentTime + 0.1 && currentTime < buffered.end(index)) {
        return buffered.end(index) - currentTime;
      }
    }
    return 0;
  }

  /** Opens the stream now, whatever was waited for. */
  retry(): void {
    this.#close();
    this.#openedMs = performance.now();
    this.#absentMs = null;
    this.#leftMs = null;
    this.#shifted = false;
    const events = this.#engineEvents();
    const { video, stream, token } = this.#options;
    if (HlsEngine.isSupported()) {
      this.#engine = new HlsEngine({ video, stream, token, bandwidth: recallBandwidth(), events });
    } else if (NativeEngine.isSupported(video)) {
      this.#engine = new NativeEngine({ video, stream, token, events });
    } else {
      this.#enter("unsupported");
      return;
    }
    this.#enter(this.#firstFrameMs === null || this.#state !== "recovering" ? "connecting" : "recovering");
  }

  /** The viewer's play or pause. */
  setWanted(wanted: boolean): void {
    this.#wanted = wanted;
    if (!wanted) {
      this.#video.pause();
    } else {
      this.#stayWherePaused();
      void this.#play();
    }
    this.#options.onChange();
  }

  /** What can be sought to, and where the playhead is; null while nothing plays. */
  get window(): { readonly start: number; readonly live: number; readonly position: number } | null {
    const range = this.#engine?.window ?? null;
    return range === null || this.#video.readyState === 0 ? null : { ...range, position: this.#video.currentTime };
  }

  /** To a position on the element's timeline, as far as there is media. */
  seekTo(position: number): void {
    const range = this.window;
    if (range === null) {
      return;
    }
    if (position >= range.live - LIVE_S) {
      this.#skip();
    } else {
      this.#shift(true);
      this.#video.currentTime = Math.max(position, Math.min(range.live, range.start + WINDOW_MARGIN_S));
    }
    this.#options.onChange();
  }

  /** So many seconds forward, or back. */
  seekBy(seconds: number): void {
    this.seekTo(this.#video.currentTime + seconds);
  }

  /** To the live position, playing. */
  goLive(): void {
    this.setWanted(true);
    this.#skip();
  }

  /** The viewer's choice of rendition; it outlives a reopening. */
  selectLevel(index: number): void {
    this.#chosenHeight = this.#engine?.levels[index]?.height ?? null;
    this.#engine?.selectLevel(index);
  }

  #behind(secondsMax: number): boolean {
    const engine = this.#engine;
    const target = engine?.targetLatency ?? null;
    return engine !== null && !engine.ending && target !== null && (engine.latency ?? 0) > target + secondsMax;
  }

  /** Who resumes goes on where they paused, if there is something to go on in. */
  #stayWherePaused(): void {
    if (this.#state === "playing" && this.#engine?.window !== null) {
      this.#shift(true);
    }
  }

  #shift(shifted: boolean): void {
    this.#shifted = shifted;
    this.#engine?.stayBehind(shifted);
  }

  /** The window moves on, and takes with it whoever is at its end. */
  #stayInWindow(): void {
    const range = this.window;
    if (this.#shifted && range !== null && !this.#video.seeking && range.position < range.start - 0.5) {
      this.#video.currentTime = Math.min(range.live, range.start + WINDOW_MARGIN_S);
    }
  }

  #skip(): void {
    this.#shift(false);
    this.#behindMs = null;
    this.#skippedMs = performance.now();
    this.#engine?.seekLive();
  }

  /** Where hls.js has given up catching up, skips what was missed. */
  #keepUp(nowMs: number): void {
    const lagging = this.#state === "playing" && !this.#shifted && !this.#video.paused && this.#behind(BEHIND_S_MAX);
    if (!lagging) {
      this.#behindMs = null;
    } else {
      this.#behindMs ??= nowMs;
      if (nowMs - this.#behindMs >= BEHIND_MS_MAX && nowMs - this.#skippedMs >= SKIP_INTERVAL_MS) {
        this.#skip();
      }
    }
  }

  /** Where hls.js would stay too near to the newest media, or a little too far from it. */
  #keepPace(): void {
    const engine = this.#engine;
    if (engine !== null) {
      const steering = this.#state === "playing" && !this.#shifted && !this.#video.paused && !engine.ending;
      engine.steer(steering ? this.#pace.observe(engine.latency, engine.targetLatency, this.buffer) : null);
    }
  }

  #engineEvents(): EngineEvents {
    return {
      onReady: () => {
        const levels = this.#engine?.levels ?? [];
        const chosen = levels.findIndex((level) => level.height === this.#chosenHeight);
        if (this.#chosenHeight !== null && chosen !== AUTO_LEVEL) {
          this.#engine?.selectLevel(chosen);
        }
        if (this.#wanted) {
          void this.#play();
        }
      },
      onLevels: () => this.#options.onChange(),
      onOver: () => this.#finish(),
      onError: (description) => this.#record(description),
      onFailure: (failure) => this.#fail(failure),
    };
  }

  async #play(): Promise<void> {
    const video = this.#video;
    try {
      await video.play();
      this.#needsGesture = false;
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") {
        // Interrupted by a new source: whoever set that calls play() again.
        return;
      }
      if (!video.muted) {
        // Sound needs a gesture first; the picture does not.
        video.muted = true;
        await this.#play();
        return;
      }
      this.#needsGesture = true;
    }
    this.#options.onChange();
  }

  #fail(failure: Failure): void {
    this.#close();
    switch (failure) {
      case "absent":
        this.#enter(this.#state === "over" ? "over" : "absent");
        this.#schedule(PROBE);
        break;
      case "denied":
        this.#enter("denied");
        break;
      case "media":
        this.#enter("unsupported");
        break;
      case "network":
        this.#enter(this.#firstFrameMs === null ? "connecting" : "recovering");
        this.#schedule(REOPEN);
        break;
    }
  }

  /** The show is over; waits for the next. */
  #finish(): void {
    if (this.#engine === null) {
      return;
    }
    this.#close();
    this.#enter("over");
    this.#schedule(PROBE);
  }

  #schedule(range: { firstMs: number; maxMs: number }): void {
    const waiting = range === PROBE && document.visibilityState === "hidden" ? PROBE_HIDDEN : range;
    const delay = backoffMs(this.#attempt, waiting, Math.random());
    this.#attempt += 1;
    this.#timer = window.setTimeout(() => {
      this.#timer = null;
      if (range === PROBE) {
        void this.#look();
      } else {
        this.retry();
      }
    }, delay);
  }

  async #look(): Promise<void> {
    if (this.#probing) {
      return;
    }
    this.#probing = true;
    const result = await probe(this.#options.stream, this.#options.token);
    this.#probing = false;
    if (this.#engine !== null) {
      return;
    }
    switch (result) {
      case "live":
        this.#attempt = 0;
        this.retry();
        break;
      case "denied":
        this.#fail("denied");
        break;
      case "over":
        this.#enter("over");
        this.#schedule(PROBE);
        break;
      default:
        this.#schedule(PROBE);
    }
  }

  #close(): void {
    if (this.#timer !== null) {
      window.clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#endingMs = null;
    const engine = this.#engine;
    this.#engine = null;
    if (engine !== null) {
      rememberBandwidth(engine.bandwidth);
      engine.close();
    }
  }

  #enter(state: SessionState): void {
    if (state !== this.#state) {
      this.#state = state;
    }
    this.#options.onChange();
  }

  #record(description: string): void {
    this.#errors.push(`${Math.round(performance.now())} ms ${description}`);
    if (this.#errors.length > ERRORS_COUNT_MAX) {
      this.#errors.shift();
    }
  }

  /** Looks at the element: counts stalls, notices the first frame, and mends what the player does not. */
  #sample(): void {
    const nowMs = performance.now();
    const video = this.#video;
    const open = this.#engine !== null && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    const advancing = open && !video.paused && !video.seeking && video.currentTime !== this.#position;
    // Without data the playhead may read 0; while the player is being rebuilt it stands where it stood.
    this.#position = open ? video.currentTime : this.#position;
    const watching = this.#state === "playing" || this.#state === "recovering";
    this.stalls.observe({
      nowMs,
      position: this.#position,
      held: !watching || !this.#wanted || (this.#engine !== null && video.paused) || video.ended,
      seeking: open && video.seeking,
    });
    if (advancing && this.#state !== "playing" && video.currentTime > 0) {
      this.#firstFrameMs ??= nowMs;
      this.#attempt = 0;
      this.#enter("playing");
    }
    this.#stayInWindow();
    this.#keepUp(nowMs);
    this.#keepPace();
    this.#watchdog(nowMs);
  }

  #watchdog(nowMs: number): void {
    const engine = this.#engine;
    if (engine === null || !this.#wanted || this.#needsGesture) {
      return;
    }
    if (engine.ending) {
      this.#endingMs ??= nowMs + this.buffer * 1000 + ENDING_GRACE_MS;
      if (nowMs > this.#endingMs) {
        this.#finish();
      }
    } else if (engine.absent && nowMs - (this.#leftMs ?? nowMs) < ABSENT_MS_MAX) {
      // There is nothing that opening again would find.
      this.#leftMs ??= nowMs;
      this.#absentMs = nowMs;
    } else if (this.#absentMs !== null) {
      if (nowMs - this.#absentMs > RETURN_MS_MAX) {
        this.#absentMs = null;
        this.#leftMs = null;
        if (this.#state !== "playing" || this.stalls.presentMs(nowMs) > 0) {
          this.#record("the broadcaster was away, and is not shown: reopening");
          this.#fail("network");
        }
      }
    } else if (this.#state === "playing") {
      if (this.stalls.presentMs(nowMs) > STALL_MS_MAX) {
        this.#record(`stalled for ${STALL_MS_MAX} ms: reopening`);
        this.#fail("network");
      }
    } else if (nowMs - this.#openedMs > OPEN_MS_MAX) {
      this.#record(`no frame for ${OPEN_MS_MAX} ms: reopening`);
      this.#fail("network");
    }
  }
}

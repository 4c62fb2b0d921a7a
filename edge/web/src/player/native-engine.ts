/** Playback by the browser itself, where it knows HLS and hls.js cannot run. It offers no choice of rendition. */

import type { LevelFacts } from "../lib/levels";
import { multivariantPath, withToken } from "../lib/route";
import { AUTO_LEVEL, type Engine, type EngineEvents } from "./engine";

const HLS_TYPE = "application/vnd.apple.mpegurl";
/** Distance to keep from the newest media when seeking to the live position. */
const HOLD_BACK_S = 2;

export interface NativeEngineOptions {
  readonly video: HTMLVideoElement;
  readonly stream: string;
  readonly token: string | null;
  readonly events: EngineEvents;
}

/** Safari's media element can tell the wall clock of its first frame. */
type DatedVideo = HTMLVideoElement & { getStartDate?: () => Date };

export class NativeEngine implements Engine {
  readonly levels: readonly LevelFacts[] = [];
  readonly currentLevel = AUTO_LEVEL;
  readonly selectedLevel = AUTO_LEVEL;
  readonly targetLatency = null;
  readonly bandwidth = null;
  readonly ending = false;
  /** Not told. */
  readonly absent = false;
  readonly #video: DatedVideo;
  readonly #listeners = new AbortController();

  static isSupported(video: HTMLVideoElement): boolean {
    return video.canPlayType(HLS_TYPE) !== "";
  }

  constructor(options: NativeEngineOptions) {
    const { video, events } = options;
    this.#video = video;
    const { signal } = this.#listeners;
    video.addEventListener("loadedmetadata", () => events.onReady(), { signal });
    video.addEventListener(
      "error",
      () => {
        events.onError(`media element: ${video.error?.message ?? "unknown"}`);
        events.onFailure("network");
      },
      { signal },
    );
    video.src = withToken(multivariantPath(options.stream), options.token);
    video.load();
  }

  get latency(): number | null {
    const { seekable, currentTime } = this.#video;
    return seekable.length === 0 ? null : Math.max(0, seekable.end(seekable.length - 1) - currentTime);
  }

  get window(): { start: number; live: number } | null {
    const { seekable } = this.#video;
    const last = seekable.length - 1;
    return last < 0 ? null : { start: seekable.start(0), live: seekable.end(last) - HOLD_BACK_S };
  }

  dateAt(position: number): number | null {
    const start = this.#video.getStartDate?.().getTime() ?? Number.NaN;
    return Number.isFinite(start) ? start + position * 1000 : null;
  }

  stayBehind(): void {
    // The browser stays where it is.
  }

  get sourceLatency(): number | null {
    const start = this.#video.getStartDate?.().getTime() ?? Number.NaN;
    const behind = (Date.now() - start) / 1000 - this.#video.currentTime;
    return behind >= 0 && behind < 120 ? behind : null;
  }

  selectLevel(): void {
    // The browser chooses.
  }

  steer(): void {
    // The browser keeps its own distance.
  }

  seekLive(): void {
    const { seekable } = this.#video;
    if (seekable.length > 0) {
      this.#video.currentTime = seekable.end(seekable.length - 1) - HOLD_BACK_S;
    }
  }

  close(): void {
    this.#listeners.abort();
    this.#video.removeAttribute("src");
    this.#video.load();
  }
}

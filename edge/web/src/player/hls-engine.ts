/** Playback through Media Source Extensions with hls.js. */

import Hls, { type ErrorData, type LevelDetails } from "hls.js";
import { failureOfStatus } from "../lib/failure";
import type { LevelFacts } from "../lib/levels";
import { multivariantPath } from "../lib/route";
import { CATCH_UP_RATE_MAX, MAX_LATENCY_TARGET_DURATIONS, playerConfig } from "./config";
import { AUTO_LEVEL, type Engine, type EngineEvents } from "./engine";
import { requester } from "./request";

/** A second media error within this time is not mended by the same means. */
const MEDIA_RECOVERY_INTERVAL_MS = 8000;
/** A source latency outside this range says that a clock is wrong, not how late the picture is. */
const SOURCE_LATENCY_S_MAX = 120;

export interface HlsEngineOptions {
  readonly video: HTMLVideoElement;
  readonly stream: string;
  readonly token: string | null;
  /** First guess of the bandwidth in bits per second. */
  readonly bandwidth: number;
  readonly events: EngineEvents;
}

export class HlsEngine implements Engine {
  readonly #hls: Hls;
  readonly #video: HTMLVideoElement;
  readonly #events: EngineEvents;
  #ending = false;
  #wasLive = false;
  #closed = false;
  #rate: number | null = null;
  #staying = false;
  #listed: { readonly startSn: number; readonly endSn: number } | null = null;
  #mediaRecoveryMs = Number.NEGATIVE_INFINITY;

  static isSupported(): boolean {
    return Hls.isSupported();
  }

  constructor(options: HlsEngineOptions) {
    const { video, stream, token, events } = options;
    this.#video = video;
    this.#events = events;
    const prepare = requester(stream, token, () => this.latency);
    this.#hls = new Hls(playerConfig(options.bandwidth, prepare));
    // Not in the constructor's argument: there hls.js insists on a fixed liveSyncDurationCount beside it.
    this.#hls.config.liveMaxLatencyDurationCount = MAX_LATENCY_TARGET_DURATIONS;
    this.#hls.on(Hls.Events.MANIFEST_PARSED, () => {
      events.onLevels();
      events.onReady();
    });
    this.#hls.on(Hls.Events.LEVEL_SWITCHED, () => events.onLevels());
    this.#hls.on(Hls.Events.LEVELS_UPDATED, () => events.onLevels());
    this.#hls.on(Hls.Events.LEVEL_LOADED, (_event, data) => this.#handleDetails(data.details));
    this.#hls.on(Hls.Events.ERROR, (_event, data) => this.#handleError(data));
    this.#hls.attachMedia(video);
    this.#hls.loadSource(multivariantPath(stream));
  }

  get levels(): readonly LevelFacts[] {
    return this.#hls.levels;
  }

  get currentLevel(): number {
    return this.#hls.currentLevel;
  }

  get selectedLevel(): number {
    return this.#hls.autoLevelEnabled ? AUTO_LEVEL : this.#hls.manualLevel;
  }

  get latency(): number | null {
    // hls.js extrapolates the edge of a playlist that is late; the playhead cannot be ahead of it.
    return this.#hls.latestLevelDetails === null ? null : Math.max(0, this.#hls.latency);
  }

  get targetLatency(): number | null {
    return this.#hls.targetLatency;
  }

  get sourceLatency(): number | null {
    const date = this.#hls.playingDate;
    if (date === null) {
      return null;
    }
    const behind = (Date.now() - date.getTime()) / 1000;
    return behind >= 0 && behind <= SOURCE_LATENCY_S_MAX ? behind : null;
  }

  get bandwidth(): number | null {
    const estimate = this.#hls.bandwidthEstimate;
    return Number.isFinite(estimate) ? estimate : null;
  }

  get absent(): boolean {
    // By the tag: hls.js calls gaps what it could not buffer, too.
    const newest = this.#hls.latestLevelDetails?.fragments.at(-1);
    return newest?.tagList.some(([tag]) => tag === "GAP") === true;
  }

  get ending(): boolean {
    return this.#ending;
  }

  get window(): { start: number; live: number } | null {
    const details = this.#hls.latestLevelDetails;
    const start = details?.fragments[0]?.start;
    const live = this.#hls.liveSyncPosition;
    return start === undefined || live === null || live === undefined ? null : { start, live };
  }

  dateAt(position: number): number | null {
    const fragments = this.#hls.latestLevelDetails?.fragments ?? [];
    const later = fragments.findIndex((fragment) => fragment.start > position);
    const fragment = fragments[later === -1 ? fragments.length - 1 : Math.max(0, later - 1)];
    const date = fragment?.programDateTime ?? null;
    return fragment === undefined || date === null ? null : date + (position - fragment.start) * 1000;
  }

  stayBehind(stay: boolean): void {
    if (stay !== this.#staying) {
      this.#staying = stay;
      // Otherwise hls.js takes whoever is far behind back to the live position.
      this.#hls.config.liveMaxLatencyDurationCount = stay ? Number.POSITIVE_INFINITY : MAX_LATENCY_TARGET_DURATIONS;
      this.#hls.config.maxLiveSyncPlaybackRate = stay || this.#rate !== null ? 1 : CATCH_UP_RATE_MAX;
      if (stay) {
        this.#video.playbackRate = 1;
      }
    }
  }

  selectLevel(index: number): void {
    this.#hls.nextLevel = index;
    this.#events.onLevels();
  }

  seekLive(): void {
    const position = this.#hls.liveSyncPosition;
    if (position !== null) {
      this.#video.currentTime = position;
    }
  }

  steer(rate: number | null): void {
    if (rate === this.#rate) {
      return;
    }
    this.#rate = rate;
    // Otherwise hls.js sets the rate to 1 four times a second.
    this.#hls.config.maxLiveSyncPlaybackRate = rate === null && !this.#staying ? CATCH_UP_RATE_MAX : 1;
    this.#video.playbackRate = rate ?? 1;
  }

  close(): void {
    this.#closed = true;
    this.steer(null);
    this.#hls.destroy();
  }

  #handleDetails(details: LevelDetails): void {
    if (!details.live) {
      this.#ending = true;
      if (!this.#wasLive) {
        this.#later(() => this.#events.onOver());
      }
      return;
    }
    this.#wasLive = true;
    const before = this.#listed;
    this.#listed = { startSn: details.startSN, endSn: details.endSN };
    // No segment in common with the playlist before: a new start of the stream, whose timeline is another one.
    if (before !== null && (details.startSN > before.endSn + 1 || details.endSN < before.startSn)) {
      this.#events.onError(`playlist moved from ${before.startSn}..${before.endSn} to ${details.startSN}..${details.endSN}`);
      this.#later(() => this.#events.onFailure("network"));
    }
  }

  #handleError(data: ErrorData): void {
    const status = data.response?.code;
    const cause = status === undefined ? data.error.message : `status ${status}`;
    this.#events.onError(`${data.details}${data.fatal ? " (fatal)" : ""}: ${cause}`);
    if (status === 401 || status === 403) {
      this.#later(() => this.#events.onFailure("denied"));
    } else if (data.fatal) {
      this.#handleFatal(data, status);
    }
  }

  #handleFatal(data: ErrorData, status: number | undefined): void {
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && data.details !== Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
      const now = performance.now();
      if (now - this.#mediaRecoveryMs > MEDIA_RECOVERY_INTERVAL_MS) {
        this.#mediaRecoveryMs = now;
        this.#hls.recoverMediaError();
        this.#later(() => this.#events.onReady());
        return;
      }
    }
    if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
      this.#later(() => this.#events.onFailure("media"));
    } else if (data.details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR) {
      this.#later(() => this.#events.onFailure(failureOfStatus(status)));
    } else {
      this.#later(() => this.#events.onFailure("network"));
    }
  }

  /** Leaves the hls.js event handler first: it must not be destroyed from within. */
  #later(action: () => void): void {
    queueMicrotask(() => {
      if (!this.#closed) {
        action();
      }
    });
  }
}

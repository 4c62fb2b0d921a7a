/**
 * `window.__weir`: read-only figures for end-to-end tests and for the curious. Nothing in the page reads it.
 * Every property is computed when it is read.
 */

import { levelLabel } from "./lib/levels";
import type { ProtocolCounter } from "./lib/protocols";
import type { Session, SessionState } from "./player/session";

export interface Inspection {
  /** What the player is doing. */
  readonly state: SessionState;
  /** Interruptions of playback that the viewer did not ask for, since the page was loaded. */
  readonly stalls: number;
  /** The time they took, in milliseconds. */
  readonly stalledMs: number;
  /** Seconds behind the end of the playlist, or null. */
  readonly latency: number | null;
  /** The latency that playback steers for, in seconds, or null. */
  readonly targetLatency: number | null;
  /** Seconds behind EXT-X-PROGRAM-DATE-TIME by this machine's clock, or null. */
  readonly sourceLatency: number | null;
  /** Seconds of media ahead of the playhead. */
  readonly buffer: number;
  /** Media requests by protocol: `{ h3: 120, h2: 2 }`; `unknown` for failed ones and hits in the browser's cache. */
  readonly protocolCounts: Readonly<Record<string, number>>;
  /** Names of the renditions, in hls.js's order. */
  readonly levels: readonly string[];
  /** Index of the rendition on screen, or -1. */
  readonly currentLevel: number;
  /** The last 50 errors, mended ones included, oldest first. */
  readonly errors: readonly string[];
  /** Milliseconds from the start of the page load to the first frame, or null. */
  readonly firstFrameMs: number | null;
  /** Frames decoded and not shown. */
  readonly droppedFrames: number;
}

declare global {
  interface Window {
    readonly __weir: Inspection;
  }
}

/** Publishes `window.__weir`. */
export function publishInspection(session: Session, video: HTMLVideoElement, protocols: ProtocolCounter): void {
  const inspection: Inspection = {
    get state() {
      return session.state;
    },
    get stalls() {
      return session.stalls.stalls;
    },
    get stalledMs() {
      return session.stalls.stalledMs(performance.now());
    },
    get latency() {
      return session.engine?.latency ?? null;
    },
    get targetLatency() {
      return session.engine?.targetLatency ?? null;
    },
    get sourceLatency() {
      return session.engine?.sourceLatency ?? null;
    },
    get buffer() {
      return session.buffer;
    },
    get protocolCounts() {
      return protocols.counts();
    },
    get levels() {
      return (session.engine?.levels ?? []).map(levelLabel);
    },
    get currentLevel() {
      return session.engine?.currentLevel ?? -1;
    },
    get errors() {
      return [...session.errors];
    },
    get firstFrameMs() {
      return session.firstFrameMs;
    },
    get droppedFrames() {
      return video.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0;
    },
  };
  Object.defineProperty(window, "__weir", { value: Object.freeze(inspection), writable: false, configurable: false });
}

/** What the session asks of a player, whichever one the browser can run. */

import type { Failure } from "../lib/failure";
import type { LevelFacts } from "../lib/levels";

/** Level index that means "the player chooses". */
export const AUTO_LEVEL = -1;

export interface Engine {
  /** The renditions a viewer can choose between; empty when the browser offers no choice. */
  readonly levels: readonly LevelFacts[];
  /** The rendition on screen, or -1. */
  readonly currentLevel: number;
  /** The viewer's choice, or `AUTO_LEVEL`. */
  readonly selectedLevel: number;
  /** Seconds behind the newest media the playlist lists. */
  readonly latency: number | null;
  /** The latency that playback steers for. */
  readonly targetLatency: number | null;
  /** Seconds since the picture on screen was made, by EXT-X-PROGRAM-DATE-TIME and this machine's clock. */
  readonly sourceLatency: number | null;
  /** The media that can be sought to, in seconds on the element's timeline; `live` is the live position. */
  readonly window: { readonly start: number; readonly live: number } | null;
  /** Estimated bits per second. */
  readonly bandwidth: number | null;
  /** The playlist has said that no more media will come. */
  readonly ending: boolean;
  /** The newest media is a gap: the broadcaster is away, and waited for. */
  readonly absent: boolean;
  selectLevel(index: number): void;
  /** Moves the playhead to the live position. */
  seekLive(): void;
  /** Plays at this rate, or with null as it does by itself. */
  steer(rate: number | null): void;
  /** Wall-clock time of a position, in milliseconds, by EXT-X-PROGRAM-DATE-TIME. */
  dateAt(position: number): number | null;
  /** Stays behind, where the viewer has gone; or follows the live position again. */
  stayBehind(stay: boolean): void;
  close(): void;
}

export interface EngineEvents {
  /** Media is on its way: call play(). */
  onReady(): void;
  /** The list of renditions, or the one on screen, has changed. */
  onLevels(): void;
  /** The show was over before it began to play here. */
  onOver(): void;
  /** Any error, mended or not; for the record. */
  onError(description: string): void;
  /** The engine cannot go on and must be closed. */
  onFailure(failure: Failure): void;
}

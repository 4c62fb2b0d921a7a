/** How hls.js plays a live stream here, and why. */

import type { HlsConfig, LoaderResponse, RetryConfig } from "hls.js";
import { worthRetrying } from "../lib/failure";
import { CMCD } from "./request";

/** Behind by more than this many Target Durations: jump to the live position instead of playing faster. */
export const MAX_LATENCY_TARGET_DURATIONS = 8;

/** The fastest that playback catches up. */
export const CATCH_UP_RATE_MAX = 1.2;

/** A part or segment that is gone does not come back; ask once more in case an edge was behind, then move on. */
const GONE_RETRIES = 1;

function retry(maxNumRetry: number, retryDelayMs: number, maxRetryDelayMs: number, goneRetries: number): RetryConfig {
  return {
    maxNumRetry,
    retryDelayMs,
    maxRetryDelayMs,
    backoff: "exponential",
    shouldRetry: (_config, retryCount, isTimeout, response: LoaderResponse | undefined) => {
      const limit = response?.code === 404 || response?.code === 410 ? goneRetries : maxNumRetry;
      return retryCount < limit && (isTimeout || worthRetrying(response?.code));
    },
  };
}

/** Settings for hls.js. `bandwidth` is the first guess in bits per second; `prepare` opens a request and sets its fields. */
export function playerConfig(
  bandwidth: number,
  prepare: (request: XMLHttpRequest, url: string) => void,
): Partial<HlsConfig> {
  return {
    // No liveSyncDuration(Count): the target is the playlist's own PART-HOLD-BACK, three of its parts.
    lowLatencyMode: true,
    // Catch up after a stall without an audible change of pitch or a skip. hls.js does so down to a second
    // in the buffer; to a target nearer than that (parts of 200 ms) Pace leads.
    maxLiveSyncPlaybackRate: CATCH_UP_RATE_MAX,
    // A stall moves the target back by this much (at most by one Target Duration in all).
    liveSyncOnStallIncrease: 0.5,
    liveDurationInfinity: true,
    // CMAF needs no transmuxing, so a worker would only add a hop.
    enableWorker: false,
    // What was played stays until the browser needs the room. Trimming it here stalls the sound of low latency:
    // hls.js (1.7.4) takes a part that is being appended while a removal ends for evicted
    // (FragmentTracker.detectEvictedFragments), forgets which parts of that segment it has, and waits at its
    // end, some seconds, for parts it will not ask for again.
    backBufferLength: Infinity,
    maxBufferLength: 10,
    maxMaxBufferLength: 20,
    abrEwmaDefaultEstimate: bandwidth,
    capLevelToPlayerSize: true,
    // hls.js never leaves the codec that it begins with, and only H.264 has every rung: a passed through
    // source of HEVC or AV1 is one rung alone, from which there is no way down when the network slows.
    // It can still be chosen by hand.
    videoPreference: { videoCodec: "avc1" },
    xhrSetup: prepare,
    cmcd: CMCD,
    // The session decides what an unloadable Multivariant Playlist means, and when to try again.
    manifestLoadPolicy: {
      default: { maxTimeToFirstByteMs: 6000, maxLoadTimeMs: 10_000, timeoutRetry: null, errorRetry: null },
    },
    // A blocking reload is answered within 3 Target Durations or with 503.
    playlistLoadPolicy: {
      default: {
        maxTimeToFirstByteMs: 10_000,
        maxLoadTimeMs: 15_000,
        timeoutRetry: retry(3, 0, 0, 3),
        errorRetry: retry(12, 250, 1500, 4),
      },
    },
    fragLoadPolicy: {
      default: {
        maxTimeToFirstByteMs: 8000,
        maxLoadTimeMs: 20_000,
        timeoutRetry: retry(3, 0, 0, GONE_RETRIES),
        errorRetry: retry(8, 250, 1500, GONE_RETRIES),
      },
    },
  };
}

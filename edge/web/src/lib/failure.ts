/** What a failed request means for the viewer. Pure. */

/**
 * `absent`: there is no such stream now. `denied`: a token is missing or wrong.
 * `network`: anything that may pass by itself. `media`: the browser could not decode what came.
 */
export type Failure = "absent" | "denied" | "network" | "media";

/** The meaning of a status on the Multivariant Playlist; 0 or undefined is a connection that failed. */
export function failureOfStatus(status: number | undefined): Failure {
  switch (status) {
    case 401:
    case 403:
      return "denied";
    case 404:
    case 410:
      return "absent";
    default:
      return "network";
  }
}

/** Whether hls.js should ask again for a playlist or part after this status. */
export function worthRetrying(status: number | undefined): boolean {
  return failureOfStatus(status) !== "denied";
}

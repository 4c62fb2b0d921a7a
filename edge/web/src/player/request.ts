/** What a request for a playlist or for media says of the viewer. */

import type { HlsConfig } from "hls.js";
import { livePath } from "../lib/route";

/** A latency beyond this says that a clock is wrong, not how late the picture is. */
const LATENCY_S_MAX = 600;

/**
 * The keys of CMCD (CTA-5004-A) that hls.js sends, as header fields: the edge makes its figures of these, and of no
 * others. Fields cost no preflight, since the page is the edge's own, and keep URLs the same for the browser's cache.
 */
export const CMCD: NonNullable<HlsConfig["cmcd"]> = {
  version: 2,
  useHeaders: true,
  includeKeys: ["bl", "br", "bs", "mtp", "ot", "sf", "sid", "st", "su", "v"],
};

/** CMCD's live latency, which hls.js does not send. The browser joins it with what hls.js says in the same field. */
export function latencyField(latencySeconds: number | null): string | null {
  if (latencySeconds === null || !(latencySeconds >= 0 && latencySeconds <= LATENCY_S_MAX)) {
    return null;
  }
  return `ltc=${Math.round(latencySeconds * 1000)}`;
}

/**
 * Sends the token and the latency with every request for this stream. The edge answers the first with a cookie, so the
 * token matters only where cookies are blocked; the caches ignore both.
 */
export function requester(
  stream: string,
  token: string | null,
  latency: () => number | null,
): (request: XMLHttpRequest, url: string) => void {
  const prefix = location.origin + livePath(stream);
  return (request, url) => {
    const absolute = new URL(url, location.href).href;
    request.open("GET", absolute, true);
    if (!absolute.startsWith(prefix)) {
      return;
    }
    if (token !== null) {
      request.setRequestHeader("Authorization", `Bearer ${token}`);
    }
    const said = latencyField(latency());
    if (said !== null) {
      request.setRequestHeader("CMCD-Request", said);
    }
  };
}

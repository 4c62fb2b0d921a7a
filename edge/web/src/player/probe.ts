/** Asks whether a stream is live, with two small requests that every edge has in its cache. */

import { type Failure, failureOfStatus } from "../lib/failure";
import { firstVariantUri, hasEnded, isPlaylist } from "../lib/playlist";
import { multivariantPath } from "../lib/route";

export type ProbeResult = "live" | "over" | Failure;

const PROBE_TIMEOUT_MS = 8000;

/** Never rejects. */
export async function probe(stream: string, token: string | null): Promise<ProbeResult> {
  const headers: HeadersInit = token === null ? {} : { Authorization: `Bearer ${token}` };
  const load = async (url: URL): Promise<Response> =>
    fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
  try {
    const url = new URL(multivariantPath(stream), location.href);
    const multivariant = await load(url);
    if (!multivariant.ok) {
      return failureOfStatus(multivariant.status);
    }
    const text = await multivariant.text();
    if (!isPlaylist(text)) {
      return "network";
    }
    const uri = firstVariantUri(text);
    if (uri === null) {
      return hasEnded(text) ? "over" : "live";
    }
    const media = await load(new URL(uri, url));
    if (!media.ok) {
      return failureOfStatus(media.status);
    }
    return hasEnded(await media.text()) ? "over" : "live";
  } catch {
    return "network";
  }
}

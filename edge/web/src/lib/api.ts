/** The one call of the pages to the server besides media: the list of live streams. */

import { type LiveStream, parseStreams } from "./streams";

const TIMEOUT_MS = 8000;

/** Rejects when the server cannot be reached or answers anything else than the list. */
export async function fetchStreams(): Promise<readonly LiveStream[]> {
  const response = await fetch("/api/streams", {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) {
    throw new Error(`status ${response.status}`);
  }
  const streams = parseStreams(await response.json());
  if (streams === null) {
    throw new Error("not a list of streams");
  }
  return streams;
}

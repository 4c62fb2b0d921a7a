/** The answer of `GET /api/streams`, parsed with distrust: a field of the wrong type is absent, not an exception. */

/** One live stream as the list shows it. */
export interface LiveStream {
  readonly name: string;
  readonly title: string;
  readonly startedMs: number | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly fps: number | null;
  readonly renditions: readonly string[];
  /** Known where the stream has a room. */
  readonly viewers: number | null;
}

/** More streams than this are not shown. */
export const STREAMS_COUNT_MAX = 500;

/** Reads the JSON value, or null when it is not a list of streams at all. */
export function parseStreams(json: unknown): readonly LiveStream[] | null {
  if (!isRecord(json) || !Array.isArray(json["streams"])) {
    return null;
  }
  const streams: LiveStream[] = [];
  for (const entry of json["streams"].slice(0, STREAMS_COUNT_MAX)) {
    const stream = parseStream(entry);
    if (stream !== null && !streams.some((known) => known.name === stream.name)) {
      streams.push(stream);
    }
  }
  return streams;
}

function parseStream(entry: unknown): LiveStream | null {
  if (!isRecord(entry)) {
    return null;
  }
  const name = entry["name"];
  if (typeof name !== "string" || name === "") {
    return null;
  }
  const title = entry["title"];
  return {
    name,
    title: typeof title === "string" && title.trim() !== "" ? title.trim() : name,
    startedMs: instant(entry["started_at"]),
    width: positive(entry["width"]),
    height: positive(entry["height"]),
    fps: positive(entry["fps"]),
    renditions: renditionNames(entry["renditions"]),
    viewers: typeof entry["viewers"] === "number" && entry["viewers"] >= 0 ? entry["viewers"] : null,
  };
}

function renditionNames(value: unknown): readonly string[] {
  if (!Array.isArray(value)) {
    return [];
  }
  const names = value.map((item: unknown) => (isRecord(item) ? item["name"] : item));
  return names.filter((name): name is string => typeof name === "string" && name !== "");
}

/** An instant as RFC 3339 text, or as Unix seconds. */
function instant(value: unknown): number | null {
  if (typeof value === "string") {
    const parsed = Date.parse(value);
    return Number.isNaN(parsed) ? null : parsed;
  }
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value * 1000 : null;
}

function positive(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

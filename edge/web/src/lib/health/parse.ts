/** Reads what the origin says of its streams (`origin/src/health/api.rs` is the authority). Pure. */

import { field, list, number, text, texts } from "../json";

export type State = "good" | "degraded" | "bad";

export interface Reason {
  readonly code: string;
  readonly state: State;
  readonly text: string;
  readonly seconds: number;
}

export interface Rung {
  readonly name: string;
  readonly speed: number | null;
  readonly lagMs: number | null;
}

export interface Figures {
  readonly bitrateKbps: number | null;
  readonly frameRate: number | null;
  readonly sourceFrameRate: number | null;
  readonly keyframeSeconds: number | null;
  readonly avOffsetMs: number | null;
  readonly pace: number | null;
  readonly roundTripMs: number | null;
  readonly latencyP50Ms: number | null;
  readonly latencyP99Ms: number | null;
  readonly rungs: readonly Rung[];
}

export interface StreamHealth {
  readonly name: string;
  readonly live: boolean;
  readonly state: State;
  readonly reasons: readonly Reason[];
  readonly seconds: number;
  readonly publisher: { readonly transport: string; readonly encoder: string } | null;
  readonly source: { readonly codecs: string; readonly size: string; readonly renditions: readonly string[] } | null;
  readonly msn: number | null;
  readonly now: Figures;
  readonly totals: { readonly publishers: number; readonly frames: number; readonly late: number; readonly missing: number; readonly jumps: number };
}

/** One number a second, the newest last; null where there was none. */
export type Row = readonly (number | null)[];

export interface History {
  readonly untilMs: number;
  readonly stepSeconds: number;
  readonly rows: Readonly<Record<RowName, Row>>;
  readonly rungs: readonly { readonly name: string; readonly speed: Row; readonly lagMs: Row }[];
}

const ROWS = [
  "bitrate_kbps", "frame_rate", "keyframe_interval_seconds", "av_offset_ms", "pace", "round_trip_ms", "latency_p50_ms", "latency_p99_ms",
] as const;
export type RowName = (typeof ROWS)[number];

export interface StreamDetail extends StreamHealth {
  readonly history: History;
}

/** The list of streams; null: it is no such thing. */
export function parseStreams(json: unknown): readonly StreamHealth[] | null {
  const streams = field(json, "streams");
  return Array.isArray(streams) ? streams.map(stream) : null;
}

/** One stream with its history; null: it is no such thing. */
export function parseStream(json: unknown): StreamDetail | null {
  const history = field(json, "history");
  if (text(field(json, "name")) === "" || history === undefined) {
    return null;
  }
  const rows = Object.fromEntries(ROWS.map((name) => [name, row(field(history, name))])) as Record<RowName, Row>;
  const rungs = list(field(history, "rungs")).map((rung) => ({
    name: text(field(rung, "name")),
    speed: row(field(rung, "speed")),
    lagMs: row(field(rung, "lag_ms")),
  }));
  const stepSeconds = number(field(history, "step_seconds")) || 1;
  return { ...stream(json), history: { untilMs: number(field(history, "until_ms")), stepSeconds, rows, rungs } };
}

function stream(json: unknown): StreamHealth {
  const [publisher, source, totals] = [field(json, "publisher"), field(json, "source"), field(json, "totals")];
  const codecs = [text(field(source, "video_codec")), text(field(source, "audio_codec"))].filter((codec) => codec !== "");
  return {
    name: text(field(json, "name")),
    live: field(json, "live") === true,
    state: state(field(json, "state")),
    reasons: list(field(json, "reasons")).map((reason) => ({
      code: text(field(reason, "code")),
      state: state(field(reason, "state")),
      text: text(field(reason, "text")),
      seconds: number(field(reason, "seconds")),
    })),
    seconds: number(field(json, "seconds")),
    publisher: publisher ? { transport: text(field(publisher, "transport")), encoder: text(field(publisher, "encoder")) } : null,
    source: source
      ? { codecs: codecs.join(", "), size: `${number(field(source, "width"))}×${number(field(source, "height"))}`, renditions: texts(field(source, "renditions")) }
      : null,
    msn: value(field(json, "media_sequence_number")),
    now: figures(field(json, "now")),
    totals: {
      publishers: number(field(totals, "publishers")),
      frames: number(field(totals, "frames")),
      late: number(field(totals, "late_frames")),
      missing: number(field(totals, "missing_frames")),
      jumps: number(field(totals, "timestamp_jumps")),
    },
  };
}

function figures(json: unknown): Figures {
  return {
    bitrateKbps: value(field(json, "bitrate_kbps")),
    frameRate: value(field(json, "frame_rate")),
    sourceFrameRate: value(field(json, "source_frame_rate")),
    keyframeSeconds: value(field(json, "keyframe_interval_seconds")),
    avOffsetMs: value(field(json, "av_offset_ms")),
    pace: value(field(json, "pace")),
    roundTripMs: value(field(json, "round_trip_ms")),
    latencyP50Ms: value(field(json, "latency_p50_ms")),
    latencyP99Ms: value(field(json, "latency_p99_ms")),
    rungs: list(field(json, "rungs")).map((rung) => ({
      name: text(field(rung, "name")),
      speed: value(field(rung, "speed")),
      lagMs: value(field(rung, "lag_ms")),
    })),
  };
}

function state(json: unknown): State {
  return json === "degraded" || json === "bad" ? json : "good";
}

function value(json: unknown): number | null {
  return typeof json === "number" && Number.isFinite(json) ? json : null;
}

function row(json: unknown): Row {
  return list(json).map(value);
}

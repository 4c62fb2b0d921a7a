/** What the page about streams shows: all of them, or one with its charts. */

import { bitrate, clockTime, milliseconds, seconds } from "../lib/format";
import type { Figures, Reason, State, StreamDetail, StreamHealth } from "../lib/health/parse";
import { h } from "../ui/patch";
import { chart, type Line } from "./chart";

const DASH = "–";
const WORDS: Readonly<Record<State, string>> = { good: "Good", degraded: "Degraded", bad: "Bad" };
const ORDER: readonly State[] = ["bad", "degraded", "good"];

/** The page of one stream. */
export function address(name: string): string {
  return `/streams/${encodeURIComponent(name)}`;
}

/** All streams, the worst first. */
export function listView(streams: readonly StreamHealth[]): readonly HTMLElement[] {
  if (streams.length === 0) {
    return [h("p", { class: "panel placeholder muted" }, "Nobody publishes at the moment.")];
  }
  const rank = (stream: StreamHealth): number => (stream.live ? ORDER.indexOf(stream.state) : ORDER.length);
  const sorted = [...streams].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  return [h("ul", { class: "streams" }, ...sorted.map(card))];
}

/** How many there are, and how they are. */
export function summary(streams: readonly StreamHealth[]): string {
  const live = streams.filter((stream) => stream.live);
  const counted = ORDER.map((state) => [live.filter((stream) => stream.state === state).length, WORDS[state].toLowerCase()] as const);
  const parts = counted.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return live.length === 0 ? "none live" : `${live.length} live: ${parts.join(", ")}`;
}

function card(stream: StreamHealth): HTMLElement {
  const { name, now } = stream;
  return h(
    "li",
    { class: stream.live ? "panel stream" : "panel stream over", "data-key": name, "data-stream": name, "data-state": stream.state },
    h("div", { class: "stream-head" }, h("a", { class: "stream-name", href: address(name) }, name), badge(stream)),
    ...reasonList(stream.reasons),
    h(
      "dl",
      { class: "facts" },
      ...fact("Picture", stream.source?.size ?? DASH),
      ...fact("Bitrate", bits(now)),
      ...fact("Frames", rate(now.frameRate)),
      ...fact("Part after", milliseconds(now.latencyP99Ms)),
      ...fact("Live for", duration(stream.seconds)),
    ),
  );
}

/** One stream; `width` is that of a chart in pixels. */
export function detailView(stream: StreamDetail, width: number): readonly HTMLElement[] {
  const { publisher, source, totals } = stream;
  return [
    h("p", { class: "back" }, h("a", { class: "link", href: "/streams" }, "← All streams")),
    h("div", { class: "stream-head" }, h("h1", {}, stream.name), badge(stream)),
    ...(stream.reasons.length === 0 && stream.live ? [h("p", { class: "muted" }, "Everything is as it should be.")] : reasonList(stream.reasons)),
    h(
      "dl",
      { class: "facts panel" },
      ...fact("Publisher", publisher === null ? "nobody" : publisher.transport.toUpperCase()),
      ...fact("Encoder", publisher?.encoder || DASH),
      ...fact("Source", source === null ? DASH : `${source.size}, ${rate(stream.now.sourceFrameRate)}`),
      ...fact("Codecs", source?.codecs ?? DASH),
      ...fact("Renditions", source?.renditions.join(", ") ?? DASH),
      ...fact("Segment", stream.msn === null ? DASH : String(stream.msn)),
      ...fact("Live for", duration(stream.seconds)),
      ...fact("Publishers", String(totals.publishers)),
      ...fact("Frames", String(totals.frames)),
      ...fact("Late", String(totals.late)),
      ...fact("Missing", String(totals.missing)),
      ...fact("Time jumps", String(totals.jumps)),
    ),
    h("div", { class: "charts" }, ...charts(stream, width)),
  ];
}

function charts({ live, now, history }: StreamDetail, width: number): HTMLElement[] {
  const { rows, rungs } = history;
  const times: readonly [string, string] = live ? ["5 min ago", "now"] : ["5 min before", clockTime(history.untilMs, Date.now())];
  const rung = (name: string): Figures["rungs"][number] | undefined => now.rungs.find((own) => own.name === name);
  const one = (row: Line["row"], words: string): Line[] => [{ name: "", row, now: words }];
  const all = [
    { id: "bitrate", title: "Bitrate", unit: "kbit/s", mostMin: 100, lines: one(rows.bitrate_kbps, bits(now)) },
    { id: "frames", title: "Frames", unit: "per second", mostMin: 10, lines: one(rows.frame_rate, rate(now.frameRate)) },
    { id: "keyframes", title: "Keyframe interval", unit: "seconds", mostMin: 2, lines: one(rows.keyframe_interval_seconds, seconds(now.keyframeSeconds)) },
    { id: "offset", title: "Sound ahead of picture", unit: "ms", mostMin: 100, lines: one(rows.av_offset_ms, signed(now.avOffsetMs)) },
    {
      id: "latency", title: "Last frame to part", unit: "ms", mostMin: 100,
      lines: [
        { name: "median", row: rows.latency_p50_ms, now: milliseconds(now.latencyP50Ms) },
        { name: "99 %", row: rows.latency_p99_ms, now: milliseconds(now.latencyP99Ms) },
      ],
    },
    { id: "round-trip", title: "Round trip to the publisher", unit: "ms", mostMin: 10, lines: one(rows.round_trip_ms, milliseconds(now.roundTripMs)) },
    { id: "pace", title: "Pace of the source", unit: "media per time", mostMin: 1, lines: one(rows.pace, percent(now.pace)) },
    ...(rungs.length === 0
      ? []
      : [
          { id: "speed", title: "Encoder speed", unit: "media per time", mostMin: 1, lines: rungs.map(({ name, speed }) => ({ name, row: speed, now: percent(rung(name)?.speed ?? null) })) },
          { id: "lag", title: "Encoder lag", unit: "ms", mostMin: 100, lines: rungs.map(({ name, lagMs }) => ({ name, row: lagMs, now: milliseconds(rung(name)?.lagMs ?? null) })) },
        ]),
  ];
  return all.map((options) => chart({ ...options, times, width }));
}

function badge(stream: StreamHealth): HTMLElement {
  return stream.live
    ? h("span", { class: `badge ${stream.state}`, "data-badge": stream.state }, WORDS[stream.state])
    : h("span", { class: "badge ended", "data-badge": "ended" }, "Ended");
}

function reasonList(reasons: readonly Reason[]): HTMLElement[] {
  const lines = reasons.map((reason) =>
    h("li", { class: reason.state, "data-code": reason.code }, h("span", {}, reason.text), h("code", {}, reason.code), h("small", { class: "muted" }, `for ${duration(reason.seconds)}`)),
  );
  return lines.length === 0 ? [] : [h("ul", { class: "reasons" }, ...lines)];
}

function fact(name: string, value: string): HTMLElement[] {
  return [h("div", {}, h("dt", {}, name), h("dd", {}, value))];
}

function bits(now: Figures): string {
  return bitrate(now.bitrateKbps === null ? null : now.bitrateKbps * 1000);
}

function rate(value: number | null): string {
  return value === null ? DASH : `${value.toFixed(value % 1 < 0.05 || value % 1 > 0.95 ? 0 : 1)} fps`;
}

function percent(value: number | null): string {
  return value === null ? DASH : `${Math.round(value * 100)} %`;
}

function signed(value: number | null): string {
  return value === null ? DASH : `${value < 0 ? "−" : ""}${milliseconds(Math.abs(value))}`;
}

/** `40 s`, `4 min 10 s`, `3 h 05 min`. */
function duration(value: number): string {
  const [hours, minutes, rest] = [Math.floor(value / 3600), Math.floor(value / 60) % 60, Math.floor(value) % 60];
  if (hours > 0) {
    return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  }
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}

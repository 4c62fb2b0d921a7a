/** `GET /`: the streams that are live now. */

import { fetchStreams } from "./lib/api";
import { backoffMs } from "./lib/backoff";
import { count, liveSince, resolution } from "./lib/format";
import { patternOf } from "./lib/pattern";
import { watchPath } from "./lib/route";
import type { LiveStream } from "./lib/streams";
import { byId, make, makeSvg, setText } from "./ui/dom";

const REFRESH_MS = 3000;
const RETRY = { firstMs: 2000, maxMs: 10_000 } as const;

const list = byId("streams", HTMLUListElement);
const summary = byId("summary", HTMLParagraphElement);
const trouble = byId("trouble", HTMLParagraphElement);
const placeholder = byId("placeholder", HTMLElement);
const retry = byId("placeholder-retry", HTMLButtonElement);

interface Tile {
  readonly item: HTMLLIElement;
  readonly title: HTMLElement;
  readonly facts: HTMLElement;
  readonly size: HTMLElement;
}

const tiles = new Map<string, Tile>();
let failures = 0;
let listed = false;
let timer: number | undefined;
let refreshing = false;

function makeTile(name: string): Tile {
  const { hue, lines } = patternOf(name);
  const water = makeSvg("svg", { viewBox: "0 0 320 180", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" });
  water.append(...lines.map((d) => makeSvg("path", { d })));
  const size = make("span", "badge badge-size");
  const picture = make("div", `tile-picture hue-${hue}`, water, make("span", "badge badge-live", "Live"), size);
  const title = make("h2", "tile-title");
  const facts = make("p", "tile-facts");
  const link = make("a", "tile", picture, make("div", "tile-text", title, facts));
  // A token in this page's address is meant for the streams it leads to.
  link.href = watchPath(name) + location.search;
  return { item: make("li", "", link), title, facts, size };
}

function updateTile(tile: Tile, stream: LiveStream, nowMs: number): void {
  setText(tile.title, stream.title);
  const size = resolution(stream.width, stream.height, stream.fps);
  setText(tile.size, size);
  tile.size.hidden = size === "";
  setText(tile.facts, stream.startedMs === null ? "live" : liveSince(stream.startedMs, nowMs));
}

function show(streams: readonly LiveStream[]): void {
  const nowMs = Date.now();
  const names = new Set(streams.map((stream) => stream.name));
  for (const [name, tile] of tiles) {
    if (!names.has(name)) {
      tile.item.remove();
      tiles.delete(name);
    }
  }
  streams.forEach((stream, index) => {
    let tile = tiles.get(stream.name);
    if (tile === undefined) {
      tile = makeTile(stream.name);
      tiles.set(stream.name, tile);
    }
    updateTile(tile, stream, nowMs);
    // Moving an element takes its focus away, so only what is out of place moves.
    if (list.children[index] !== tile.item) {
      list.insertBefore(tile.item, list.children[index] ?? null);
    }
  });
  setText(summary, streams.length === 0 ? "" : count(streams.length, "stream"));
}

function showPlaceholder(title: string, text: string, canRetry: boolean): void {
  setText(byId("placeholder-title", HTMLElement), title);
  setText(byId("placeholder-text", HTMLElement), text);
  retry.hidden = !canRetry;
  placeholder.hidden = false;
}

async function refresh(): Promise<void> {
  if (refreshing) {
    return;
  }
  refreshing = true;
  window.clearTimeout(timer);
  try {
    const streams = await fetchStreams();
    failures = 0;
    listed = true;
    trouble.hidden = true;
    show(streams);
    if (streams.length === 0) {
      showPlaceholder("Nothing is live right now", "When a broadcast starts, it appears here by itself.", false);
    } else {
      placeholder.hidden = true;
    }
  } catch {
    failures += 1;
    if (listed && tiles.size > 0) {
      setText(trouble, "The server cannot be reached. This list may be out of date; trying again.");
      trouble.hidden = false;
    } else {
      showPlaceholder("The server cannot be reached", "Trying again every few seconds.", true);
    }
  }
  refreshing = false;
  const delay = failures === 0 ? REFRESH_MS : backoffMs(failures, RETRY, Math.random());
  timer = window.setTimeout(() => void refresh(), delay);
}

retry.addEventListener("click", () => void refresh());
window.addEventListener("online", () => void refresh());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    void refresh();
  } else {
    window.clearTimeout(timer);
  }
});
void refresh();

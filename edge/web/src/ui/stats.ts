/** The statistics panel. It only shows; every figure comes from elsewhere. */

import { t } from "../i18n";
import { bitrate, milliseconds, seconds } from "../lib/format";
import { levelLabel } from "../lib/levels";
import { type ProtocolCounter, protocolLabel } from "../lib/protocols";
import { Series, sparklinePath, sparklineTop } from "../lib/sparkline";
import { recallStats, rememberStats } from "../player/memory";
import type { Session } from "../player/session";
import { byId, setAttribute, setText } from "./dom";

/** Two minutes at one value a second. */
const HISTORY_COUNT = 120;
const BOX = { width: 240, height: 48, topMin: 3 } as const;
/** Open by default where it has a column of its own. */
const WIDE = "(min-width: 1000px)";

export class StatsPanel {
  readonly #session: Session;
  readonly #video: HTMLVideoElement;
  readonly #protocols: ProtocolCounter;
  readonly #panel = byId("stats", HTMLElement);
  readonly #toggles = [byId("stats-toggle", HTMLButtonElement), byId("stats-toggle-2", HTMLButtonElement)];
  readonly #history = new Series(HISTORY_COUNT);

  constructor(session: Session, video: HTMLVideoElement, protocols: ProtocolCounter) {
    this.#session = session;
    this.#video = video;
    this.#protocols = protocols;
    for (const toggle of this.#toggles) {
      toggle.addEventListener("click", () => this.toggle());
    }
    this.#show(window.matchMedia(WIDE).matches && recallStats() !== false);
  }

  toggle(): void {
    this.#show(this.#panel.hidden !== false);
    rememberStats(!this.#panel.hidden);
  }

  /** Once a second: adds to the history and redraws. */
  update(nowMs: number): void {
    const engine = this.#session.engine;
    const latency = this.#session.state === "playing" ? (engine?.latency ?? null) : null;
    this.#history.push(latency);
    if (this.#panel.hidden) {
      return;
    }
    this.#updateLatency(latency, engine?.targetLatency ?? null);
    this.#set("s-source", seconds(engine?.sourceLatency ?? null));
    this.#set("s-buffer", seconds(engine === null ? null : this.#session.buffer));
    this.#set("s-rendition", this.#rendition());
    this.#set("s-bandwidth", bitrate(engine?.bandwidth ?? null));
    this.#set("s-protocol", this.#protocol());
    const { stalls } = this.#session;
    const lost = stalls.stalls === 0 ? t("stats.none") : `${stalls.stalls} · ${seconds(stalls.stalledMs(nowMs) / 1000)}`;
    this.#set("s-stalls", lost);
    this.#set("s-dropped", this.#dropped());
    this.#set("s-first", milliseconds(this.#session.firstFrameMs));
    this.#set("s-rate", engine === null ? "–" : `${this.#video.playbackRate.toFixed(2)}×`);
  }

  #updateLatency(latency: number | null, target: number | null): void {
    this.#set("s-latency", seconds(latency));
    this.#set("s-target", target === null ? "" : t("stats.target", { time: seconds(target) }));
    setAttribute(byId("spark-line", SVGPathElement), "d", sparklinePath(this.#history, BOX));
    const top = sparklineTop(this.#history, BOX.topMin);
    const y = BOX.height * (1 - Math.min(target ?? 0, top) / top);
    setAttribute(byId("spark-target", SVGPathElement), "d", target === null ? "" : `M0 ${y.toFixed(1)}H${BOX.width}`);
  }

  #rendition(): string {
    const { videoWidth, videoHeight } = this.#video;
    const engine = this.#session.engine;
    const level = engine?.levels[engine.currentLevel];
    if (level !== undefined) {
      return `${levelLabel(level)} · ${bitrate(level.bitrate)}`;
    }
    return videoWidth > 0 ? `${videoWidth}×${videoHeight}` : "–";
  }

  #protocol(): string {
    const counts = Object.entries(this.#protocols.counts()).filter(([name]) => name !== "unknown");
    const current = protocolLabel(this.#protocols.current());
    if (counts.length < 2) {
      return current;
    }
    const total = counts.reduce((sum, [, n]) => sum + n, 0);
    const most = Math.max(...counts.map(([, n]) => n));
    return t("stats.protocols", { name: current, n: counts.length, percent: Math.round((most / total) * 100) });
  }

  #dropped(): string {
    const quality = this.#video.getVideoPlaybackQuality?.();
    return quality === undefined ? "–" : t("stats.droppedOf", { dropped: quality.droppedVideoFrames, total: quality.totalVideoFrames });
  }

  #set(id: string, text: string): void {
    setText(byId(id, HTMLElement), text);
  }

  #show(open: boolean): void {
    this.#panel.hidden = !open;
    for (const toggle of this.#toggles) {
      toggle.setAttribute("aria-pressed", String(open));
    }
  }
}

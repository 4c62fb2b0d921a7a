/** `GET /studio/{stream}`: the broadcaster's page. What goes out, who is there, what they say, and the tools to moderate it. */

import { installIcons } from "./chat/icons";
import { ChatPanel } from "./chat/panel";
import { beginLanguage, formatElapsed, formatNumber, languageMenu, locale, onLanguage, t } from "./i18n";
import { fetchStreams } from "./lib/api";
import { bitrate, clockTime, resolution, seconds } from "./lib/format";
import { levelLabel, menuOrder } from "./lib/levels";
import { ByteMeter } from "./lib/meter";
import { livePath, streamOfPath, STUDIO_PREFIX, tokenOfQuery, watchPath } from "./lib/route";
import { Series, sparklinePath } from "./lib/sparkline";
import type { LiveStream } from "./lib/streams";
import { Session } from "./player/session";
import { hasRoom } from "./room/connection";
import { Identity } from "./room/identity";
import { Room } from "./room/room";
import { EarningsPanel } from "./studio/earnings";
import { byId, setAttribute, setIcon, setText } from "./ui/dom";
import { Overlay } from "./ui/overlay";
import { PageAccount } from "./ui/watch-account";

const REDRAW_MS = 500;
const FACTS_MS = 5000;
/** Ten minutes of history. */
const SAMPLE_MS = 5000;
const SAMPLES = 120;
const BOX = { width: 240, height: 40, topMin: 4 } as const;
const METER_MS = 20_000;
const ROOM_RETRY_MS = 15_000;

const set = (id: string, text: string): void => setText(byId(id, HTMLElement), text === "" ? "–" : text);

/** Bytes of media that come to this page; playlists do not count. */
function observeMedia(stream: string): ByteMeter {
  const meter = new ByteMeter(METER_MS);
  const prefix = location.origin + livePath(stream);
  new PerformanceObserver((entries) => {
    for (const entry of entries.getEntries()) {
      if (entry instanceof PerformanceResourceTiming && entry.name.startsWith(prefix) && !new URL(entry.name).pathname.endsWith(".m3u8")) {
        meter.observe(entry.encodedBodySize, entry.responseEnd);
      }
    }
  }).observe({ type: "resource", buffered: true });
  performance.addEventListener("resourcetimingbufferfull", () => performance.clearResourceTimings());
  return meter;
}

class Studio {
  readonly #stream: string;
  readonly #video = byId("video", HTMLVideoElement);
  readonly #meter: ByteMeter;
  readonly #session: Session;
  readonly #overlay: Overlay;
  readonly #identity: Identity;
  readonly #account = new PageAccount(byId("language", HTMLSelectElement));
  readonly #earnings: EarningsPanel;
  readonly #viewers = new Series(SAMPLES);
  readonly #likes = new Series(SAMPLES);
  #likesBefore: number | null = null;
  #facts: LiveStream | null = null;
  #room: Room | null = null;
  #panel: ChatPanel | null = null;

  constructor(stream: string) {
    this.#stream = stream;
    this.#identity = new Identity(stream, tokenOfQuery(location.search), this.#account.session);
    this.#meter = observeMedia(stream);
    // A preview with sound would be heard by the microphone.
    this.#video.muted = true;
    this.#session = new Session({ video: this.#video, stream, token: tokenOfQuery(location.search), onChange: () => this.#draw() });
    this.#overlay = new Overlay(this.#session, () => this.#facts?.title ?? stream);
    this.#share();
    this.#earnings = new EarningsPanel(byId("earnings", HTMLElement), stream, this.#account.session);
    byId("mute", HTMLButtonElement).addEventListener("click", () => {
      this.#video.muted = !this.#video.muted;
      this.#draw();
    });
    onLanguage(() => this.#draw());
    this.#session.retry();
    // A stream that is listed with its viewers has a room; of any other one has to be asked.
    void this.#refresh().then(() => this.#enter());
    window.setInterval(() => this.#draw(), REDRAW_MS);
    window.setInterval(() => void this.#refresh(), FACTS_MS);
    window.setInterval(() => this.#sample(), SAMPLE_MS);
  }

  async #refresh(): Promise<void> {
    if (document.visibilityState === "hidden") {
      return;
    }
    try {
      this.#facts = (await fetchStreams()).find((known) => known.name === this.#stream) ?? null;
    } catch {
      // The figures stay as they were; the player says what is wrong.
    }
    this.#draw();
  }

  /** The room may come with the stream. */
  async #enter(): Promise<void> {
    const known = this.#facts?.viewers != null || (await hasRoom(this.#stream));
    byId("no-rooms", HTMLElement).hidden = known !== false;
    if (known === false) {
      window.setTimeout(() => void this.#enter(), ROOM_RETRY_MS);
      return;
    }
    const room = new Room({
      room: this.#stream,
      identity: this.#identity,
      pictureBehind: () => null,
      onChange: () => this.#panel?.schedule(),
      onBurst: () => undefined,
      onEvent: (event) => this.#earnings.observe(event),
      // More may have happened meanwhile than what comes.
      onWelcome: () => this.#earnings.refreshSoon(),
    });
    // A broadcaster wants to know at once.
    room.setInStep(false);
    const panel = new ChatPanel(room, { bare: true, onStep: () => undefined });
    byId("chat", HTMLElement).append(panel.element);
    byId("people", HTMLElement).append(panel.people.element);
    byId("reviews", HTMLElement).append(panel.reviews.element);
    byId("rules", HTMLElement).append(panel.rules.element);
    byId("sanctions", HTMLElement).append(panel.sanctions.element);
    byId("chat", HTMLElement).hidden = false;
    byId("room-column", HTMLElement).hidden = false;
    this.#room = room;
    this.#panel = panel;
    // Who is signed in comes in as that, and not as a listener first.
    await this.#account.session.restore();
    room.open();
  }

  #sample(): void {
    const whole = this.#room?.state.whole ?? null;
    this.#viewers.push(whole?.users ?? null);
    this.#likes.push(whole === null || this.#likesBefore === null ? null : Math.max(0, whole.likes - this.#likesBefore));
    this.#likesBefore = whole?.likes ?? null;
    setAttribute(byId("g-viewers-line", SVGPathElement), "d", sparklinePath(this.#viewers, BOX));
    setAttribute(byId("g-likes-line", SVGPathElement), "d", sparklinePath(this.#likes, BOX));
  }

  #draw(): void {
    const facts = this.#facts;
    const title = facts?.title ?? this.#stream;
    setText(byId("title", HTMLElement), title);
    document.title = `${title} · ${t("studio.title")} · Weir`;
    const badge = byId("live-badge", HTMLElement);
    badge.classList.toggle("on", facts !== null);
    setText(badge, t(facts === null ? "studio.offline" : "studio.live"));
    this.#overlay.update(performance.now());
    this.#drawFigures(facts);
    const { muted } = this.#video;
    const mute = byId("mute", HTMLButtonElement);
    setIcon(mute, muted ? "muted" : "sound");
    setAttribute(mute, "aria-label", t(muted ? "player.soundOn" : "player.soundOff"));
    setAttribute(mute, "title", t(muted ? "player.soundOn" : "player.soundOff"));
    this.#drawRoom();
  }

  #drawFigures(facts: LiveStream | null): void {
    const nowMs = Date.now();
    const { engine, stalls } = this.#session;
    const started = facts?.startedMs ?? null;
    set("f-since", started === null ? "" : `${clockTime(started, nowMs, locale())} · ${formatElapsed(started, nowMs)}`);
    set("f-latency", seconds(this.#session.state === "playing" ? (engine?.sourceLatency ?? engine?.latency ?? null) : null));
    const level = engine?.levels[engine.currentLevel];
    const width = facts?.width ?? (level?.width || null);
    const height = facts?.height ?? (level?.height || null);
    set("f-resolution", width === null || height === null ? "" : `${width}×${height} · ${resolution(width, height, facts?.fps ?? null)}`);
    set("f-fps", facts?.fps == null ? "" : formatNumber(Math.round(facts.fps * 100) / 100));
    set("f-bitrate", bitrate(facts === null ? null : this.#meter.rate(performance.now())));
    const levels = engine?.levels ?? [];
    const names = levels.length > 0 ? menuOrder(levels).flatMap((index) => levels[index] ?? []).map((known) => levelLabel(known)) : (facts?.renditions ?? []);
    set("f-renditions", names.join(", "));
    set("f-stalls", stalls.stalls === 0 ? t("stats.none") : `${formatNumber(stalls.stalls)} · ${seconds(stalls.stalledMs(performance.now()) / 1000)}`);
    const quality = this.#video.getVideoPlaybackQuality?.();
    set("f-dropped", quality === undefined ? "" : t("stats.droppedOf", { dropped: quality.droppedVideoFrames, total: quality.totalVideoFrames }));
  }

  #drawRoom(): void {
    const room = this.#room;
    if (room === null) {
      return;
    }
    const { whole } = room.state;
    set("g-viewers", whole === null ? "" : formatNumber(whole.users));
    set("g-likes", whole === null ? "" : formatNumber(whole.likes));
    setText(byId("reviews-count", HTMLElement), room.timeline.reviews.length === 0 ? "" : formatNumber(room.timeline.reviews.length));
    const viewer = room.timeline.you !== null && !room.canModerate;
    document.body.classList.toggle("viewer", viewer);
    byId("no-token", HTMLElement).hidden = !viewer;
    setText(byId("no-token-command", HTMLElement), `weirctl room token --room ${this.#stream} --role broadcaster`);
  }

  #share(): void {
    const link = new URL(watchPath(this.#stream), location.href).href;
    const input = byId("share", HTMLInputElement);
    const copy = byId("share-copy", HTMLButtonElement);
    input.value = link;
    byId("share-open", HTMLAnchorElement).href = link;
    input.addEventListener("focus", () => input.select());
    copy.addEventListener("click", () => {
      const copied = (): void => {
        setText(copy, t("studio.copied"));
        window.setTimeout(() => setText(copy, t("studio.copy")), 2000);
      };
      input.select();
      // Without HTTPS there is no clipboard; the link is selected at least.
      void navigator.clipboard?.writeText(link).then(copied, () => undefined);
    });
  }
}

beginLanguage();
installIcons();
languageMenu(byId("language", HTMLSelectElement));
const stream = streamOfPath(location.pathname, STUDIO_PREFIX);
if (stream === null) {
  location.replace("/");
} else {
  new Studio(stream);
}

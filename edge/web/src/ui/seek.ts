/** The seek bar: how far back one can go, where one is, and a picture of what is under the pointer. */

import { onLanguage, t, locale } from "../i18n";
import { span } from "../lib/format";
import type { Images } from "../player/images";
import type { Session } from "../player/session";
import { byId, setAttribute, setText } from "./dom";

/** A stream that has just begun has nothing to go back to. */
const LENGTH_S_MIN = 10;
/** Nearer to the live position than this, a player steers for it. */
const LIVE_S = 2.5;
const STEP_S = 5;
const PAGE_S = 30;

export class SeekBar {
  readonly #session: Session;
  readonly #images: Images;
  readonly #onUse: () => void;
  readonly #bar = byId("seek", HTMLElement);
  readonly #preview = byId("seek-preview", HTMLElement);
  readonly #picture = byId("seek-picture", HTMLElement);
  readonly #time = byId("seek-time", HTMLElement);
  readonly #clock = byId("seek-clock", HTMLElement);
  /** Where the pointer is, from 0 to 1, while it shows a preview. */
  #pointer: number | null = null;
  #dragging = false;

  /** `onUse` is called while somebody uses it: whatever else goes away by itself has to stay. */
  constructor(session: Session, images: Images, onUse: () => void) {
    this.#session = session;
    this.#onUse = onUse;
    this.#images = images;
    const bar = this.#bar;
    bar.addEventListener("pointerdown", (event) => {
      if (event.button === 0) {
        bar.setPointerCapture(event.pointerId);
        this.#dragging = true;
        this.#point(event);
      }
    });
    bar.addEventListener("pointermove", (event) => this.#point(event));
    bar.addEventListener("pointerup", (event) => {
      if (this.#dragging) {
        this.#point(event);
        this.#seekToPointer();
        this.#stop(event.pointerType !== "mouse");
      }
    });
    bar.addEventListener("pointercancel", () => this.#stop(true));
    bar.addEventListener("pointerleave", () => {
      if (!this.#dragging) {
        this.#stop(true);
      }
    });
    bar.addEventListener("keydown", (event) => this.#press(event));
    onLanguage(() => this.update());
  }

  /** Redraws what has changed. */
  update(): void {
    const range = this.#session.window;
    const shown = range !== null && this.#session.state === "playing" && range.live - range.start >= LENGTH_S_MIN;
    this.#bar.hidden = !shown;
    if (!shown) {
      this.#stop(true);
      return;
    }
    const length = range.live - range.start;
    const isLive = range.live - range.position <= LIVE_S;
    const at = isLive ? 1 : Math.max(0, (range.position - range.start) / length);
    const share = this.#dragging ? (this.#pointer ?? at) : at;
    this.#bar.style.setProperty("--at", `${(share * 100).toFixed(2)}%`);
    const behind = Math.max(0, Math.round(range.live - range.position));
    setAttribute(this.#bar, "aria-valuemax", String(Math.round(length)));
    setAttribute(this.#bar, "aria-valuenow", String(Math.round(at * length)));
    const text = isLive ? t("player.live") : t("player.behindLive", { time: span(behind) });
    setAttribute(this.#bar, "aria-valuetext", text);
    this.#drawPreview();
    if (this.#pointer !== null) {
      void this.#images.refresh().then(() => this.#drawPreview());
    }
  }

  #press(event: KeyboardEvent): void {
    const range = this.#session.window;
    const moves: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => this.#session.seekBy(-STEP_S),
      ArrowRight: () => this.#session.seekBy(STEP_S),
      PageDown: () => this.#session.seekBy(-PAGE_S),
      PageUp: () => this.#session.seekBy(PAGE_S),
      Home: () => this.#session.seekTo(range?.start ?? 0),
      End: () => this.#session.goLive(),
    };
    const move = moves[event.key];
    if (move !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      move();
      this.#onUse();
      this.update();
    }
  }

  #point(event: PointerEvent): void {
    const { left, width } = this.#bar.getBoundingClientRect();
    this.#pointer = width > 0 ? Math.min(1, Math.max(0, (event.clientX - left) / width)) : null;
    this.#onUse();
    this.update();
  }

  #seekToPointer(): void {
    const range = this.#session.window;
    if (range !== null && this.#pointer !== null) {
      this.#session.seekTo(range.start + this.#pointer * (range.live - range.start));
    }
  }

  #stop(away: boolean): void {
    this.#dragging = false;
    if (away) {
      this.#pointer = null;
      this.#preview.hidden = true;
    }
  }

  #drawPreview(): void {
    const range = this.#session.window;
    if (this.#pointer === null || range === null) {
      this.#preview.hidden = true;
      return;
    }
    const position = range.start + this.#pointer * (range.live - range.start);
    const behind = Math.round(range.live - position);
    const dateMs = this.#session.engine?.dateAt(position) ?? null;
    setText(this.#time, behind <= 1 ? t("player.live") : `−${span(behind)}`);
    setText(this.#clock, dateMs === null ? "" : new Date(dateMs).toLocaleTimeString(locale()));
    this.#drawPicture(dateMs);
    this.#preview.hidden = false;
    // Inside the player, however near to its edge the pointer is.
    const half = this.#preview.offsetWidth / 2;
    const x = this.#pointer * this.#bar.clientWidth;
    const left = Math.min(this.#bar.clientWidth - half, Math.max(half, x));
    this.#preview.style.left = `${left}px`;
    this.#bar.style.setProperty("--pointer", `${(this.#pointer * 100).toFixed(2)}%`);
  }

  #drawPicture(dateMs: number | null): void {
    const found = dateMs === null ? null : this.#images.at(dateMs);
    this.#picture.hidden = found === null;
    if (found === null) {
      return;
    }
    const { tile, column, row } = found;
    const { style } = this.#picture;
    style.width = `${tile.width}px`;
    style.height = `${tile.height}px`;
    style.backgroundImage = `url("${this.#images.url(tile)}")`;
    style.backgroundSize = `${tile.width * tile.columns}px ${tile.height * tile.rows}px`;
    style.backgroundPosition = `${-column * tile.width}px ${-row * tile.height}px`;
  }
}

/** The bar of buttons under the picture, and the gestures on it. */

import { onLanguage, t } from "../i18n";
import { span } from "../lib/format";
import { recallSound, recallVolume, rememberSound, rememberVolume } from "../player/memory";
import type { Session } from "../player/session";
import { byId, setAttribute, setIcon, setText } from "./dom";

/** Without a pointer or key for this long, the bar goes away. */
const IDLE_MS = 2600;
/** Behind the target by more than this, the live button offers the way back. */
const BEHIND_S = 2;
const VOLUME_STEP = 0.1;
/** The offer of sound is spelled out for this long; then its icon is enough, and the picture is free. */
const UNMUTE_TEXT_MS = 8000;

/** iOS has full screen only for the video element itself. */
type AppleVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

export class Controls {
  readonly #session: Session;
  readonly #video: AppleVideo;
  readonly #player = byId("player", HTMLElement);
  readonly #play = byId("play", HTMLButtonElement);
  readonly #mute = byId("mute", HTMLButtonElement);
  readonly #unmute = byId("unmute", HTMLButtonElement);
  readonly #volume = byId("volume", HTMLInputElement);
  readonly #live = byId("live", HTMLButtonElement);
  readonly #liveText = byId("live-text", HTMLElement);
  readonly #pip = byId("pip", HTMLButtonElement);
  readonly #fullscreen = byId("fullscreen", HTMLButtonElement);
  #idleTimer: number | undefined;
  #idleAtPress = false;
  #pointerType = "mouse";

  constructor(session: Session, video: HTMLVideoElement) {
    this.#session = session;
    this.#video = video;
    video.volume = recallVolume();
    // With sound if the viewer had it on; the session falls back to muted where the browser objects.
    video.muted = !recallSound();
    this.#play.addEventListener("click", () => this.togglePlay());
    this.#mute.addEventListener("click", () => this.toggleMute());
    this.#unmute.addEventListener("click", () => this.toggleMute());
    this.#volume.addEventListener("input", () => this.#setVolume(Number(this.#volume.value)));
    this.#live.addEventListener("click", () => session.goLive());
    this.#pip.addEventListener("click", () => this.togglePictureInPicture());
    this.#fullscreen.addEventListener("click", () => this.toggleFullscreen());
    this.#pip.hidden = !document.pictureInPictureEnabled;
    video.addEventListener("volumechange", () => this.update());
    document.addEventListener("fullscreenchange", () => this.update());
    this.#watchPointer();
    onLanguage(() => this.update());
  }

  /** Playback goes on, or will as soon as there is something to play. */
  get #playing(): boolean {
    return this.#session.wanted && !this.#session.needsGesture;
  }

  togglePlay(): void {
    this.#session.setWanted(!this.#playing);
  }

  toggleMute(): void {
    const on = this.#video.muted || this.#video.volume === 0;
    if (on && this.#video.volume === 0) {
      this.#video.volume = 0.5;
    }
    this.#video.muted = !on;
    rememberSound(on);
  }

  stepVolume(direction: 1 | -1): void {
    this.#setVolume(Math.min(1, Math.max(0, this.#video.volume + direction * VOLUME_STEP)));
  }

  togglePictureInPicture(): void {
    if (document.pictureInPictureElement !== null) {
      void document.exitPictureInPicture().catch(() => undefined);
    } else if (document.pictureInPictureEnabled) {
      // Refused while there is no picture yet.
      void this.#video.requestPictureInPicture().catch(() => undefined);
    }
  }

  toggleFullscreen(): void {
    if (document.fullscreenElement !== null) {
      void document.exitFullscreen();
    } else if (document.fullscreenEnabled) {
      void this.#player.requestFullscreen().catch(() => undefined);
    } else {
      this.#video.webkitEnterFullscreen?.();
    }
  }

  /** Shows the bar, and hides it again later. */
  wake(): void {
    this.#player.classList.remove("idle");
    window.clearTimeout(this.#idleTimer);
    this.#idleTimer = window.setTimeout(() => this.#rest(), IDLE_MS);
  }

  /** Redraws what has changed. */
  update(): void {
    const { muted, volume } = this.#video;
    const paused = !this.#playing;
    const silent = muted || volume === 0;
    setIcon(this.#play, paused ? "play" : "pause");
    this.#name(this.#play, t(paused ? "player.play" : "player.pause"), t("keys.space"));
    setIcon(this.#mute, silent ? "muted" : "sound");
    this.#name(this.#mute, t(silent ? "player.soundOn" : "player.soundOff"), "m");
    this.#volume.value = String(muted ? 0 : volume);
    this.#updateUnmute(muted && this.#session.state === "playing" && !paused);
    const full = document.fullscreenElement !== null;
    setIcon(this.#fullscreen, full ? "shrink" : "expand");
    this.#name(this.#fullscreen, t(full ? "player.leaveFullscreen" : "player.fullscreen"), "f");
    this.#updateLive();
  }

  #updateUnmute(offered: boolean): void {
    if (offered && this.#unmute.hidden) {
      window.setTimeout(() => this.#unmute.classList.add("small"), UNMUTE_TEXT_MS);
    }
    this.#unmute.hidden = !offered;
  }

  #updateLive(): void {
    const engine = this.#session.engine;
    const latency = engine?.latency ?? null;
    const behind = latency !== null && (latency > (engine?.targetLatency ?? 3) + BEHIND_S || !this.#playing);
    this.#live.hidden = this.#session.state !== "playing";
    this.#live.classList.toggle("behind", behind);
    setText(this.#liveText, behind ? t("player.goLive", { time: span(latency) }) : t("player.live"));
    this.#name(this.#live, t(behind ? "player.toLive" : "player.atLive"), "l");
  }

  #name(button: HTMLButtonElement, name: string, key: string): void {
    setAttribute(button, "aria-label", name);
    setAttribute(button, "title", `${name} (${key})`);
  }

  #setVolume(volume: number): void {
    this.#video.volume = volume;
    this.#video.muted = volume === 0;
    rememberSound(volume > 0);
    if (volume > 0) {
      rememberVolume(volume);
    }
  }

  #watchPointer(): void {
    // Before the press itself wakes the bar (it moves the focus, too).
    this.#player.addEventListener(
      "pointerdown",
      ({ pointerType }) => {
        this.#idleAtPress = this.#player.classList.contains("idle");
        this.#pointerType = pointerType;
      },
      true,
    );
    this.#player.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") {
        this.wake();
      }
    });
    this.#player.addEventListener("focusin", () => this.wake());
    this.#player.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") {
        this.#rest();
      }
    });
    this.#video.addEventListener("click", (event) => {
      // A tap brings the bar or sends it away; a click of the mouse pauses.
      if ((event as PointerEvent).pointerType === "mouse") {
        this.togglePlay();
      } else if (this.#idleAtPress) {
        this.wake();
      } else {
        this.#rest();
      }
    });
    this.#video.addEventListener("dblclick", () => {
      // Two taps are a heart where there is a chat.
      if (this.#pointerType !== "touch" || !document.body.classList.contains("with-chat")) {
        this.toggleFullscreen();
      }
    });
    this.wake();
  }

  #rest(): void {
    const menuOpen = this.#player.querySelector(".menu:not([hidden])") !== null;
    this.#player.classList.toggle("idle", this.#playing && !menuOpen);
  }
}

/** What lies over the picture when there is none, and the words for why. */

import { t } from "../i18n";
import type { Session } from "../player/session";
import { byId, setText } from "./dom";

interface Words {
  readonly title: string;
  readonly text: string;
  readonly retry: boolean;
}

/** A stall shorter than this is over before a spinner would help. */
const SPINNER_AFTER_MS = 500;
/** Failed attempts after which the viewer is told that something is wrong. */
const PATIENCE_ATTEMPTS = 3;

function curtainWords(session: Session, title: string): Words | null {
  switch (session.state) {
    case "absent":
      return {
        title: t("curtain.absent"),
        text: t("curtain.absentText", { title }),
        retry: false,
      };
    case "over":
      return {
        title: t("curtain.over"),
        text: t("curtain.overText"),
        retry: false,
      };
    case "denied":
      return {
        title: t("curtain.denied"),
        text: t("curtain.deniedText"),
        retry: true,
      };
    case "unsupported":
      return {
        title: t("curtain.unsupported"),
        text: t("curtain.unsupportedText"),
        retry: true,
      };
    case "connecting":
    case "playing":
    case "recovering":
      return null;
  }
}

function spinnerText(session: Session, nowMs: number): string | null {
  const trying = session.attempts >= PATIENCE_ATTEMPTS;
  switch (session.state) {
    case "connecting":
      if (session.needsGesture || !session.wanted) {
        return null;
      }
      return t(trying ? "spinner.unreachable" : "spinner.connecting");
    case "recovering":
      return t(trying ? "spinner.lost" : "spinner.reconnecting");
    case "playing":
      return session.stalls.presentMs(nowMs) > SPINNER_AFTER_MS ? t("spinner.waiting") : null;
    default:
      return null;
  }
}

export class Overlay {
  readonly #session: Session;
  readonly #title: () => string;
  readonly #player = byId("player", HTMLElement);
  readonly #spinner = byId("spinner", HTMLElement);
  readonly #spinnerText = byId("spinner-text", HTMLElement);
  readonly #curtain = byId("curtain", HTMLElement);
  readonly #curtainTitle = byId("curtain-title", HTMLElement);
  readonly #curtainText = byId("curtain-text", HTMLElement);
  readonly #retry = byId("curtain-retry", HTMLButtonElement);
  readonly #start = byId("start", HTMLButtonElement);
  readonly #announcer = byId("announcer", HTMLElement);

  constructor(session: Session, title: () => string) {
    this.#session = session;
    this.#title = title;
    this.#retry.addEventListener("click", () => session.retry());
    this.#start.addEventListener("click", () => session.setWanted(true));
  }

  update(nowMs: number): void {
    const words = curtainWords(this.#session, this.#title());
    const waiting = spinnerText(this.#session, nowMs);
    this.#curtain.hidden = words === null;
    this.#player.classList.toggle("closed", words !== null);
    if (words !== null) {
      setText(this.#curtainTitle, words.title);
      setText(this.#curtainText, words.text);
      this.#retry.hidden = !words.retry;
    }
    this.#spinner.hidden = waiting === null;
    setText(this.#spinnerText, waiting ?? "");
    this.#start.hidden = words !== null || !this.#session.needsGesture;
    setText(this.#announcer, words?.title ?? waiting ?? "");
  }
}

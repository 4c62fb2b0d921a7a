/** The quality menu: automatic, and every rendition. */

import { language, t } from "../i18n";
import { bitrate } from "../lib/format";
import { levelLabel, menuOrder } from "../lib/levels";
import { AUTO_LEVEL } from "../player/engine";
import type { Session } from "../player/session";
import { byId, icon, make, setAttribute, setText } from "./dom";

export class QualityMenu {
  readonly #session: Session;
  readonly #button = byId("quality", HTMLButtonElement);
  readonly #label = byId("quality-text", HTMLElement);
  readonly #menu = byId("quality-menu", HTMLElement);
  #drawn = "";

  constructor(session: Session) {
    this.#session = session;
    this.#button.addEventListener("click", () => this.toggle());
    this.#menu.addEventListener("keydown", (event) => this.#handleKey(event));
    document.addEventListener("pointerdown", (event) => {
      if (this.open && event.target instanceof Node && !this.#menu.contains(event.target) && !this.#button.contains(event.target)) {
        this.#show(false);
      }
    });
  }

  get open(): boolean {
    return !this.#menu.hidden;
  }

  toggle(): void {
    if (!this.#button.hidden) {
      this.#show(!this.open);
    }
  }

  close(): void {
    this.#show(false);
  }

  /** Redraws what has changed. */
  update(): void {
    const engine = this.#session.engine;
    const levels = engine?.levels ?? [];
    this.#button.hidden = levels.length < 2;
    if (engine === null || levels.length < 2) {
      this.close();
      return;
    }
    const playing = levels[engine.currentLevel];
    const auto = engine.selectedLevel === AUTO_LEVEL;
    const chosen = auto ? playing : levels[engine.selectedLevel];
    const name = chosen === undefined ? "" : levelLabel(chosen);
    setText(this.#label, !auto ? name : name === "" ? t("player.auto") : t("player.autoIs", { name }));
    setAttribute(this.#button, "aria-label", t(auto ? "player.qualityAuto" : "player.qualityIs", { name }));
    this.#draw();
  }

  #draw(): void {
    const engine = this.#session.engine;
    if (engine === null) {
      return;
    }
    const { levels, selectedLevel, currentLevel } = engine;
    const drawn = JSON.stringify([language(), levels.map((level) => [levelLabel(level), level.bitrate]), selectedLevel, currentLevel]);
    if (drawn === this.#drawn) {
      return;
    }
    this.#drawn = drawn;
    const focused = this.#items().findIndex((item) => item === document.activeElement);
    const playing = levels[currentLevel];
    const auto = this.#item(t("player.auto"), playing === undefined ? "" : levelLabel(playing), AUTO_LEVEL, selectedLevel);
    const items = menuOrder(levels).flatMap((index) => {
      const level = levels[index];
      return level === undefined ? [] : [this.#item(levelLabel(level), bitrate(level.bitrate), index, selectedLevel)];
    });
    this.#menu.replaceChildren(auto, ...items);
    this.#items()[focused]?.focus();
  }

  #item(name: string, detail: string, index: number, selected: number): HTMLButtonElement {
    const item = make("button", "", icon("check"), make("span", "", name), make("span", "detail", detail));
    item.type = "button";
    item.tabIndex = -1;
    item.setAttribute("role", "menuitemradio");
    item.setAttribute("aria-checked", String(index === selected));
    item.addEventListener("click", () => {
      this.#session.selectLevel(index);
      this.#show(false);
    });
    return item;
  }

  #items(): HTMLButtonElement[] {
    return [...this.#menu.querySelectorAll("button")];
  }

  #show(open: boolean): void {
    if (open === this.open) {
      return;
    }
    const hadFocus = this.#menu.contains(document.activeElement);
    this.#menu.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
    if (open) {
      this.#draw();
      const items = this.#items();
      (items.find((item) => item.getAttribute("aria-checked") === "true") ?? items[0])?.focus();
    } else if (hadFocus) {
      this.#button.focus();
    }
  }

  #handleKey(event: KeyboardEvent): void {
    const items = this.#items();
    const at = items.findIndex((item) => item === document.activeElement);
    const to: Record<string, number> = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    };
    const next = to[event.key];
    if (event.key === "Escape" || event.key === "Tab") {
      this.#show(false);
    } else if (next !== undefined) {
      items[next]?.focus();
    } else {
      return;
    }
    if (event.key !== "Tab") {
      event.preventDefault();
    }
    event.stopPropagation();
  }
}

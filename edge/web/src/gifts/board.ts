/** Who gave most in a room: today, or ever. Asked for while somebody looks at it. */

import { asProblem } from "../account/problem";
import type { Session } from "../account/session";
import { problemWords } from "../account/words";
import { nameElement } from "../chat/line";
import { formatNumber, type Key, onLanguage, t } from "../i18n";
import { field, list, number, text } from "../lib/json";
import { roomPath } from "../room/connection";
import { icon, make, setAttribute, setText } from "../ui/dom";
import { h, patchChildren } from "../ui/patch";

const REFRESH_MS = 15_000;
const ROWS_MAX = 50;

export type Period = "day" | "all";
const PERIODS: readonly (readonly [Period, Key])[] = [
  ["day", "board.day"],
  ["all", "board.all"],
];

export interface Place {
  readonly rank: number;
  readonly id: string;
  readonly name: string;
  readonly points: number;
}

export interface Board {
  readonly places: readonly Place[];
  readonly total: number;
}

/** Pure. */
export function parseBoard(value: unknown): Board {
  const places = list(field(value, "entries")).map((entry, index): Place => {
    const user = field(entry, "user");
    return { rank: number(field(entry, "rank")) || index + 1, id: text(field(user, "id")), name: text(field(user, "name")), points: number(field(entry, "points")) };
  });
  return { places: places.slice(0, ROWS_MAX), total: number(field(value, "total")) };
}

export class LeaderboardDrawer {
  readonly element = make("section", "chat-drawer board");
  readonly button = make("button", "head-button", icon("trophy"));
  readonly #session: Session;
  readonly #room: string;
  readonly #onToggle: (open: boolean) => void;
  readonly #tabs = make("div", "drawer-tabs");
  readonly #close = make("button", "icon-button small", icon("close"));
  readonly #list = make("ol", "board-list");
  readonly #note = make("p", "muted small board-note");
  readonly #status = make("p", "muted none");
  #period: Period = "day";
  #board: Board | null = null;
  #asked = 0;
  #timer: number | undefined;

  constructor(session: Session, room: string, onToggle: (open: boolean) => void) {
    this.#session = session;
    this.#room = room;
    this.#onToggle = onToggle;
    this.element.id = "board";
    this.element.hidden = true;
    this.button.type = "button";
    this.#close.type = "button";
    this.#status.setAttribute("role", "status");
    this.#tabs.setAttribute("role", "tablist");
    this.#tabs.append(...PERIODS.map(([period]) => this.#tab(period)));
    const body = make("div", "drawer-body", this.#status, this.#list, this.#note);
    body.setAttribute("role", "tabpanel");
    this.element.append(make("div", "drawer-head", this.#tabs, this.#close), body);
    this.button.addEventListener("click", () => this.toggle());
    this.#close.addEventListener("click", () => this.toggle(false));
    this.element.addEventListener("keydown", (event) => this.#handleKey(event));
    session.onChange(() => this.#draw());
    onLanguage(() => this.#draw());
    this.#draw();
  }

  get isOpen(): boolean {
    return !this.element.hasAttribute("hidden");
  }

  toggle(open: boolean = !this.isOpen): void {
    if (open === this.isOpen) {
      return;
    }
    const had = this.element.contains(document.activeElement);
    this.element.hidden = !open;
    this.#onToggle(open);
    window.clearInterval(this.#timer);
    if (open) {
      void this.#ask();
      this.#timer = window.setInterval(() => (document.visibilityState === "visible" ? void this.#ask() : undefined), REFRESH_MS);
      this.#tabs.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
    } else if (had) {
      this.button.focus();
    }
    this.#draw();
  }

  #tab(period: Period): HTMLElement {
    const tab = make("button", "tab");
    tab.type = "button";
    tab.dataset["period"] = period;
    tab.setAttribute("role", "tab");
    tab.addEventListener("click", () => this.#choose(period));
    return tab;
  }

  #choose(period: Period): void {
    if (period !== this.#period) {
      this.#period = period;
      this.#board = null;
      this.#draw();
      void this.#ask();
    }
    this.#tabs.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }

  async #ask(): Promise<void> {
    const asked = (this.#asked += 1);
    let failure = "";
    try {
      const board = parseBoard(await this.#session.json(`${roomPath(this.#room)}/leaderboard?period=${this.#period}`));
      this.#board = asked === this.#asked ? board : this.#board;
    } catch (error) {
      failure = problemWords(asProblem(error));
    }
    if (asked === this.#asked) {
      this.#draw(failure);
    }
  }

  #draw(failure = ""): void {
    setAttribute(this.button, "aria-label", t("board.title"));
    setAttribute(this.button, "title", t("board.title"));
    setAttribute(this.button, "aria-expanded", String(this.isOpen));
    setAttribute(this.element, "aria-label", t("board.title"));
    setAttribute(this.#close, "aria-label", t("page.close"));
    for (const [at, [period, key]] of PERIODS.entries()) {
      const tab = this.#tabs.children[at] as HTMLElement;
      setText(tab, t(key));
      setAttribute(tab, "aria-selected", String(period === this.#period));
      tab.tabIndex = period === this.#period ? 0 : -1;
    }
    const board = this.#board;
    const me = this.#session.user?.id ?? null;
    const empty = board !== null && board.places.length === 0 ? t(this.#period === "day" ? "board.emptyDay" : "board.empty") : "";
    setText(this.#status, failure !== "" ? failure : board === null ? t("wallet.loading") : empty);
    this.#status.hidden = this.#status.textContent === "";
    patchChildren(this.#list, (board?.places ?? []).map((place) => rowOf(place, me)));
    const below = board !== null && me !== null && board.places.length === ROWS_MAX && !board.places.some(({ id }) => id === me);
    const notes = [...(board !== null && board.total > 0 ? [t("board.total", { n: board.total })] : []), ...(below ? [t("board.below", { n: ROWS_MAX })] : [])];
    setText(this.#note, notes.join(" · "));
  }

  #handleKey(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      this.toggle(false);
    } else if (this.#tabs.contains(document.activeElement) && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      this.#choose(this.#period === "day" ? "all" : "day");
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

function rowOf({ rank, id, name, points }: Place, me: string | null): HTMLElement {
  const mine = id === me;
  return h(
    "li",
    { class: `board-row${rank <= 3 ? ` rank-${rank}` : ""}${mine ? " mine" : ""}`, "data-key": id, "aria-current": mine ? "true" : null },
    h("span", { class: "board-rank" }, formatNumber(rank)),
    h("span", { class: "board-name" }, nameElement(id, name), mine ? h("span", { class: "muted" }, ` (${t("board.you")})`) : null),
    h("span", { class: "board-points" }, formatNumber(points)),
  );
}

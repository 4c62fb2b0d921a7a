/**
 * The list of messages. It never moves what one is reading: at its end it follows what comes; scrolled up it stands still,
 * and says how much is new. At most `NODES_MAX` lines are on the page.
 */

import { onLanguage, t } from "../i18n";
import type { Room } from "../room/room";
import type { Message } from "../room/protocol";
import type { Line } from "../room/timeline";
import { byId, icon, make, setText } from "../ui/dom";
import { lineElement, pendingElement, type Surroundings } from "./line";

export const NODES_MAX = 200;
/** Nearer to the end than this is at the end. */
const END_PX = 48;
/** When the end of what stands still is reached, so many of the newer lines are added at once. */
const STEP = 60;
/** Announcements: one at a time, and not more often. */
const ANNOUNCE_MS = 4000;
const ANNOUNCED_CHARACTERS_MAX = 160;

interface Shown {
  readonly line: Line;
  readonly element: HTMLElement;
}

export class ChatLog {
  readonly element: HTMLElement;
  readonly #room: Room;
  readonly #scroller = make("div", "chat-log");
  readonly #lines = make("div", "chat-lines");
  readonly #pendings = make("div", "chat-pendings");
  readonly #empty = make("p", "chat-empty");
  readonly #pill = make("button", "chat-pill", icon("down"), make("span", ""));
  #shown: Shown[] = [];
  #atEnd = true;
  /** At the end, but for somebody who has the focus in it, or a menu open. */
  #held = false;
  #drawnPending = "";
  #lastKey = "";
  #unread = 0;
  /** Key of the line to begin with, when what stands still moves on. */
  #from = "";
  #announced: { readonly count: number; readonly last: Message } | null = null;
  #announcedMs = 0;
  #quietUntilMs = performance.now() + 3000;

  constructor(room: Room) {
    this.#room = room;
    this.#scroller.tabIndex = 0;
    this.#scroller.setAttribute("role", "log");
    // The announcer speaks, so that a busy chat does not drown everything else.
    this.#scroller.setAttribute("aria-live", "off");
    this.#scroller.append(this.#empty, this.#lines, this.#pendings);
    this.#pill.type = "button";
    this.#pill.hidden = true;
    this.#pill.addEventListener("click", () => this.toEnd());
    this.element = make("div", "chat-body", this.#scroller, this.#pill);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#scroller.addEventListener("keydown", (event) => this.#handleKey(event));
    // Images there are none, but the panel changes its size: stay at the end.
    new ResizeObserver(() => this.#stay()).observe(this.#scroller);
    onLanguage(() => {
      this.#shown = [];
      this.#lines.replaceChildren();
      this.#drawnPending = "";
      // The panel draws, if it is shown.
      this.#words();
    });
    this.#words();
  }

  /** Follows what comes again. */
  toEnd(): void {
    this.#atEnd = true;
    this.#held = false;
    this.update();
    this.#stay();
  }

  focus(): void {
    this.#scroller.focus();
  }

  /** Something lies over it: what one does not see is no stop of the Tab key. */
  cover(covered: boolean): void {
    this.#scroller.inert = covered;
    this.#pill.inert = covered;
  }

  messageOf(id: string): Message | null {
    const line = this.#room.timeline.lines.find((known) => known.key === id);
    return line?.type === "message" ? line.message : null;
  }

  /** Once per animation frame, when something has changed: reads the layout at most once, then writes. */
  update(): void {
    const { lines } = this.#room.timeline;
    // A report is no message: its answer says what became of it.
    const pending = this.#room.timeline.pending.filter(({ publish, state }) => state !== "sending" || !publish.text.startsWith("/report "));
    const follows = this.#hold();
    this.#count(lines);
    const wanted = this.#wanted(lines);
    const anchor = this.#atEnd ? null : this.#anchor(wanted);
    const changed = this.#draw(wanted);
    if (changed && anchor !== null) {
      // What is being read stays where it is, whatever goes above it.
      const moved = anchor.element.getBoundingClientRect().top - anchor.top;
      if (moved !== 0) {
        this.#scroller.scrollTop += moved;
      }
    }
    const pendingChanged = this.#drawPending(pending);
    const rest = this.#rest(lines, wanted);
    this.#empty.hidden = lines.length + pending.length > 0 || this.#room.link !== "open";
    this.#pill.hidden = this.#atEnd || rest === 0;
    if (!this.#pill.hidden) {
      setText(this.#pill.querySelector("span") ?? this.#pill, t("chat.newMessages", { n: rest }));
    }
    if (changed || pendingChanged || follows) {
      this.#stay();
    }
    this.#announce();
  }

  #words(): void {
    setText(this.#empty, t("chat.empty"));
    this.#scroller.setAttribute("aria-label", t("chat.log"));
  }

  /** A line that has the focus, or an open menu, does not scroll away: it would be removed, and the focus with it. True if it may again. */
  #hold(): boolean {
    const holds = this.#lines.querySelector(':focus-visible, [aria-expanded="true"]') !== null;
    if (holds === this.#held || (holds && !this.#atEnd)) {
      return false;
    }
    this.#held = holds;
    this.#atEnd = !holds;
    return this.#atEnd;
  }

  /** The lines that ought to be on the page. */
  #wanted(lines: readonly Line[]): readonly Line[] {
    if (this.#atEnd || this.#shown.length === 0) {
      return lines.slice(-NODES_MAX);
    }
    // Stands still: what is there, as far as it still exists, and what is new as long as there is room.
    const first = this.#firstShown(lines);
    return lines.slice(first, first + NODES_MAX);
  }

  #firstShown(lines: readonly Line[]): number {
    const index = new Map(lines.map((line, at) => [line.key, at]));
    const from = this.#from === "" ? undefined : index.get(this.#from);
    this.#from = "";
    if (from !== undefined) {
      return from;
    }
    for (const { line } of this.#shown) {
      const at = index.get(line.key);
      if (at !== undefined) {
        return at;
      }
    }
    return Math.max(0, lines.length - NODES_MAX);
  }

  /** Messages below what stands on the page or below what one sees of it. */
  #rest(lines: readonly Line[], wanted: readonly Line[]): number {
    if (this.#atEnd) {
      this.#unread = 0;
    }
    return Math.max(this.#unread, lines.length === 0 ? 0 : lines.length - 1 - lines.lastIndexOf(wanted.at(-1) as Line));
  }

  #count(lines: readonly Line[]): void {
    const at = this.#lastKey === "" ? -1 : lines.findLastIndex((line) => line.key === this.#lastKey);
    const fresh = at === -1 ? [] : lines.slice(at + 1);
    this.#lastKey = lines.at(-1)?.key ?? "";
    for (const line of fresh) {
      if (line.type === "message") {
        this.#unread += 1;
        if (line.message.author.id !== this.#room.me && performance.now() > this.#quietUntilMs) {
          this.#announced = { count: (this.#announced?.count ?? 0) + 1, last: line.message };
        }
      }
    }
  }

  #draw(wanted: readonly Line[]): boolean {
    const before = this.#shown;
    if (before.length === wanted.length && before.every(({ line }, at) => line === wanted[at])) {
      return false;
    }
    const around = this.#around();
    const known = new Map(before.map((shown) => [shown.line.key, shown]));
    const next = wanted.map((line): Shown => {
      const shown = known.get(line.key);
      known.delete(line.key);
      return shown?.line === line ? shown : { line, element: this.#make(line, around, shown) };
    });
    for (const { element } of known.values()) {
      element.remove();
    }
    // Nothing changes its place: new elements come after those that stay.
    let cursor: ChildNode | null = this.#lines.firstChild;
    for (const { element } of next) {
      if (element === cursor) {
        cursor = cursor.nextSibling;
      } else {
        this.#lines.insertBefore(element, cursor);
      }
    }
    this.#shown = next;
    return true;
  }

  #make(line: Line, around: Surroundings, before: Shown | undefined): HTMLElement {
    const element = lineElement(line, around);
    before?.element.remove();
    return element;
  }

  #drawPending(pending: Room["timeline"]["pending"]): boolean {
    const drawn = pending.map((mine) => `${mine.publish.client_id} ${mine.state} ${mine.code}`).join("|");
    if (drawn === this.#drawnPending) {
      return false;
    }
    const added = pending.length > this.#pendings.childElementCount;
    this.#drawnPending = drawn;
    const guest = this.#room.identity.guest;
    const me = this.#room.timeline.you?.user ?? { id: guest?.id ?? "", name: guest?.name ?? "", roles: [] };
    this.#pendings.replaceChildren(...pending.map((mine) => pendingElement(mine, me)));
    if (added) {
      // Who speaks wants to see it.
      this.#atEnd = true;
    }
    return true;
  }

  #around(): Surroundings {
    const { lines, you } = this.#room.timeline;
    const messages = new Map<string, Message>();
    const names = new Map<string, string>();
    for (const line of lines) {
      if (line.type === "message") {
        messages.set(line.message.id, line.message);
        names.set(line.message.author.id, line.message.author.name);
      }
    }
    return {
      me: this.#room.me,
      names: you === null || you.user.name === "" ? [] : [you.user.name],
      messageOf: (id) => messages.get(id) ?? null,
      nameOf: (id) => names.get(id) ?? this.#room.nameOf(id),
    };
  }

  #stay(): void {
    if (this.#atEnd) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
    }
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const near = scrollHeight - scrollTop - clientHeight < END_PX;
    if (!near) {
      // Wherever one goes by oneself one stays.
      this.#atEnd = false;
      this.#held = false;
    } else if (!this.#atEnd && !this.#held) {
      this.#further();
    }
  }

  /** The end of what stands still: some more of what is newer, or the end itself. */
  #further(): void {
    const { lines } = this.#room.timeline;
    const last = this.#shown.at(-1)?.line;
    const at = last === undefined ? lines.length : lines.indexOf(last);
    if (at === -1 || at >= lines.length - 1) {
      this.#atEnd = true;
      this.update();
      return;
    }
    this.#from = this.#shown[Math.max(0, this.#shown.length + STEP - NODES_MAX)]?.line.key ?? "";
    this.update();
  }

  /** The first line that one sees and that stays. */
  #anchor(wanted: readonly Line[]): { readonly element: HTMLElement; readonly top: number } | null {
    const { scrollTop } = this.#scroller;
    const stays = new Set(wanted);
    for (const { line, element } of this.#shown) {
      if (element.offsetTop + element.offsetHeight > scrollTop && stays.has(line)) {
        // Not rounded: many small corrections must not become a drift.
        return { element, top: element.getBoundingClientRect().top };
      }
    }
    return null;
  }

  /** Up and down go from message to message, so that the list is one stop of the Tab key. */
  #handleKey(event: KeyboardEvent): void {
    if (event.key.startsWith("Arrow") || event.key === " ") {
      // They scroll here; elsewhere on the page they mean the sound and the picture.
      event.stopPropagation();
    }
    const messages = this.#shown.filter(({ line }) => line.type === "message").map(({ element }) => element);
    const at = messages.findIndex((element) => element.contains(document.activeElement));
    const to = { ArrowUp: at === -1 ? messages.length - 1 : at - 1, ArrowDown: at + 1, Home: 0, End: messages.length - 1 }[event.key];
    if (event.key === "Enter" && at !== -1 && document.activeElement === messages[at]) {
      event.preventDefault();
      messages[at]?.querySelector<HTMLElement>(".line-menu")?.click();
    } else if (event.key === "Escape" && at !== -1) {
      event.preventDefault();
      this.#scroller.focus();
    } else if (to !== undefined && !(event.key === "ArrowDown" && at === -1)) {
      event.preventDefault();
      messages[Math.min(Math.max(to, 0), messages.length - 1)]?.focus({ preventScroll: false });
    }
  }

  #announce(): void {
    const waiting = this.#announced;
    if (waiting === null || performance.now() - this.#announcedMs < ANNOUNCE_MS) {
      return;
    }
    this.#announced = null;
    this.#announcedMs = performance.now();
    const name = waiting.last.author.name;
    const text = [...waiting.last.text].slice(0, ANNOUNCED_CHARACTERS_MAX).join("");
    const words = waiting.count === 1 ? t("chat.says", { name, text }) : t("chat.summary", { n: waiting.count, name });
    setText(byId("chat-announcer", HTMLElement), words);
  }
}

/** The studio's panel of what the room earns, for its broadcaster and for staff; nobody else sees any of it. */

import type { Session } from "../account/session";
import { hasRole } from "../account/parse";
import { Confirmation, toast } from "../chat/moderation";
import { onLanguage, t } from "../i18n";
import { Caller, Refused } from "../lib/money/call";
import { barAfterKey, barAt, barChart } from "../lib/money/chart";
import { checkGoal, wholeOf } from "../lib/money/check";
import { dayBegan, shownGifts, type ToldGift } from "../lib/money/gifts";
import { Loaded } from "../lib/money/loaded";
import { parseBoard, parseEarnings, parseGifts, parseGoal, parseItems } from "../lib/money/parse";
import type { Board, Earnings, GiftRecord, Goal, Item } from "../lib/money/types";
import { parsedJson } from "../lib/json";
import type { RoomEvent } from "../room/protocol";
import { make } from "../ui/dom";
import { onceAFrame } from "../ui/frame";
import { h, patchChildren } from "../ui/patch";
import { chartBox } from "./chart";
import * as view from "./view";

const POLL_MS = 60_000;
const SOON_MS = 1500;
const DAYS = 30;
const LATEST = 50;
/** Gifts that the room told of and that are not recorded yet, at most. */
const TOLD_MAX = 200;

export class EarningsPanel {
  readonly #room: string;
  readonly #session: Session;
  readonly #call: Caller;
  readonly #element: HTMLElement;
  readonly #parts = { balance: make("div", "earn-head"), days: make("div", "earn-days"), gifts: make("div", "earn-gifts"), givers: make("div", "earn-givers"), goal: make("div", "earn-goal") };
  readonly #confirmation = new Confirmation();
  readonly #earnings = new Loaded<Earnings>();
  readonly #latest = new Loaded<readonly GiftRecord[]>();
  readonly #board = new Loaded<Board>();
  readonly #goal = new Loaded<{ goal: Goal | null }>();
  readonly #told = new Map<string, ToldGift>();
  #items: ReadonlyMap<string, Item> = new Map();
  #period: view.Period = "day";
  #chosen: number | null = null;
  #width = 0;
  #draft = view.GOAL_FINE;
  #busy = false;
  #shownFor: string | null = null;
  /** Not only the gifts have changed. */
  #allChanged = false;
  readonly #schedule = onceAFrame(() => (this.#allChanged ? this.#drawNow() : this.#drawGiftsNow()));
  #timer: number | undefined;

  /** Fills `element`, which is hidden until there is something in it. */
  constructor(element: HTMLElement, room: string, session: Session) {
    this.#room = room;
    this.#session = session;
    this.#element = element;
    this.#call = new Caller((path, init) => session.fetch(path, init));
    this.#listen();
    session.onChange(() => this.#arrive());
    onLanguage(() => this.#draw());
    new ResizeObserver(([entry]) => this.#resize(entry?.contentRect.width ?? 0)).observe(this.#parts.days);
    window.setInterval(() => this.#isShown && document.visibilityState === "visible" && void this.#refresh(), POLL_MS);
    this.#arrive();
  }

  /** What has just happened in the room. */
  observe({ at_ms: atMs, body }: RoomEvent): void {
    if (body.type === "gift") {
      const { id, sender, item, count, points, note, figure } = body.gift;
      this.#told.set(id, { id, atMs, sender: { id: sender.id, name: sender.name || sender.id }, item, count, points, note, figure });
      const [oldest] = this.#told.keys();
      if (this.#told.size > TOLD_MAX && oldest !== undefined) {
        this.#told.delete(oldest);
      }
      this.#drawGifts();
      this.refreshSoon();
    } else if (body.type === "notice" && body.notice.kind === "goal") {
      const goal = parseGoal(parsedJson(body.notice.payload));
      // Without a payload it is taken away.
      void this.#goal.load(() => Promise.resolve({ goal }), () => this.#draw());
    } else if (body.type === "notice" && ["goal_reached", "gift_refunded"].includes(body.notice.kind)) {
      this.refreshSoon();
    }
  }

  /** Something may have happened. What comes in a swarm is asked for once. */
  refreshSoon(): void {
    if (this.#isShown) {
      this.#timer ??= window.setTimeout(() => {
        this.#timer = undefined;
        void this.#refresh();
      }, SOON_MS);
    }
  }

  get #isShown(): boolean {
    return this.#shownFor !== null;
  }

  get #path(): string {
    return `/api/rooms/${encodeURIComponent(this.#room)}`;
  }

  /** Who is signed in has changed. */
  #arrive(): void {
    const { user } = this.#session;
    const mine = hasRole(user, this.#room, "broadcaster", "staff");
    this.#element.hidden = !mine;
    if (!mine) {
      this.#shownFor = null;
      for (const loaded of [this.#earnings, this.#latest, this.#board, this.#goal]) {
        loaded.forget();
      }
      this.#told.clear();
      patchChildren(this.#element, []);
    } else if (this.#shownFor !== user?.id) {
      this.#shownFor = user?.id ?? null;
      this.#element.replaceChildren(...Object.values(this.#parts), this.#confirmation.element);
      // At once: the parts may be those that somebody else has seen.
      this.#drawNow();
      void this.#refresh();
      void this.#call.get(`${this.#path}/gifts`, parseItems).then(
        (items) => {
          this.#items = new Map(items.map((item) => [item.id, item]));
          this.#drawGifts();
        },
        // Without the catalogue an item is called by its id.
        () => undefined,
      );
    }
  }

  async #refresh(): Promise<void> {
    const draw = (): void => this.#draw();
    await Promise.all([
      this.#earnings.load(() => this.#call.get(`${this.#path}/earnings?days=${DAYS}`, parseEarnings), draw),
      this.#latest.load(async () => (await this.#call.get(`${this.#path}/gifts/latest?limit=${LATEST}`, parseGifts)).items, draw),
      this.#loadBoard(),
      this.#goal.load(() => this.#askGoal(), draw),
    ]);
  }

  async #loadBoard(): Promise<void> {
    await this.#board.load(() => this.#call.get(`${this.#path}/leaderboard?period=${this.#period}`, parseBoard), () => this.#draw());
  }

  /** That there is none is an answer. */
  async #askGoal(): Promise<{ goal: Goal | null }> {
    try {
      return { goal: await this.#call.get(`${this.#path}/goal`, parseGoal) };
    } catch (error) {
      if (error instanceof Refused && error.code === "no-goal") {
        return { goal: null };
      }
      throw error;
    }
  }

  /** Of a rush of gifts, and of what is loaded at the same time, each comes for itself. */
  #draw(): void {
    this.#allChanged = true;
    this.#schedule();
  }

  #drawGifts(): void {
    this.#schedule();
  }

  #drawNow(): void {
    this.#allChanged = false;
    if (!this.#isShown) {
      return;
    }
    const { balance, days, givers, goal } = this.#parts;
    patchChildren(balance, [h("h2", { id: "earnings-title" }, t("earn.title")), view.balance(this.#earnings.value)]);
    patchChildren(days, some(view.days(this.#earnings, this.#chosen, this.#width)));
    patchChildren(givers, some(view.givers(this.#board, this.#period)));
    patchChildren(goal, some(view.goal(this.#goal, this.#busy, this.#draft)));
    this.#drawGiftsNow();
  }

  #drawGiftsNow(): void {
    if (this.#isShown) {
      const shown = shownGifts(this.#latest.value ?? [], [...this.#told.values()], dayBegan(Date.now()));
      patchChildren(this.#parts.gifts, some(view.gifts(this.#latest, shown, this.#items)));
    }
  }

  #resize(width: number): void {
    if (width > 0 && Math.abs(width - this.#width) >= 1) {
      this.#width = width;
      this.#draw();
    }
  }

  #choose(index: number | null): void {
    if (index !== this.#chosen) {
      this.#chosen = index;
      patchChildren(this.#parts.days, some(view.days(this.#earnings, this.#chosen, this.#width)));
    }
  }

  #listen(): void {
    const { days } = this.#parts;
    const isChart = (target: EventTarget | null): boolean => target instanceof Element && target.closest(".chart") !== null;
    const point = (event: PointerEvent): void => {
      if (isChart(event.target)) {
        const known = this.#earnings.value?.days ?? [];
        const left = days.querySelector(".chart")?.getBoundingClientRect().left ?? 0;
        this.#choose(barAt(barChart(known.map(({ diamonds }) => diamonds), chartBox(this.#width)), event.clientX - left) ?? this.#chosen);
      }
    };
    days.addEventListener("pointermove", point);
    days.addEventListener("pointerdown", point);
    days.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && !isChart(document.activeElement) && this.#choose(null));
    days.addEventListener("focusout", (event) => isChart(event.target) && this.#choose(null));
    days.addEventListener("keydown", (event) => {
      const to = isChart(event.target) ? barAfterKey(event.key, this.#chosen, this.#earnings.value?.days.length ?? 0) : null;
      if (to !== null) {
        event.preventDefault();
        this.#choose(to);
      } else if (event.key === "Escape") {
        this.#choose(null);
      }
    });
    this.#element.addEventListener("click", (event) => this.#click(event.target instanceof Element ? event.target.closest<HTMLElement>("[data-do]") : null));
    this.#element.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.target instanceof HTMLFormElement) {
        void this.#setGoal(event.target);
      }
    });
  }

  #click(button: HTMLElement | null): void {
    const { do: what, period } = button?.dataset ?? {};
    if (what === "reload") {
      void this.#refresh();
    } else if (what === "period") {
      this.#period = period === "all" ? "all" : "day";
      this.#board.forget();
      void this.#loadBoard();
    } else if (what === "remove-goal" && !this.#busy) {
      this.#confirmation.ask(t("earn.removeGoalTitle"), t("earn.removeGoalText"), t("earn.removeGoalConfirm"), false, () => void this.#removeGoal());
    }
  }

  async #setGoal(form: HTMLFormElement): Promise<void> {
    if (this.#busy) {
      return;
    }
    const [title, target] = [String(new FormData(form).get("title") ?? ""), String(new FormData(form).get("target") ?? "")];
    const wrong = checkGoal(title, target);
    this.#draft = view.goalDraft(wrong);
    if (wrong !== null) {
      this.#drawNow();
      form.querySelector<HTMLElement>(`[name=${this.#draft.field}]`)?.focus();
      return;
    }
    const body = { title: title.trim(), target: wholeOf(target) ?? 0 };
    await this.#change(async () => ({ goal: await this.#call.change({ method: "PUT", path: `${this.#path}/goal`, body }, parseGoal) }), t("earn.goalSet"));
    if (this.#draft === view.GOAL_FINE) {
      // What is shown is what is set, also where somebody has typed.
      form.reset();
    }
  }

  async #removeGoal(): Promise<void> {
    await this.#change(async () => {
      await this.#call.do({ method: "DELETE", path: `${this.#path}/goal` });
      return { goal: null };
    }, t("earn.goalRemoved"));
    const form = this.#parts.goal.querySelector("form");
    form?.reset();
    if (document.activeElement === document.body) {
      // The button that had the focus is gone.
      form?.querySelector<HTMLElement>("[name=title]")?.focus();
    }
  }

  async #change(make: () => Promise<{ goal: Goal | null }>, done: string): Promise<void> {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    this.#draw();
    try {
      const changed = await make();
      await this.#goal.load(() => Promise.resolve(changed), () => undefined);
      this.#draft = view.GOAL_FINE;
      toast(done);
    } catch (error) {
      const field = error instanceof Refused && error.code === "out-of-range" ? "title" : null;
      this.#draft = { words: t("earn.notDone", { reason: view.reason(error) }), field };
    }
    this.#busy = false;
    this.#drawNow();
  }
}

function some(nodes: readonly (Node | null)[]): Node[] {
  return nodes.filter((node) => node !== null);
}

/** The chat of a page: messages, composer, and the drawers over them. It is drawn at most once per animation frame. */

import { formatDuration, formatNumber, type Key, onLanguage, t } from "../i18n";
import type { LinkState } from "../room/connection";
import type { Message } from "../room/protocol";
import type { Room } from "../room/room";
import { icon, make, setAttribute, setText } from "../ui/dom";
import { Composer } from "./composer";
import { Hearts } from "./hearts";
import { badgeElements, nameElement, textElement } from "./line";
import { ChatLog } from "./log";
import { Confirmation, moderationItems, perform, ReviewsPanel, RulesPanel, SanctionsPanel, toast } from "./moderation";
import { NameDialog } from "./names";
import { PeoplePanel } from "./people";
import { closePopup, type Item, openPopup } from "./popup";

/** Trouble that is over sooner is not worth a word. */
const TROUBLE_MS = 2000;

type Drawer = "people" | "reviews" | "rules" | "sanctions";
const TOOLS: readonly (readonly [Drawer, Key])[] = [
  ["reviews", "mod.reviews"],
  ["rules", "mod.rules"],
  ["sanctions", "mod.sanctions"],
];

const STOPPED: Partial<Record<LinkState, Key>> = {
  denied: "link.denied",
  removed: "link.removed",
  superseded: "link.superseded",
  broken: "link.broken",
  absent: "link.absent",
};

export interface PanelOptions {
  /** On pages that show who is there, and the moderators' tools, beside the chat. */
  readonly bare: boolean;
  /** In step with the picture, or at once. */
  onStep(inStep: boolean): void;
}

/** Where other parts of a page put what belongs to the chat. */
export interface Places {
  /** Buttons in the head. */
  readonly head: HTMLElement;
  /** Between the head and the messages. */
  readonly above: HTMLElement;
  /** Between the messages and the composer. */
  readonly sheet: HTMLElement;
  /** Beside what one writes in. */
  readonly beside: HTMLElement;
  /** Over the messages. */
  readonly over: HTMLElement;
}

export class ChatPanel {
  readonly element = make("div", "chat-inner");
  readonly places: Places;
  /** One of the chat's own drawers opens. */
  onDrawer: () => void = () => undefined;
  readonly hearts = new Hearts();
  readonly people: PeoplePanel;
  readonly reviews: ReviewsPanel;
  readonly rules: RulesPanel;
  readonly sanctions: SanctionsPanel;
  readonly #room: Room;
  readonly #options: PanelOptions;
  readonly #log: ChatLog;
  readonly #composer: Composer;
  readonly names: NameDialog;
  readonly #confirmation = new Confirmation();
  readonly #title = make("h2", "");
  readonly #viewers = make("button", "head-button viewers", icon("people"), make("span", ""));
  readonly #tools = make("button", "head-button tools", icon("shield"), make("span", "count"));
  readonly #optionsButton = make("button", "head-button", icon("options"));
  readonly #pin = make("div", "chat-pin");
  readonly #status = make("div", "chat-status");
  readonly #statusText = make("span", "");
  readonly #statusAgain = make("button", "text-button");
  readonly #drawer = make("section", "chat-drawer");
  readonly #drawerTabs = make("div", "drawer-tabs");
  readonly #drawerClose = make("button", "icon-button small", icon("close"));
  readonly #drawerBody = make("div", "drawer-body");
  #open: Drawer | null = null;
  #covered = false;
  #opener: HTMLElement | null = null;
  #frame: number | null = null;
  #pinDrawn: unknown = null;

  constructor(room: Room, options: PanelOptions) {
    this.#room = room;
    this.#options = options;
    this.names = new NameDialog(room);
    this.#log = new ChatLog(room);
    this.#composer = new Composer(room, this.names, () => this.like());
    this.people = new PeoplePanel(room);
    this.reviews = new ReviewsPanel(room);
    this.rules = new RulesPanel(room, this.#confirmation);
    this.sanctions = new SanctionsPanel(room);
    this.places = { head: make("span", "head-more"), above: make("div", "chat-above"), sheet: make("div", "chat-sheet"), beside: this.#composer.beside, over: this.#log.element };
    this.#build();
    this.#listen();
    onLanguage(() => {
      this.#pinDrawn = null;
      closePopup();
      this.schedule();
    });
  }

  focusComposer(): void {
    this.#composer.focus();
  }

  /** Somebody else's drawer lies over the messages, or does so no more. */
  cover(covered: boolean): void {
    this.#covered = covered;
    if (covered && this.#open !== null) {
      this.#toggle(null, null);
    }
    this.#drawDrawer();
  }

  /** One heart, shown at once and counted with others. */
  like(): void {
    this.hearts.one();
    this.#room.like(1);
  }

  /** Draws with the next frame; however much comes until then, it is drawn once. What nobody sees is neither drawn nor announced. */
  schedule(): void {
    if (this.#frame === null && document.visibilityState === "visible" && this.element.closest("[hidden]") === null) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = null;
        this.#draw();
      });
    }
  }

  #build(): void {
    for (const button of [this.#viewers, this.#tools, this.#optionsButton, this.#drawerClose, this.#statusAgain]) {
      button.type = "button";
    }
    this.#viewers.hidden = this.#options.bare;
    // Where the focus goes when what had it is gone.
    this.element.tabIndex = -1;
    this.#optionsButton.setAttribute("aria-haspopup", "menu");
    this.#pin.hidden = true;
    this.#status.hidden = true;
    this.#status.setAttribute("role", "status");
    this.#status.append(this.#statusText, this.#statusAgain);
    this.#drawer.hidden = true;
    this.#drawer.append(make("div", "drawer-head", this.#drawerTabs, this.#drawerClose), this.#drawerBody);
    const head = make("header", "chat-head", this.#title, this.places.head, this.#viewers, this.#tools, this.#optionsButton);
    this.#log.element.append(this.#drawer);
    this.element.append(head, this.places.above, this.#pin, this.#status, this.#log.element, this.places.sheet, this.#composer.element);
    document.body.append(this.names.element, this.#confirmation.element);
  }

  #listen(): void {
    this.#viewers.addEventListener("click", () => this.#toggle("people", this.#viewers));
    this.#tools.addEventListener("click", () => this.#toggle(this.#open === null || this.#open === "people" ? "reviews" : null, this.#tools));
    this.#drawerClose.addEventListener("click", () => this.#toggle(null, null));
    this.#statusAgain.addEventListener("click", () => this.#room.open());
    this.#optionsButton.addEventListener("click", () => this.#openOptions());
    this.#drawer.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        this.#toggle(null, null);
      } else {
        this.#handleTabKey(event);
      }
    });
    this.element.addEventListener("click", (event) => this.#handleClick(event));
    this.#log.element.addEventListener("contextmenu", (event) => {
      const line = event.target instanceof Element ? event.target.closest(".line.message") : null;
      const menu = line?.querySelector<HTMLElement>("[data-menu]") ?? null;
      // Selected text and links keep the browser's own menu.
      if (menu !== null && String(getSelection()) === "" && !(event.target instanceof HTMLAnchorElement)) {
        event.preventDefault();
        this.#openMessageMenu(menu);
      }
    });
    document.addEventListener("visibilitychange", () => this.schedule());
  }

  #handleClick(event: MouseEvent): void {
    const target = event.target instanceof Element ? event.target : null;
    const button = target?.closest<HTMLElement>("button") ?? null;
    const { retry, edit, discard, menu, tab, unpin } = button?.dataset ?? {};
    if (retry !== undefined) {
      this.#room.retry(retry);
    } else if (edit !== undefined) {
      this.#edit(edit);
    } else if (discard !== undefined) {
      this.#room.withdraw(discard);
    } else if (menu !== undefined && button !== null) {
      this.#openMessageMenu(button);
    } else if (tab !== undefined) {
      this.#toggle(tab as Drawer, this.#opener);
    } else if (unpin !== undefined) {
      void perform(this.#room, { type: "unpin" });
    } else if (target?.closest(".chat-pin") != null && !(target instanceof HTMLAnchorElement)) {
      this.#pin.classList.toggle("whole");
      setAttribute(this.#pin.querySelector("[data-whole]"), "aria-expanded", String(this.#pin.classList.contains("whole")));
    } else if (button === null && target !== null && window.matchMedia("(hover: none)").matches && !(target instanceof HTMLAnchorElement)) {
      // Without a pointer that hovers, a tap on a message is its menu.
      const tapped = target.closest(".line.message")?.querySelector<HTMLElement>("[data-menu]") ?? null;
      if (tapped !== null && String(getSelection()) === "") {
        this.#openMessageMenu(tapped, tapped.closest<HTMLElement>(".line") ?? tapped);
      }
    }
  }

  #edit(clientId: string): void {
    const mine = this.#room.timeline.pending.find(({ publish }) => publish.client_id === clientId);
    if (mine !== undefined) {
      this.#room.withdraw(clientId);
      this.#composer.edit(mine.publish.text, this.#log.messageOf(mine.publish.reply_to ?? ""));
    }
  }

  #openMessageMenu(button: HTMLElement, anchor = button): void {
    const message = this.#log.messageOf(button.dataset["menu"] ?? "");
    if (message !== null) {
      openPopup(anchor, this.element, t("chat.actions", { name: message.author.name }), this.#messageItems(message));
    }
  }

  #messageItems(message: Message): readonly (readonly Item[])[] {
    const mine = message.author.id === this.#room.me;
    const say: Item[] = [
      { label: t("mod.reply"), run: () => this.#composer.reply(message) },
      ...(mine ? [] : [{ label: t("mod.copyName"), run: () => this.#composer.mention(message.author.name) }]),
      ...(mine || !this.#room.canSpeak || this.#room.canModerate ? [] : [{ label: t("mod.report"), danger: true, run: () => this.#report(message) }]),
    ];
    return [say, ...(this.#room.canModerate ? moderationItems(this.#room, message, this.#confirmation) : [])];
  }

  #report({ id }: Message): void {
    if (!this.#room.say(`/report ${id}`, null)) {
      toast(t("compose.waiting"));
    }
  }

  #openOptions(): void {
    const { timeline, identity, inStep } = this.#room;
    const name = timeline.you?.user.name ?? "";
    const rename: Item = { label: name === "" ? t("name.join") : t("chat.changeName"), run: () => this.names.ask(null) };
    openPopup(this.#optionsButton, this.element, t("chat.options"), [
      [
        ...(this.#options.bare ? [] : [this.#stepItem(true, inStep), this.#stepItem(false, inStep)]),
      ],
      identity.isGiven ? [] : [rename],
    ]);
  }

  #stepItem(wanted: boolean, inStep: boolean): Item {
    const run = (): void => {
      this.#room.setInStep(wanted);
      this.#options.onStep(wanted);
    };
    return { label: t(wanted ? "chat.inStep" : "chat.atOnce"), checked: wanted === inStep, run };
  }

  #toggle(drawer: Drawer | null, opener: HTMLElement | null): void {
    const same = drawer === this.#open;
    const before = this.#opener;
    this.#open = drawer === null || same ? null : drawer;
    this.#opener = this.#open === null ? null : opener;
    if (this.#open !== null) {
      this.onDrawer();
    }
    this.#drawDrawer();
    if (this.#open === null) {
      before?.focus();
    } else if (this.#drawerTabs.querySelector("button") !== null) {
      this.#drawerTabs.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
    } else {
      this.#drawerClose.focus();
    }
  }

  #handleTabKey(event: KeyboardEvent): void {
    const tabs = [...this.#drawerTabs.querySelectorAll<HTMLElement>("button")];
    const at = tabs.findIndex((tab) => tab === document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (at !== -1 && step !== undefined) {
      event.preventDefault();
      tabs[(at + step + tabs.length) % tabs.length]?.click();
    }
  }

  #draw(): void {
    this.#drawHead();
    this.#drawStatus();
    this.#drawPin();
    this.#log.update();
    this.#composer.update();
    this.#drawDrawer();
    if (this.#options.bare) {
      for (const panel of [this.people, this.reviews, this.rules, this.sanctions]) {
        panel.update();
      }
    }
  }

  #drawHead(): void {
    const { whole } = this.#room.state;
    const { reviews } = this.#room.timeline;
    setText(this.#title, t("chat.title"));
    const users = whole?.users ?? 0;
    setText(this.#viewers.querySelector("span") ?? this.#viewers, whole === null ? "–" : formatNumber(users, true));
    setAttribute(this.#viewers, "aria-label", `${t("people.viewers", { n: users })}. ${t("people.title")}`);
    setAttribute(this.#viewers, "aria-expanded", String(this.#open === "people"));
    this.#tools.hidden = !this.#room.canModerate || this.#options.bare;
    setText(this.#tools.querySelector(".count") ?? this.#tools, reviews.length === 0 ? "" : formatNumber(reviews.length));
    if (!this.#tools.hidden) {
      setAttribute(this.#tools, "aria-label", `${t("mod.tools")}, ${t("mod.reviewsOpen", { n: reviews.length })}`);
    }
    setAttribute(this.#tools, "aria-expanded", String(this.#open !== null && this.#open !== "people"));
    this.#optionsButton.hidden = this.#options.bare && this.#room.identity.isGiven;
    setAttribute(this.#optionsButton, "aria-label", t("chat.options"));
    const hint = this.#room.inStep && this.#room.holdMs > 0 ? t("chat.inStepBy", { time: formatDuration(this.#room.holdMs) }) : "";
    setAttribute(this.#optionsButton, "title", hint === "" ? t("chat.options") : hint);
  }

  #drawStatus(): void {
    const { link, troubledMs } = this.#room;
    const stopped = STOPPED[link];
    const troubled = stopped === undefined && troubledMs > TROUBLE_MS;
    const words = stopped !== undefined ? t(stopped) : troubled ? t(this.#room.timeline.position === null ? "link.connecting" : "link.reconnecting") : "";
    this.#status.hidden = words === "";
    setText(this.#statusText, words);
    this.#statusAgain.hidden = stopped === undefined || link === "broken";
    setText(this.#statusAgain, t("link.again"));
  }

  #drawPin(): void {
    const { pinned } = this.#room.timeline;
    const drawn = pinned === null ? null : `${pinned.id} ${this.#room.canModerate}`;
    if (drawn === this.#pinDrawn) {
      return;
    }
    this.#pinDrawn = drawn;
    this.#pin.hidden = pinned === null;
    this.#pin.classList.remove("whole");
    if (pinned === null) {
      return;
    }
    const words = make("div", "pin-words", make("span", "visually-hidden", `${t("chat.pinned")} `), ...badgeElements(pinned.author.roles), nameElement(pinned.author.id, pinned.author.name), ": ", textElement(pinned.text, []));
    const whole = make("button", "icon-button small pin-toggle", icon("pin"));
    whole.type = "button";
    whole.dataset["whole"] = "";
    whole.setAttribute("aria-expanded", "false");
    whole.setAttribute("aria-label", t("chat.showMore"));
    whole.title = t("chat.showMore");
    this.#pin.replaceChildren(whole, words);
    if (this.#room.canModerate) {
      const unpin = make("button", "icon-button small", icon("close"));
      unpin.type = "button";
      unpin.dataset["unpin"] = "";
      unpin.setAttribute("aria-label", t("chat.unpin"));
      unpin.title = t("chat.unpin");
      this.#pin.append(unpin);
    }
  }

  #drawDrawer(): void {
    const open = this.#open;
    this.#drawer.hidden = open === null;
    this.#log.cover(open !== null || this.#covered);
    if (open === null) {
      return;
    }
    setAttribute(this.#drawer, "aria-label", open === "people" ? t("people.title") : t("mod.tools"));
    setAttribute(this.#drawerClose, "aria-label", t("page.close"));
    const drawn = `${open} ${t("page.close")} ${this.#room.timeline.reviews.length}`;
    if (this.#drawerTabs.dataset["drawn"] !== drawn) {
      const focused = this.#drawerTabs.contains(document.activeElement);
      this.#drawerTabs.dataset["drawn"] = drawn;
      // Who is there stands alone; the tools are tabs.
      const tabs = open !== "people";
      for (const [element, role] of [[this.#drawerTabs, "tablist"], [this.#drawerBody, "tabpanel"]] as const) {
        if (tabs) {
          element.setAttribute("role", role);
        } else {
          element.removeAttribute("role");
        }
      }
      this.#drawerTabs.replaceChildren(...(open === "people" ? [make("h3", "", t("people.title"))] : TOOLS.map(([name, key]) => this.#tab(name, key))));
      if (focused) {
        this.#drawerTabs.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
      }
    }
    const panel = { people: this.people, reviews: this.reviews, rules: this.rules, sanctions: this.sanctions }[open];
    if (this.#drawerBody.firstChild !== panel.element) {
      this.#drawerBody.replaceChildren(panel.element);
    }
    panel.update();
  }

  #tab(name: Drawer, key: Key): HTMLElement {
    const open = name === this.#open;
    const count = name === "reviews" ? this.#room.timeline.reviews.length : 0;
    const tab = make("button", "tab", t(key), ...(count > 0 ? [make("span", "count", formatNumber(count))] : []));
    tab.type = "button";
    tab.tabIndex = open ? 0 : -1;
    tab.dataset["tab"] = name;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-selected", String(open));
    return tab;
  }
}

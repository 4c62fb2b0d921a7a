/** What moderators do: acts on messages and people, reviews, the room's rules, sanctions. */

import { formatDuration, type Key, onLanguage, t } from "../i18n";
import type { Act, Attr, Message, Settings, SettingsPatch } from "../room/protocol";
import type { Room } from "../room/room";
import { patched } from "../room/timeline";
import { byId, make, setText } from "../ui/dom";
import { h, patchChildren } from "../ui/patch";
import { nameElement, textElement } from "./line";
import type { Item } from "./popup";
import { failureOf, isOn, reviewPhrase, RULES, valueOf } from "./words";

export const TIMEOUTS_S = [60, 600, 3600] as const;
const SLOW_S_MAX = 3600;
const CAP_MAX = 1000;
/** Who may write when only subscribers may, as the chat filter's `/subscribers` has it; those in charge always may. */
const SUBSCRIBERS: readonly string[] = ["subscriber", "vip", "bot"];
const REASON_CHARACTERS_MAX = 200;
const SANCTIONS_SHOWN_MAX = 200;
const LINKS: readonly (readonly [string, Key])[] = [
  ["", "mod.linksDefault"],
  ["allow", "mod.linksAllow"],
  ["forbid", "mod.linksForbid"],
  ["listed", "mod.linksListed"],
];

/** Does it, and says so; what went wrong is said in the page's own words. */
export async function perform(room: Room, act: Act, reason = ""): Promise<boolean> {
  const failure = failureOf(await room.act(act, reason));
  toast(failure === null ? t("mod.done") : t("mod.failed", { reason: failure }));
  return failure === null;
}

let toastTimer: number | undefined;

export function toast(text: string): void {
  const element = byId("toast", HTMLElement);
  setText(element, text);
  element.classList.add("shown");
  window.clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => element.classList.remove("shown"), 3000);
}

/** The dialog before what cannot be taken back. */
export class Confirmation {
  readonly element = make("dialog", "dialog");
  readonly #form = make("form", "");
  #then: ((reason: string) => void) | null = null;

  constructor() {
    this.element.append(this.#form);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const reason = String(new FormData(this.#form).get("reason") ?? "").trim();
      const then = this.#then;
      this.element.close();
      then?.(reason);
    });
    this.#form.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest("[data-close]") !== null) {
        this.element.close();
      }
    });
    this.element.addEventListener("close", () => (this.#then = null));
  }

  ask(title: string, text: string, confirm: string, withReason: boolean, then: (reason: string) => void): void {
    this.#then = then;
    const reason = h("label", { class: "field" }, h("span", {}, t("mod.reason")), h("input", { type: "text", name: "reason", maxlength: REASON_CHARACTERS_MAX, autocomplete: "off", dir: "auto" }));
    this.element.setAttribute("aria-label", title);
    this.#form.replaceChildren(
      h("h2", {}, title),
      h("p", { class: "muted" }, text),
      ...(withReason ? [reason] : []),
      h("p", { class: "dialog-actions" }, h("button", { type: "button", class: "button quiet", "data-close": true }, t("page.cancel")), h("button", { type: "submit", class: "button danger" }, confirm)),
    );
    this.element.showModal();
  }
}

/** What a moderator can do about a message, as groups of a menu. */
export function moderationItems(room: Room, message: Message, confirmation: Confirmation): readonly (readonly Item[])[] {
  const { id, author } = message;
  const act = (act: Act, reason = ""): void => void perform(room, act, reason);
  const pinned = room.timeline.pinned?.id === id;
  const about: Item[] = [
    pinned ? { label: t("chat.unpin"), run: () => act({ type: "unpin" }) } : { label: t("mod.pin"), run: () => act({ type: "pin", id, message: null }) },
    { label: t("mod.delete"), run: () => act({ type: "delete_message", id }) },
  ];
  if (author.id === room.me || author.id === "") {
    return [about];
  }
  const user = author.id;
  const sanctions = room.timeline.sanctions[user];
  const silence: Item[] = TIMEOUTS_S.map((seconds) => ({
    label: t("mod.timeout", { time: formatDuration(seconds * 1000) }),
    run: () => act({ type: "timeout", user, seconds, until_ms: 0 }),
  }));
  const ban = (type: "ban" | "shadow_ban", label: string): Item => ({
    label,
    danger: true,
    run: () => {
      const text = t("mod.banText", { delete: t("mod.clearUser") });
      confirmation.ask(t("mod.banTitle", { name: author.name }), text, label, type === "ban", (reason) => act({ type, user }, reason));
    },
  });
  const forGood: Item[] = [
    sanctions?.silenced?.type === "ban" ? { label: t("mod.unban"), run: () => act({ type: "unban", user }) } : ban("ban", t("mod.ban")),
    sanctions?.shadow === true ? { label: t("mod.endShadow"), run: () => act({ type: "shadow_unban", user }) } : ban("shadow_ban", t("mod.shadowBan")),
    { label: t("mod.clearUser"), danger: true, run: () => act({ type: "delete_user", user }) },
  ];
  return [about, silence, forGood];
}

/** A panel that draws a list when what it shows has changed. */
abstract class Drawn {
  readonly element: HTMLElement;
  protected readonly room: Room;
  #drawn: unknown = null;

  constructor(room: Room, className: string) {
    this.room = room;
    this.element = make("div", className);
    this.element.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("button[data-act]") : null;
      if (button !== null) {
        void perform(room, JSON.parse(button.dataset["act"] ?? "{}") as Act);
      }
    });
    onLanguage(() => {
      this.#drawn = null;
      this.update();
    });
  }

  update(): void {
    const subject = this.subject();
    if (subject !== this.#drawn) {
      this.#drawn = subject;
      patchChildren(this.element, this.rows());
    }
  }

  protected abstract subject(): unknown;
  protected abstract rows(): readonly HTMLElement[];

  protected button(label: string, act: Act, className = "button quiet"): HTMLElement {
    return h("button", { type: "button", class: `${className} compact`, "data-act": JSON.stringify(act) }, label);
  }
}

export class ReviewsPanel extends Drawn {
  constructor(room: Room) {
    super(room, "reviews");
  }

  protected subject(): unknown {
    return this.room.timeline.reviews;
  }

  protected rows(): readonly HTMLElement[] {
    const { reviews } = this.room.timeline;
    if (reviews.length === 0) {
      return [h("p", { class: "muted none" }, t("mod.noReviews"))];
    }
    return reviews.map(({ id, kind, message, reason, by }) =>
      h(
        "div",
        { class: "review", "data-key": id },
        h("p", { class: "muted small" }, reviewPhrase(kind, reason), by === "" ? null : ` · ${t("act.by", { name: this.room.nameOf(by) })}`),
        h("p", { class: "review-text" }, nameElement(message.author.id, message.author.name), ": ", textElement(message.text, [])),
        h(
          "p",
          { class: "review-actions" },
          this.button(kind === "held" ? t("mod.approve") : t("mod.keep"), { type: "approve", id }),
          kind === "held" ? this.button(t("mod.dismiss"), { type: "dismiss", id }) : this.button(t("mod.delete"), { type: "delete_message", id: message.id }, "button quiet danger"),
          this.button(t("mod.timeout", { time: formatDuration(600_000) }), { type: "timeout", user: message.author.id, seconds: 600, until_ms: 0 }),
        ),
      ),
    );
  }
}

export class SanctionsPanel extends Drawn {
  constructor(room: Room) {
    super(room, "sanctions");
  }

  /** Minutes pass: what a timeout still has changes by itself. */
  protected subject(): unknown {
    const { sanctions } = this.room.timeline;
    const minute = Math.floor(this.room.nowMs() / 15_000);
    if (this.#before?.sanctions !== sanctions || this.#before.minute !== minute) {
      this.#before = { sanctions, minute };
    }
    return this.#before;
  }

  #before: { readonly sanctions: unknown; readonly minute: number } | null = null;

  protected rows(): readonly HTMLElement[] {
    const nowMs = this.room.nowMs();
    const known = Object.entries(this.room.timeline.sanctions).filter(([, { silenced, shadow }]) => shadow || silenced?.type === "ban" || (silenced?.until_ms ?? 0) > nowMs);
    if (known.length === 0) {
      return [h("p", { class: "muted none" }, t("mod.noSanctions"))];
    }
    return known.slice(0, SANCTIONS_SHOWN_MAX).map(([user, { silenced, shadow }]) => {
      const left = silenced?.type === "timeout" ? silenced.until_ms - nowMs : 0;
      const holds = silenced?.type === "ban" || left > 0;
      const words = [...(silenced?.type === "ban" ? [t("mod.banned")] : left > 0 ? [t("mod.until", { time: formatDuration(left) })] : []), ...(shadow ? [t("mod.shadowed")] : [])];
      return h(
        "div",
        { class: "sanction", "data-key": user },
        h("p", {}, nameElement(user, this.room.nameOf(user)), h("span", { class: "muted small" }, words.join(", "))),
        h("p", { class: "review-actions" }, holds ? this.button(t("mod.unban"), { type: "unban", user }) : null, shadow ? this.button(t("mod.endShadow"), { type: "shadow_unban", user }) : null),
      );
    });
  }
}

/** Sends what differs, and nothing else: somebody else may change the other rules at the same time. */
export function patchOf(settings: Settings, wanted: SettingsPatch): SettingsPatch | null {
  const attrs = (wanted.attrs ?? []).filter(({ key, value }) => {
    const on = RULES[key] !== undefined;
    return on ? isOn(settings.attrs, key) !== (value === "true") : valueOf(settings.attrs, key) !== valueOf([{ key, value }], key);
  });
  const { restrict } = wanted;
  const restricts = restrict !== undefined && [...restrict].sort().join() !== [...settings.restrict].sort().join();
  const patch: SettingsPatch = {
    ...(wanted.slow_mode_ms !== undefined && wanted.slow_mode_ms !== settings.slow_mode_ms ? { slow_mode_ms: wanted.slow_mode_ms } : {}),
    ...(wanted.chat_per_second_max !== undefined && wanted.chat_per_second_max !== settings.chat_per_second_max ? { chat_per_second_max: wanted.chat_per_second_max } : {}),
    ...(restricts ? { restrict } : {}),
    ...(attrs.length > 0 ? { attrs } : {}),
  };
  return Object.keys(patch).length === 0 ? null : patch;
}

/** What a form that was filled from `drawn` asks for now. */
export function wantedOf(data: FormData, drawn: Settings): SettingsPatch {
  const links = String(data.get("links") ?? "default");
  const attrs: Attr[] = [
    ...Object.keys(RULES).map((key) => ({ key, value: data.get(key) === "on" ? "true" : "" })),
    // JSON, as the chat filter reads it. What the list does not have stays until somebody chooses.
    ...(links === linksOf(drawn) ? [] : [{ key: "links", value: links === "default" ? "" : JSON.stringify(links) }]),
  ];
  // Somebody may have restricted it to other roles: that is not this box's to undo.
  const was = drawn.restrict.includes("subscriber");
  const wants = data.get("subscribers") === "on";
  const restrict = was === wants ? drawn.restrict : wants ? SUBSCRIBERS : [];
  // The box says whole seconds.
  const slow_mode_ms = Number(data.get("slow")) === slowOf(drawn) ? drawn.slow_mode_ms : Number(data.get("slow")) * 1000;
  return { restrict, slow_mode_ms, chat_per_second_max: Number(data.get("cap")), attrs };
}

function slowOf(settings: Settings): number {
  return Math.round(settings.slow_mode_ms / 1000);
}

export class RulesPanel {
  readonly element = make("form", "rules");
  readonly #room: Room;
  readonly #confirmation: Confirmation;
  /** What the form was filled from: what differs from it somebody has changed in the form. */
  #drawn: Settings | null = null;

  constructor(room: Room, confirmation: Confirmation) {
    this.#room = room;
    this.#confirmation = confirmation;
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#apply();
    });
    this.element.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest("[data-clear]") !== null) {
        this.#confirmation.ask(t("mod.clearTitle"), t("mod.clearText"), t("mod.clearConfirm"), true, (reason) => void perform(room, { type: "clear" }, reason));
      }
    });
    this.#build();
    onLanguage(() => {
      this.#build();
      this.#drawn = null;
      this.update();
    });
  }

  update(): void {
    const { settings } = this.#room.timeline;
    // What is being filled in stays, and goes as what it changes of what one saw.
    if (settings !== this.#drawn && (this.#drawn === null || patchOf(this.#drawn, this.#wanted(this.#drawn)) === null)) {
      this.#fill(settings);
    }
  }

  #build(): void {
    const number = (name: string, key: Key, max: number): HTMLElement =>
      h("label", { class: "field" }, h("span", {}, t(key)), h("input", { type: "number", name, min: 0, max, step: 1, inputmode: "numeric", required: true }));
    const box = (name: string, key: Key): HTMLElement => h("label", { class: "check" }, h("input", { type: "checkbox", name }), t(key));
    this.element.replaceChildren(
      number("slow", "mod.slow", SLOW_S_MAX),
      number("cap", "mod.cap", CAP_MAX),
      box("subscribers", "mod.subscribersOnly"),
      ...Object.entries(RULES).map(([key, label]) => box(key, label)),
      h("label", { class: "field" }, h("span", {}, t("mod.links")), h("select", { name: "links" }, ...LINKS.map(([value, key]) => h("option", { value: value === "" ? "default" : value }, t(key))))),
      h("p", { class: "review-actions" }, h("button", { type: "submit", class: "button" }, t("mod.apply")), h("button", { type: "button", class: "button quiet danger", "data-clear": true }, t("mod.clear"))),
    );
  }

  /** Into the fields that are there: whoever has the focus keeps it. */
  #fill(settings: Settings): void {
    this.#drawn = settings;
    const values: Readonly<Record<string, string>> = { slow: String(slowOf(settings)), cap: String(settings.chat_per_second_max), links: linksOf(settings) };
    for (const field of this.element.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input, select")) {
      if (field instanceof HTMLInputElement && field.type === "checkbox") {
        field.checked = field.name === "subscribers" ? settings.restrict.includes("subscriber") : isOn(settings.attrs, field.name);
      } else {
        field.value = values[field.name] ?? "";
      }
    }
  }

  #wanted(drawn: Settings): SettingsPatch {
    return wantedOf(new FormData(this.element), drawn);
  }

  async #apply(): Promise<void> {
    const drawn = this.#drawn ?? this.#room.timeline.settings;
    const patch = patchOf(drawn, this.#wanted(drawn));
    if (patch === null) {
      toast(t("mod.unchanged"));
    } else if (await perform(this.#room, { type: "settings", patch })) {
      this.#fill(patched(this.#room.timeline.settings, patch));
    }
  }
}

/** One of `LINKS`; a value that nobody knows is as if there were none. */
function linksOf(settings: Settings): string {
  const value = valueOf(settings.attrs, "links");
  return LINKS.some(([known]) => known === value && known !== "") ? value : "default";
}

/** The earnings panel as elements: functions of what is known. */

import { codeOfStatus, Problem } from "../account/problem";
import { problemWords } from "../account/words";
import { formatNumber, locale, t } from "../i18n";
import { clockTime } from "../lib/format";
import { Refused, said } from "../lib/money/call";
import type { GoalProblem } from "../lib/money/check";
import type { ShownGift } from "../lib/money/gifts";
import type { Loaded } from "../lib/money/loaded";
import type { Board, Earnings, Goal, Item } from "../lib/money/types";
import { emojiOf } from "../lib/money/words";
import { h } from "../ui/patch";
import { chartView, dayTable, readout } from "./chart";

export type Period = "day" | "all";

/** Why something was not done, in the reader's language where the code is known. */
export function reason(problem: unknown): string {
  if (!(problem instanceof Refused)) {
    return said(problem);
  }
  const { status, code, message, retryAfterMs } = problem;
  return problemWords(new Problem(status, code === "" ? codeOfStatus(status) : code, message, retryAfterMs));
}

/** What stands in place of something that is not there yet, or above something that is old. */
export function trouble(state: Loaded<unknown>): HTMLElement | null {
  if (state.problem !== null) {
    const words = t(state.value === null ? "earn.failed" : "earn.stale", { reason: reason(state.problem) });
    return h("p", { class: "earn-trouble", role: "status" }, words, " ", h("button", { type: "button", class: "text-button", "data-do": "reload" }, t("earn.retry")));
  }
  return state.value === null ? h("p", { class: "muted", role: "status" }, t("earn.loading")) : null;
}

export function balance(earnings: Earnings | null): HTMLElement {
  return h(
    "p",
    { class: "earn-balance" },
    h("span", { class: "muted" }, t("earn.balanceNow")),
    h("output", {}, earnings === null ? "–" : t("earn.balance", { n: earnings.balance })),
  );
}

export function days(state: Loaded<Earnings>, chosen: number | null, width: number): (Node | null)[] {
  const known = state.value?.days ?? [];
  const isEmpty = known.every(({ gifts }) => gifts === 0);
  return [
    h("h3", {}, t("earn.perDay")),
    trouble(state),
    ...(state.value === null ? [] : [readout(known, chosen), chartView(known, chosen, width), isEmpty ? h("p", { class: "muted small" }, t("earn.nothingYet")) : dayTable(known)]),
  ];
}

export function gifts(state: Loaded<unknown>, shown: readonly ShownGift[], items: ReadonlyMap<string, Item>): (Node | null)[] {
  const nowMs = Date.now();
  const list = shown.map((gift) => giftLine(gift, items.get(gift.item), nowMs));
  const none = state.value === null ? null : h("p", { class: "muted" }, t("earn.noneToday"));
  return [h("h3", {}, t("earn.today")), trouble(state), list.length === 0 ? none : h("ol", { class: "gift-list", tabindex: 0, "aria-label": t("earn.today") }, ...list)];
}

function giftLine(gift: ShownGift, item: Item | undefined, nowMs: number): HTMLElement {
  const state = { held: "earn.held", rejected: "earn.rejected", refunded: "earn.refunded" } as const;
  const word = Object.hasOwn(state, gift.state) ? t(state[gift.state as keyof typeof state]) : null;
  return h(
    "li",
    { "data-key": gift.id, class: `gift-line is-${gift.state}` },
    h("span", { class: "gift-emoji", "aria-hidden": "true" }, item === undefined && gift.figure != null ? gift.figure.emoji : emojiOf(item)),
    h(
      "span",
      { class: "gift-words" },
      h("bdi", { class: "gift-name" }, gift.sender.name),
      h("span", { class: "gift-what" }, t("earn.gave", { item: item?.name ?? (gift.figure?.name || gift.item), n: gift.count })),
      gift.note === "" ? null : h("bdi", { class: "gift-note" }, gift.note),
    ),
    h(
      "span",
      { class: "gift-side" },
      h("b", {}, gift.total === null ? t("earn.points", { n: gift.points }) : t("earn.nCoins", { n: gift.total })),
      h("time", { class: "muted", datetime: new Date(gift.atMs).toISOString() }, clockTime(gift.atMs, nowMs, locale())),
      word === null ? null : h("span", { class: "gift-state" }, word),
    ),
  );
}

export function givers(state: Loaded<Board>, period: Period): (Node | null)[] {
  const choice = (value: Period, name: string): HTMLElement =>
    h("button", { type: "button", class: "button quiet", "data-do": "period", "data-period": value, "aria-pressed": String(period === value) }, name);
  const entries = state.value?.entries ?? [];
  const most = entries[0]?.points ?? 0;
  return [
    h(
      "div",
      { class: "givers-head" },
      h("h3", {}, t("earn.givers")),
      h("span", { class: "periods", role: "group", "aria-label": t("earn.period") }, choice("day", t("earn.periodDay")), choice("all", t("earn.periodAll"))),
    ),
    trouble(state),
    state.value !== null && entries.length === 0 ? h("p", { class: "muted" }, t("earn.noGivers")) : null,
    h(
      "ol",
      { class: "givers" },
      ...entries.slice(0, 10).map(({ rank, user, points }) =>
        h(
          "li",
          { "data-key": user.id },
          h("span", { class: "giver-rank" }, formatNumber(rank)),
          h("bdi", {}, user.name),
          h("b", {}, formatNumber(points)),
          h("progress", { "aria-hidden": "true", max: Math.max(1, most), value: points }),
        ),
      ),
    ),
  ];
}

/** What is wrong with what was typed, or could not be done; `field` is the one it is about. */
export interface GoalDraft {
  readonly words: string;
  readonly field: "title" | "target" | null;
}

export const GOAL_FINE: GoalDraft = { words: "", field: null };
const GOAL_WORDS = { "no-title": "earn.goalNoTitle", "long-title": "problem.long_title", "bad-target": "problem.bad_target" } as const;

export function goalDraft(wrong: GoalProblem | null): GoalDraft {
  return wrong === null ? GOAL_FINE : { words: t(GOAL_WORDS[wrong]), field: wrong === "bad-target" ? "target" : "title" };
}

/** While it is `busy` nothing is taken, but what has the focus keeps it. */
export function goal(state: Loaded<{ goal: Goal | null }>, busy: boolean, draft: GoalDraft): (Node | null)[] {
  const known = state.value?.goal ?? null;
  const field = (name: "title" | "target", label: string, attributes: Record<string, string | number>, value: string): HTMLElement => {
    const about = draft.field === name ? { "aria-invalid": "true", "aria-describedby": "goal-error" } : {};
    return h("label", { class: "field" }, h("span", {}, label), h("input", { name, autocomplete: "off", required: true, readonly: busy, value, ...about, ...attributes }));
  };
  const waits = { "aria-disabled": busy ? "true" : null };
  return [
    h("h3", {}, t("earn.goal")),
    trouble(state),
    ...(state.value === null ? [] : [known === null ? h("p", { class: "muted" }, t("earn.noGoal")) : goalProgress(known)]),
    state.value === null
      ? null
      : h(
          "form",
          { class: "goal-form", novalidate: true, "data-key": "goal" },
          field("title", t("earn.goalTitle"), { type: "text", maxlength: 200, dir: "auto" }, known?.title ?? ""),
          field("target", t("earn.goalTarget"), { type: "text", inputmode: "numeric", maxlength: 16 }, known === null ? "" : String(known.target)),
          h("p", { id: "goal-error", class: "goal-error", role: "alert" }, draft.words),
          h(
            "p",
            { class: "goal-actions" },
            h("button", { type: "submit", class: "button", ...waits }, t(known === null ? "earn.setGoal" : "earn.changeGoal")),
            known === null ? null : h("button", { type: "button", class: "button quiet", "data-do": "remove-goal", ...waits }, t("earn.removeGoal")),
            known === null ? null : h("small", { class: "muted" }, t("earn.changeNote")),
          ),
        ),
  ];
}

function goalProgress({ title, target, progress, reachedAtMs }: Goal): HTMLElement {
  const percent = Math.min(100, Math.floor((progress / target) * 100));
  return h(
    "div",
    { class: reachedAtMs === null ? "goal" : "goal reached" },
    h("p", { class: "goal-title" }, h("bdi", {}, title), h("b", {}, `${formatNumber(percent)} %`)),
    h("progress", { max: target, value: Math.min(progress, target), "aria-label": title }),
    h(
      "p",
      { class: "muted small" },
      t("earn.goalOf", { progress: formatNumber(progress), target: formatNumber(target) }),
      reachedAtMs === null ? "" : ` · ${t("earn.goalReached", { time: clockTime(reachedAtMs, Date.now(), locale()) })}`,
    ),
  );
}

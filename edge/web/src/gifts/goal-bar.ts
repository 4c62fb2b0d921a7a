/** What the room wants to reach, above the chat. Who runs the room sets it here. */

import type { FormDialog } from "../account/form";
import { asProblem } from "../account/problem";
import type { Session } from "../account/session";
import { hasRole } from "../account/parse";
import { problemWords } from "../account/words";
import { toast } from "../chat/moderation";
import { formatNumber, onLanguage, t } from "../i18n";
import { GOAL_TARGET_MAX } from "../lib/money/check";
import { roomPath } from "../room/connection";
import { icon, make, setAttribute, setText } from "../ui/dom";
import { type Goal, GOAL_FORM, parseGoal, share } from "./goal";

export class GoalBar {
  readonly element = make("section", "goal-bar");
  readonly #session: Session;
  readonly #form: FormDialog;
  readonly #room: string;
  readonly #onSet: (goal: Goal | null) => void;
  readonly #title = make("bdi", "goal-title");
  readonly #figures = make("span", "goal-figures");
  readonly #fill = make("div", "goal-fill");
  readonly #track = make("div", "goal-track", this.#fill);
  readonly #edit = make("button", "icon-button small goal-edit", icon("edit"));
  readonly #first = make("button", "text-button goal-first");
  readonly #body = make("div", "goal-body", make("div", "goal-words", this.#title, this.#figures), this.#track);
  #goal: Goal | null = null;

  /** `onSet`: the edge has taken it; the notice may come later. */
  constructor(session: Session, form: FormDialog, room: string, onSet: (goal: Goal | null) => void) {
    this.#session = session;
    this.#form = form;
    this.#room = room;
    this.#onSet = onSet;
    this.#title.dir = "auto";
    this.#track.setAttribute("role", "progressbar");
    this.#track.setAttribute("aria-valuemin", "0");
    for (const button of [this.#edit, this.#first]) {
      button.type = "button";
      button.addEventListener("click", () => this.#ask());
    }
    this.element.append(this.#body, this.#edit, this.#first);
    session.onChange(() => this.draw(this.#goal));
    onLanguage(() => this.draw(this.#goal));
    this.draw(null);
  }

  draw(goal: Goal | null): void {
    this.#goal = goal;
    const rules = hasRole(this.#session.user, this.#room, "broadcaster", "moderator", "staff");
    this.element.hidden = goal === null && !rules;
    this.#body.hidden = goal === null;
    this.#edit.hidden = goal === null || !rules;
    this.#first.hidden = goal !== null || !rules;
    setText(this.#first, t("goal.set"));
    setAttribute(this.#edit, "aria-label", t("goal.change"));
    setAttribute(this.#edit, "title", t("goal.change"));
    setAttribute(this.element, "aria-label", t("goal.title"));
    if (goal === null) {
      return;
    }
    this.element.classList.toggle("reached", goal.reached);
    const figures = t("goal.progress", { progress: formatNumber(Math.min(goal.progress, goal.target), true), target: formatNumber(goal.target, true) });
    setText(this.#title, goal.title);
    setText(this.#figures, goal.reached ? t("goal.reached") : figures);
    setAttribute(this.#track, "aria-label", t("goal.label", { title: goal.title }));
    setAttribute(this.#track, "aria-valuemax", String(goal.target));
    setAttribute(this.#track, "aria-valuenow", String(Math.min(goal.progress, goal.target)));
    setAttribute(this.#track, "aria-valuetext", figures);
    this.#fill.style.transform = `scaleX(${share(goal).toFixed(4)})`;
  }

  #ask(): void {
    const goal = this.#goal;
    const path = `${roomPath(this.#room)}/goal`;
    this.#form.open({
      id: "goal",
      title: t("goal.title"),
      text: t("goal.text"),
      fields: [
        { name: "title", label: t("goal.name"), autocomplete: "off", value: goal?.title ?? "" },
        { name: "target", label: t("goal.target"), type: "number", autocomplete: "off", min: 1, max: GOAL_TARGET_MAX, value: goal === null ? "" : String(goal.target) },
      ],
      submit: t("goal.save"),
      ...(goal === null ? {} : { other: { label: t("goal.remove"), danger: true, run: () => void this.#remove(path) } }),
      about: GOAL_FORM.about,
      check: GOAL_FORM.check,
      run: async (values) => this.#onSet(parseGoal(await this.#session.json(path, { method: "PUT", body: GOAL_FORM.body(values) }))),
    });
  }

  async #remove(path: string): Promise<void> {
    this.#form.close();
    try {
      await this.#session.json(path, { method: "DELETE" });
      this.#onSet(null);
      toast(t("goal.removed"));
    } catch (error) {
      toast(problemWords(asProblem(error)));
    }
  }
}

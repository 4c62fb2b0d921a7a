/** What a room wants to reach: what the edge says, and the gifts that came since. Pure. */

import { field, number, parsedJson, text } from "../lib/json";
import { checkGoal, GOAL_TITLE_BYTES_MAX, wholeOf } from "../lib/money/check";

export interface Goal {
  readonly title: string;
  readonly target: number;
  readonly progress: number;
  readonly reached: boolean;
}

export interface GoalState {
  readonly goal: Goal | null;
  /** By the edge's clock: gifts up to here are in `progress`. */
  readonly asOfMs: number;
  /** A goal that was celebrated is not celebrated again. */
  readonly celebrated: string;
}

export const NO_GOAL: GoalState = { goal: null, asOfMs: 0, celebrated: "" };

/** None for `{}`, which takes a goal away. */
export function parseGoal(value: unknown): Goal | null {
  const target = number(field(value, "target"));
  if (target <= 0) {
    return null;
  }
  const progress = Math.max(0, number(field(value, "progress")));
  const title = [...text(field(value, "title")).trim()].slice(0, GOAL_TITLE_BYTES_MAX).join("");
  return { title, target, progress, reached: progress >= target || number(field(value, "reached_at_ms")) > 0 };
}

/** The edge was asked, then; what the room has told since is newer. That a goal is reached is celebrated when the room says so, which may be later: in step with the picture. */
export function told(state: GoalState, goal: Goal | null, asOfMs: number): GoalState {
  return asOfMs < state.asOfMs ? state : { ...state, goal, asOfMs };
}

/** A notice `goal`: set, changed or taken away. */
export function noticed(state: GoalState, payload: string, atMs: number): GoalState {
  const goal = parseGoal(parsedJson(payload));
  // One that begins anew may be celebrated anew.
  const celebrated = goal === null || !goal.reached ? "" : state.celebrated;
  return { goal, asOfMs: Math.max(atMs, state.asOfMs), celebrated };
}

/** Whether it is reached only the edge knows: what is counted here is off by what is paid back, or came while it was asked. */
export function gave(state: GoalState, points: number, atMs: number): GoalState {
  const { goal } = state;
  if (goal === null || atMs <= state.asOfMs || points <= 0) {
    return state;
  }
  return { ...state, goal: { ...goal, progress: goal.progress + points } };
}

/** A notice `goal_reached`, and whether it is the first one of its goal. */
export function reachedBy(state: GoalState, payload: string, atMs: number): { readonly state: GoalState; readonly celebrates: boolean } {
  const said = parseGoal(parsedJson(payload));
  const goal = state.goal ?? said;
  if (goal === null) {
    return { state, celebrates: false };
  }
  const reached = { ...goal, progress: Math.max(goal.progress, goal.target), reached: true };
  return { state: { goal: reached, asOfMs: Math.max(atMs, state.asOfMs), celebrated: keyOf(goal) }, celebrates: state.celebrated !== keyOf(goal) };
}

/** Of the form: what is wrong with it, as the code of a problem; what was typed, as the edge takes it; and the fields it is about. */
export const GOAL_FORM = {
  // What the origin refuses about a goal that this page has checked is in its title.
  about: { "long-title": "title", "out-of-range": "title", "bad-target": "target" },
  check: ({ title = "", target = "" }: Readonly<Record<string, string>>) => checkGoal(title, target),
  body: ({ title = "", target = "" }: Readonly<Record<string, string>>) => JSON.stringify({ title: title.trim(), target: wholeOf(target) ?? 0 }),
} as const;

/** In [0, 1]. */
export function share(goal: Goal): number {
  return Math.min(1, goal.progress / goal.target);
}

function keyOf({ title, target }: Goal): string {
  return `${target} ${title}`;
}

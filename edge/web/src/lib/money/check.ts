/** What is checked before a form is sent; the server checks again. Pure: null is "all right", else what is not. */

export const CREDIT_MAX = 1_000_000_000;
export const NOTE_CHARACTERS_MAX = 200;
/** In UTF-8, as the origin counts. */
export const GOAL_TITLE_BYTES_MAX = 120;
export const GOAL_TARGET_MAX = 1_000_000_000;
const PASSWORD_BYTES_MIN = 8;
const PASSWORD_BYTES_MAX = 256;

/** A whole number as people write it: `1 000`, `1,000`, `-50`. Null when it is none, or not exact. */
export function wholeOf(written: string): number | null {
  const plain = written.trim().replace(/[\s\u00a0\u202f'’_]/g, "").replace(/^[\u2212\u2013]/, "-");
  // Groups of three only: what is `1,5` to some is no number here.
  if (!/^[+-]?(\d+|\d{1,3}(,\d{3})+|\d{1,3}(\.\d{3})+)$/.test(plain)) {
    return null;
  }
  const value = Number(plain.replace(/[.,]/g, ""));
  return Number.isSafeInteger(value) ? value : null;
}

export type CreditProblem = "no-number" | "zero" | "too-much" | "no-note" | "long-note";

export function checkCredit(amount: string, note: string): CreditProblem | null {
  const value = wholeOf(amount);
  if (value === null) {
    return "no-number";
  }
  if (value === 0) {
    return "zero";
  }
  if (Math.abs(value) > CREDIT_MAX) {
    return "too-much";
  }
  const words = note.trim();
  return words === "" ? "no-note" : [...words].length > NOTE_CHARACTERS_MAX ? "long-note" : null;
}

export type GoalProblem = "no-title" | "long-title" | "bad-target";

export function checkGoal(title: string, target: string): GoalProblem | null {
  const words = title.trim();
  if (words === "") {
    return "no-title";
  }
  if (bytesOf(words) > GOAL_TITLE_BYTES_MAX) {
    return "long-title";
  }
  const value = wholeOf(target);
  return value === null || value < 1 || value > GOAL_TARGET_MAX ? "bad-target" : null;
}

export function checkPassword(password: string): "short" | "long" | null {
  const length = bytesOf(password);
  return length < PASSWORD_BYTES_MIN ? "short" : length > PASSWORD_BYTES_MAX ? "long" : null;
}

function bytesOf(words: string): number {
  return new TextEncoder().encode(words).length;
}

/** A role's name, such as `moderator`. */
export function isRole(name: string): boolean {
  return /^[a-z0-9-]{1,16}$/.test(name);
}

/** A room's name as it stands in addresses. */
export function isRoom(name: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(name);
}

/** Whether what was typed is the login that is to go. */
export function isConfirmed(typed: string, login: string): boolean {
  return login !== "" && typed.trim().toLowerCase() === login.toLowerCase();
}

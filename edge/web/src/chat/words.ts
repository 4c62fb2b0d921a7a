/** What codes, roles and acts are called in the reader's language. */

import { formatDuration, formatList, hasKey, type Key, t } from "../i18n";
import type { Act, Attr, Outcome, Sanction, SettingsPatch } from "../room/protocol";

/** Roles that have a badge, most important first. */
const BADGES = ["broadcaster", "staff", "moderator", "vip", "subscriber", "verified", "bot"] as const;
/** More would push the name out of the line. */
const BADGES_MAX = 3;

export function badgesOf(roles: readonly string[]): readonly (typeof BADGES)[number][] {
  return BADGES.filter((role) => roles.includes(role)).slice(0, BADGES_MAX);
}

/** The reason for a code: ours if we know it, else what the server says, else the code. */
export function reasonOf(code: string, sentence: string): string {
  const key = `code.${code.replaceAll("-", "_")}`;
  return hasKey(key) ? t(key) : sentence !== "" ? sentence : code;
}

/** Why an act was not done; null if it was. */
export function failureOf(outcome: Outcome): string | null {
  switch (outcome.type) {
    case "accepted":
    case "held":
      return null;
    case "refused":
      return reasonOf(outcome.code, "");
    case "rejected":
      return outcome.code === "done" ? null : reasonOf(outcome.code, outcome.message);
  }
}

export function rolesPhrase(roles: readonly string[]): string {
  return formatList(
    roles.map((role) => {
      const key = `roles.${role}`;
      return hasKey(key) ? t(key) : role;
    }),
  );
}

export const RULES: Readonly<Record<string, Key>> = {
  followers_only: "mod.followersOnly",
  emote_only: "mod.emoteOnly",
  unique: "mod.unique",
};

/** The room's attributes: JSON values, or words that people wrote. */
export function isOn(attrs: readonly Attr[], key: string): boolean {
  const value = valueOf(attrs, key).toLowerCase();
  return value === "true" || value === "on" || value === "1";
}

export function valueOf(attrs: readonly Attr[], key: string): string {
  return (attrs.find((attr) => attr.key === key)?.value ?? "").replace(/^"(.*)"$/, "$1");
}

function rulesPhrase(patch: SettingsPatch): string {
  const parts: string[] = [];
  if (patch.slow_mode_ms !== undefined) {
    parts.push(patch.slow_mode_ms === 0 ? t("rule.slowOff") : t("rule.slow", { time: formatDuration(patch.slow_mode_ms) }));
  }
  if (patch.restrict !== undefined) {
    parts.push(patch.restrict.length === 0 ? t("rule.restrictOff") : t("rule.restrict", { roles: rolesPhrase(patch.restrict) }));
  }
  if (patch.chat_per_second_max !== undefined) {
    parts.push(patch.chat_per_second_max === 0 ? t("rule.capOff") : t("rule.cap", { n: patch.chat_per_second_max }));
  }
  for (const { key, value } of patch.attrs ?? []) {
    const rule = RULES[key];
    if (rule !== undefined) {
      parts.push(t(isOn([{ key, value }], key) ? "rule.on" : "rule.off", { name: t(rule) }));
    } else if (key === "links") {
      parts.push(`${t("mod.links")}: ${t(linksKey(value))}`);
    }
  }
  return formatList(parts);
}

export function linksKey(value: string): Key {
  const plain = value.replace(/"/g, "");
  return plain === "allow" ? "mod.linksAllow" : plain === "forbid" ? "mod.linksForbid" : plain === "listed" ? "mod.linksListed" : "mod.linksDefault";
}

/** Why something is to be reviewed: rules of the chat filter by their names, whatever else as it came. */
export function reviewPhrase(kind: "held" | "report", reason: string): string {
  if (reason === "") {
    return t(kind === "held" ? "mod.heldBare" : "mod.reportedBare");
  }
  const keys = reason.split(", ").map((rule) => `held.${rule}`);
  return kind === "report" ? t("mod.reported", { reason }) : t("mod.held", { reason: keys.every(hasKey) ? formatList(keys.map((key) => t(key as Key))) : reason });
}

/** A line for what moderators did; empty where there is nothing to say. */
export function actPhrase(act: Act, nameOf: (id: string) => string): string {
  switch (act.type) {
    case "clear":
      return t("act.clear");
    case "timeout":
      return t("act.timeout", { name: nameOf(act.user), time: formatDuration(act.seconds * 1000) });
    case "ban":
      return t("act.ban", { name: nameOf(act.user) });
    case "unban":
      return t("act.unban", { name: nameOf(act.user) });
    case "shadow_ban":
      return t("act.shadowBan", { name: nameOf(act.user) });
    case "shadow_unban":
      return t("act.shadowUnban", { name: nameOf(act.user) });
    case "settings":
      return t("act.settings", { what: rulesPhrase(act.patch) });
    default:
      return "";
  }
}

/** Why one may not write now; null if one may. */
export function sanctionPhrase(sanction: Sanction | null, nowMs: number): string | null {
  if (sanction === null) {
    return null;
  }
  if (sanction.type === "ban") {
    return t("compose.banned");
  }
  return sanction.until_ms > nowMs ? t("compose.timedOut", { time: formatDuration(sanction.until_ms - nowMs) }) : null;
}

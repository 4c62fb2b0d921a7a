/** What went wrong, in the reader's language. */

import { formatDuration, hasKey, t } from "../i18n";
import type { Problem } from "./problem";

/** How long to wait is told where the server says it; ours is a guess that does no harm. */
const WAIT_MS = 60_000;

export function problemWords(problem: Problem): string {
  const key = `problem.${problem.code.replaceAll("-", "_")}`;
  if (hasKey(key)) {
    return t(key, { time: formatDuration(problem.retryAfterMs ?? WAIT_MS) });
  }
  // Of a filter or a server that knows more than this page.
  return problem.detail !== "" ? problem.detail : t("problem.unavailable");
}

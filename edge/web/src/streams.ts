/** `/streams` and `/streams/{name}` on the origin's admin listener: how every stream is, and charts of one. */

import { get, Refused } from "./filters/api";
import { detailView, listView, summary } from "./health/view";
import { parseStream, parseStreams } from "./lib/health/parse";
import { byId, setText } from "./ui/dom";
import { h, patchChildren } from "./ui/patch";

const POLL_MS = 1000;
const TOKEN = "weir.token.origin";
/** Charts stand beside each other where there is room for two of this width. */
const CHART_MIN_PX = 420;
const GAP_PX = 16;
const PADDING_PX = 34;

const content = byId("content", HTMLElement);
const notices = byId("notices", HTMLElement);
const heading = byId("heading", HTMLElement);
const dialog = byId("token", HTMLDialogElement);
const input = byId("token-input", HTMLInputElement);
const name = streamOf(location.pathname);
let timer: number | undefined;
let asking = false;

function streamOf(path: string): string | null {
  const [, name] = /^\/streams\/([^/]+)\/?$/.exec(path) ?? [];
  try {
    return name === undefined ? null : decodeURIComponent(name);
  } catch {
    return null;
  }
}

function token(): string | null {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

/** The width of one chart. */
function chartWidth(): number {
  const room = content.clientWidth;
  const columns = Math.max(1, Math.min(3, Math.floor((room + GAP_PX) / (CHART_MIN_PX + GAP_PX))));
  return (room - (columns - 1) * GAP_PX) / columns - PADDING_PX;
}

async function refresh(): Promise<void> {
  if (asking) {
    return;
  }
  asking = true;
  window.clearTimeout(timer);
  try {
    if (name === null) {
      const streams = await get("/v1/streams/health", parseStreams, token());
      setText(byId("summary", HTMLElement), summary(streams));
      patchChildren(content, listView(streams));
    } else {
      const stream = await get(`/v1/streams/${encodeURIComponent(name)}/health`, parseStream, token());
      document.title = `${stream.name} · Streams · Weir`;
      heading.hidden = true;
      patchChildren(content, detailView(stream, chartWidth()));
    }
    patchChildren(notices, []);
    document.body.dataset["loaded"] = "yes";
  } catch (error) {
    complain(error);
  }
  asking = false;
  if (document.visibilityState === "visible") {
    timer = window.setTimeout(() => void refresh(), POLL_MS);
  }
}

function complain(error: unknown): void {
  const status = error instanceof Refused ? error.status : 0;
  const words = error instanceof Error ? error.message : String(error);
  const needsToken = status === 401 && !dialog.open;
  if (status === 404) {
    heading.hidden = false;
    patchChildren(content, [h("p", {}, h("a", { class: "link", href: "/streams" }, "← All streams"))]);
  }
  patchChildren(notices, [h("p", { class: "notice" }, status === 401 ? "The bearer token of this origin is needed." : words)]);
  if (needsToken && document.body.dataset["asked"] === undefined) {
    document.body.dataset["asked"] = "yes";
    ask();
  }
}

function ask(): void {
  input.value = token() ?? "";
  dialog.showModal();
  input.focus();
}

byId("token-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  try {
    sessionStorage.setItem(TOKEN, input.value.trim());
  } catch {
    // A browser that keeps nothing: the token has to be entered again after a reload.
  }
  dialog.close();
  void refresh();
});
byId("token-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
byId("token-open", HTMLButtonElement).addEventListener("click", ask);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    void refresh();
  }
});
window.addEventListener("resize", () => void refresh());
void refresh();

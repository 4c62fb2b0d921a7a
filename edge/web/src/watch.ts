/** `GET /watch/{stream}`: plays one stream, with the chat of its room. */

import { beginLanguage, formatElapsed, languageMenu, locale, onLanguage, t } from "./i18n";
import { publishInspection } from "./inspect";
import { fetchStreams } from "./lib/api";
import { clockTime, resolution } from "./lib/format";
import { ProtocolCounter } from "./lib/protocols";
import { livePath, streamOfPath, tokenOfQuery } from "./lib/route";
import type { LiveStream } from "./lib/streams";
import { Images } from "./player/images";
import { Session } from "./player/session";
import { installIcons } from "./chat/icons";
import { Controls } from "./ui/controls";
import { byId, setText } from "./ui/dom";
import { QualityMenu } from "./ui/menu";
import { Overlay } from "./ui/overlay";
import { SeekBar } from "./ui/seek";
import { installShortcuts } from "./ui/shortcuts";
import { StatsPanel } from "./ui/stats";
import { PageAccount } from "./ui/watch-account";
import { WatchChat } from "./ui/watch-chat";

const REDRAW_MS = 250;
const STATS_MS = 1000;
const FACTS_MS = 10_000;
/** An arrow key goes so many seconds back or forward. */
const SEEK_S = 5;

/** Counts the media requests of this page from now on, and those there have been. */
function observeProtocols(stream: string): ProtocolCounter {
  const counter = new ProtocolCounter(location.origin + livePath(stream));
  new PerformanceObserver((entries) => {
    for (const entry of entries.getEntries()) {
      if (entry instanceof PerformanceResourceTiming) {
        counter.observe(entry);
      }
    }
  }).observe({ type: "resource", buffered: true });
  // The browser's own list is bounded, and nobody else reads it.
  performance.addEventListener("resourcetimingbufferfull", () => performance.clearResourceTimings());
  return counter;
}

function showFacts(facts: LiveStream | null): void {
  if (facts === null) {
    setText(byId("facts", HTMLElement), "");
    return;
  }
  const nowMs = Date.now();
  const { startedMs } = facts;
  const size = resolution(facts.width, facts.height, facts.fps);
  const since = startedMs === null ? "" : t("player.liveSince", { time: clockTime(startedMs, nowMs, locale()), elapsed: formatElapsed(startedMs, nowMs) });
  setText(byId("facts", HTMLElement), [since, size].filter((text) => text !== "").join(" · "));
}

function run(stream: string): void {
  const video = byId("video", HTMLVideoElement);
  const protocols = observeProtocols(stream);
  let title = stream;
  let known: LiveStream | null = null;
  let redraw = (): void => undefined;
  const session = new Session({ video, stream, token: tokenOfQuery(location.search), onChange: () => redraw() });
  const controls = new Controls(session, video);
  const seek = new SeekBar(session, new Images(stream, tokenOfQuery(location.search)), () => controls.wake());
  const seekBy = (seconds: number): void => {
    session.seekBy(seconds);
    controls.wake();
  };
  const menu = new QualityMenu(session);
  const overlay = new Overlay(session, () => title);
  const stats = new StatsPanel(session, video, protocols);
  const account = new PageAccount(byId("language", HTMLSelectElement));
  const chat = new WatchChat(stream, session, video, account);
  redraw = () => {
    controls.update();
    seek.update();
    menu.update();
    overlay.update(performance.now());
    chat.follow(session.state);
  };

  const show = (): void => {
    setText(byId("title", HTMLElement), title);
    setText(byId("bar-title", HTMLElement), title);
    document.title = `${title} · Weir`;
    showFacts(session.state === "over" || session.state === "absent" ? null : known);
  };
  const refreshFacts = async (): Promise<void> => {
    if (document.visibilityState === "hidden") {
      return;
    }
    try {
      known = (await fetchStreams()).find((candidate) => candidate.name === stream) ?? null;
      title = known?.title ?? title;
      show();
      chat.begin(known?.viewers != null);
    } catch {
      // The player says what is wrong; the facts stay as they were.
      chat.begin(false);
    }
  };

  const help = byId("help", HTMLDialogElement);
  byId("help-open", HTMLButtonElement).addEventListener("click", () => help.showModal());
  installShortcuts({
    " ": () => controls.togglePlay(),
    k: () => controls.togglePlay(),
    m: () => controls.toggleMute(),
    f: () => controls.toggleFullscreen(),
    p: () => controls.togglePictureInPicture(),
    l: () => session.goLive(),
    q: () => menu.toggle(),
    s: () => stats.toggle(),
    c: () => chat.focus(),
    arrowleft: () => seekBy(-SEEK_S),
    arrowright: () => seekBy(SEEK_S),
    arrowup: () => controls.stepVolume(1),
    arrowdown: () => controls.stepVolume(-1),
    "?": () => help.showModal(),
  });
  onLanguage(() => {
    show();
    redraw();
    stats.update(performance.now());
  });

  publishInspection(session, video, protocols);
  show();
  document.body.classList.add("ready");
  session.retry();
  void refreshFacts();
  window.setInterval(redraw, REDRAW_MS);
  window.setInterval(() => stats.update(performance.now()), STATS_MS);
  window.setInterval(() => void refreshFacts(), FACTS_MS);
}

beginLanguage();
installIcons();
languageMenu(byId("language", HTMLSelectElement));
// The list keeps the token of this page, as this page keeps that of the list.
for (const id of ["all-streams", "curtain-back"]) {
  byId(id, HTMLAnchorElement).search = location.search;
}
const stream = streamOfPath(location.pathname);
if (stream === null) {
  location.replace("/");
} else {
  run(stream);
}

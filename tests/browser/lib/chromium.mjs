// Debian's Chromium, headless, as all scripts of this folder start it, and what they write down of its pages.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** For what a page is to show, unless a script has a time of its own. */
export const WAIT_MS = 20_000;

/** There is no picture in most tests, mostly nobody is signed in and no goal set: a browser logs such an answer by itself. */
const EXPECTED = /\/live\/|m3u8|\/api\/me$|\/(goal|gifts)$/;
/** On a machine that is busy an edge may be without its hub for a moment, and says so; the page comes again by itself. */
const HUB_AWAY = /^WebSocket connection to .*\/socket\b.* response code: 503\b/;

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

// All of these are needed: without them Chromium does not start on a machine without a GPU, or under root, or it phones home.
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Trusts certificates with these SPKI hashes; without it Chromium stays with h2 where their authority is private. */
export const trusting = (spkis) => `--ignore-certificate-errors-spki-list=${spkis}`;

export function launch(spkis) {
  return chromium.launch({ executablePath: EXECUTABLE, args: [...ARGUMENTS, trusting(spkis)] });
}

/** A browser with one page, and a profile of its own, which is gone afterwards. */
export async function withPage({ args = [], ...options }, run) {
  const profile = mkdtempSync(join(tmpdir(), "weir-chromium-"));
  let context = null;
  try {
    context = await chromium.launchPersistentContext(profile, { executablePath: EXECUTABLE, headless: true, args: [...ARGUMENTS, ...args], ...options });
    await run(context.pages()[0] ?? (await context.newPage()));
  } finally {
    await context?.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Where somebody begins who has never been here. */
export function newContext(browser, options = {}) {
  return browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", ignoreHTTPSErrors: true, ...options });
}

/** Writes down what goes wrong in a page, but for what `isExpected(words, address)`. */
export function noteErrors(page, errors, isExpected = () => false) {
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    const { url } = message.location();
    if (message.type() === "error" && !isExpected(message.text(), url)) {
      errors.push(`${message.text()} ${url}`.trim());
    }
  });
}

/** As `noteErrors`, of a page with a room. */
export function noteRoomErrors(page, errors, isExpected = () => false) {
  page.setDefaultTimeout(WAIT_MS);
  noteErrors(page, errors, (words, url) => EXPECTED.test(`${words} ${url}`) || HUB_AWAY.test(words) || isExpected(words, url));
}

/** Takes pictures into a folder, where there is one. */
export function shooter(folder, prefix) {
  return (page, name, options = {}) => (folder ? page.screenshot({ path: `${folder}/${prefix}-${name}.png`, ...options }) : undefined);
}

/** Runs a script's steps, and prints what it has seen by then as JSON, also where one of them fails. */
export async function report(browser, seen, errors, steps) {
  try {
    await steps();
    console.log(JSON.stringify({ ...seen, errors }));
  } catch (error) {
    console.error(String(error), JSON.stringify({ ...seen, errors }));
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

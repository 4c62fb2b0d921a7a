// Two people and a moderator in a room, in Debian's Chromium, at two edges; prints what they saw as JSON.
//
//   node chat.mjs WATCH_URL_1 WATCH_URL_2 STUDIO_URL SPKI,SPKI [SHOTS_DIRECTORY]
//
// Every step waits for what it is about to look at, and fails by its name when that does not come.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { launch, newContext, noteRoomErrors, report, shooter } from "./lib/chromium.mjs";

const [first, second, studio, spkis, shots] = process.argv.slice(2);
const errors = [];
const seen = {};
const shot = shooter(shots, "chat");
const browser = await launch(spkis);

/** A way to an edge that can be cut: a browser that is told to be offline keeps the WebSockets that it has. */
async function wayTo(url) {
  const ends = new Set();
  const way = { isCut: false, cut, mend: () => (way.isCut = false), url: "", close: () => server.close() };
  const server = createServer((browser) => {
    const edge = connect(Number(new URL(url).port), "127.0.0.1");
    for (const [one, other] of [[browser, edge], [edge, browser]]) {
      ends.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => ends.delete(one) && other.destroy());
      one.pipe(other);
    }
    if (way.isCut) {
      browser.destroy();
    }
  });
  function cut() {
    way.isCut = true;
    for (const end of ends) {
      end.destroy();
    }
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  way.url = Object.assign(new URL(url), { port: server.address().port }).href;
  return way;
}

async function open(url, options = {}, way = null) {
  const page = await (await newContext(browser, options)).newPage();
  // While the way is cut nothing can be had.
  noteRoomErrors(page, errors, () => way?.isCut === true);
  await page.goto(url);
  return page;
}

const line = (page, text) => page.locator(".chat-log .line.message", { hasText: text });

async function say(page, text) {
  await page.fill("#chat-input", text);
  await page.press("#chat-input", "Enter");
}

async function introduce(page, name) {
  await say(page, `hello from ${name}`);
  await page.fill(".name-dialog input", name);
  await page.press(".name-dialog input", "Enter");
  await line(page, `hello from ${name}`).waitFor();
}

const bobsWay = await wayTo(second);
await report(browser, seen, errors, async () => {
  const ann = await open(first);
  const bob = await open(bobsWay.url, {}, bobsWay);
  await introduce(ann, "Ann");
  await line(bob, "hello from Ann").waitFor();
  await introduce(bob, "Bob");
  await line(ann, "hello from Bob").waitFor();

  // What looks like HTML is text.
  await say(ann, "<img src=x onerror=\"document.title='owned'\"> \u202e<b>bold</b>");
  await line(bob, "onerror").waitFor();
  seen.elements = await bob.locator(".chat-log .line.message img[src='x'], .chat-log .line.message b").count();
  seen.title = await bob.title();
  // What would turn the direction of the line is taken out, and what is left has a direction of its own.
  seen.turned = (await line(bob, "onerror").textContent()).includes("\u202e");
  seen.isolated = await line(bob, "onerror").locator("bdi.text[dir=auto]").count();

  const judge = await open(studio);
  await line(judge, "onerror").waitFor();
  seen.fragment = new URL(judge.url()).hash;
  const bad = line(judge, "onerror");
  await bad.hover();
  await bad.locator(".line-menu").click();
  await judge.locator(".popup >> text=Delete").first().click();
  await line(bob, "onerror").waitFor({ state: "detached" });
  await line(ann, "onerror").waitFor({ state: "detached" });

  // Somebody is away for a while, and misses nothing.
  bobsWay.cut();
  await bob.locator(".chat-status").waitFor();
  for (let number = 0; number < 10; number++) {
    await say(judge, `while away ${number}`);
  }
  await line(ann, "while away 9").waitFor();
  seen.away = { status: await bob.locator(".chat-status").isVisible(), lines: await line(bob, "while away").count() };
  bobsWay.mend();
  await line(bob, "while away 9").waitFor({ timeout: 60_000 });
  await bob.locator(".chat-status").waitFor({ state: "hidden" });
  seen.missed = await line(bob, "while away").allTextContents();
  seen.gaps = await bob.locator(".chat-log .line.gap").count();

  // Hearts.
  const likes = async (page) => Number((await page.textContent(".like-count")).replace(/\D/g, ""));
  const before = await likes(bob);
  await ann.click(".like");
  await ann.click(".like");
  await bob.waitForFunction((before) => Number(document.querySelector(".like-count").textContent.replace(/\D/g, "")) >= before + 2, before);
  seen.likes = (await likes(bob)) - before;

  // Slow mode is told in advance, and then counted down.
  const wait = (page) => page.evaluate(() => Number(document.querySelector(".send-wait").textContent.replace(/\D/g, "")));
  await say(judge, "/slow 30");
  await ann.waitForFunction(() => /\d/.test(document.querySelector(".composer-hint")?.textContent ?? ""));
  await say(ann, "one");
  await line(bob, "one").waitFor();
  await ann.waitForFunction(() => /\d/.test(document.querySelector(".send-wait").textContent));
  const begun = await wait(ann);
  await ann.waitForFunction((begun) => {
    const left = Number(document.querySelector(".send-wait").textContent.replace(/\D/g, ""));
    return left > 0 && left < begun;
  }, begun);
  seen.countdown = [begun, await wait(ann)];
  await say(judge, "/slow off");

  // A phone, in another language.
  const phone = await open(second, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, locale: "es-ES" });
  await line(phone, "while away 9").waitFor();
  seen.language = await phone.evaluate(() => document.documentElement.lang);
  seen.overflow = await phone.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  await shot(phone, "phone");
  await shot(ann, "desktop");
  await shot(judge, "studio");
});
bobsWay.close();

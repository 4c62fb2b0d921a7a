// Goes back in a live stream and comes back, in Debian's Chromium, headless, and prints what it saw as JSON.
//
//   node seek.mjs PAGE_URL SPKI BACK_SECONDS [SHOTS_FOLDER]
//
// The picture carries a barcode of the wall clock (scripts/broadcast.sh): how old the picture on the
// screen is, is read from the picture. The stream must have been live for longer than BACK_SECONDS.

import { noteErrors, trusting, WAIT_MS, withPage } from "./lib/chromium.mjs";

const [url, spki, backSeconds, shots] = process.argv.slice(2);
const back = Number(backSeconds);
const ARGUMENTS = ["--autoplay-policy=no-user-gesture-required", ...(spki ? [trusting(spki)] : [])];

/** In the page: how many seconds old the picture is, or null where there is no barcode. */
function pictureAge() {
  const WIDTH = 1280;
  const MODULUS = 2 ** 24;
  const video = document.querySelector("video");
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = 80;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, WIDTH, (video.videoHeight * WIDTH) / video.videoWidth);
  const row = context.getImageData(0, 40, WIDTH, 1).data;
  const white = (left) => row[4 * (left + 20)] + row[4 * (left + 20) + 1] + row[4 * (left + 20) + 2] > 3 * 127;
  if (!white(80) || white(120) || !white(1120)) return null;
  let value = 0;
  for (let bit = 0; bit < 24; bit++) value = value * 2 + (white(160 + 40 * bit) ? 1 : 0);
  return ((Date.now() - value + MODULUS) % MODULUS) / 1000;
}

/** The age of a picture that plays: it moves, and its age stays. */
async function playingAge(page, isIt) {
  const deadline = Date.now() + WAIT_MS;
  let seen = [];
  while (Date.now() < deadline) {
    const before = await page.evaluate(() => document.querySelector("video").currentTime);
    const age = await page.evaluate(pictureAge);
    await page.waitForTimeout(500);
    const moved = (await page.evaluate(() => document.querySelector("video").currentTime)) - before;
    seen.push([age, moved]);
    if (age !== null && isIt(age) && moved > 0.2 && moved < 1.5) return age;
  }
  throw new Error(`the picture is not as old as it should be: ${JSON.stringify(seen.slice(-8))}`);
}

await withPage({ args: ARGUMENTS, viewport: { width: 1280, height: 800 } }, async (page) => {
  const errors = [];
  noteErrors(page, errors);
  page.setDefaultTimeout(WAIT_MS);
  const skips = [];
  page.on("response", (response) => {
    if (response.url().includes("_HLS_skip=") && response.status() === 200) skips.push(response.url());
  });
  const shot = async (name) => (shots ? await page.screenshot({ path: `${shots}/${name}.png` }) : undefined);
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForFunction(() => window.__weir?.state === "playing");
  const seek = page.locator("#seek");
  await seek.waitFor();
  const live = await playingAge(page, (age) => age < 10);

  // A picture under the pointer.
  const box = await seek.boundingBox();
  const length = Number(await seek.getAttribute("aria-valuemax"));
  const x = box.x + box.width * Math.max(0, 1 - back / length);
  await page.mouse.move(x, box.y + box.height / 2);
  const picture = page.locator("#seek-picture");
  await picture.waitFor().catch(async (error) => {
    throw new Error(`${error.message}; ${errors.join("; ")}; ${await page.textContent("#seek-preview")}`);
  });
  const image = await picture.evaluate(async (element) => {
    const source = /url\("(.*)"\)/.exec(element.style.backgroundImage)[1];
    const image = new Image();
    image.src = source;
    await image.decode();
    return { source: new URL(source, location.href).pathname, width: image.naturalWidth, height: image.naturalHeight };
  });
  const told = await page.textContent("#seek-time");
  await shot("hover");

  await page.mouse.down();
  await page.mouse.up();
  const behind = await playingAge(page, (age) => Math.abs(age - live - back) < back / 3);
  const label = await page.textContent("#live-text");
  const spoken = await seek.getAttribute("aria-valuetext");
  // It stays there.
  await page.waitForTimeout(4000);
  const stays = await playingAge(page, (age) => Math.abs(age - behind) < 2);
  await shot("behind");

  await page.keyboard.press("ArrowLeft");
  const arrow = await playingAge(page, (age) => age > stays + 3 && age < stays + 7);
  await page.click("#live");
  const again = await playingAge(page, (age) => age < live + 3);
  console.log(JSON.stringify({ live, length, image, told, behind, stays, label, spoken, arrow, again, skips: skips.length, errors }));
});

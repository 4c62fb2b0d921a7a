/** Hearts that rise over the picture: a canvas, drawn only while there are any. */

import { make } from "../ui/dom";

const HEARTS_MAX = 48;
const LIFE_MS = 2600;
const COLOURS = ["#ff5a6e", "#ff8fa3", "#ffd0d8", "#43d6c4", "#ffc857"];
const SHAPE = "M12 20s-7.5-4.6-9-9.300C2 7.3 4 4.5 7 4.500c2 0 3.8 1.2 5 3 1.2-1.8 3-3 5-3 3 0 5 2.8 4 6.200C19.5 15.4 12 20 12 20z";

interface Heart {
  readonly bornMs: number;
  readonly x: number;
  readonly sway: number;
  readonly phase: number;
  readonly size: number;
  readonly colour: string;
}

export class Hearts {
  readonly element = make("canvas", "hearts");
  readonly #context = this.element.getContext("2d");
  readonly #shape = new Path2D(SHAPE);
  readonly #still = window.matchMedia("(prefers-reduced-motion: reduce)");
  #hearts: Heart[] = [];
  #frame: number | null = null;
  #width = 0;
  #height = 0;

  constructor() {
    this.element.setAttribute("aria-hidden", "true");
    new ResizeObserver(([entry]) => this.#resize(entry?.contentRect)).observe(this.element);
  }

  /** A crowd of likes becomes a few hearts, spread over the time until the next state comes. */
  burst(count: number): void {
    const shown = Math.min(Math.ceil(Math.sqrt(count) * 2), count, 14);
    for (let index = 0; index < shown; index += 1) {
      this.#add((index / shown) * 450);
    }
  }

  one(): void {
    this.#add(0);
  }

  #add(delayMs: number): void {
    if (this.#still.matches || document.visibilityState === "hidden" || this.#hearts.length >= HEARTS_MAX) {
      return;
    }
    this.#hearts.push({
      bornMs: performance.now() + delayMs,
      x: 0.25 + Math.random() * 0.5,
      sway: 6 + Math.random() * 14,
      phase: Math.random() * Math.PI * 2,
      size: 0.8 + Math.random() * 0.7,
      colour: COLOURS[Math.floor(Math.random() * COLOURS.length)] ?? "#ff5a6e",
    });
    this.#frame ??= requestAnimationFrame((nowMs) => this.#draw(nowMs));
  }

  #resize(box: DOMRectReadOnly | undefined): void {
    const scale = Math.min(2, window.devicePixelRatio);
    this.#width = box?.width ?? 0;
    this.#height = box?.height ?? 0;
    this.element.width = Math.round(this.#width * scale);
    this.element.height = Math.round(this.#height * scale);
  }

  #draw(nowMs: number): void {
    this.#frame = null;
    const context = this.#context;
    if (context === null || this.#width === 0) {
      this.#hearts = [];
      return;
    }
    const scale = this.element.width / this.#width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.element.width, this.element.height);
    this.#hearts = this.#hearts.filter((heart) => nowMs - heart.bornMs < LIFE_MS);
    for (const heart of this.#hearts) {
      const age = (nowMs - heart.bornMs) / LIFE_MS;
      if (age < 0) {
        continue;
      }
      const x = heart.x * this.#width + Math.sin(heart.phase + age * 6) * heart.sway * age;
      const y = this.#height - 24 - age * (this.#height - 48);
      const grown = heart.size * Math.min(1, age * 8);
      context.setTransform(scale * grown, 0, 0, scale * grown, scale * (x - 12 * grown), scale * (y - 12 * grown));
      context.globalAlpha = Math.min(1, (1 - age) * 1.6);
      context.fillStyle = heart.colour;
      context.fill(this.#shape);
    }
    if (this.#hearts.length > 0) {
      this.#frame = requestAnimationFrame((next) => this.#draw(next));
    }
  }
}

/** `text/event-stream`, as far as rooms use it: the data of each event. Pure. */

/** An event greater than this is nobody's of ours. */
const EVENT_CHARACTERS_MAX = 16 * 1024 * 1024;

export class SseParser {
  #rest = "";
  #data: string[] = [];

  /** Data of the events that end in this piece. */
  push(piece: string): readonly string[] {
    const texts: string[] = [];
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > EVENT_CHARACTERS_MAX) {
      this.#rest = "";
    }
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) {
          texts.push(this.#data.join("\n"));
        }
        this.#data = [];
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      }
    }
    return texts;
  }
}

/** Saves an answer as a file, and says how far it has come: a ledger may be long. */

import { bytes } from "../lib/filters/words";
import { type App, told } from "./app";

const TELL_MS = 500;
/** The browser has taken it by then. */
const REVOKE_MS = 60_000;

export async function download(app: App, path: string, file: string, signal: AbortSignal = new AbortController().signal): Promise<void> {
  app.say("busy", `Preparing ${file}…`);
  try {
    const response = await app.call.raw(path, signal);
    const blob = await whole(response, (size) => app.say("busy", `${file}: ${bytes(size)} so far…`));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = file;
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_MS);
    app.say("good", `${file} is saved, ${bytes(blob.size)}.`);
  } catch (error) {
    app.say("bad", signal.aborted ? `${file} was given up.` : `${file} is not saved: it is not complete. ${told(error)}`);
  }
}

/** Rejects when the answer breaks off: half a ledger is none. */
async function whole(response: Response, tell: (size: number) => void): Promise<Blob> {
  const reader = response.body?.getReader();
  if (reader === undefined) {
    return response.blob();
  }
  const pieces: BlobPart[] = [];
  let size = 0;
  let toldMs = performance.now();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return new Blob(pieces, { type: response.headers.get("Content-Type") ?? "application/octet-stream" });
    }
    pieces.push(value);
    size += value.byteLength;
    if (performance.now() - toldMs > TELL_MS) {
      toldMs = performance.now();
      tell(size);
    }
  }
}

/** A function that has `draw` called with the next frame: however often it is called until then, once. */
export function onceAFrame(draw: () => void): () => void {
  let frame: number | null = null;
  return () => {
    frame ??= requestAnimationFrame(() => {
      frame = null;
      draw();
    });
  };
}

import { expect, it } from "vitest";
import { ProtocolCounter, protocolLabel } from "./protocols";

const part = (nextHopProtocol: string) => ({ name: "https://edge/live/demo/720p/1.0.m4s", nextHopProtocol });

it("counts media requests only", () => {
  const counter = new ProtocolCounter("https://edge/live/demo/");
  expect(counter.current()).toBeNull();
  counter.observe({ name: "https://edge/api/streams", nextHopProtocol: "h2" });
  counter.observe({ name: "https://edge/live/demo2/index.m3u8", nextHopProtocol: "h2" });
  ["h2", "h3", "h3", ""].forEach((p) => counter.observe(part(p)));
  expect(counter.counts()).toEqual({ h2: 1, h3: 2, unknown: 1 });
});

it("names the protocol of the recent requests", () => {
  const counter = new ProtocolCounter("https://edge/live/demo/");
  for (let i = 0; i < 100; i += 1) counter.observe(part("h2"));
  for (let i = 0; i < 12; i += 1) counter.observe(part("h3"));
  expect(counter.current()).toBe("h3");
  expect(counter.counts()).toEqual({ h2: 100, h3: 12 });
});

it("labels protocols for people", () => {
  expect(["h3", "h2", "http/1.1", "quic/99", null].map(protocolLabel)).toEqual([
    "HTTP/3", "HTTP/2", "HTTP/1.1", "quic/99", "–",
  ]);
});

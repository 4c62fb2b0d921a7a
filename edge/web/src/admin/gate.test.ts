import { expect, it } from "vitest";
import { asProblem, Problem } from "../account/problem";
import { words } from "./gate";

it("who does not come in is told why", () => {
  const problems = [new Problem(401, "wrong-credentials"), asProblem(new TypeError("network")), asProblem(new DOMException("slow", "TimeoutError")), new Problem(418, "odd", "no tea"), new Problem(418, "odd")];
  expect(problems.map(words)).toEqual(["the login or the password is wrong", "the server cannot be reached", "the server did not answer in time", "no tea", "the server answered 418"]);
});

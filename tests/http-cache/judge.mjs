// Runs http-cache-tests against a cache in front of its own server, and judges as its site does.
// Usage: node judge.mjs BASE. Prints {id: {kind, outcome, why}} as JSON.
//
// Outcomes: pass; fail; setup (what the test needs first did not happen); dependency (a test that it
// builds on was not passed); retry (the cache asked twice).
import fetch from 'node-fetch'
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs'
import suites from 'http-cache-tests/tests/index.mjs'
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs'

const all = [...suites, surrogate]
const tests = new Map(
  all.flatMap((suite) => suite.tests).filter((test) => !test.browser_only).map((test) => [test.id, test])
)

await runTests(all, fetch, false, process.argv[2])
const results = getResults()

// What `determineTestResult` of lib/display.mjs says, which needs a browser to load.
function outcome (id) {
  const result = results[id]
  if (result === undefined) return 'untested'
  const met = (dependency) => outcome(dependency) === 'pass'
  if (!(tests.get(id).depends_on ?? []).every(met)) return 'dependency'
  if (result === true) return 'pass'
  if (result[0] === 'Setup') return result[1] === 'retry' ? 'retry' : 'setup'
  return 'fail'
}

const judged = {}
for (const [id, test] of tests) {
  const result = results[id]
  const why = Array.isArray(result) ? result.join(': ') : ''
  judged[id] = { kind: test.kind ?? 'required', outcome: outcome(id), why }
}
console.log(JSON.stringify(judged))

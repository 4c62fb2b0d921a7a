#!/usr/bin/env bash
# Runs the Autobahn test suite (cases 1 to 7, 9 and 10: everything but compression, which rooms do not
# offer) against the code that carries rooms' WebSockets. Fails if a case fails.
#
# The suite is Python 2. It is installed into target/autobahn, with PYTHON2 or what is found.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${PORT:-9301}
home=$PWD/target/autobahn
python=${PYTHON2:-}
# pyenv's own `python2.7` is a shim that need not work.
for found in "$HOME"/.pyenv/versions/2.7*/bin/python /usr/bin/python2.7; do
  [[ -n $python || ! -x $found ]] || python=$found
done
[[ -x $python ]] || { echo "needs Python 2.7: set PYTHON2" >&2; exit 69; }

mkdir -p "$home"
if [[ ! -d $home/packages/autobahntestsuite ]]; then
  (cd "$home" && "$python" -m pip install --quiet --disable-pip-version-check --target packages \
    autobahntestsuite==25.10.1)
fi
cargo build --release -p edge --example websocket_echo
target/release/examples/websocket_echo "127.0.0.1:$port" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT

cat > "$home/client.json" <<JSON
{
  "outdir": "$home/report",
  "servers": [{"agent": "weir", "url": "ws://127.0.0.1:$port"}],
  "cases": ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"],
  "exclude-cases": [],
  "exclude-agent-cases": {}
}
JSON
# Namespace packages are found through their .pth files, which PYTHONPATH does not read.
(cd "$home" && "$python" -c '
import site
site.addsitedir("packages")
from autobahntestsuite.wstest import run
run()
' --mode fuzzingclient --spec client.json)

"$python" - "$home/report/index.json" <<'PY'
import collections, json, sys
cases = json.load(open(sys.argv[1]))["weir"]
counts = collections.Counter(case["behavior"] for case in cases.values())
closes = collections.Counter(case["behaviorClose"] for case in cases.values())
print("%d cases: %s; closes: %s" % (len(cases), dict(counts), dict(closes)))
for name, case in sorted(cases.items()):
    for kind in ("behavior", "behaviorClose"):
        if case[kind] not in ("OK", "INFORMATIONAL"):
            print("%s: %s %s" % (name, kind, case[kind]))
failed = [name for name, case in cases.items()
          if "FAILED" in (case["behavior"], case["behaviorClose"])]
sys.exit(1 if failed else 0)
PY

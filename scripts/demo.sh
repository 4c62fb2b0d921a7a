#!/usr/bin/env bash
# One origin, one shield edge, one leaf edge and a synthetic broadcaster, on this machine.
#
#   scripts/demo.sh run       starts them, says what to open, stops them at Ctrl-C
#   scripts/demo.sh up        starts them and leaves them running
#   scripts/demo.sh down      stops them
#   scripts/demo.sh status    says which of them run
#
# Variables: each port below; STATE_DIR (.state) for configuration, certificates, logs and process
# ids; WEIR_BIN (target/release) for the binaries; DEMO_BROADCASTER=0 to publish yourself.
set -euo pipefail
cd "$(dirname "$0")/.."

export RTMP_PORT=${RTMP_PORT:-1935}
RTMPS_PORT=${RTMPS_PORT:-1936}
ORIGIN_HTTP_PORT=${ORIGIN_HTTP_PORT:-8080}
ORIGIN_ADMIN_PORT=${ORIGIN_ADMIN_PORT:-9080}
SHIELD_PORT=${SHIELD_PORT:-8444}
SHIELD_ADMIN_PORT=${SHIELD_ADMIN_PORT:-9444}
LEAF_PORT=${LEAF_PORT:-8443}
LEAF_ADMIN_PORT=${LEAF_ADMIN_PORT:-9443}
LEAF_HTTP_PORT=${LEAF_HTTP_PORT:-8088}
STATE_DIR=${STATE_DIR:-$PWD/.state}
WEIR_BIN=${WEIR_BIN:-$PWD/target/release}
FILTERS_DIR=${FILTERS_DIR:-$PWD/target/filters}
DEMO_BROADCASTER=${DEMO_BROADCASTER:-1}
# As config/demo/origin.toml has it.
export WEIR_REGISTRY=http://127.0.0.1:$ORIGIN_ADMIN_PORT WEIR_TOKEN=demo-operator-token

# Each can be slow on a small machine that builds or encodes at the same time.
ready_seconds_max=30
picture_seconds_max=30
stop_seconds_max=20

nodes=(origin shield leaf broadcaster)

say() { printf 'demo: %s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# --- processes -----------------------------------------------------------------------------------

# What the command line of a node holds, one of these lines: a process id may have been given to
# another program since.
mark_of() {
    case $1 in
        broadcaster) printf 'scripts/broadcast.sh\nffmpeg\n' ;;
        *) echo "$STATE_DIR/$1.toml" ;;
    esac
}

# The process id of a running node, or nothing.
pid_of() {
    local pid
    pid=$(cat "$STATE_DIR/$1.pid" 2>/dev/null) || return 0
    { tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$(mark_of "$1")"; } 2>/dev/null || return 0
    echo "$pid"
}

# In a session of its own, so that Ctrl-C reaches this script alone, which then stops the nodes in order.
launch() {
    local node=$1 attempt
    shift
    setsid "$@" </dev/null >"$STATE_DIR/$node.log" 2>&1 &
    echo $! >"$STATE_DIR/$node.pid"
    disown
    # Until it is itself, it is a copy of this script. One that fails at once is never seen.
    for attempt in {1..20}; do
        [ -z "$(pid_of "$node")" ] || break
        sleep 0.05
    done
}

died() {
    say "$1 has ended. The end of $STATE_DIR/$1.log:" >&2
    tail -n 15 "$STATE_DIR/$1.log" | sed 's/^/    /' >&2
}

wait_ready() {
    local node=$1 port=$2 start=$SECONDS
    printf 'demo: waiting for %s ' "$node"
    until curl -fsS -o /dev/null --max-time 2 "http://127.0.0.1:$port/readyz" 2>/dev/null; do
        if [ -z "$(pid_of "$node")" ]; then
            echo
            died "$node"
            return 1
        fi
        if ((SECONDS - start >= ready_seconds_max)); then
            echo
            say "$node is not ready after $ready_seconds_max s:" >&2
            curl -sS --max-time 2 "http://127.0.0.1:$port/readyz" >&2 || true
            died "$node"
            return 1
        fi
        printf .
        sleep 0.3
    done
    echo ' ready'
}

wait_picture() {
    local start=$SECONDS
    printf 'demo: waiting for the picture '
    until curl -fsS -o /dev/null --max-time 2 "http://127.0.0.1:$LEAF_HTTP_PORT/live/demo/index.m3u8" 2>/dev/null; do
        if [ -z "$(pid_of broadcaster)" ]; then
            echo
            died broadcaster
            return 1
        fi
        if ((SECONDS - start >= picture_seconds_max)); then
            echo
            say "no picture after $picture_seconds_max s, see $STATE_DIR/*.log" >&2
            return 1
        fi
        printf .
        sleep 0.3
    done
    echo ' it is there'
}

stop_node() {
    local node=$1 pid start=$SECONDS
    pid=$(pid_of "$node")
    if [ -n "$pid" ]; then
        printf 'demo: stopping %s ' "$node"
        kill "$pid" 2>/dev/null || true
        while [ -n "$(pid_of "$node")" ]; do
            if ((SECONDS - start >= stop_seconds_max)); then
                printf '(killed, it did not stop within %s s) ' "$stop_seconds_max"
                kill -9 "$pid" 2>/dev/null || true
                break
            fi
            printf .
            sleep 0.2
        done
        echo ' stopped'
    fi
    rm -f "$STATE_DIR/$node.pid"
}

# --- configuration -------------------------------------------------------------------------------

# Whether anything listens on a port: tcp in state 0A (LISTEN), udp in any.
port_taken() {
    local protocol=$1 hex
    hex=$(printf ':%04X' "$2")
    awk -v port="$hex" -v protocol="$protocol" '
        substr($2, length($2) - 4) == port && (protocol == "udp" || $4 == "0A") { found = 1 }
        END { exit !found }
    ' "/proc/net/$protocol" "/proc/net/${protocol}6" 2>/dev/null
}

check_ports() {
    local name protocol taken=0
    for name in RTMP RTMPS ORIGIN_HTTP ORIGIN_ADMIN SHIELD SHIELD_ADMIN LEAF LEAF_ADMIN LEAF_HTTP; do
        local variable=${name}_PORT
        for protocol in tcp udp; do
            # HTTP/3 is the only use of UDP.
            [ "$protocol" = udp ] && [ "$name" != SHIELD ] && [ "$name" != LEAF ] && continue
            if port_taken "$protocol" "${!variable}"; then
                say "$protocol port ${!variable} is taken by another program; choose another: $variable=..." >&2
                taken=1
            fi
        done
    done
    [ "$taken" = 0 ] || exit 1
}

# Fills the ports and the folder into the files of config/demo. In two steps, lest a port that was
# just filled in be taken for a default one.
write_configuration() {
    local node
    for node in origin shield leaf; do
        sed -e 's/:1935"/:@RTMP@"/' -e 's/:1936"/:@RTMPS@"/' \
            -e 's/:8080\(["/]\)/:@ORIGIN_HTTP@\1/' -e 's/:9080"/:@ORIGIN_ADMIN@"/' \
            -e 's/:8444"/:@SHIELD@"/' -e 's/:9444"/:@SHIELD_ADMIN@"/' \
            -e 's/:8443"/:@LEAF@"/' -e 's/:9443"/:@LEAF_ADMIN@"/' -e 's/:8088"/:@LEAF_HTTP@"/' \
            -e "s|\"\\.state/|\"$STATE_DIR/|" "config/demo/$node.toml" |
            sed -e "s/@RTMP@/$RTMP_PORT/" -e "s/@RTMPS@/$RTMPS_PORT/" \
                -e "s/@ORIGIN_HTTP@/$ORIGIN_HTTP_PORT/" -e "s/@ORIGIN_ADMIN@/$ORIGIN_ADMIN_PORT/" \
                -e "s/@SHIELD@/$SHIELD_PORT/" -e "s/@SHIELD_ADMIN@/$SHIELD_ADMIN_PORT/" \
                -e "s/@LEAF@/$LEAF_PORT/" -e "s/@LEAF_ADMIN@/$LEAF_ADMIN_PORT/" \
                -e "s/@LEAF_HTTP@/$LEAF_HTTP_PORT/" >"$STATE_DIR/$node.toml"
    done
}

# --- filters -------------------------------------------------------------------------------------

# Who may speak and give, what may be said, what can be given, and fields of answers. They are kept
# over restarts.
push_filters() {
    local filter manifest
    for filter in auth chat gifts http-headers; do
        "$WEIR_BIN/weirctl" filter list 2>/dev/null | grep -q "^$filter " && continue
        manifest=$FILTERS_DIR/$filter.toml
        [ "$filter" != auth ] || manifest=config/demo/auth.toml
        say "pushing the filter $filter"
        "$WEIR_BIN/weirctl" filter push --activate --bake 0 --component "$FILTERS_DIR/$filter.wasm" \
            --manifest "$manifest" | sed 's/^/demo:     /' ||
            say 'that failed; the rest of the demonstration works without it' >&2
    done
}

# Where the broadcaster looks after the room.
studio_url() {
    local token
    token=$("$WEIR_BIN/weirctl" --json room token --room demo --role broadcaster --name Broadcaster |
        sed -n 's/.*"token":"\([^"]*\)".*/\1/p') || token=
    echo "https://localhost:$LEAF_PORT/studio/demo#token=$token"
}

# Somebody who gives, and somebody who looks after people and gifts. They are there the second time.
demo_password=let-me-give
make_people() {
    local login
    for login in viewer staff; do
        curl -s -o "$STATE_DIR/register.json" "http://localhost:$LEAF_HTTP_PORT/api/accounts" \
            -H 'Content-Type: application/json' \
            -d "{\"login\": \"$login\", \"name\": \"Demo $login\", \"password\": \"$demo_password\"}" ||
            say "the account $login could not be made" >&2
    done
    rm -f "$STATE_DIR/register.json"
    "$WEIR_BIN/weirctl" user credit viewer 5000 --note 'for the demonstration' --key demo >/dev/null ||
        say 'the viewer has no coins' >&2
    "$WEIR_BIN/weirctl" user grant staff staff >/dev/null &&
        "$WEIR_BIN/weirctl" user grant staff broadcaster --room demo >/dev/null ||
        say 'staff has no roles' >&2
}

# --- commands ------------------------------------------------------------------------------------

start_all() {
    local node
    for node in weir-origin weir-edge weirctl; do
        [ -x "$WEIR_BIN/$node" ] || fail "$WEIR_BIN/$node is not built: make build"
    done
    for node in "${nodes[@]}"; do
        [ -z "$(pid_of "$node")" ] || fail "$node runs already: scripts/demo.sh down"
    done
    mkdir -p "$STATE_DIR"
    check_ports
    write_configuration
    launch origin "$WEIR_BIN/weir-origin" --config "$STATE_DIR/origin.toml"
    wait_ready origin "$ORIGIN_ADMIN_PORT" || return 1
    launch shield "$WEIR_BIN/weir-edge" --config "$STATE_DIR/shield.toml"
    wait_ready shield "$SHIELD_ADMIN_PORT" || return 1
    launch leaf "$WEIR_BIN/weir-edge" --config "$STATE_DIR/leaf.toml"
    wait_ready leaf "$LEAF_ADMIN_PORT" || return 1
    push_filters
    make_people
    if [ "$DEMO_BROADCASTER" = 1 ]; then
        launch broadcaster scripts/broadcast.sh
        wait_picture || return 1
    fi
}

stop_all() {
    local at
    for ((at = ${#nodes[@]} - 1; at >= 0; at--)); do
        stop_node "${nodes[at]}"
    done
}

# The hash of the leaf's public key, which Chromium can be told to trust.
leaf_spki() {
    # The leaf's own certificate is the first in the file.
    openssl x509 -in "$STATE_DIR/leaf-tls/identity.pem" -pubkey -noout |
        openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64
}

say_what_to_open() {
    local leaf="https://localhost:$LEAF_PORT" spki studio
    spki=$(leaf_spki)
    studio=$(studio_url)
    cat <<TEXT

  Watch      $leaf/watch/demo
             The certificate is self-signed: a browser asks once, and then uses HTTP/2. For HTTP/3,
             start a Chromium that knows the certificate:

             chromium --user-data-dir=\$(mktemp -d) --no-first-run --enable-quic \\
                 --origin-to-force-quic-on=localhost:$LEAF_PORT \\
                 --ignore-certificate-errors-spki-list=$spki \\
                 $leaf/watch/demo

  Chat       beside the picture; and as the broadcaster, for a day:
             $studio
             $WEIR_BIN/weirctl room list

  Gifts      sign in on the watch page as viewer, password $demo_password: there are coins to give
             $leaf/admin (sign in as staff, the same password)   $leaf/studio/demo
             $WEIR_BIN/weirctl ledger verify

  Play       ffplay -fflags nobuffer http://localhost:$LEAF_HTTP_PORT/live/demo/index.m3u8
             curl -k --http2 $leaf/live/demo/index.m3u8
             curl http://localhost:$LEAF_HTTP_PORT/api/streams
             python3 scripts/read-clock.py http://localhost:$LEAF_HTTP_PORT/live/demo/index.m3u8

  Publish    rtmp://localhost:$RTMP_PORT/live/demo-key   or   rtmps://localhost:$RTMPS_PORT/live/demo-key
             (one publisher at a time: DEMO_BROADCASTER=0 leaves the test picture out)

  Filters    http://localhost:$LEAF_ADMIN_PORT/filters   (operator's token: $WEIR_TOKEN)
             export WEIR_REGISTRY=$WEIR_REGISTRY WEIR_TOKEN=$WEIR_TOKEN
             $WEIR_BIN/weirctl filter status
             Write one of your own: wasm-filters/README.md

  Look into  origin http://localhost:$ORIGIN_ADMIN_PORT/metrics   shield http://localhost:$SHIELD_ADMIN_PORT/metrics   leaf http://localhost:$LEAF_ADMIN_PORT/metrics
             logs $STATE_DIR/{origin,shield,leaf,broadcaster}.log

TEXT
}

# Until a node ends or somebody presses Ctrl-C. The broadcaster is started again, as a person would.
watch_over() {
    local node
    while sleep 1; do
        for node in origin shield leaf; do
            [ -n "$(pid_of "$node")" ] || { died "$node"; return 1; }
        done
        if [ "$DEMO_BROADCASTER" = 1 ] && [ -z "$(pid_of broadcaster)" ]; then
            died broadcaster
            say 'starting the broadcaster again'
            launch broadcaster scripts/broadcast.sh
        fi
    done
}

case ${1:-} in
    run)
        # Whoever reads the output may be gone (`make demo | tee log`, a closed terminal): the nodes
        # are stopped all the same.
        trap 'trap "" PIPE HUP; set +e; stop_all 2>/dev/null' EXIT
        trap 'exit 0' INT TERM HUP PIPE
        start_all
        say_what_to_open
        say 'Ctrl-C stops everything'
        watch_over
        ;;
    up)
        start_all || { stop_all; exit 1; }
        say_what_to_open
        say 'make demo-down stops everything'
        ;;
    down)
        stop_all
        say 'nothing of the demonstration runs'
        ;;
    status)
        code=0
        for node in "${nodes[@]}"; do
            pid=$(pid_of "$node")
            [ -n "$pid" ] || code=3
            if [ -n "$pid" ]; then say "$node runs, process $pid"; else say "$node does not run"; fi
        done
        exit $code
        ;;
    *)
        fail 'usage: scripts/demo.sh run|up|down|status'
        ;;
esac

#!/usr/bin/env python3
"""Glass to glass, through origin, shield and leaf on this machine, and how fast parts can be fetched.

    scripts/latency.py DIRECTORY_OF_BINARIES [standard|low] [SECONDS]

scripts/broadcast.sh publishes the clock (720p30); 720p passes through and 360p is encoded. With "low" the clock's
GOPs last a second. Chromium with the page's own player (hls.js, HTTP/3) watches it at the leaf for SECONDS (60), and
the clock in the picture is read from a canvas (tests/browser/watch.mjs). Then come the origin's histogram of parts, and
its memory beside the bytes of its window. Needs `npm ci` in tests/browser.
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
BINARIES = os.path.abspath(sys.argv[1])
PROFILE = sys.argv[2] if len(sys.argv) > 2 else "standard"
SECONDS = sys.argv[3] if len(sys.argv) > 3 else "60"
LADDER = "".join(
    f'[[ladder]]\nname = "{name}"\nheight = {height}\nvideo_bitrate_kbps = {kbps}\n'
    for name, height, kbps in [("720p", 720, 2800), ("360p", 360, 700)]
)


def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def until(what, look, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"not in time: {what}")


def start(program, name, config, admin, running):
    folder = os.path.join(running["folder"], name)
    os.mkdir(folder)
    with open(os.path.join(folder, "config.toml"), "w") as file:
        file.write(config)
    log = open(os.path.join(folder, "log"), "w")
    command = [os.path.join(BINARIES, program), "--config", "config.toml"]
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    running["processes"].append(process)
    until(f"{name} is ready", lambda: get(f"http://127.0.0.1:{admin}/readyz"))
    return process, folder


def edge(name, parents, running):
    https, http, admin = port(), port(), port()
    config = (
        f'[node]\nname = "{name}"\n[listen]\nhttps = "[::]:{https}"\nhttp = "127.0.0.1:{http}"\n'
        f'admin = "127.0.0.1:{admin}"\n[tls]\nself_signed_dir = "tls"\n[parents]\n{parents}\n'
    )
    _, folder = start("weir-edge", name, config, admin, running)
    return https, folder


def buckets(metrics, since):
    found = re.findall(r'^origin_part_latency_seconds_bucket\{(.*)\} (\d+)', metrics, re.M)
    mine = [(float(re.search(r'le="([^"]+)"', labels)[1]), int(n)) for labels, n in found if f'"{since}"' in labels]
    return sorted(mine)


def parts(metrics):
    for since in ("last_frame", "next_frame"):
        mine = buckets(metrics, since)
        if not mine or not mine[-1][1]:
            continue
        total = mine[-1][1]
        at = {q: next(le for le, n in mine if n >= q * total) * 1000 for q in (0.5, 0.95, 0.99, 1)}
        text = ", ".join(f"p{q * 100:g} <= {ms:g} ms" for q, ms in at.items())
        print(f"part fetchable since {since}: {text} ({total} parts)")


def memory(pid, metrics):
    with open(f"/proc/{pid}/status") as status:
        resident = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024
    window = sum(map(float, re.findall(r'^origin_window_bytes\{.*\} (\S+)', metrics, re.M))) / 2**20
    print(f"origin: {resident:.1f} MiB resident, {window:.1f} MiB of media in windows")


def measure(running):
    rtmp, http, admin = port(), port(), port()
    config = (
        f'[rtmp]\nlisten = "127.0.0.1:{rtmp}"\n[http]\nlisten = "127.0.0.1:{http}"\n'
        f'[admin]\nlisten = "127.0.0.1:{admin}"\n[packaging]\nlatency = "{PROFILE}"\n'
        f'[transcode]\npreset = "ultrafast"\nshed_lag_ms = 0\n'
        f'[[streams]]\nname = "demo"\npublish_key = "demo-key"\n{LADDER}'
    )
    origin, _ = start("weir-origin", "origin", config, admin, running)
    shield, shield_folder = edge("shield", f'urls = ["http://127.0.0.1:{http}"]', running)
    ca = os.path.join(shield_folder, "tls", "ca.pem")
    leaf, leaf_folder = edge("leaf", f'urls = ["https://localhost:{shield}"]\nca_file = "{ca}"', running)
    url = f"rtmp://127.0.0.1:{rtmp}/live/demo-key"
    broadcast = dict(os.environ, GOP_FRAMES="30" if PROFILE == "low" else "60")
    running["processes"].append(subprocess.Popen([os.path.join(HERE, "broadcast.sh"), url], env=broadcast))
    for rendition in ("720p", "360p", "audio"):
        playlist = f"http://127.0.0.1:{http}/live/demo/{rendition}/index.m3u8"
        until(rendition, lambda: "#EXT-X-PART:" in get(playlist))
    with open(os.path.join(leaf_folder, "log")) as log:
        spki = re.search(r'spki="?([^"\s]+)', log.read())[1]
    before = os.getloadavg()[0]
    page = f"https://localhost:{leaf}/watch/demo"
    seen = subprocess.run(
        ["node", "watch.mjs", page, str(leaf), spki, SECONDS],
        cwd=os.path.join(HERE, "..", "tests", "browser"), stdout=subprocess.PIPE, check=True,
        env=dict(os.environ, CHROMIUM=os.environ.get("CHROMIUM", "/usr/bin/chromium")),
    )
    seen = json.loads(seen.stdout)
    late = sorted(seen["latencySeconds"])
    at = lambda percent: late[min(len(late) * percent // 100, len(late) - 1)]
    print(
        f'{PROFILE}: glass to glass p50 {at(50):.2f}, p95 {at(95):.2f}, max {at(100):.2f} s ({len(late)} samples), '
        f'stalls {len(seen["stalledAt"])}, first frame {seen["startupSeconds"]:.2f} s, '
        f'{seen["droppedFrames"]} of {seen["frames"]} frames dropped, errors {seen["errors"]}, '
        f"load {before:.1f} to {os.getloadavg()[0]:.1f}"
    )
    player = seen["player"] or {}
    print("player:", {key: value for key, value in player.items() if isinstance(value, (int, float, str))})
    print(f'played {seen["playedSeconds"]:.2f} of {seen["watchedSeconds"]:.2f} s')
    metrics = get(f"http://127.0.0.1:{admin}/metrics")
    parts(metrics)
    memory(origin.pid, metrics)


with tempfile.TemporaryDirectory() as folder:
    running = {"folder": folder, "processes": []}
    try:
        measure(running)
    finally:
        for process in reversed(running["processes"]):
            process.terminate()
            process.wait()

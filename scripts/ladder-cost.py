#!/usr/bin/env python3
"""What a ladder costs: weir-origin and its ffmpeg beside the bare ffmpeg command, and its delay.

    scripts/ladder-cost.py path/to/weir-origin [SECONDS]

A 1080p30 film of SECONDS (60) is published at its own pace and made into 720p, 480p and 360p with
x264 at "veryfast", nothing passed through. Then the same ffmpeg command line gets the same film
at the same pace from a pipe, and writes to /dev/null. CPU seconds of both are of the middle of the
run, from /proc. The delay is that of the same frames, from origin_transcode_delay_seconds: at the start ffmpeg
catches up with what came while the source was looked at. No rung is shed meanwhile.
The origin's log goes to $ORIGIN_LOG. Needs a machine on which nothing else runs; everything is done
twice.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ORIGIN = sys.argv[1]
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
SETTLE = 8
RUNGS = [("720p", 720, 2800), ("480p", 480, 1200), ("360p", 360, 700)]
TICKS = os.sysconf("SC_CLK_TCK")


def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu(pid):
    """CPU seconds of one process, and those of children that it has waited for are not among them."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def child(parent):
    """The ffmpeg that the origin has started, and its command line."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                ppid = int(stat.read().rsplit(") ", 1)[1].split()[1])
            if ppid == parent:
                with open(f"/proc/{name}/cmdline") as line:
                    return int(name), line.read().split("\0")[:-1]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return None


def film(path):
    print("making the film ...", flush=True)
    source = "testsrc2=s=1920x1080:r=30,noise=alls=6:allf=t"
    subprocess.run(
        f"ffmpeg -v error -y -f lavfi -i {source} -t {SECONDS} -pix_fmt yuv420p -c:v libx264 -preset "
        f"ultrafast -tune zerolatency -b:v 6M -maxrate 6M -bufsize 6M -g 60 -bf 0 -f flv".split() + [path],
        check=True,
    )


def sample(pids, counted=dict):
    """CPU seconds per second of these processes in the middle of the run, and what was counted meanwhile."""
    time.sleep(SETTLE)
    before, at_first, began = [cpu(pid) for pid in pids], counted(), time.monotonic()
    time.sleep(SECONDS - 2 * SETTLE)
    wall = time.monotonic() - began
    shares = [(cpu(pid) - was) / wall for pid, was in zip(pids, before)]
    return shares, {name: count - at_first.get(name, 0) for name, count in counted().items()}


def delays(admin):
    """How many frames of each rendition came within how many seconds, so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as answer:
        metrics = answer.read().decode()
    found = re.findall(r"^origin_transcode_delay_seconds_bucket\{(.*)\} (\d+)", metrics, re.M)
    label = lambda labels, name: re.search(rf'{name}="([^"]+)"', labels)[1]
    return {(label(labels, "rendition"), float(label(labels, "le"))): int(count) for labels, count in found}


def with_weir(path, directory):
    rtmp, http, admin = port(), port(), port()
    config = os.path.join(directory, "origin.toml")
    with open(config, "w") as file:
        file.write(
            f'[rtmp]\nlisten = "127.0.0.1:{rtmp}"\n[http]\nlisten = "127.0.0.1:{http}"\n'
            f'[admin]\nlisten = "127.0.0.1:{admin}"\n[transcode]\npassthrough = false\nshed_lag_ms = 0\n'
            f'[[streams]]\nname = "demo"\npublish_key = "demo-key"\n'
        )
        for name, height, kbps in RUNGS:
            file.write(f'[[ladder]]\nname = "{name}"\nheight = {height}\nvideo_bitrate_kbps = {kbps}\n')
    origin = subprocess.Popen([ORIGIN, "--config", config], stdout=open(os.environ.get("ORIGIN_LOG", os.devnull), "w"))
    try:
        time.sleep(1)
        url = f"rtmp://127.0.0.1:{rtmp}/live/demo-key"
        publisher = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-re", "-i", path, "-c", "copy", "-f", "flv", url], stdin=subprocess.DEVNULL
        )
        found = None
        deadline = time.monotonic() + SETTLE
        while not found:
            if origin.poll() is not None or publisher.poll() is not None or time.monotonic() > deadline:
                sys.exit("weir-origin has started no ffmpeg: see its log, $ORIGIN_LOG")
            time.sleep(0.05)
            found = child(origin.pid)
        pid, line = found
        (own, ffmpeg), delayed = sample([origin.pid, pid], lambda: delays(admin))
        publisher.kill()
        publisher.wait()
        return own, ffmpeg, line, delayed
    finally:
        origin.terminate()
        origin.wait()


def bare(path, line):
    """The same command; its pipes are files here, and the film comes through stdin at its pace."""
    line = [re.sub(r"^pipe:[1-9]\d*$", "/dev/null", word) for word in line]
    feed = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-re", "-i", path, "-an", "-c", "copy", "-flush_packets", "1", "-f", "flv", "-"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )
    ffmpeg = subprocess.Popen([line[0], "-y"] + line[1:], stdin=feed.stdout, stderr=subprocess.DEVNULL)
    (share,), _ = sample([ffmpeg.pid])
    for process in (ffmpeg, feed):
        process.kill()
        process.wait()
    return share


def tell(delayed):
    for name, _, _ in RUNGS:
        buckets = sorted((le, count) for (rendition, le), count in delayed.items() if rendition == name)
        total = buckets[-1][1] if buckets else 0
        if not total:
            print(f"  delay {name}: this origin does not tell")
            continue
        below = {q: next(le for le, count in buckets if count >= q * total) for q in (0.5, 0.95, 0.99)}
        text = ", ".join(f"p{int(q * 100)} <= {le * 1000:g} ms" for q, le in below.items())
        print(f"  delay {name}: {text} ({total} frames)")


with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "film.flv")
    film(path)
    line = None
    for run in range(2):
        own, ffmpeg, line, delayed = with_weir(path, directory)
        alone = bare(path, line)
        print(
            f"run {run + 1}: weir-origin {own:.3f} + its ffmpeg {ffmpeg:.3f} = {own + ffmpeg:.3f} cores; "
            f"bare ffmpeg {alone:.3f}; {((own + ffmpeg) / alone - 1) * 100:+.1f} %",
            flush=True,
        )
        tell(delayed)

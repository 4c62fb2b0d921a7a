#!/usr/bin/env python3
"""Reads the barcode clock of scripts/broadcast.sh back from a picture, and says how old it is.

    scripts/read-clock.py SOURCE [FRAMES] [FFMPEG OPTION...]

SOURCE is whatever ffmpeg reads; "-" is stdin. A frame's age is taken when its pixels arrive here, so
it includes ffmpeg's own buffering: give it -fflags nobuffer and the like for small figures.
Exits with 1 if no frame could be read.
"""

import subprocess
import sys
import time

WIDTH, HEIGHT, MODULUS = 1280, 80, 1 << 24
MIDDLE_ROW = 40


def clock(band: bytes) -> int | None:
    """The milliseconds in the band, or None if its guards are not there."""

    def white(left: int) -> bool:
        return band[MIDDLE_ROW * WIDTH + left + 20] > 127

    if not (white(80) and not white(120) and white(1120)):
        return None
    value = 0
    for bit in range(24):
        value = value << 1 | white(160 + 40 * bit)
    return value


def main() -> int:
    source = sys.argv[1]
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", *sys.argv[3:]]
    command += ["-i", "pipe:0" if source == "-" else source, "-map", "0:v:0", "-frames:v", str(frames)]
    command += ["-vf", f"scale={WIDTH}:-2,crop={WIDTH}:{HEIGHT}:0:0,format=gray"]
    command += ["-fps_mode", "passthrough", "-enc_time_base", "1:1000", "-f", "rawvideo", "pipe:1"]
    ages, steps, unreadable, last = [], [], 0, None
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg:
        while len(band := ffmpeg.stdout.read(WIDTH * HEIGHT)) == WIDTH * HEIGHT:
            now = time.time_ns() // 1_000_000 % MODULUS
            value = clock(band)
            if value is None:
                unreadable += 1
                continue
            ages.append((now - value) % MODULUS)
            if last is not None:
                steps.append((value - last) % MODULUS)
            last = value
    if not ages:
        print(f"no frame could be read, {unreadable} had no guards", file=sys.stderr)
        return 1
    ages.sort()
    print(
        f"{len(ages)} frames, {unreadable} unreadable; age in ms: "
        f"least {ages[0]}, median {ages[len(ages) // 2]}, most {ages[-1]}; "
        f"step between frames in ms: {min(steps, default=0)} to {max(steps, default=0)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

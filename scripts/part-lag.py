#!/usr/bin/env python3
"""How much later a part is whole at an edge than at its origin.

    scripts/part-lag.py ORIGIN EDGE [RENDITION [PARTS [STREAM]]]

ORIGIN and EDGE are plain http:// URLs. Two clients ask for the part that the playlist hints, one at each,
before it is there; the difference between the ends of both answers is the lag. Prints the median, the
95th percentile and the worst, in milliseconds, and how often the edge was first.
"""

import http.client
import re
import statistics
import sys
import threading
import time
import urllib.parse


class Client:
    def __init__(self, url):
        netloc = urllib.parse.urlsplit(url).netloc
        self.connection = http.client.HTTPConnection(netloc, timeout=10)

    def get(self, path):
        """Body, and when it was whole."""
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: status {answer.status}")
        return body, time.perf_counter()


def hinted(playlist):
    hints = re.findall(r'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="([^"]+)"', playlist)
    if not hints:
        raise SystemExit("no part is hinted: is the stream live?")
    return hints[-1]


def main():
    if not 3 <= len(sys.argv) <= 6:
        raise SystemExit(__doc__)
    origin, edge = sys.argv[1:3]
    rendition = sys.argv[3] if len(sys.argv) > 3 else "360p"
    parts = int(sys.argv[4]) if len(sys.argv) > 4 else 100
    base = f"/live/{sys.argv[5] if len(sys.argv) > 5 else 'demo'}/{rendition}"
    clients = [Client(origin), Client(edge)]
    lists = Client(edge)
    playlist = lists.get(f"{base}/index.m3u8")[0].decode()
    lags = []
    while len(lags) < parts:
        part = hinted(playlist)
        results = [None, None]

        def ask(which):
            results[which] = clients[which].get(f"{base}/{part}")

        threads = [threading.Thread(target=ask, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        msn, index = re.match(r"(\d+)\.(\d+)\.m4s", part).groups()
        reload = f"{base}/index.m3u8?_HLS_msn={msn}&_HLS_part={index}"
        playlist = lists.get(reload)[0].decode()
        for thread in threads:
            thread.join()
        if None in results or results[0][0] != results[1][0]:
            raise SystemExit(f"{part}: the edge has other bytes than the origin")
        lags.append((results[1][1] - results[0][1]) * 1000)
    lags.sort()
    first = sum(lag < 0 for lag in lags)
    worst = lags[-1]
    p95 = lags[min(len(lags) - 1, len(lags) * 95 // 100)]
    print(
        f"{len(lags)} parts: median {statistics.median(lags):.2f} ms, p95 {p95:.2f} ms, "
        f"worst {worst:.2f} ms; the edge was first {first} times"
    )


if __name__ == "__main__":
    main()

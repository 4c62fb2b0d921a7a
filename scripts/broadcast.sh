#!/usr/bin/env bash
# The synthetic broadcaster: a moving test picture with a clock for people, the same time as a
# barcode for machines, and a tone. Publishes over RTMP until it is stopped.
#
#   scripts/broadcast.sh [URL]      URL "-": FLV on stdout
#
# Variables: RTMP_PORT (1935), PUBLISH_KEY (demo-key), PRESET (x264, ultrafast), BITRATE_KBPS (2500),
#            DURATION_SECONDS (endless), GOP_FRAMES (60)
#
# The barcode. 1280x720 at 30 frames/s; all measures scale with the picture's width (360p: half).
#   A black band covers x 40..1200, y 0..80. In it stand cells of 40x40 pixels, y 20..60:
#     x = 80            guard, always white
#     x = 120           guard, always black
#     x = 160 + 40*i    bit i of 24, i = 0 is the most significant; white is 1, black is 0
#     x = 1120          guard, always white
#   Sample a cell at its middle (x + 20, y = 40): white is brighter than half.
#   The number is the wall clock in milliseconds since the Unix epoch, modulo 2^24 (4.66 hours),
#   taken when the frame is drawn, right before it is encoded. So the age of a frame on a screen is
#     (Date.now() - number) mod 2^24   milliseconds.
#   scripts/read-clock.py reads it back.
set -euo pipefail

url=${1:-rtmp://127.0.0.1:${RTMP_PORT:-1935}/live/${PUBLISH_KEY:-demo-key}}
[ "$url" = - ] && url=pipe:1
font=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
bitrate_kbps=${BITRATE_KBPS:-2500}

# The time of each frame becomes its timestamp, so that filters can read it as `t`. This happens
# after `-re` has held the frame back to its real time, and is undone before encoding.
picture='settb=1/1000,setpts=RTCTIME/1000'
picture+=',drawbox=x=40:y=0:w=1160:h=80:color=black:t=fill'
for guard in 80 1120; do
    picture+=",drawbox=x=$guard:y=20:w=40:h=40:color=white:t=fill"
done
for bit in {0..23}; do
    divisor=$((1 << (23 - bit)))
    picture+=",drawbox=x=$((160 + 40 * bit)):y=20:w=40:h=40:color=white:t=fill"
    picture+=":enable='mod(floor(round(t*1000)/$divisor),2)'"
done
if [ -r "$font" ]; then
    text="drawtext=fontfile=$font:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=14"
    picture+=",$text:fontsize=72:x=(w-tw)/2:y=h-150"
    picture+=":text='%{pts\\:gmtime\\:0\\:%H\\\\\\:%M\\\\\\:%S}.%{eif\\:mod(round(t*1000)\\,1000)\\:d\\:3} UTC'"
fi
picture+=',settb=1/30,setpts=N'

exec ffmpeg -hide_banner -nostdin -loglevel warning \
    -re -f lavfi -i testsrc2=size=1280x720:rate=30 \
    -re -f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000:samples_per_frame=1024 \
    -filter_complex "[0:v]$picture,format=yuv420p[v];[1:a]volume=0.3,aformat=channel_layouts=stereo[a]" \
    -map '[v]' -map '[a]' ${DURATION_SECONDS:+-t "$DURATION_SECONDS"} \
    -c:v libx264 -preset "${PRESET:-ultrafast}" -tune zerolatency -profile:v main -level 3.1 \
    -g "${GOP_FRAMES:-60}" -keyint_min "${GOP_FRAMES:-60}" -sc_threshold 0 \
    -b:v "${bitrate_kbps}k" -maxrate "${bitrate_kbps}k" -bufsize "${bitrate_kbps}k" \
    -c:a aac -ar 48000 -b:a 128k \
    -flvflags no_duration_filesize -f flv "$url"

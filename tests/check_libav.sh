#!/bin/bash
# FFmpeg's large libraries are loaded by the commands that need them, and by no others.  A library that is missing,
# damaged or of another kind is told in one line.
#   check_libav.sh CFP_GPU
set -uo pipefail
cfp=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
model=$root/weights/motion.h5 clip=$root/datasets/motion/up.mp4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}

# Which of them a command loads, as the loader says.
loads() { # "codec format" ARG...
    local wanted=$1 found
    shift
    rm -f loaded.*
    LD_DEBUG=files LD_DEBUG_OUTPUT=loaded "$cfp" "$@" >said 2>&1 || wrong "$*: $(cat said)"
    found=$(grep -h -o 'calling init: .*' loaded.* | grep -o 'libav\(codec\|format\)' | sed 's/libav//' | sort -u | paste -s -d ' ')
    [ "$found" = "$wanted" ] || wrong "$*: loads '$found', not '$wanted'"
}
mkdir folder
{ # an array of 16 black frames
    printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (16, 8, 8, 3), }"
    head -c 3072 /dev/zero
} >frames.npy
for i in 1 2 3 4; do printf 'P6\n2 2\n255\n000000000000' >folder/$i.ppm; done
loads '' --help
loads '' --version
loads '' inspect "$model"
loads '' devices
loads '' bench "$model" --runs 1 --warmup 0
loads '' explain "$model" frames.npy -o kept --format h5,json,png --depth 1
loads 'codec' explain "$model" frames.npy -o kept --format html --depth 1
loads 'codec' predict "$model" folder --check-input never
loads 'codec format' predict "$model" "$clip" --check-input never
[ -n "$(ls loaded.*)" ] || wrong "the loader did not say what it loaded"

# Libraries in LD_LIBRARY_PATH come first.
refused() { # PATTERN ARG...
    local pattern=$1
    shift
    LD_LIBRARY_PATH=$work/lib "$cfp" "$@" >/dev/null 2>said
    [ $? -eq 1 ] || wrong "$*: exit status is not 1"
    [ "$(wc -l <said)" -eq 1 ] && grep -q "$pattern" said || wrong "$*: not one line of $pattern: $(cat said)"
    LD_LIBRARY_PATH=$work/lib "$cfp" --help >/dev/null || wrong "--help wants FFmpeg"
}
every() { # PATTERN: a video, a picture, and what is written
    refused "^cfp-gpu: .*up.mp4: FFmpeg cannot be loaded: .*$1" predict -q "$model" "$clip"
    refused "^cfp-gpu: folder/1.ppm: FFmpeg cannot be loaded: .*$1" predict -q "$model" folder --check-input never
    refused "^cfp-gpu: out/report.html: FFmpeg cannot be loaded: .*$1" explain -q "$model" frames.npy -o out --format html --tubes none
    refused "^cfp-gpu: --format gif: FFmpeg cannot be loaded: .*$1" explain -q "$model" frames.npy -o out --format gif --depth 1
    [ ! -e out ] || wrong "a folder was left"
}
mkdir lib
for name in $(grep -a -o 'libav\(codec\|format\)\.so\.[0-9]*' "$cfp" | sort -u); do
    : >"lib/$name"
done
[ "$(find lib -type f | wc -l)" -eq 2 ] || wrong "it opens $(ls lib)"
every 'libavcodec.so.*file too short'
# Another library under the name: the first function that it lacks is named.
other=$(find -L /lib /usr/lib -maxdepth 2 -name 'libz.so.1' 2>/dev/null | head -n 1)
if [ -n "$other" ]; then
    for name in lib/*; do cp "$other" "$name"; done
    every 'undefined symbol: av'
fi
[ "$bad" -eq 0 ] && echo "loaded where it is needed; told where it cannot be"
exit "$bad"

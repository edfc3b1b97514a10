#!/bin/bash
# What `cmake --install` puts down works from there, on its own: the program, the man pages and completions, and the
# library, where the build has one to install (not under sanitizers).
#   check_install.sh BUILD_DIR PYTHON
set -euo pipefail
build=$1 python=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
cd "$work"
"$work/prefix/bin/cfp-gpu" --version
share=$work/prefix/share/cfp-gpu
"$work/prefix/bin/cfp-gpu" explain -q "$share/weights/motion.h5" "$share/datasets/motion/clockwise.mp4" -o out --format json
test -s out/pyramid.json
"$work/prefix/bin/cfp-gpu" dataset "$share/datasets/motion/clips.csv" | grep -q "8  found" # datasets/kinds is there
"$here/check_rpath.sh" "$work/prefix"
"$here/check_manual.sh" "$work/prefix"
if grep -q '^CFP_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then
    [ -z "$(find "$work/prefix" -name 'libcfp*' -o -name cfp.h)" ] || { echo "a sanitizer's library is installed"; exit 1; }
else
    "$here/check_library.sh" "$work/prefix" "$python"
fi

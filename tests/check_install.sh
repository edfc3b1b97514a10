#!/bin/bash
# What `cmake --install` puts down works from there, on its own.
#   check_install.sh BUILD_DIR
set -euo pipefail
build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
cd "$work"
"$work/prefix/bin/cfp-gpu" --version
share=$work/prefix/share/cfp-gpu
"$work/prefix/bin/cfp-gpu" explain -q "$share/weights/motion.h5" "$share/datasets/motion/clockwise.mp4" -o out --format json
test -s out/pyramid.json
test -f "$work/prefix/include/cfp/method/explain.h"
[ -n "$(find "$work/prefix" -name 'libcfp.*')" ]
"$here/check_rpath.sh" "$work/prefix"

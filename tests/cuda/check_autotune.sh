#!/bin/bash
# --autotune of explain: the choices are in the file and in run.json, and a run with that file makes
# the same choices again, whatever the times are then.
#   check_autotune.sh CFP_GPU PYTHON
set -uo pipefail
cfp=$1 python=$2
oracle=$(cd "$(dirname "${BASH_SOURCE[0]}")/../oracle" && pwd)
bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A random network of a few small convolutions: the simulator takes seconds for each run of a larger one.
model=$work/model.h5 clip=$work/clip.npy
PYTHONPATH=$oracle "$python" -c 'import random_graph, sys
random_graph.generate(0, *sys.argv[1:])' "$model" "$clip" || { echo "skipped: no network can be made"; exit 77; }
explain() { # OUT OPTION...
    local out=$1
    shift
    "$cfp" explain "$model" "$clip" -q --rule cfp --device cudasim --tubes none --format json -o "$work/$out" "$@" || wrong "$out: exit status $?"
}
chosen() { # candidates in OUT's run.json, each once
    "$python" -c 'import json, sys
rows = json.load(open(sys.argv[1])).get("autotune")
print("none" if rows is None else sorted({row["candidate"] for row in rows}),
      0 if rows is None else len({row["what"] for row in rows}) == len(rows) > 0)' "$work/$1/run.json"
}

explain plain
[ "$(chosen plain)" = "none 0" ] || wrong "without autotune: $(chosen plain)"
CUDASIM_TIMES=3,1,2 explain first --autotune "$work/choices"
[ "$(chosen first)" = "[1] True" ] || wrong "the fastest was not taken: $(chosen first)"
cp "$work/choices" "$work/before"
CUDASIM_TIMES=1,2,3 explain again --autotune "$work/choices"
cmp "$work/choices" "$work/before" || wrong "what was known was chosen anew"
[ "$(chosen again)" = "[1] True" ] || wrong "the file was not followed: $(chosen again)"
CUDASIM_TIMES=1,2,3 explain other --autotune "$work/others"
[ "$(chosen other)" = "[0] True" ] || wrong "another file: $(chosen other)"
[ "$bad" -eq 0 ] && echo "$(wc -l <"$work/choices") choices, made once"
exit "$bad"

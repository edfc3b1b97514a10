#!/bin/bash
# Runs every NAME.sh of this folder and compares the program's output with NAME.golden.  A golden has
# each command as typed, its standard output, its standard error (lines marked "! ") and its exit status.
#   run_cli.sh CFP_GPU [NAME...]             compares
#   run_cli.sh --accept CFP_GPU [NAME...]    writes the present output into the goldens; read the diff
# Each script runs in an empty folder, with $data (datasets/motion), $model (weights/motion.h5) and
# these helpers:
#   try ARG...      a cfp-gpu command line: prints all of the above
#   quietly ARG...  the same without standard output, which changes with the machine
#   fail WHY        the script itself has found something wrong
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
accept=
if [ "${1:-}" = --accept ]; then
    accept=yes
    shift
fi
[ $# -ge 1 ] || { echo "usage: $0 [--accept] CFP_GPU [NAME...]" >&2; exit 2; }
cfp=$(realpath "$1")
shift
root=$(realpath "$here/../..")
data=$root/datasets/motion model=$root/weights/motion.h5
unset NO_COLOR
export LC_ALL=C TERM=xterm

show() { # how a command line reads in a golden: no path of this machine
    local line="$ cfp-gpu" word
    for word in "$@"; do
        word=${word//"$root"\//}
        case $word in
        *[!A-Za-z0-9_./:=,*-]* | '') line+=" '$word'" ;;
        *) line+=" $word" ;;
        esac
    done
    echo "$line"
}
neutral() { # what differs from machine to machine and run to run
    sed -e "s|$root/||g" -e 's/[0-9][0-9.]* ms/N ms/g' -e 's|in /.*/\.\./lib/cfp-gpu|in LIB/cfp-gpu|'
}
try() {
    show "$@"
    "$cfp" "$@" >stdout.txt 2>stderr.txt </dev/null
    local status=$?
    neutral <stdout.txt
    neutral <stderr.txt | sed 's/^/! /'
    echo "= $status"
    rm -f stdout.txt stderr.txt
}
quietly() {
    show "$@"
    "$cfp" "$@" 2>stderr.txt >/dev/null </dev/null
    local status=$?
    neutral <stderr.txt | sed 's/^/! /'
    echo "= $status"
    rm -f stderr.txt
}
fail() {
    echo "WRONG: $*"
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for script in "$here"/*.sh; do
        [ "$script" = "$here/run_cli.sh" ] || names+=("$(basename "$script" .sh)")
    done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
for name in "${names[@]}"; do
    mkdir -p "$work/$name"
    # shellcheck disable=SC1090
    (cd "$work/$name" && . "$here/$name.sh") >"$work/$name.out" 2>&1
    if [ -n "$accept" ]; then
        cp "$work/$name.out" "$here/$name.golden"
    elif ! diff -u "$here/$name.golden" "$work/$name.out"; then
        bad=$((bad + 1))
    fi
    if grep -q '^WRONG:' "$work/$name.out"; then
        grep -H --label="$name" '^WRONG:' "$work/$name.out"
        [ -z "$accept" ] || bad=$((bad + 1))
    fi
done
echo "${#names[@]} scripts, $bad differ"
[ "$bad" -eq 0 ]

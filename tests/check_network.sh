#!/bin/bash
# check_network on devices that compute on the processor: the same passes, and what is wrong is named.
#   check_network.sh CHECK_NETWORK MODULE_DIR MODEL
set -uo pipefail
check=$1 modules=$2 model=$3
bad=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT
expect() { # STATUS REGULAR_EXPRESSION OPTION...
    local status=$1 line=$2
    shift 2
    "$check" --module-dir "$modules" "$@" >"$said" 2>&1
    local got=$?
    [ "$got" -eq "$status" ] && grep -q -E -- "$line" "$said" && return
    echo "WRONG: check_network $*: exit status $got, not $status, or does not say $line"
    sed 's/^/    /' "$said"
    bad=1
}
expect 0 '^0 failed' --device fake --precisions fp32 --batch 2 "$model"
expect 0 '^bf16: skipped: .*computes in fp32' --device cpu --precisions bf16 "$model"
expect 1 'values .* FAILED' --device forward --precisions fp32 "$model"
grep -q '  value of stem.*: off by' "$said" || { echo "WRONG: the layer is not named"; bad=1; }
expect 1 'gradients .* FAILED' --device backward --precisions fp32 "$model"
grep -q 'values .* FAILED' "$said" && { echo "WRONG: values are wrong there, too"; bad=1; }
expect 77 '^skipped: ' --device nothing "$model"
expect 2 '^usage: ' --precisions fp8 "$model"
expect 2 '^usage: ' --batch 0 "$model"
expect 2 '^usage: '
expect 1 '^check_network: .*none.h5' --device fake none.h5
[ "$bad" -eq 0 ] && echo "a number that is wrong is found, forward and backward"
exit "$bad"

#!/bin/bash
# The CUDA module is built, but no GPU can be used: the program says so in one line; with --device
# auto it uses the CPU.
#   check_no_gpu.sh CFP_GPU MODEL CLIP
set -uo pipefail
cfp=$1 model=$2 clip=$3
bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}
unset NO_COLOR
stdout=$(mktemp)
trap 'rm -f "$stdout"' EXIT

row=$("$cfp" devices | grep '^cuda ') || wrong "devices has no row for cuda"
if [[ $row =~ ^cuda\ +ready ]]; then
    echo "skipped: this machine has a GPU: $row"
    exit 77
fi
[[ $row =~ ^cuda\ +no\ +(.+)$ ]] || wrong "devices says: $row"
why=${BASH_REMATCH[1]:-}
[[ $why != *module* ]] || wrong "the module was not found or did not load: $why"

said=$("$cfp" predict "$model" "$clip" --device cuda 2>&1 >"$stdout")
status=$?
[ "$status" -eq 1 ] || wrong "--device cuda: exit status $status"
[ ! -s "$stdout" ] || wrong "--device cuda: has results"
[ "$said" = "cfp-gpu: --device cuda: $why" ] || wrong "--device cuda: $said"

for precision in tf32 bf16 fp16; do
    said=$("$cfp" predict "$model" "$clip" --device cuda --precision $precision 2>&1 >"$stdout")
    status=$?
    [ "$status" -eq 1 ] || wrong "--precision $precision: exit status $status"
    [ "$said" = "cfp-gpu: --device cuda: $why" ] || wrong "--precision $precision: $said"

    said=$("$cfp" predict "$model" "$clip" --device cpu --precision $precision 2>&1 >"$stdout")
    status=$?
    [ "$status" -eq 1 ] || wrong "--device cpu --precision $precision: exit status $status"
    [[ $said == *"--precision $precision: the cpu backend computes in fp32"* ]] ||
        wrong "--device cpu --precision $precision: $said"
done

said=$("$cfp" predict "$model" "$clip" --device auto 2>&1 >"$stdout")
status=$?
[ "$status" -eq 0 ] || wrong "--device auto: exit status $status"
[ -s "$stdout" ] || wrong "--device auto: no results"
[[ $said == *"device cpu: "* ]] || wrong "--device auto: $said"
if [ -e /dev/nvidiactl ]; then
    [[ $said == *"(not cuda: $why)"* ]] || wrong "--device auto: $said"
else
    [[ $said != *"not cuda"* ]] || wrong "--device auto, no GPU: $said"
fi

[ "$bad" -eq 0 ] && echo "no GPU, and it is said: $why"
exit "$bad"

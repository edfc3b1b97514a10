#!/bin/bash
# Checks that the number of threads changes no bit, for every instruction set: runs test_lanes --threads
# with oneDNN limited to one instruction set after the other, as an older processor would limit it.
# oneDNN says which implementation ran (ONEDNN_VERBOSE).  The test fails on one that is not listed here.
#   check_threads.sh TEST_LANES [ISA:LANES...]
set -uo pipefail
test_lanes=$1
shift
[ $# -gt 0 ] || set -- SSE41:plain AVX:plain AVX2:plain AVX2:avx2 ALL:avx512
said=$(mktemp)
trap 'rm -f "$said"' EXIT
bad=0
export OMP_WAIT_POLICY=passive # 5 threads take turns here
# One thread sums up an output alone and in a fixed order; a reorder copies.
fixed='^(convolution,(jit|jit_1x1|jit_dw):(sse41|avx|avx2|avx512_common|avx512_core)|reorder,.*)$'
for pair in "$@"; do
    isa=${pair%:*} lanes=${pair#*:}
    ONEDNN_MAX_CPU_ISA=$isa DNNL_MAX_CPU_ISA=$isa ONEDNN_VERBOSE=1 DNNL_VERBOSE=1 \
        "$test_lanes" --threads "$lanes" >"$said" 2>&1 || { grep -v -E '^(onednn|dnnl)_verbose' "$said" | head -n 20; bad=1; }
    # "onednn_verbose,exec,cpu,convolution,jit:avx2,..."; newer ones put "primitive" or a time before
    ran=$(sed -n -E 's/^(onednn|dnnl)_verbose,.*exec,cpu,([a-z_]+),([^,]+),.*/\2,\3/p' "$said" | sort | uniq -c)
    while read -r count name; do
        [ -n "$count" ] || continue
        [[ $name =~ $fixed ]] || { echo "WRONG: $pair: oneDNN ran $name, $count times: not known to be fixed"; bad=1; }
    done <<<"$ran"
    echo "$pair: $(echo "$ran" | awk '{ n += $1 } END { print n + 0 }') primitives by oneDNN"
done
exit "$bad"

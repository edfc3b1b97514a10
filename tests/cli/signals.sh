# SIGINT and SIGTERM: status 130, soon, and nothing left under a final name.  Soon: within 10 s of
# processor time, after which the kernel ends it; by the clock a busy machine may keep it waiting.
set -m # jobs of their own, so that SIGINT is not ignored as it is in a script's background
clip=$data/clockwise.mp4

seconds_of() { # processor time of a process so far, rounded up
    awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) / ticks) + 1 }' "/proc/$1/stat"
}

# interrupt SIGNAL ARG...: starts cfp-gpu, waits for its first sign of work, sends the signal.
interrupt() {
    local signal=$1 pid status
    shift
    show "$@"
    : >signs.txt # the loop below may be faster than the shell that opens it
    "$cfp" "$@" --progress json 2>signs.txt >/dev/null &
    pid=$!
    for _ in $(seq 5000); do
        grep -q "$work_sign" signs.txt && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    prlimit --pid "$pid" --cpu=$(($(seconds_of "$pid") + 10))
    kill -s "$signal" "$pid"
    wait "$pid"
    status=$?
    [ "$status" -le 128 ] || [ "$status" -eq 130 ] || fail "it took more than 10 s to stop"
    grep -v '^{' signs.txt | sed 's/^/! /'
    echo "= $status after SIG$signal"
    rm -f signs.txt
}
work_sign='"bench"'
interrupt INT bench -q "$model" --runs 100000 --device ref
interrupt TERM bench -q "$model" --runs 100000 --device ref
work_sign=progress
interrupt INT explain -q "$model" "$clip" --device ref --tubes kernels --interp spline -o out
work_sign=decode
interrupt INT predict -q "$model" "$clip" "$clip" "$clip" "$clip" "$clip" "$clip" --device ref
interrupt TERM predict -q "$model" "$clip" "$clip" "$clip" "$clip" "$clip" "$clip" --device ref --threads 32
[ ! -e out ] || fail "left: $(find out)"

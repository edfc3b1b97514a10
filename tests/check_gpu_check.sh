#!/bin/bash
# tools/gpu-check on a machine without a GPU: what it says there, what it refuses, and, with stand-ins for the GPU and for the
# program, which of its checks fail the run.  The checks themselves want a GPU.
#   check_gpu_check.sh
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
wrong() {
    echo "WRONG: $*"
    sed 's/^/    /' said
    bad=1
}
expect() { # STATUS REGULAR_EXPRESSION WORDS...: gpu-check's exit status and what it says
    local status=$1 line=$2
    shift 2
    "$root/tools/gpu-check" "$@" >said 2>&1
    local got=$?
    [ "$got" -eq "$status" ] || wrong "gpu-check $*: exit status $got, not $status"
    grep -q -E -- "$line" said || wrong "gpu-check $*: does not say $line"
}
expect 2 '--nothing: not an option' --nothing
expect 2 '--only: everything is none of tests, sanitizer, bench' --only everything
expect 2 '--bundle none.tar: no such file' --bundle none.tar
expect 2 '--cudnn none: no such folder' --cudnn none
expect 2 '--out wants a value' --out
if ! compgen -G '/dev/nvidia[0-9]*' >/dev/null && ! [ -e /dev/dxg ]; then
    expect 77 '^gpu-check: no NVIDIA GPU can be seen'
    [ "$(wc -l <said)" -eq 1 ] || wrong "more than one line"
    [ ! -e build ] || wrong "something was built without a GPU"
fi

# Stand-ins: a GPU that nvidia-smi lists, a bundle whose program and tests are scripts.
mkdir -p path stand-in/{bin,libexec,lib/cfp-gpu,tests/oracle,tests/cuda,tools}
script() { # FILE, its text from standard input
    { echo '#!/bin/bash' && cat; } >"$1"
    chmod +x "$1"
}
script path/nvidia-smi <<<'echo "GPU 0: a stand-in"'
script stand-in/bin/cfp-gpu <<<'case $1 in
devices) cat "$(dirname "$0")/row" ;;
explain) while [ "$1" != -o ]; do shift; done; mkdir -p "$2" && cp "$(dirname "$0")/row" "$2/explanation.h5" ;;
esac'
script stand-in/libexec/check_backends <<<'[[ "$*" != *bf16* ]] || { echo "a reason to skip"; exit 77; }
[[ "$*" != *fp16* ]] || [ ! -e "$(dirname "$0")/broken" ] || { echo "a difference"; exit 1; }
echo "9 comparisons, 0 failed"'
script stand-in/libexec/test_render <<<'echo "9 checks, 0 failed"'
echo 'print("as the method")' | tee stand-in/tests/oracle/check_method.py >stand-in/tests/cuda/check_device.py
bundle() {
    (cd stand-in && find . -type f -not -name SHA256SUMS -print0 | xargs -0 sha256sum >SHA256SUMS)
    tar -cf stand-in.tar stand-in
}
export PATH=$work/path:$PATH CUDA_HOME=$work/no-toolkit
echo 'cuda   no     a reason' >stand-in/bin/row
bundle
expect 1 'the program cannot use it' --bundle stand-in.tar --out out
echo 'cuda   ready  a stand-in' >stand-in/bin/row
bundle
expect 0 '^0 failed' --bundle stand-in.tar --out out --only tests
grep -q '^passed   every op and primitive, fp32: 9 comparisons' said || wrong "fp32 did not pass"
grep -q '^skipped  every op and primitive, bf16: a reason to skip' said || wrong "bf16 was not skipped with its reason"
grep -q "^passed   tubes, frames and files, as the host's: 9 checks" said || wrong "tubes were not compared"
grep -q '^passed   twice the same bytes: the same' said || wrong "the runs were not compared"
grep -q 'as the method' out/report.txt || wrong "the report has no output of the tests"
if ! command -v compute-sanitizer >/dev/null; then
    expect 0 '^skipped  racecheck: there is no compute-sanitizer' --bundle stand-in.tar --out out --only sanitizer
fi
touch stand-in/libexec/broken
bundle
expect 1 '^FAILED   every op and primitive, fp16' --bundle stand-in.tar --out out --only tests
grep -q 'a difference' said || wrong "it does not show why"
echo 'cuda   ready  another' >stand-in/bin/row # and SHA256SUMS as before
tar -cf stand-in.tar stand-in
expect 1 'is not whole' --bundle stand-in.tar --out out --only tests

[ "$bad" -eq 0 ] && echo "gpu-check keeps its word without a GPU"
exit "$bad"

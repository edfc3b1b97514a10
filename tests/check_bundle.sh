#!/bin/bash
# tools/bundle makes what runs elsewhere: unpacked in another place, with an empty environment, the program and its
# helpers load nothing of this system but glibc, and say what the build says.
#   check_bundle.sh BUILD_DIR
set -uo pipefail
build=$(realpath "$1") || exit 1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
command -v patchelf >/dev/null || { echo "skipped: patchelf is not here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}

for words in "-o" "-o bundle.zip" "--nothing"; do
    # shellcheck disable=SC2086
    "$root/tools/bundle" $words >/dev/null 2>"$work/said"
    [ $? -eq 2 ] || wrong "tools/bundle $words: exit status is not 2: $(tail -n 1 "$work/said")"
done
"$root/tools/bundle" --build "$work" -o "$work/none.tar" 2>"$work/said" && wrong "an empty folder was bundled"
[ ! -e "$work/none.tar" ] || wrong "a bundle of nothing was left"

# What cannot be written is told at once, in one line, and nothing is left.
refused() { # PATTERN WORDS...
    local pattern=$1
    shift
    "$root/tools/bundle" --build "$build" "$@" >/dev/null 2>"$work/said" && wrong "tools/bundle $*: no failure"
    [ "$(wc -l <"$work/said")" -eq 1 ] || wrong "tools/bundle $*: not one line"
    grep -q "^bundle: .*$pattern" "$work/said" || wrong "tools/bundle $*: $(cat "$work/said")"
}
mkdir "$work/a folder" "$work/folder.tar" "$work/part.tar.part" "$work/one" "$work/two"
touch "$work/one/m.h5" "$work/two/m.h5"
refused ': is a folder$' -o "$work/a folder"
refused ': is a folder$' -o "$work/folder.tar"
refused ' is a folder$' -o "$work/part.tar"
[ -d "$work/part.tar.part" ] || wrong "a folder that was there is gone"
refused ': there is no folder ' -o "$work/none/b.tar"
refused ': nothing can be written in the folder /proc$' -o /proc/b.tar # root included
refused ' have the same name$' -o "$work/b.tar" --models "$work/one/m.h5" --models "$work/two/m.h5"
TMPDIR=$work/none refused ': No such file or directory$' -o "$work/b.tar"
# A full disk, nearly, and without being root: files may have 1000 KB.
(
    trap '' XFSZ
    ulimit -f 1000
    bad=0
    refused ': File too large$' -o "$work/b.tar"
    exit "$bad"
) || bad=1
[ -z "$(find "$work" -maxdepth 1 -name 'b.tar*')" ] || wrong "a part of a bundle was left"

(cd "$work" && "$root/tools/bundle" --build "$build" -o -b.tar --models "$root"/weights/motion.h5 --models "$root"/./weights/motion.h5) ||
    exit 1
[ ! -e "$work/-b.tar.part" ] || wrong "-b.tar.part was left"
mkdir "$work/elsewhere"
tar -xf "$work/-b.tar" -C "$work/elsewhere"
rm "$work/-b.tar"
top=$(realpath "$work"/elsewhere/*)
cd "$top" || exit 1
sha256sum --quiet -c SHA256SUMS || wrong "SHA256SUMS does not hold"
[ -f models/motion.h5 ] || wrong "--models was not taken along"

# Whatever is loaded lies in the bundle; the machine gives glibc, and with CUDA cuDNN.
glibc='/(ld-linux[^/]*|lib(c|m|mvec|dl|rt|pthread|resolv|util|anl))\.so\.[0-9]$' # of the machine
while IFS= read -r -d '' file; do
    while read -r soname arrow path _; do
        [ "$arrow" = '=>' ] || continue
        case $soname in libcudnn* | libcuda* | libcublas* | libnvrtc*) continue ;; esac
        [[ $(realpath -m "$path") = "$top"/* || $path =~ $glibc ]] || wrong "$file loads $soname from $path"
    done < <(env -i ldd "$file")
done < <(find bin lib libexec -type f -print0)

"$root/tests/check_rpath.sh" bin lib libexec || bad=1

# What really happens when it runs.
run() { env -i "$@"; }
clip=datasets/motion/up.mp4
run LD_DEBUG=files LD_DEBUG_OUTPUT="$work/loaded" bin/cfp-gpu predict weights/motion.h5 "$clip" --device cpu -q >"$work/said" ||
    wrong "predict: exit status $?"
"$build/cfp-gpu" predict "$root/weights/motion.h5" "$root/$clip" --device cpu -q | sed "s|^$root/||" >"$work/expected"
cmp "$work/said" "$work/expected" || wrong "the bundled program says something else"
loaded=$(cat "$work"/loaded.* | sed -n 's/.*calling init: //p' | xargs realpath -m | sort -u)
[ -n "$loaded" ] || wrong "the loader did not say what it loaded"
echo "$loaded" | grep -v -F "$top/" | grep -v -E "$glibc" | while read -r path; do
    echo "WRONG: it loaded $path"
done | tee "$work/foreign"
[ ! -s "$work/foreign" ] || bad=1

run bin/cfp-gpu explain weights/motion.h5 "$clip" --device cpu -q -o "$work/out" --layers 'fiber*' || wrong "explain: exit status $?"
[ -s "$work/out/explanation.h5" ] || wrong "explain: no explanation.h5"
run libexec/check_backends --device cpu --only relevance >"$work/said" 2>&1 || wrong "check_backends: $(tail -n 1 "$work/said")"
(cd "$work" && run "$OLDPWD/libexec/test_render" --device cpu) >"$work/said" 2>&1 || wrong "test_render: $(tail -n 1 "$work/said")"
# The module is there where the build has one: then it says why it cannot run, not that it is missing.
if [ -f "$build/cfp_cuda.so" ]; then
    row=$(run bin/cfp-gpu devices | grep '^cuda ')
    [[ $row != *'no module'* ]] || wrong "$row"
fi

# Its scripts find what they need in it; the least of them need no package of Python's.
if command -v python3 >/dev/null; then
    python3 tools/gpu-bench --device cpu --networks motion --precisions fp32 --batches 1 --runs 1 --warmup 0 --no-peers \
        --out "$work/times" >"$work/said" 2>&1 || wrong "gpu-bench: $(tail -n 1 "$work/said")"
    grep -q '^| motion | fp32 | 1 |' "$work/times/table.md" || wrong "gpu-bench wrote no table"
fi

[ "$bad" -eq 0 ] && echo "$(find lib -name '*.so*' | wc -l) libraries of its own, of the system: glibc"
exit "$bad"

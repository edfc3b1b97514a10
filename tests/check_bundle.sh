#!/bin/bash
# tools/bundle makes what runs elsewhere: unpacked in another place, with an empty environment, the program and its
# helpers load nothing of this system but glibc, and say what the build says.
#   check_bundle.sh BUILD_DIR
set -uo pipefail
build=$(realpath "$1") || exit 1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
command -v patchelf >/dev/null || { echo "skipped: patchelf is not here"; exit 77; }
export XZ_OPT=-0 # how small the parts get is not tested
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}

for words in "-o" "-o bundle.zip" "--nothing" "--max-mib" "--max-mib 0" "--max-mib few"; do
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
mkdir "$work/parts.unpack" "$work/a folder" "$work/folder.tar" "$work/part.tar.part" "$work/one" "$work/two"
touch "$work/one/m.h5" "$work/two/m.h5"
refused ': is a folder$' -o "$work/a folder"
refused ': is a folder$' -o "$work/folder.tar"
refused ' is a folder$' -o "$work/part.tar"
[ -d "$work/part.tar.part" ] || wrong "a folder that was there is gone"
refused 'parts.unpack is a folder$' -o "$work/parts.tar" --max-mib 40
rmdir "$work/parts.unpack"
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

# In parts, and without libraries that no format of ours needs.
cd "$work" || exit 1
"$root/tools/bundle" --build "$build" --slim --max-mib 40 -o parts.tar >said 2>&1 || wrong "in parts: $(cat said)"
grep -q 'sh parts.unpack DIR$' said || wrong "it does not say how parts are joined: $(cat said)"
parts=(parts.tar.[0-9]*of*)
[ ${#parts[@]} -gt 1 ] || wrong "one part: ${parts[*]}"
for part in "${parts[@]}"; do
    [ "$(stat -c %s "$part")" -le $((40 << 20)) ] || wrong "$part is larger than 40 MiB"
done
unpacked=$(sh parts.unpack joined 2>said) || wrong "parts.unpack: $(cat said)"
(cd "$unpacked" && sha256sum --quiet -c SHA256SUMS) || wrong "what was joined is not whole"
[ "$(find "$unpacked/lib" -name '*.so*' | wc -l)" -lt "$(find "$top/lib" -name '*.so*' | wc -l)" ] || wrong "--slim leaves out nothing"
for helper in check_backends check_network test_batch test_render; do
    [ -x "$unpacked/libexec/$helper" ] || wrong "there is no $helper in it"
done
(
    cd "$unpacked" || exit 1
    bad=0
    for file in bin/* libexec/*; do
        env -i ldd "$file" | grep -v -E 'libcu|libnv' | grep 'not found' && wrong "$file lacks a library (above)"
    done
    ! find lib -name 'libcodec2.so*' -size +64k | grep . || wrong "a library of 17 MB is there in spite of --slim"
    run bin/cfp-gpu predict weights/motion.h5 "$clip" --device cpu -q >"$work/said" || wrong "slim, predict: exit status $?"
    cmp "$work/said" "$work/expected" || wrong "the slim program says something else"
    run bin/cfp-gpu explain weights/motion.h5 "$clip" --device cpu -q -o out --layers 'fiber*' --format h5,png,mp4 ||
        wrong "slim, explain: exit status $?"
    codec2=$(find lib -name 'libcodec2.so*' | head -n 1)
    if [ -n "$codec2" ] && command -v python3 >/dev/null; then
        run "$(command -v python3)" -c "import ctypes; ctypes.CDLL('$codec2').codec2_create(0)" 2>"$work/said"
        [ $? -eq 1 ] && grep -q '^cfp-gpu: this bundle was made with --slim: it has no libcodec2' "$work/said" ||
            wrong "a stand-in that is called: $(cat "$work/said")"
    fi
    exit "$bad"
) || bad=1
unpack_refused() { # PATTERN DIR
    sh parts.unpack "$2" >/dev/null 2>said && wrong "parts.unpack: no failure, but $1 was expected"
    [ "$(wc -l <said)" -eq 1 ] && grep -q "^parts.unpack: .*$1" said || wrong "parts.unpack: not one line of $1: $(cat said)"
    [ ! -e "$2/${unpacked##*/}" ] || wrong "parts.unpack: something half was left in $2"
}
mkdir few
printf '#!/bin/sh\necho head; echo disk 9 9 2048 9 /\n' >few/df
chmod +x few/df
PATH=$PWD/few:$PATH unpack_refused ' MiB are wanted, 2 are free$' again
(
    trap '' XFSZ
    ulimit -f 1000
    bad=0
    unpack_refused 'again: not unpacked: .*\(File too large\|Wrote only\)' again
    exit "$bad"
) || bad=1
unpack_refused '/proc/here: is no folder that can be written$' /proc/here
cp parts.unpack kept
sed -i "s/^press=.*/press=nothing/" parts.unpack
unpack_refused 'there is no nothing here to unpack with$' again
mv kept parts.unpack
printf x >>"${parts[1]}"
unpack_refused "${parts[1]} is damaged, or of another build than commit\|${parts[1]} is damaged, or of another build than a tree" again
rm "${parts[1]}"
unpack_refused "${parts[1]} is missing" again
cd "$top" || exit 1

[ "$bad" -eq 0 ] && echo "$(find lib -name '*.so*' | wc -l) libraries of its own, of the system: glibc"
exit "$bad"

#!/bin/bash
# The Debian package of a build: it holds what cmake --install puts down, and every library that its binaries load
# belongs to a package that it names.
#   check_package.sh BUILD_DIR [--root]
#     --root   also installs it, with its dependencies alone, into a small Debian of its own and explains a clip there
#              (mmdebstrap, root and a package mirror are wanted; a minute)
set -euo pipefail
build=$(realpath "$1") root=${2:-}
for tool in cpack dpkg-deb dpkg-shlibdeps dpkg-query; do
    command -v "$tool" >/dev/null || { echo "skipped: no $tool here"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}
(cd "$build" && cpack -G DEB -B "$work" -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip) >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
package=$(echo "$work"/cfp-gpu_*.deb)
dpkg-deb -x "$package" "$work/tree"
depends=$(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//')

for file in bin/cfp-gpu include/cfp/cfp.h share/man/man1/cfp-gpu.1.gz share/doc/cfp-gpu/copyright \
    share/doc/cfp-gpu/changelog.gz share/bash-completion/completions/cfp-gpu share/cfp-gpu/weights/motion.h5; do
    [ -s "$work/tree/usr/$file" ] || wrong "the package has no usr/$file"
done
[ -z "$(find "$work/tree" -path '*/_CPack*')" ] || wrong "files of cpack are in the package"

# Every library that a binary names (NEEDED), or opens by its name, comes from a package of the list.
owner() { # the package of a library by its name, as the loader would find it
    local path found
    path=$(awk -v name="$1" '$1 == name && path == "" { path = $NF } END { print path }' <<<"$known")
    [ -n "$path" ] || return 1
    # dpkg knows /lib/x or /usr/lib/x, which are the same folder
    found=$(dpkg-query -S "$path" "/usr$path" "$(realpath "$path")" 2>/dev/null || true)
    [ -n "$found" ] && echo "${found%%:*}"
}
known=$(/sbin/ldconfig -p)
opened=$(grep -a -o 'libav[a-z]*\.so\.[0-9]*' "$work/tree/usr/bin/cfp-gpu" | sort -u)
[ "$(wc -w <<<"$opened")" -ge 2 ] || wrong "it opens only: $opened"
n=0
while read -r library; do
    [[ $library != libcfp.so* && $library != ld-linux* ]] || continue
    package_of=$(owner "$library") || { wrong "$library: is in no package"; continue; }
    grep -q -x "$package_of" <<<"$depends" || wrong "$library is of $package_of, which Depends does not name"
    n=$((n + 1))
done < <(find "$work/tree" -type f \( -perm /111 -o -name '*.so*' \) -exec readelf -d {} + 2>/dev/null |
    sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u; printf '%s\n' $opened)
[ "$n" -ge 10 ] || wrong "only $n libraries were looked at"

# It runs from where it was unpacked.
clip=$work/tree/usr/share/cfp-gpu/datasets/motion/clockwise.mp4 model=$work/tree/usr/share/cfp-gpu/weights/motion.h5
"$work/tree/usr/bin/cfp-gpu" explain -q "$model" "$clip" --device ref --depth 1 --format json -o "$work/out" && [ -s "$work/out/pyramid.json" ] ||
    wrong "the packaged program does not explain"

# A Debian that has the package, what it depends on, and what every Debian has.
if [ -n "$root" ] && [ "$(id -u)" -eq 0 ] && command -v mmdebstrap >/dev/null; then
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016
    mmdebstrap --mode=root --variant=apt \
        --customize-hook='copy-in '"$package"' /' \
        --customize-hook='chroot "$1" sh -c "apt-get install -y --no-install-recommends /cfp-gpu_*.deb"' \
        --customize-hook='chroot "$1" cfp-gpu explain -q /usr/share/cfp-gpu/weights/motion.h5 /usr/share/cfp-gpu/datasets/motion/clockwise.mp4 --format json,png -o /out' \
        --customize-hook='test -s "$1/out/pyramid.json" && chroot "$1" ldconfig -p | grep -q libcfp.so.0' \
        "$suite" "$work/debian" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; wrong "a Debian of its own"; }
elif [ -n "$root" ]; then
    echo "not tried: a Debian of its own (no root, or no mmdebstrap)"
fi
[ "$bad" -eq 0 ] && echo "$(basename "$package"): $n libraries, each of a package that it depends on"
exit "$bad"

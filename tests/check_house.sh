#!/bin/bash
# The rules that hold the architecture together, checked by grep, for host/, cuda/, tools/ and tests/:
# which folder may include which, which file may use which library, which code may print, how large a
# file or function may be, and what a file opens with.  Prints every offence; exit 1 if there is one.
#   tests/check_house.sh [libcfp.a]     with the library, its external names too
set -uo pipefail
library=${1:+$(realpath "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
bad=0
offence() {
    echo "$*"
    bad=1
}

# Module: the modules it may include.  The line of the data flow; an arrow only ever points left.
declare -A sees=(
    [cfp.h]=""
    [base]="cfp.h base"
    [h5]="base h5"
    [model]="base h5 model"
    [clip]="base h5 model clip"
    [backend]="base model backend"
    [network]="base model backend network"
    [method]="base model clip backend network method"
    [evaluate]="base model clip backend network method evaluate"
    [dataset]="base model clip dataset"
    [aggregate]="base h5 aggregate"
    [files]="base model clip backend network method files"
    [draw]="base model clip backend network method files draw"
    [write]="base h5 model clip backend network method aggregate files draw write"
    [report]="base h5 model clip backend network method aggregate files draw write report"
    [batch]="base model clip backend network method files draw write batch"
    [api]="cfp.h base model clip backend network method files draw write api"
    [program]="cfp.h base h5 model clip backend network method evaluate dataset aggregate files draw write batch report program"
    [cuda]="base model backend cuda"
)
mapfile -t sources < <(find host cuda -name '*.[ch]' -o -name '*.cu' -o -name '*.inc' -o -name '*.def' | sort)
while IFS=: read -r file include; do
    include=${include#*\"}
    include=${include%\"}
    target=$(dirname "$file")/$include
    while [[ $target =~ ^(.*/)?[^/.][^/]*/\.\./(.*)$ ]]; do
        target=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
    done
    [ -e "$target" ] || continue # made by the build: version.h
    module=${file#host/} seen=${target#host/}
    case " ${sees[${module%%/*}]:-} " in
    *" ${seen%%/*} "*) ;;
    *) offence "$file: includes $include: ${module%%/*} may see only: ${sees[${module%%/*}]:-nothing}" ;;
    esac
done < <(grep -H -o '^ *# *include *"[^"]*"' "${sources[@]}")
# CONTRIBUTING.md says the same, for people: a row `| host/NAME | what it may see |` for each.
for module in "${!sees[@]}"; do
    folder=host/$module
    [ -e "$folder" ] || folder=$module
    row="| \`$folder\` | ${sees[$module]:-nothing} |"
    grep -q -x -F "$row" CONTRIBUTING.md || offence "CONTRIBUTING.md: its table of folders lacks the row $row"
done
# A backend is known by its table alone: nobody outside includes what is in its folder.
grep -n '# *include *"[./]*\(host/\)\?backend/[a-z]*/' "${sources[@]}" && offence "(above) only backend.h is for others"

# Library header (a regular expression): the files that may include it (globs).
confined() {
    local header=$1 file glob allowed
    shift
    for file in $(grep -l "# *include *<$header" "${sources[@]}"); do
        allowed=
        for glob in "$@"; do
            # shellcheck disable=SC2053
            [[ $file == $glob ]] && allowed=yes
        done
        [ -n "$allowed" ] || offence "$file: includes <$header...>: only $* may"
    done
}
confined 'hdf5' host/h5/h5_source.h host/h5/h5_walk.h host/files/h5_sink.h
confined 'seccomp' host/h5/h5_child.c
# HDF5 reads in the child process of host/h5 alone: one opener, and nobody else sees its files.
grep -n -E '\<H5(Fopen|Fis_hdf5|Fis_accessible|LTopen_file_image)\>' "${sources[@]}" | grep -v -E '^host/(h5/h5_source|batch/packer).c:' &&
    offence "(above) only host/h5/h5_source.c and the process of host/batch/packer.c open HDF5 files for reading; h5_file.h is for others"
grep -n '# *include *"[./]*h5/h5_[a-z]*' "${sources[@]}" | grep -v -E '^host/h5/|h5/h5_file.h' &&
    offence "(above) only h5_file.h is for others"
confined '\(oneapi/\)\?dnnl' host/backend/cpu/cpu_dnnl_compat.h
confined 'libav\|libsw' host/base/hash.c 'host/base/libav.?' 'host/clip/frame_rgb.?' host/write/write_mp4.c \
    host/clip/video_file.c host/draw/movie.c
confined 'libav\(codec\|format\)' host/base/libav.h # it is not linked: only libav.h has its functions
confined 'png' host/draw/png_file.c
confined 'cairo' host/draw/figure.h
confined 'sqlite3' host/clip/source_db.c host/files/run_json.c host/files/run_list.c
confined 'tiff' host/clip/tiff_decode.c
confined 'archive' host/clip/source_tar.c
confined 'dlfcn' host/backend/backend.c host/base/libav.c host/api/api_device.c host/program/crash.c cuda/cublas_library.c
confined 'cudnn' cuda/cudnn_inside.h
confined 'cublas' cuda/cublas_library.h
confined 'nvtx' cuda/ranges.c
confined 'cuda' 'cuda/*'

# Below host/program nothing prints, exits or reads the environment; h5_child.c is a process of its own.
mapfile -t library_sources < <(printf '%s\n' "${sources[@]}" | grep -v -e '^host/program/' -e '^host/h5/h5_child.c')
grep -n -w -E '(printf|vprintf|puts|putchar|perror|exit|_exit|abort|getenv|setenv|signal|sigaction) *\(|stdout|stderr' \
    "${library_sources[@]}" | grep -v -E '^[^:]*:[0-9]*: *(/?\*|//)' &&
    offence "(above) printing, exiting and the environment belong to host/program"

# A failure without a ctx has no message: the program would end with status 1 and say nothing.
grep -n -E '\b(cfp_alloc|cfp_strdup|cfp_format|cfp_fail|CFP_TRY_ALLOC)\((NULL|\(cfp_ctx \*\)NULL|0),' \
    "${sources[@]}" && offence "(above) a failed allocation would have no message"

# Sizes: a file is at most 600 lines, a function at most 60 (its opening brace stands alone); and a
# file opens with what it is.
awk '
    function ends() { if (lines > 600) { print name ": " lines " lines, 600 at most"; bad = 1 } }
    FNR == 1 {
        ends(); name = FILENAME; start = 0
        base = name; sub(/.*\//, "", base)
        if (index($0, "/* " base " - ") != 1) { print name ": does not open with /* " base " - what it is"; bad = 1 }
    }
    { lines = FNR }
    /^\{/ { start = FNR }
    /^\}/ && start {
        if (FNR - start > 61) { print name ":" start ": a function of " FNR - start - 1 " lines, 60 at most"; bad = 1 }
        start = 0
    }
    END { ends(); exit bad }' "${sources[@]}" tests/*.[ch] tests/{cuda,cuda/sim,examples,fuzz}/*.[ch] \
    tests/cuda/*.cpp tools/*/*.c || bad=1
# The tools: at most 600 lines, too; a script opens with a comment and a Python file with a docstring
# that says what it is.
mapfile -t tools < <(grep -r -I -l -E '^#!|^"""' --exclude-dir=__pycache__ --exclude=README.md tools | sort)
for file in "${tools[@]}"; do
    [ "$(wc -l <"$file")" -le 600 ] || offence "$file: $(wc -l <"$file") lines, 600 at most"
    opening=$(grep -m 1 -v '^#!' "$file")
    [[ $opening =~ ^(\"\"\"|\#\ )[^\ ] ]] || offence "$file: does not open with what it is"
done

# What is there is built.
for file in "${sources[@]}"; do
    case $file in
    host/*.c) grep -q -w "$file" CMakeLists.txt cmake/*.cmake || offence "$file: not in CMakeLists.txt" ;;
    cuda/*.c | cuda/*.cu) grep -q -w "${file#cuda/}" cuda/CMakeLists.txt cuda/sources.cmake || offence "$file: not in cuda/CMakeLists.txt or sources.cmake" ;;
    esac
done
for file in tests/*.c tests/cuda/*.c; do
    name=$(basename "$file" .c)
    grep -q -w "$name" tests/CMakeLists.txt tests/*.cmake tests/cuda/CMakeLists.txt tests/cuda/sim.cmake ||
        offence "$file: in no CMakeLists.txt of tests/"
done

# The version stands in three places.
version=$(sed -n 's/^project(.* VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
[ "$(sed -n 's/^version: //p' CITATION.cff)" = "$version" ] || offence "CITATION.cff: not version $version, as CMakeLists.txt says"
grep -q -x "## $version" CHANGELOG.md || offence "CHANGELOG.md: no heading for version $version, as CMakeLists.txt has it"

# No two files of one name: a name says where one is.
duplicates=$(printf '%s\n' "${sources[@]##*/}" | sort | uniq -d)
[ -z "$duplicates" ] || offence "more than one file is called: $duplicates"

# Names that leave a file start with cfp_, or with their backend's name.
if [ -n "$library" ] && [[ $library == *.a ]] && command -v nm >/dev/null; then
    nm -g --defined-only "$library" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(cfp|ref|cpu)_/ && $3 !~ /^(_|\.)/ { print $3 }' |
        sort -u >"${TMPDIR:-/tmp}/house.$$"
    while read -r name; do
        offence "external name $name: must start with cfp_ (or ref_, cpu_ in a backend)"
    done <"${TMPDIR:-/tmp}/house.$$"
    rm -f "${TMPDIR:-/tmp}/house.$$"
fi

[ "$bad" -eq 0 ] && echo "${#sources[@]} files keep the house rules"
exit "$bad"

#!/bin/bash
# libcfp as it is installed: another program finds it, builds with it and gets what cfp-gpu gets.  The shared and the
# static library show the names of cfp.h and no others.
#   check_library.sh PREFIX PYTHON
set -uo pipefail
prefix=$(realpath "$1") python=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
libraries=$(dirname "$(find "$prefix" -name libcfp.a)")
header=$prefix/include/cfp/cfp.h
export PKG_CONFIG_PATH=$libraries/pkgconfig
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
cc=${CC:-cc} cxx=${CXX:-c++}

# One header, and it is complete in every dialect that it promises.
[ "$(cd "$prefix/include" && find . -type f)" = ./cfp/cfp.h ] || wrong "more than cfp/cfp.h is installed in include/"
printf '#include <cfp/cfp.h>\nint main(void) { return cfp_status_text(CFP_OK) == 0; }\n' >only.c
cp only.c only.cc
warnings=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$prefix/include")
for standard in c11 c17; do
    "$cc" -std=$standard -Wstrict-prototypes "${warnings[@]}" only.c || wrong "cfp.h as $standard"
done
if command -v "$cxx" >/dev/null; then
    for standard in c++17 c++20; do
        "$cxx" -std=$standard "${warnings[@]}" only.cc || wrong "cfp.h as $standard"
    done
fi
grep -n -E '#include *[<"](hdf5|cairo|libav|png|tiff|sqlite|omp|dnnl)' "$header" && wrong "(above) cfp.h includes a library"

# The names: those that cfp.h declares with CFP_API.
tr '\n' ' ' <"$header" | grep -o 'CFP_API [^;{]*(' | sed 's/(.*//; s/.*[ *]//' | grep '^cfp_' | sort -u >declared
[ "$(wc -l <declared)" -ge 30 ] || wrong "only $(wc -l <declared) functions were found in cfp.h"
nm -D --defined-only "$libraries/libcfp.so" | awk '{ print $NF }' | sed 's/@.*//' | sort -u >shared
nm -g --defined-only "$libraries/libcfp.a" | awk 'NF == 3 { print $NF }' | sort -u >static
diff declared shared >said || { wrong "libcfp.so (>) and cfp.h (<) differ:"; cat said; }
diff declared static >said || { wrong "libcfp.a (>) and cfp.h (<) differ:"; cat said; }
soname=$(readelf -d "$libraries/libcfp.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[[ $soname =~ ^libcfp\.so\.[0-9]+$ && -e $libraries/$soname ]] || wrong "SONAME '$soname'"
readelf -d "$libraries/libcfp.so" | grep TEXTREL >/dev/null && wrong "libcfp.so has text relocations"

# What the program says of a clip, and each of the examples.
model=$prefix/share/cfp-gpu/weights/motion.h5 clip=$prefix/share/cfp-gpu/datasets/motion/clockwise.mp4
"$prefix/bin/cfp-gpu" explain -q "$model" "$clip" --device cpu -o program --format json || wrong "cfp-gpu explain"
same() { # WHAT FOLDER: it wrote the same pyramid, and what it printed are its layers
    cmp program/pyramid.json "$2/pyramid.json" || wrong "$1: another pyramid than cfp-gpu's"
    test -s "$2/explanation.h5" || wrong "$1: no explanation.h5"
    grep -q '^0 fc: 1 of 8 kernels$' "$2.said" || { wrong "$1 said:"; cat "$2.said"; }
}
read -r -a flags <<<"$(pkg-config --cflags --libs cfp)"
"$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror "$here/examples/explain.c" "${flags[@]}" -Wl,-rpath,"$libraries" -o with_shared &&
    ./with_shared "$model" "$clip" by_shared >by_shared.said && same "explain.c, shared" by_shared || wrong "explain.c, shared"
ldd with_shared | grep "$libraries/$soname" >/dev/null || wrong "explain.c is not linked with $soname"
read -r -a flags <<<"$(pkg-config --static --cflags --libs cfp | sed 's/-lcfp/-l:libcfp.a/')"
"$cc" "$here/examples/explain.c" "${flags[@]}" -o with_static &&
    ./with_static "$model" "$clip" by_static >by_static.said && same "explain.c, static" by_static || wrong "explain.c, static"
ldd with_static | grep -q libcfp && wrong "explain.c, static, wants libcfp.so"
./with_shared nowhere.h5 "$clip" out 2>said && wrong "explain.c does not fail"
[ "$(cat said)" = 'explain: nowhere.h5: No such file or directory' ] || wrong "explain.c says: $(cat said)"

# Python, without any package.
LD_LIBRARY_PATH=$libraries "$python" -B "$here/examples/explain.py" "$model" "$clip" by_python >by_python.said &&
    same explain.py by_python || wrong explain.py
# What a program that has read cfp.h and one that calls by name mean by a struct is the same.
"$cc" -I "$prefix/include" "$here/examples/layout.c" -o layout && ./layout >c_layout || wrong "layout.c"
"$python" -B - "$here/examples/explain.py" <<'END' >python_layout || wrong "the structs of explain.py"
import ctypes, re, sys
text = open(sys.argv[1]).read()
names = {}
exec("import ctypes\n" + "\n".join(re.findall(r"^from ctypes.*$", text, re.M)) + "\n" +
     "\n".join(re.findall(r"^class \w+\(Structure\):.*?(?=^\S)", text, re.M | re.S)), names)
for cls, c in (("Question", "cfp_question"), ("Layer", "cfp_layer_facts")):
    print(c, ctypes.sizeof(names[cls]), *(getattr(names[cls], field[0]).offset for field in names[cls]._fields_))
END
diff c_layout python_layout || wrong "the structs of explain.py (>) are not those of cfp.h (<)"

# CMake: the shared and the static library.
mkdir project && cp "$here/examples/explain.c" project
cat >project/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(uses_cfp LANGUAGES C)
find_package(cfp 0.1 REQUIRED)
add_executable(shared explain.c)
target_link_libraries(shared PRIVATE cfp::cfp)
add_executable(static explain.c)
target_link_libraries(static PRIVATE cfp::static)
END
if cmake -S project -B project/build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" >said 2>&1 && cmake --build project/build >>said 2>&1; then
    ldd project/build/shared | grep "$soname => $libraries" >/dev/null || wrong "cfp::cfp is not the installed library"
    ldd project/build/static | grep -q libcfp && wrong "cfp::static is not static"
    project/build/static 2>said
    [ $? -eq 2 ] || wrong "cfp::static does not run"
else
    wrong "find_package(cfp):"
    cat said
fi
[ "$bad" -eq 0 ] && echo "libcfp: $(wc -l <declared) functions; C, C++, Python, pkg-config, CMake"
exit "$bad"

#!/bin/bash
# Where a program looks for its libraries: every element of every RPATH and RUNPATH is absolute, or begins with
# $ORIGIN, the program's own folder.  An empty or a relative one is the folder that the user happens to stand in:
# whoever put a library there would have it run.
#   check_rpath.sh FOLDER...     all programs and libraries in them
set -euo pipefail
for folder; do [ -d "$folder" ] || { echo "$folder: there is no such folder"; exit 1; }; done
find "$@" -type f \( -perm /111 -o -name '*.so' -o -name '*.so.*' \) -print0 |
    # /dev/null: so that names are printed for one file, too.  Scripts are no programs to readelf: it says so and fails.
    { xargs -0 readelf -W -d /dev/null 2>/dev/null || true; } |
    awk '
        /^File: / { file = substr($0, 7) }
        /\((RPATH|RUNPATH|RPATH_LINK)\)/ {
            list = $0
            sub(/^[^[]*\[/, "", list)
            sub(/\][^]]*$/, "", list)
            n = split(list ":", element, ":") - 1
            for (i = 1; i <= n; i++)
                if (element[i] !~ /^(\/|\$ORIGIN(\/|$)|\$\{ORIGIN\}(\/|$))/) {
                    print "WRONG: " file ": [" list "] has the element \"" element[i] "\""
                    bad = 1
                }
            lists++
        }
        /^Dynamic section/ { files++ }
        END {
            print files + 0 " programs and libraries, " lists + 0 " with a path of their own"
            exit bad || !files
        }'

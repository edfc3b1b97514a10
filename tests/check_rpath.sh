#!/bin/bash
# Checks where programs look for their libraries.  Every element of every RPATH and RUNPATH must be absolute, or begin
# with $ORIGIN, the folder of the program.  An empty or relative element means the user's working folder: a library that
# somebody put there would be run.
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

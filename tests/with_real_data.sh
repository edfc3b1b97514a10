#!/bin/bash
# Runs a test that reads FOLDER of the real data; skipped (77), and says so, where there is none.
#   with_real_data.sh FOLDER COMMAND...
if [ ! -d "$1" ]; then
    echo "skipped: no real data: $1 (set CFP_REAL_DATA, or REAL_DATA_DIR of tools/test)"
    exit 77
fi
shift
exec "$@"

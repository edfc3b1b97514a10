#!/bin/bash
# Runs a test that reads FOLDER of the real data.  Without that folder the test is skipped (77), with a message.
#   with_real_data.sh FOLDER COMMAND...
if [ ! -d "$1" ]; then
    echo "skipped: no real data: $1 (set CFP_REAL_DATA, or REAL_DATA_DIR of tools/test)"
    exit 77
fi
shift
exec "$@"

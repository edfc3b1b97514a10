#!/bin/bash
# Runs a test if `cfp-gpu devices` says that a GPU can be used.  Otherwise the test is skipped, with
# the reason.
#   with_gpu.sh CFP_GPU COMMAND...
set -uo pipefail
row=$("$1" devices | grep '^cuda ')
if ! [[ $row =~ ^cuda\ +ready ]]; then
    echo "skipped: ${row:-devices has no row for cuda}"
    exit 77
fi
shift
exec "$@"

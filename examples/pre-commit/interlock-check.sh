#!/bin/sh
# Checks the staged SQL files, given as arguments, and stops the commit if one is rejected.
# INTERLOCK is the command to run; INTERLOCK_POLICY and INTERLOCK_PG_VERSION do what their options do.
set -eu
[ "$#" -gt 0 ] || exit 0
exec ${INTERLOCK:-interlock} check "$@"

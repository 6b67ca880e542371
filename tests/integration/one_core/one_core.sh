#!/bin/sh
# Runs a command on the first of the cores that this process may use, as in a container with one.
set -eu
first=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
exec taskset -c "$first" "$@"

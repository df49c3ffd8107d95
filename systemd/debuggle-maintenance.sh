#!/bin/sh
# /usr/local/bin/debuggle-maintenance: the program for people. Called by root it runs as the service's user: a backup, report or log line
# that root had written, the daemon could neither read nor rotate.
set -eu
user=${DEBUGGLE_MAINTENANCE_USER:-debuggle}
program=/opt/debuggle-maintenance/dist/daemon.js
if [ "$(id -u)" -eq 0 ] && [ "$user" != root ]; then
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- node "$program" "$@"
fi
exec node "$program" "$@"

#!/bin/sh
# Installs those of the packages that are missing, by Debian's apt. Needs root; progress goes to stderr.
#
#   install-debian-packages.sh PACKAGE…
set -eu

find_missing() {
  missing=
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
}

find_missing "$@"
if [ -z "$missing" ]; then exit 0; fi
# One at a time: a second apt would fail rather than wait.
exec 9>/run/lock/rwsplit-apt.lock
flock -w 900 9
find_missing "$@"
if [ -z "$missing" ]; then exit 0; fi

echo "installing$missing" >&2
# An expired or unreachable list of a source that none of these come from is no reason to give up.
apt-get -q -o Acquire::Check-Valid-Until=false update >&2 9>&- || true
# Split at the spaces on purpose.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing >&2 9>&-

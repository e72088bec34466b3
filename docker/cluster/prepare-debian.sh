#!/bin/sh
# Makes a root directory with MySQL from Debian's packages, once, and prints its path. Needs root on Debian; progress goes to stderr.
#
#   prepare-debian.sh CACHE_DIRECTORY
set -eu
cache=$1
root=$cache/debian-sid
building=$root.building

is_ready() { [ -x "$root/usr/sbin/mysqld" ]; }

if ! is_ready; then
  mkdir -p "$cache"
  # Held by this shell and what it starts, and let go of by the system when the last of them has ended.
  exec 9>"$root.lock"
  flock -w 900 9
fi

if ! is_ready; then
  command -v debootstrap >/dev/null || sh "$(dirname "$0")/../install-debian-packages.sh" debootstrap
  # A preparation that was killed leaves its directory, and maybe what debootstrap mounts there.
  umount "$building/proc" "$building/sys" 2>/dev/null || true
  rm -rf --one-file-system "$building"
  debootstrap --variant=minbase --include=mysql-server-core,mysql-client-core sid "$building" >&2
  rm -rf "$building"/var/cache/apt/* "$building"/var/lib/apt/lists/* "$building"/usr/share/doc "$building"/usr/share/locale
  mv "$building" "$root"
fi

echo "$root"

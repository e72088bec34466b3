#!/bin/sh
# Brings the plugins of Debian's package mariadb-server into the cache, once for each version of the installed mariadb-server-core, and
# prints their directory. The package itself is not installed: it would start a server. Progress goes to stderr.
#
#   fetch-plugins.sh CACHE_DIRECTORY
set -eu
version=$(dpkg-query -W -f '${Version}' mariadb-server-core)
plugins=$1/mariadb-plugins-$(echo "$version" | tr -c 'A-Za-z0-9.+~\n-' _)
building=$plugins.building

if [ ! -d "$plugins" ]; then
  mkdir -p "$1"
  # Held by this shell and what it starts, and let go of by the system when the last of them has ended.
  exec 9>"$plugins.lock"
  flock -w 600 9
fi

if [ ! -d "$plugins" ]; then
  rm -rf "$building"
  mkdir -p "$building"
  cd "$building"
  # Lists that are too old to find it are renewed.
  apt-get -q download "mariadb-server=$version" >&2 || {
    apt-get -q -o Acquire::Check-Valid-Until=false update >&2 || true
    apt-get -q download "mariadb-server=$version" >&2
  }
  dpkg-deb -x mariadb-server_*.deb unpacked
  mv unpacked/usr/lib/mysql/plugin "$plugins"
  rm -rf "$building"
fi

echo "$plugins"

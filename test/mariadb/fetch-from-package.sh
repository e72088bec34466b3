#!/bin/sh
# Brings a directory or file of one of Debian's packages of MariaDB into the cache, once for each version of the installed mariadb-server-core,
# and prints where it is. The package itself is not installed: that of the server would start one. Progress goes to stderr.
#
#   fetch-from-package.sh CACHE_DIRECTORY PACKAGE PATH NAME
set -eu
version=$(dpkg-query -W -f '${Version}' mariadb-server-core)
package=$2
path=$3
fetched=$1/$4-$(echo "$version" | tr -c 'A-Za-z0-9.+~\n-' _)
building=$fetched.building

if [ ! -e "$fetched" ]; then
  mkdir -p "$1"
  # Held by this shell and what it starts, and let go of by the system when the last of them has ended.
  exec 9>"$fetched.lock"
  flock -w 600 9
fi

if [ ! -e "$fetched" ]; then
  rm -rf "$building"
  mkdir -p "$building"
  cd "$building"
  # Lists that are too old to find it are renewed.
  apt-get -q download "$package=$version" >&2 || {
    apt-get -q -o Acquire::Check-Valid-Until=false update >&2 || true
    apt-get -q download "$package=$version" >&2
  }
  dpkg-deb -x "$package"_*.deb unpacked
  mv "unpacked/$path" "$fetched"
  rm -rf "$building"
fi

echo "$fetched"

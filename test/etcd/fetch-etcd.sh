#!/bin/sh
# Brings the program of Debian's package etcd-server into the cache, once, and prints its path. The package itself is not installed: it
# would start a server. Progress goes to stderr.
#
#   fetch-etcd.sh CACHE_DIRECTORY
set -eu
etcd=$1/etcd
building=$etcd.building

if [ ! -x "$etcd" ]; then
  mkdir -p "$1"
  # Held by this shell and what it starts, and let go of by the system when the last of them has ended.
  exec 9>"$etcd.lock"
  flock -w 600 9
fi

if [ ! -x "$etcd" ]; then
  rm -rf "$building"
  mkdir -p "$building"
  cd "$building"
  # Lists that are too old to find it are renewed.
  apt-get -q download etcd-server >&2 || {
    apt-get -q -o Acquire::Check-Valid-Until=false update >&2 || true
    apt-get -q download etcd-server >&2
  }
  dpkg-deb -x etcd-server_*.deb unpacked
  mv unpacked/usr/bin/etcd "$etcd"
  cd "$1"
  rm -rf "$building"
fi

echo "$etcd"

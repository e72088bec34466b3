#!/bin/sh
# Brings MySQL's own test files from Debian's package mysql-testsuite into the cache, once, and prints the directory that holds them (t/ and
# include/). Needs apt, not root; the machine's own package sources stay as they are. Progress goes to stderr.
#
#   fetch-mysql-tests.sh CACHE_DIRECTORY
set -eu
cache=$1
tests=$cache/mysql-tests
building=$tests.building

if [ ! -d "$tests" ]; then
  mkdir -p "$cache"
  # Held by this shell and what it starts, and let go of by the system when the last of them has ended.
  exec 9>"$tests.lock"
  flock -w 600 9
fi

if [ ! -d "$tests" ]; then
  rm -rf "$building"
  mkdir -p "$building/lists/partial" "$building/archives/partial" "$building/unpacked"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main" >"$building/sources.list"
  cat >"$building/apt.conf" <<END
Dir::State "$building";
Dir::State::status "/dev/null";
Dir::Cache "$building";
Dir::Etc::sourcelist "$building/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "";
END
  export APT_CONFIG="$building/apt.conf"
  apt-get update >&2
  (cd "$building" && apt-get download mysql-testsuite >&2)
  # Of nearly a gigabyte, most is data and programs that no test of ours looks at.
  dpkg-deb --fsys-tarfile "$building"/mysql-testsuite_*.deb |
    tar -x -C "$building/unpacked" --wildcards '*/mysql-test/t/*.test' '*/mysql-test/include/*.inc' '*/mysql-test/include/*.test'
  directory=$(find "$building/unpacked" -type d -path '*/mysql-test/t')
  mv "$(dirname "$directory")" "$tests"
  rm -rf "$building"
fi

echo "$tests"

#!/bin/sh
# Runs one mysqld for the program at the other end of stdin, and takes it down with its data when that program is gone: the system
# closes a pipe even when the program is ended by SIGKILL.
#
#   mysqld-guardian.sh DIRECTORY MYSQLD [ARGUMENT…]
#
# DIRECTORY holds my.cnf and init.sql, and gets data/, mysqld.log and pid. Verbs come one a line; each has its answer on stdout:
#   initialize   makes the data directory              initialized EXITCODE
#   start        starts mysqld                         started PID, and when it has ended: exited EXITCODE
directory=$1
shift

# Answers to a program that is gone must not end this one before it has cleaned up.
trap '' PIPE

run() {
  "$@" --defaults-file="$directory/my.cnf" </dev/null >>"$directory/mysqld.log" 2>&1 &
  echo $! >"$directory/pid"
  echo "started $!"
  wait $!
  code=$?
  rm -f "$directory/pid"
  echo "exited $code"
}

while read -r verb; do
  case $verb in
    initialize)
      "$@" --defaults-file="$directory/my.cnf" --initialize-insecure --init-file="$directory/init.sql" --skip-log-bin \
        </dev/null >>"$directory/mysqld.log" 2>&1
      echo "initialized $?"
      ;;
    start)
      # Made here and not in the background, so that the end below cannot come before it.
      : >"$directory/pid"
      run "$@" &
      ;;
  esac
done

while [ -e "$directory/pid" ]; do
  kill -KILL "$(cat "$directory/pid")" 2>/dev/null
  sleep 0.1
done
rm -rf "$directory"
# The last guardian of a cluster removes the directory of all.
rmdir "${directory%/*}" 2>/dev/null

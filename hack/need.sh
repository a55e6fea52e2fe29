#!/usr/bin/env bash
# need.sh PROGRAM|PATH PACKAGE: make sure that a program or a file is there, by installing the Debian package.
set -eu
what=$1 package=$2
PATH=$PATH:/usr/sbin:/sbin # where a user's has no programs of the system's
if command -v "$what" >/dev/null 2>&1 || [ -e "$what" ]; then exit 0; fi
run=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "$what is missing and this is not root: install the package $package (apt-get install $package), then try again" >&2; exit 1; }
  run=(sudo)
fi
command -v apt-get >/dev/null || { echo "$what is missing and this is not Debian or Ubuntu: install it by hand, then try again" >&2; exit 1; }
echo "installing $package (for $what)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${run[@]}" apt-get update -q && "${run[@]}" apt-get install -q -y --no-install-recommends "$package"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "the package $package could not be installed: see above; install it by hand, then try again" >&2
  exit 1
fi
command -v "$what" >/dev/null 2>&1 || [ -e "$what" ] || { echo "the package $package was installed but $what is still missing" >&2; exit 1; }

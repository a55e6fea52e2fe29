#!/usr/bin/env bash
# fetch-replay.sh VERSION DIR: fetch ReplayWeb.page from npm, unmodified, with its licence.
set -eu
version=$1 dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "fetching ReplayWeb.page $version from npm"
npm pack --silent --pack-destination "$work" "replaywebpage@$version" >/dev/null
tar -xzf "$work"/replaywebpage-"$version".tgz -C "$work"
mkdir -p "$dir"
cp "$work"/package/ui.js "$work"/package/sw.js "$dir"/
cp "$work"/package/LICENSE* "$dir"/LICENSE.txt

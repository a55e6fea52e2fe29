#!/usr/bin/env bash
# Fail when generating changed a committed file, and say which.
set -eu
changed=$(git status --porcelain -- api config charts)
[ -z "$changed" ] && exit 0
echo "generated files differ from what is committed; run 'make generate' and commit:" >&2
echo "$changed" >&2
git diff -- api config charts >&2
exit 1

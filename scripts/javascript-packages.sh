#!/bin/sh
# Install the Node.js packages that tests use, into a folder that git ignores; Node.js itself, if there is none, from
# Debian. Their own install scripts are not run: what they need is in the packages.
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
command -v node >/dev/null && command -v npm >/dev/null || sh "$scripts/debian-packages.sh" nodejs npm
cd "$scripts/../tests/interop/javascript"
npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error

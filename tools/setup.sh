#!/bin/sh
# Make a virtual environment for working on Tiffin, or bring it up to date: find a Python, and run tools/environment.py,
# which says what the arguments mean.
#
# Usage: tools/setup.sh [VENV [NAME …]]        VENV is .venv unless given.
# PYTHON=/path/to/python chooses the Python; unset, it is the first of python3 and python3.13, python3.12, python3.11 that fits.
set -eu
cd "$(dirname "$0")/.."

# Print nothing if Python $1 fits; else print why it does not.
unfit() {
    version=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || {
        echo "$1: not found, or does not run"
        return
    }
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "$1: is Python $version; Tiffin needs 3.11 or newer"
        return
    }
    "$1" -c 'import ensurepip, venv' 2>/dev/null || {
        echo "$1: is Python $version, but cannot make virtual environments: its modules venv and ensurepip are missing" \
            "(on Debian and Ubuntu they are a package of their own: apt-get install python3-venv)"
    }
}

reasons=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    reason=$(unfit "$candidate")
    [ -n "$reason" ] || exec "$candidate" tools/environment.py "$@"
    reasons="$reasons
  $reason"
done
echo "tools/setup.sh: no Python here can be used. Looked at:$reasons
Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 …" >&2
exit 1

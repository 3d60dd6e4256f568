#!/bin/sh
# Make a virtual environment for working on Tiffin: third-party packages from requirements.lock, the workspace's own
# packages editable. Does nothing when the environment is up to date.
#
# Usage: tools/setup.sh [VENV]        VENV is .venv unless given.
# PYTHON=/path/to/python chooses the Python; unset, it is the first of python3 and python3.13 … python3.10 that fits.
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}

# Print nothing if Python $1 fits; else print why it does not.
unfit() {
    version=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || {
        echo "$1: not found, or does not run"
        return
    }
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
        echo "$1: is Python $version; Tiffin needs 3.10 or newer"
        return
    }
    "$1" -c 'import ensurepip, venv' 2>/dev/null || {
        echo "$1: is Python $version, but cannot make virtual environments: its modules venv and ensurepip are missing" \
            "(on Debian and Ubuntu they are a package of their own: apt-get install python3-venv)"
    }
}

find_python() {
    reasons=""
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        reason=$(unfit "$candidate")
        if [ -z "$reason" ]; then
            python=$candidate
            return
        fi
        reasons="$reasons
  $reason"
    done
    echo "tools/setup.sh: no Python here can be used. Looked at:$reasons
Install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3.12 …" >&2
    exit 1
}

# A moved checkout counts as a change: editable installs and the environment's programs name its folder.
wanted=$(echo "$PWD" "${PYTHON:-}" | cat - requirements.lock core/pyproject.toml plugins/*/pyproject.toml | cksum)
if [ -f "$venv/stamp" ] && [ "$(cat "$venv/stamp")" = "$wanted" ] && "$venv/bin/python" -c "" 2>/dev/null; then
    exit 0
fi

find_python
echo "Setting up $venv with $("$python" --version) ($python); the first time takes a minute or two"
"$python" -m venv --clear "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"
if ! $pip install -qq --require-hashes -r requirements.lock; then
    echo "tools/setup.sh: the packages of requirements.lock could not be installed; pip says why above." \
        "pip takes the index from its own settings (pip config list)" >&2
    exit 1
fi
packages=""
for project in core/pyproject.toml plugins/*/pyproject.toml; do
    packages="$packages -e $(dirname "$project")"
done
# Without isolation the build back end comes from the lock; without dependencies nothing unlocked is let in.
$pip install -qq --no-deps --no-build-isolation $packages
echo "$wanted" >"$venv/stamp"

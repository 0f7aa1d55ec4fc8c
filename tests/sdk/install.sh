#!/usr/bin/env bash
# Fetches the official SDKs at their pinned versions into target/sdk, out of the system's way.
# Does nothing where they are there already. An SDK that cannot be fetched is left out, loudly: its tests are
# then skipped. With SDK=require that is an error.
#
#   tests/sdk/install.sh           the SDKs
#   tests/sdk/install.sh agents    Claude Code and Codex instead, some 800 MB
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$(cd "$here/../.." && pwd)/target/sdk
missing=()

say() { printf 'sdk: %s\n' "$*" >&2; }

# A directory is whole when it holds a copy of the list that it was made from, put there last.
is_whole() { cmp -s "$1" "$2/made-from"; }

install_python() {
  local list=$here/requirements.txt venv=$target/venv
  is_whole "$list" "$venv" && return
  say "fetching the Python SDKs into ${venv#"$PWD"/}"
  rm -rf "$venv"
  python3 -m venv "$venv" &&
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: -r "$list" &&
    cp "$list" "$venv/made-from"
}

# What holds requests against the specifications of providers.
install_schemas() {
  local list=$here/schemas.txt venv=$target/schemas
  is_whole "$list" "$venv" && return
  say "fetching a JSON Schema validator into ${venv#"$PWD"/}"
  rm -rf "$venv"
  python3 -m venv "$venv" &&
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: -r "$list" &&
    cp "$list" "$venv/made-from"
}

# What requests are compared with.
install_litellm() {
  local list=$here/litellm.txt venv=$target/litellm
  is_whole "$list" "$venv" && return
  say "fetching LiteLLM into ${venv#"$PWD"/}"
  rm -rf "$venv"
  python3 -m venv "$venv" &&
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: -r "$list" &&
    cp "$list" "$venv/made-from"
}

# install_modules NAME WHAT: the packages of the folder NAME.
install_modules() {
  local list=$here/$1/package-lock.json modules=$target/$1
  is_whole "$list" "$modules" && return
  say "fetching $2 into ${modules#"$PWD"/}"
  rm -rf "$modules" && mkdir -p "$modules"
  cp "$here/$1/package.json" "$list" "$modules/" &&
    (cd "$modules" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) &&
    cp "$list" "$modules/made-from"
}

mkdir -p "$target"
if [ "${1:-}" = agents ]; then
  install_modules agents "Claude Code and Codex" </dev/null >&2 || missing+=(agents)
else
  install_python </dev/null >&2 || missing+=("the Python SDKs")
  install_schemas </dev/null >&2 || missing+=("the schema validator")
  install_litellm </dev/null >&2 || missing+=("LiteLLM")
  install_modules node "the Node SDKs" </dev/null >&2 || missing+=("the Node SDKs")
fi

if [ ${#missing[@]} -gt 0 ]; then
  say "NOT FETCHED: ${missing[*]}. Their tests will be skipped. Check the network, then run: make ${1:-sdk}"
  [ "${SDK:-}" != require ] || exit 1
fi

#!/usr/bin/env bash
# Installs what is missing, and says what and why. Does nothing where everything is there.
#
#   scripts/install-tools.sh build         what compiling takes
#   scripts/install-tools.sh build lint    and the formatter and linter
#   scripts/install-tools.sh build test    and what the tests run besides Rust
#
# Debian and Ubuntu: apt-get, as root or through sudo. Elsewhere: says what to install.
# Without the tools for `test` the tests that need them are skipped, so they stop nothing.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

required=()   # packages without which the build stops
optional=()   # packages without which some tests are skipped

say() { printf 'install-tools: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# need LIST PACKAGE WHY: puts a package on the list and says why.
need() {
  local -n list=$1
  list+=("$2")
  say "missing: $2 ($3)"
}

find_build_tools() {
  have cargo || die "cargo is missing. Install Rust from https://rustup.rs, then run this again."
  have cc || need required gcc "C compiler for ring, mimalloc and zlib-ng"
  have cmake || need required cmake "builds zlib-ng, with which Pingora compresses"
  have make || need required make "cmake builds with it"
}

find_lint_tools() {
  if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
    return
  fi
  have rustup || die "cargo fmt or cargo clippy is missing, and there is no rustup to add them. Install Rust from https://rustup.rs."
  say "adding rustfmt and clippy with rustup: formatting and lints are checked with them"
  rustup component add rustfmt clippy
}

find_test_tools() {
  have python3 || need optional python3 "runs the official Python SDKs against the gateway"
  # Debian splits venv's bundled pip from Python.
  python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || need optional python3-venv "keeps the Python SDKs out of the system"
  have node || need optional nodejs "runs the official Node SDKs against the gateway"
  have npm || need optional npm "fetches the Node SDKs"
  # Debian keeps the server's programs out of PATH.
  have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
    need optional postgresql "runs several gateways on one database"
  have redis-server || need optional redis-server "tests of several nodes share limits through it"
}

# Prints the command that runs something as root; fails where there is none.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    echo env
  elif have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    echo "sudo env"
  else
    return 1
  fi
}

# The lists of a fresh machine may be empty or old: a second try follows an update.
apt_install() {
  local root
  root=$(as_root) || { say "not root, and sudo is not there or asks for a password"; return 1; }
  local apt="$root DEBIAN_FRONTEND=noninteractive apt-get"
  local install="$apt install -y --no-install-recommends -o DPkg::Lock::Timeout=120"
  say "installing with apt-get: $*"
  # shellcheck disable=SC2086  # the command is words on purpose
  $install "$@" </dev/null >&2 || { $apt update </dev/null >&2 && $install "$@" </dev/null >&2; }
}

install() {
  have apt-get || { say "no apt-get here"; return 1; }
  apt_install "$@"
}

[ $# -gt 0 ] || set -- build
for group in "$@"; do
  case $group in
    build) find_build_tools ;;
    lint) find_lint_tools ;;
    test) find_test_tools ;;
    *) die "unknown group '$group': expected build, lint or test" ;;
  esac
done

if [ ${#required[@]} -gt 0 ]; then
  install "${required[@]}" || die "cannot go on without: ${required[*]}. Install them (Debian: apt-get install ${required[*]}) and run this again."
fi
if [ ${#optional[@]} -gt 0 ]; then
  install "${optional[@]}" || say "going on without: ${optional[*]}. The tests that need them will say that they were skipped."
fi

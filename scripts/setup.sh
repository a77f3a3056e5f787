#!/bin/sh
# Makes a fresh clone ready: JavaScript packages, Debian packages, the launcher. Says what it installs,
# does nothing when all is there. Runs before any of our JavaScript can, so it is plain sh.
#
#   sh scripts/setup.sh [--tests]     with what only tests need, as root on Debian
set -eu
cd "$(dirname "$0")/.."
wanted=${1:-}

say() { printf 'setup: %s\n' "$*"; }
stop() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# npm writes node_modules/.package-lock.json last: older than our lock file means incomplete or outdated.
javascript_packages() {
  if [ -x node_modules/.bin/tsc ] && ! [ package-lock.json -nt node_modules/.package-lock.json ]; then
    return
  fi
  say 'installing the JavaScript packages of package-lock.json (npm ci --ignore-scripts)'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error ||
    stop 'npm ci failed (its message stands above)'
}

right_node() {
  PATH=$PWD/node_modules/.bin:$PATH
  version=$(node --version) || stop 'there is no node; install Node 24'
  major=${version#v}
  [ "${major%%.*}" -ge 24 ] ||
    stop "Node 24 is needed, this is $version, and no packaged Node exists for $(uname -sm); install Node 24"
}

missing_debian_packages() {
  command -v python3 >/dev/null || printf 'python3 '
  command -v musl-gcc >/dev/null || printf 'musl-tools '
  command -v make >/dev/null || printf 'make '
  command -v cc >/dev/null || printf 'gcc '
  # the kernel's headers, which musl-tools does not bring
  [ -e /usr/include/linux/seccomp.h ] || printf 'linux-libc-dev '
  # programs of WASM are compiled from C; nobody else is asked to install a second compiler
  [ "$wanted" = --tests ] && [ "$(id -u)" = 0 ] || return 0
  command -v clang >/dev/null || printf 'clang '
  command -v wasm-ld >/dev/null || printf 'lld '
  [ -e /usr/include/wasm32-wasi/stdio.h ] || printf 'wasi-libc '
  [ -n "$(find /usr/lib -name 'libclang_rt.builtins-wasm32.a' 2>/dev/null)" ] || printf 'libclang-rt-dev-wasm32 '
}

debian_packages() {
  missing=$(missing_debian_packages)
  missing=${missing% }
  [ -n "$missing" ] || return 0
  install="apt-get install -y --no-install-recommends $missing"
  if ! command -v apt-get >/dev/null; then
    say "not here: $missing (Debian's names); install them with this system's package manager"
  elif [ "$(id -u)" != 0 ]; then
    say "not here: $missing; type: sudo apt-get update && sudo $install"
  else
    say "installing Debian packages: $missing"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get -o DPkg::Lock::Timeout=300 update && apt-get -o DPkg::Lock::Timeout=300 ${install#apt-get }; } \
      >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      say "could not install them; type: $install"
    fi
    rm -f "$log"
  fi
}

# Not installed: Debian's package would start a server that listens on every address.
prometheus() {
  [ "$wanted" = --tests ] || return 0
  if command -v prometheus >/dev/null && command -v promtool >/dev/null; then return; fi
  [ ! -x build/prometheus/usr/bin/promtool ] || return 0
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
  say 'unpacking Prometheus for the tests into build/prometheus'
  place=$(mktemp -d)
  chmod 755 "$place"
  if ! (cd "$place" && apt-get download prometheus) >"$place/log" 2>&1; then
    [ "$(id -u)" != 0 ] || apt-get -o DPkg::Lock::Timeout=300 update >>"$place/log" 2>&1 || true
    (cd "$place" && apt-get download prometheus) >>"$place/log" 2>&1 || true
  fi
  mkdir -p build
  if dpkg-deb -x "$place"/prometheus_*.deb "$place/files" 2>>"$place/log"; then
    rm -rf build/prometheus
    mv "$place/files" build/prometheus
  else
    tail -n 5 "$place/log" >&2
    say 'could not get it: the tests that need it are skipped'
  fi
  rm -rf "$place"
}

launcher() {
  [ -f native/launcher/Makefile ] || { say 'native/launcher has no Makefile yet'; return; }
  if ! command -v make >/dev/null || ! command -v cc >/dev/null; then
    stop 'the launcher cannot be built: make and a C compiler are needed (see above)'
  fi
  command -v musl-gcc >/dev/null || say 'no musl-gcc: the launcher is linked with the C library that is here'
  make -s -C native/launcher || stop 'the launcher did not build'
}

javascript_packages
right_node
if [ "$(uname -s)" = Linux ]; then
  debian_packages
  prometheus
  launcher
else
  say "$(uname -s): policy and explain work here; to run something, Linux is needed"
fi

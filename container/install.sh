#!/bin/sh
# What the Containerfile and apptainer.def both run, so that a test of one tests the other.
#   install.sh packages LOCKFILE   the locked packages, hashes checked, into /opt/chsims
#   install.sh product FOLDER      chsims-build itself, from its sources
# PACKAGES=FOLDER takes packages that lie in a folder instead (the test mounts its own).
set -eu

case "$1" in
packages)
  python3 -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' ||
    { echo "the base image needs Python 3.11 or later" >&2; exit 1; }
  python3 -m venv /opt/chsims
  if [ -n "${PACKAGES:-}" ]; then
    echo "$PACKAGES" > "$(echo /opt/chsims/lib/python3*/site-packages)/packages.pth"
  else
    /opt/chsims/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
      --require-hashes --requirement "$2"
    # any user of the image may read them; in this layer, for another one would hold them again
    chmod -R go+rX /opt/chsims
  fi
  ;;
product)
  # a copy: the folder may be read-only, and building the wheel writes into it
  cp -r "$2" /tmp/chsims-build
  /opt/chsims/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    --no-deps --no-build-isolation /tmp/chsims-build
  rm -rf /tmp/chsims-build
  /opt/chsims/bin/chsims-build --version
  ;;
*)
  echo "usage: install.sh packages LOCKFILE | product FOLDER" >&2
  exit 2
  ;;
esac

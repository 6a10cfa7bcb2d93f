#!/bin/sh
# Runs before the package is removed: takes away what post-link wrote.
rm -f "$PREFIX/share/link-script-demo/linked.txt"

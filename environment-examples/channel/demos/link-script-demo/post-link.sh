#!/bin/sh
# Runs after the package is linked; must be silent on stdout.
mkdir -p "$PREFIX/share/link-script-demo"
printf '%s %s build %s\n' "$PKG_NAME" "$PKG_VERSION" "$PKG_BUILDNUM" \
    > "$PREFIX/share/link-script-demo/linked.txt"
echo "link-script-demo: its post-link script has run" >> "$PREFIX/.messages.txt"

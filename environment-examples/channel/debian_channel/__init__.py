"""Makes a conda channel from the binary packages of a Debian 12 system."""

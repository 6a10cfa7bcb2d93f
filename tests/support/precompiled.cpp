// Only here so that the precompiled header has a source file to be made for.

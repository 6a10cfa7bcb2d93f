# Which library may use which. A library's public headers are `include/envtool/<library>/`;
# including from a library that is not in this table's row fails the layer test
# (tests/layers/check_layers.py reads this very file). Rows go from the bottom up, so a row
# can only name libraries above it in this file: the graph cannot have a cycle.
set(ENVTOOL_LAYERS
  "base:"
  "specs:base"
  "records:base,specs"
  "yaml:base"
  "envfile:base,specs,yaml"
  "lockfile:base,specs,records,yaml"
  "settings:base,specs,yaml"
  "solver:base,specs,records"
  "transaction:base,specs,records"
  "activation:base"
  "os:base"
  "virtual_packages:base,specs,records,os"
  "download:base,os"
  "archive:base,os"
  "repodata:base,specs,records,os,download"
  "package_cache:base,specs,records,os,download,archive"
  "prefix:base,specs,records,os"
  "channel_index:base,specs,records,os,archive"
  "install:base,specs,records,transaction,os,archive,package_cache,prefix"
  "app:base,specs,records,envfile,lockfile,settings,solver,transaction,activation,os,virtual_packages,download,archive,repodata,package_cache,prefix,install"
  "cli:base,specs,records,envfile,lockfile,settings,solver,transaction,activation,os,virtual_packages,download,repodata,package_cache,prefix,channel_index,install,app"
)

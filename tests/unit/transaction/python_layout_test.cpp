#include "envtool/transaction/python_layout.hpp"

#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"

using namespace envtool;

namespace {
PackageRecord python(const std::string& version, const std::string& site_packages = "") {
  PackageRecord record;
  record.name = "python";
  record.version = version;
  record.build = "0";
  record.python_site_packages_path = site_packages;
  return record;
}
}  // namespace

TEST_CASE("Python's folders follow from its record") {
  const PythonLayout layout = python_layout(python("3.12.1"));
  CHECK(layout.major_minor == "3.12");
  CHECK(layout.site_packages == "lib/python3.12/site-packages");
  CHECK(layout.executable == "bin/python3.12");
  CHECK(layout.pyc_path("lib/m/x.py") == "lib/m/__pycache__/x.cpython-312.pyc");
  CHECK(layout.pyc_path("x.y.py") == "__pycache__/x.y.cpython-312.pyc");
  CHECK(python_layout(python("3.13.0rc1", "lib/python3.13t/site-packages")).site_packages == "lib/python3.13t/site-packages");
  CHECK(python_layout(python("3.13rc1")).major_minor == "3.13");
  CHECK(python_layout(python("2.7.18")).pyc_path("a/b.py") == "a/b.pyc");
}

TEST_CASE("a site-packages folder outside the environment is refused") {
  for (const char* path : {"../../etc", "/etc", "lib/../../x", "conda-meta", "conda-meta/x", "a//b", "."})
    CHECK_THROWS_AS(python_layout(python("3.12.1", path)), Error);
  CHECK_THROWS_AS(python_layout(python("three")), Error);
  CHECK_THROWS_AS(python_layout(python("3")), Error);
}

TEST_CASE("where files of noarch Python packages go") {
  const PythonLayout layout = python_layout(python("3.9.0"));
  CHECK(noarch_python_target("site-packages/a/b.py", &layout) == "lib/python3.9/site-packages/a/b.py");
  CHECK(noarch_python_target("python-scripts/run", &layout) == "bin/run");
  CHECK(noarch_python_target("share/x", &layout) == "share/x");
  CHECK(noarch_python_target("site-packages", &layout) == "site-packages");
  CHECK_FALSE(noarch_python_target("site-packages/a.py", nullptr));
  CHECK(noarch_python_target("share/x", nullptr) == "share/x");
}

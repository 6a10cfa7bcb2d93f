// libFuzzer target: environment.yml and text spec files. What is read is written and read back as
// the same text, and nothing but an `Error` comes out of a bad one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/envfile/environment_spec.hpp"
#include "envtool/envfile/spec_file.hpp"

using namespace envtool;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_environment(std::string_view text) {
  const Platform platform = Platform::parse("linux-64");
  EnvironmentSpec spec;
  try {
    spec = parse_environment_yml(text, "fuzz.yml", platform);
  } catch (const Error&) {
    return;
  }
  const std::string written = to_environment_yml(spec);
  // Hiding credentials may turn a spec into one that cannot be read: then an error is right.
  try {
    const EnvironmentSpec again = parse_environment_yml(written, "written.yml", platform);
    require(to_environment_yml(again) == written);
    require(again.variables == spec.variables);
  } catch (const Error&) {
    require(written.find("://") != std::string::npos);
  }
}

void check_spec_file(std::string_view text) {
  try {
    const auto parsed = parse_spec_file(text, "fuzz.txt");
    if (const auto* spec = std::get_if<ExplicitSpec>(&parsed)) {
      const std::string written = to_explicit(*spec);
      const auto again = parse_spec_file(written, "written.txt");
      require(to_explicit(std::get<ExplicitSpec>(again)) == written);
    }
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_environment(text);
  check_spec_file(text);
  detect_file_kind("fuzz", text);
  return 0;
}

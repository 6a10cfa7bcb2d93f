// libFuzzer target: match specs. Whatever is read is printed faithfully, in the canonical form as in
// the form of `depends`, and nothing but an `Error` comes out of a bad text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/specs/match_spec.hpp"

using namespace envtool;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  MatchSpec spec;
  try {
    spec = MatchSpec::parse(text);
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::invalid_input);
    return 0;
  }
  const MatchSpec again = MatchSpec::parse(spec.str());
  require(again == spec);
  require(again.str() == spec.str());
  require(MatchSpec::parse(spec.dependency_str()) == spec);
  const Version version = Version::parse("1.2.3");
  MatchTarget target;
  target.name = "numpy";
  target.version = &version;
  target.build = "py311_0";
  target.subdir = "linux-64";
  target.channel_name = "conda-forge";
  target.channel_url = "https://conda.anaconda.org/conda-forge";
  require(spec.matches(target) == again.matches(target));
  return 0;
}

// libFuzzer target: versions and version constraints. Whatever is read is printed faithfully, the
// order is total, and nothing but an `Error` comes out of a bad text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/specs/version_spec.hpp"

using namespace envtool;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void check_version(std::string_view left_text, std::string_view right_text) {
  Version left, right;
  try {
    left = Version::parse(left_text);
    right = Version::parse(right_text);
  } catch (const Error&) {
    return;
  }
  require(Version::parse(left.str()).str() == left.str());
  require(left == left && left.starts_with(left));
  require((left < right) == (right > left));
  require((left == right) == (!(left < right) && !(right < left)));
  require(left.truncated(left.segment_count()) == left);
  require(left.starts_with(left.truncated(1)));
  require(left.segment_count() == 1 || left.starts_with(left.without_last_segment()));
}

void check_constraint(std::string_view text, std::string_view version_text) {
  VersionSpec spec;
  try {
    spec = VersionSpec::parse(text);
  } catch (const Error&) {
    return;
  }
  const VersionSpec again = VersionSpec::parse(spec.str());
  require(again == spec);
  require(again.str() == spec.str());
  try {
    const Version version = Version::parse(version_text);
    require(spec.matches(version) == again.matches(version));
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t half = text.find('\n');
  const std::string_view left = text.substr(0, half);
  const std::string_view right = half == std::string_view::npos ? std::string_view("1.0") : text.substr(half + 1);
  check_version(left, right);
  check_constraint(left, right);
  return 0;
}

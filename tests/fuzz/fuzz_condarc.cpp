// libFuzzer target: configuration files, alone and folded with another.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/settings/settings.hpp"

using namespace envtool;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const SettingsLayer user = parse_condarc(text.substr(0, size / 2), "user");
    const SettingsLayer project = parse_condarc(text.substr(size / 2), "project", SettingsTrust::project);
    merge({user, project}, {"/home/ada", "/work", {{"A", "b"}}});
  } catch (const Error&) {
  }
  return 0;
}

#include "envtool/virtual_packages/stated_facts.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/specs/package_name.hpp"
#include "envtool/specs/version.hpp"

namespace envtool {
namespace {

const std::vector<std::string> known_names = {"__archspec", "__cuda", "__cuda_arch", "__glibc",
                                              "__linux",    "__osx",  "__unix",      "__win"};

[[noreturn]] void refuse(const StatedPackage& package, std::string why) {
  throw Error("cannot use the virtual package `" + escape_control(package.name) + "`", ErrorKind::invalid_input)
      .at(package.where)
      .because(std::move(why));
}

bool is_of_platform(const std::string& name, const Platform& platform) {
  if (name == "__glibc" || name == "__linux") return platform.is_linux();
  if (name == "__osx") return platform.is_osx();
  if (name == "__win") return platform.is_windows();
  if (name == "__unix") return platform.is_unix();
  return true;
}

bool is_numbers(std::string_view text, std::size_t least, std::size_t most) {
  const auto parts = split(text, '.');
  return parts.size() >= least && parts.size() <= most && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
         });
}

std::string microarchitecture_of(const StatedPackage& package) {
  const std::size_t equals = package.value.find('=');
  const std::string build = equals == std::string::npos ? package.value : package.value.substr(equals + 1);
  if (equals != std::string::npos && package.value.substr(0, equals) != "1" && package.value.substr(0, equals) != "0")
    refuse(package, "its version is always `1`: `1=" + escape_control(build) + "`");
  if (!is_valid_build_string(build)) refuse(package, "`" + escape_control(build) + "` is not the name of a microarchitecture, such as `x86_64_v3`");
  return build;
}

std::string version_of(const StatedPackage& package) {
  std::string version = package.value;
  if (const std::size_t equals = version.find('='); equals != std::string::npos) {
    if (version.substr(equals + 1) != "0") refuse(package, "its build string is always `0`");
    version.resize(equals);
  }
  const std::string quoted = "`" + escape_control(version) + "`";
  try {
    Version::parse(version);
  } catch (const Error&) {
    refuse(package, quoted + " is not a version");
  }
  if (package.name == "__cuda_arch" && !is_numbers(version, 2, 2)) refuse(package, quoted + " is not a compute capability such as `8.6`");
  if (package.name == "__linux" && !is_numbers(version, 2, 4)) refuse(package, quoted + " is not a kernel version such as `5.14`");
  if (package.name == "__unix" && version != "0") refuse(package, "its version is always `0`");
  return version;
}

}  // namespace

HostFacts facts_of_statement(const std::vector<StatedPackage>& packages, const Platform& platform,
                             const AssumedVersions& assumed) {
  HostFacts facts;
  facts.platform = platform.str();
  // `derive_virtual_packages` assumes the others by itself; an empty one is a machine without glibc.
  facts.glibc_version = assumed.glibc_version;
  const StatedPackage* arch = nullptr;
  for (const StatedPackage& package : packages) {
    if (std::find(known_names.begin(), known_names.end(), package.name) == known_names.end()) {
      Error error("there is no virtual package `" + escape_control(package.name) + "`", ErrorKind::invalid_input);
      error.at(package.where);
      if (auto close = closest_matches(package.name, known_names, 1); !close.empty()) error.hint("did you mean `" + close[0] + "`?");
      else error.hint("there are `" + join(known_names, "`, `") + "`");
      throw error;
    }
    const bool may_be_absent = package.name == "__cuda" || package.name == "__cuda_arch" || package.name == "__glibc";
    if (!is_of_platform(package.name, platform)) {
      if (package.value.empty()) continue;
      refuse(package, "no machine of " + platform.str() + " has it");
    }
    if (package.value.empty()) {
      if (!may_be_absent) refuse(package, "every machine of " + platform.str() + " has it");
      if (package.name == "__glibc") facts.glibc_version.clear();
      continue;
    }
    if (package.name == "__archspec") {
      facts.microarchitecture = microarchitecture_of(package);
      continue;
    }
    const std::string version = version_of(package);
    if (package.name == "__cuda") facts.cuda_version = version;
    if (package.name == "__cuda_arch") {
      facts.cuda_arch = version;
      arch = &package;
    }
    if (package.name == "__glibc") facts.glibc_version = version;
    if (package.name == "__linux") facts.linux_version = version;
    if (package.name == "__osx") facts.osx_version = version;
    if (package.name == "__win") facts.win_version = version;
  }
  if (arch != nullptr && facts.cuda_version.empty()) refuse(*arch, "without `__cuda` there is no `__cuda_arch` (CEP 46)");
  return facts;
}

}  // namespace envtool

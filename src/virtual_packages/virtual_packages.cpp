#include "envtool/virtual_packages/virtual_packages.hpp"

#include <optional>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/specs/package_name.hpp"
#include "envtool/specs/version.hpp"
#include "envtool/virtual_packages/microarchitecture.hpp"

namespace envtool {
namespace {

[[noreturn]] void refuse(const std::string& variable, const std::string& value, std::string why) {
  throw Error("cannot use the value `" + escape_control(value) + "`", ErrorKind::invalid_input)
      .at("environment variable " + variable)
      .because(std::move(why))
      .hint("unset " + variable + ", or set it to nothing to take the virtual package away");
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

class Derivation {
 public:
  explicit Derivation(const EnvSnapshot& environment) : environment_(environment) {}

  /// What the override of a package says, or else what was found; nothing: no such package.
  std::optional<std::string> version(const std::string& name, const std::string& found) const {
    const std::string variable = "CONDA_OVERRIDE_" + name;
    const auto value = environment_.get_raw(variable);
    if (!value) return found.empty() ? std::nullopt : std::optional(found);
    const std::string text(strip(*value));
    if (text.empty()) return std::nullopt;
    try {
      Version::parse(text);
    } catch (const Error&) {
      refuse(variable, text, "it is not a version");
    }
    return text;
  }

  void add(std::string name, std::string version, std::string build = "0") {
    PackageRecord& record = packages_.emplace_back();
    record.name = std::move(name);
    record.version = std::move(version);
    record.build = std::move(build);
  }
  void add_version(const std::string& name, const std::string& variable, const std::string& found) {
    if (auto chosen = version(variable, found)) add(name, *chosen);
  }

  void add_archspec(const std::string& found) {
    const auto value = environment_.get_raw("CONDA_OVERRIDE_ARCHSPEC");
    const std::string text(value ? strip(*value) : std::string_view());
    if (!text.empty() && !is_valid_build_string(text))
      refuse("CONDA_OVERRIDE_ARCHSPEC", text, "it is not a build string");
    add("__archspec", "1", text.empty() ? found : text);
  }

  /// CEP 46, and the `capability=build` form of CEP 30.
  void add_cuda_arch(const std::string& found) {
    const auto value = environment_.get_raw("CONDA_OVERRIDE_CUDA_ARCH");
    if (!value) {
      if (!found.empty()) add("__cuda_arch", found);
      return;
    }
    const std::string_view text = strip(*value);
    if (text.empty()) return;
    const std::string_view capability = text.substr(0, text.find('='));
    const std::size_t dot = capability.find('.');
    if (dot == std::string_view::npos || !is_number(capability.substr(0, dot)) || !is_number(capability.substr(dot + 1)))
      refuse("CONDA_OVERRIDE_CUDA_ARCH", std::string(text), "it is not a compute capability such as `8.6`");
    std::string build = "0";
    if (capability.size() < text.size()) build = text.substr(capability.size() + 1);
    if (!is_valid_build_string(build))
      refuse("CONDA_OVERRIDE_CUDA_ARCH", std::string(text), "what follows the `=` is not a build string");
    add("__cuda_arch", std::string(capability), build);
  }

  std::vector<PackageRecord> take() { return std::move(packages_); }

 private:
  const EnvSnapshot& environment_;
  std::vector<PackageRecord> packages_;
};

}  // namespace

AssumedVersions AssumedVersions::for_locking() {
  AssumedVersions assumed;
  assumed.osx_version = "13.0";
  assumed.win_version = "10.0.17763";
  return assumed;
}

std::vector<PackageRecord> derive_virtual_packages(const HostFacts& facts, const Platform& platform,
                                                   const EnvSnapshot& environment,
                                                   const AssumedVersions& assumed) {
  const bool native = facts.platform == platform.str();
  const auto either = [&](const std::string& found, const std::string& otherwise) {
    return native && !found.empty() ? found : otherwise;
  };
  Derivation derivation(environment);
  derivation.add_archspec(either(facts.microarchitecture, generic_microarchitecture(platform.str())));
  if (const auto cuda = derivation.version("CUDA", native ? facts.cuda_version : std::string())) {
    derivation.add("__cuda", *cuda);
    derivation.add_cuda_arch(native ? facts.cuda_arch : std::string());
  }
  if (platform.is_linux()) {
    // A Linux with another C library has no glibc; another machine is taken to have one.
    derivation.add_version("__glibc", "GLIBC", native ? facts.glibc_version : assumed.glibc_version);
    derivation.add_version("__linux", "LINUX", either(facts.linux_version, assumed.linux_version));
  }
  if (platform.is_osx()) derivation.add_version("__osx", "OSX", either(facts.osx_version, assumed.osx_version));
  if (platform.is_unix()) derivation.add("__unix", "0");
  if (platform.is_windows()) derivation.add_version("__win", "WIN", either(facts.win_version, assumed.win_version));
  return derivation.take();
}

}  // namespace envtool

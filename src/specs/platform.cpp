#include "envtool/specs/platform.hpp"

#include <algorithm>

#include "characters.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {

std::string current_platform_name() {
#if defined(__EMSCRIPTEN__)
  return "emscripten-wasm32";
#elif defined(__wasi__)
  return "wasi-wasm32";
#else
#if defined(_WIN32)
  const std::string system = "win-";
#elif defined(__APPLE__)
  const std::string system = "osx-";
#elif defined(__FreeBSD__)
  const std::string system = "freebsd-";
#else
  const std::string system = "linux-";
#endif
#if defined(__x86_64__) || defined(_M_X64)
  return system + "64";
#elif defined(__i386__) || defined(_M_IX86)
  return system + "32";
#elif defined(__aarch64__) || defined(_M_ARM64)
  return system + (system == "linux-" ? "aarch64" : "arm64");
#elif defined(__ARM_ARCH) && __ARM_ARCH >= 7
  return system + "armv7l";
#elif defined(__ARM_ARCH)
  return system + "armv6l";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return system + "ppc64le";
#elif defined(__powerpc64__)
  return system + "ppc64";
#elif defined(__s390x__)
  return system + "s390x";
#elif defined(__riscv) && __riscv_xlen == 64
  return system + "riscv64";
#elif defined(__riscv)
  return system + "riscv32";
#elif defined(__loongarch64)
  return system + "loongarch64";
#else
#error "no conda platform is known for this processor"
#endif
#endif
}

}  // namespace

const std::vector<std::string>& Platform::known() {
  static const std::vector<std::string> names = {
      "emscripten-wasm32", "freebsd-64",   "linux-32",          "linux-64",     "linux-aarch64",
      "linux-armv6l",      "linux-armv7l", "linux-loongarch64", "linux-ppc64",  "linux-ppc64le",
      "linux-riscv32",     "linux-riscv64", "linux-s390x",      "osx-64",       "osx-arm64",
      "wasi-wasm32",       "win-32",       "win-64",            "win-arm64",    "zos-z"};
  return names;
}

Platform Platform::parse(std::string_view text) {
  const std::vector<std::string>& names = known();
  if (std::find(names.begin(), names.end(), text) != names.end()) {
    return Platform(std::string(text));
  }
  Error error("unknown platform " + quoted(text), ErrorKind::invalid_input);
  if (text == "noarch") {
    error.because("`noarch` is where platform-independent packages are kept, not a platform");
  }
  const std::vector<std::string> near = closest_matches(to_lower(strip(text)), names);
  if (!near.empty()) {
    error.hint("did you mean `" + join(near, "` or `") + "`?");
  } else {
    error.hint("the known platforms are " + join(names, ", "));
  }
  throw error;
}

Platform Platform::current() {
  return Platform(current_platform_name());
}

std::vector<std::string> Platform::selectors() const {
  const std::size_t dash = text_.find('-');
  const std::string system = text_.substr(0, dash);
  const std::string processor = text_.substr(dash + 1);
  std::vector<std::string> names = {system};
  if (is_linux() || is_osx()) {
    names.emplace_back("unix");
  }
  if (processor == "64" || processor == "32") {
    names.emplace_back("x86");
    if (processor == "64") {
      names.emplace_back("x86_64");
    }
    if (is_linux() || is_windows() || text_ == "osx-64") {
      names.push_back(system + processor);
    }
  } else {
    names.push_back(processor);
    if (text_.starts_with("linux-arm")) {
      names.emplace_back("arm");
    }
  }
  return names;
}

}  // namespace envtool

#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// A platform of the ecosystem (CEP 26 subdir other than `noarch`), for example `linux-64`.
class Platform {
 public:
  /// Throws `Error` (invalid_input) with the closest known names.
  static Platform parse(std::string_view text);
  /// The platform that this program was built for.
  static Platform current();
  /// All known platforms.
  static const std::vector<std::string>& known();

  const std::string& str() const { return text_; }
  bool is_linux() const { return text_.starts_with("linux-"); }
  bool is_osx() const { return text_.starts_with("osx-"); }
  bool is_windows() const { return text_.starts_with("win-"); }
  bool is_unix() const { return !is_windows(); }
  /// The selector variables of environment.yml that are true here (CEP 24): `linux`, `unix`,
  /// `linux64`, `x86_64`, `aarch64`, `osx`, `arm64`, `win`, ...
  std::vector<std::string> selectors() const;
  auto operator<=>(const Platform&) const = default;

 private:
  explicit Platform(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace envtool

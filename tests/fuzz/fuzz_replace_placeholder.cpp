// libFuzzer target: prefix replacement against a reference that goes byte by byte. The input starts with
// the lengths of placeholder and prefix, then both, then the content.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "envtool/install/replace_placeholder.hpp"

using namespace envtool;

namespace {
void require(bool holds) {
  if (!holds) std::abort();
}

std::string reference(std::string_view content, std::string_view placeholder, std::string_view prefix, bool binary) {
  std::string out;
  std::size_t owed = 0;
  for (std::size_t i = 0; i < content.size();) {
    if (content.substr(i).starts_with(placeholder)) {
      out += prefix;
      if (binary) owed += placeholder.size() - prefix.size();
      i += placeholder.size();
      continue;
    }
    if (binary && content[i] == '\0') {
      out.append(owed, '\0');
      owed = 0;
    }
    out += content[i++];
  }
  return out.append(owed, '\0');
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t placeholder_size = 1 + data[0] % 24, prefix_size = data[1] % 32;
  if (text.size() < placeholder_size + prefix_size) return 0;
  const std::string_view placeholder = text.substr(0, placeholder_size), prefix = text.substr(placeholder_size, prefix_size);
  // A placeholder with a NUL cannot be inside of a C string.
  if (placeholder.find('\0') != std::string_view::npos) return 0;
  text.remove_prefix(placeholder_size + prefix_size);
  if (prefix_size <= placeholder_size) {
    const std::string binary = replace_placeholder(text, FileMode::binary, placeholder, prefix);
    require(binary.size() == text.size());
    require(binary == reference(text, placeholder, prefix, true));
  }
  const std::string replaced = replace_placeholder(text, FileMode::text, placeholder, prefix);
  if (!text.starts_with("#!")) require(replaced == reference(text, placeholder, prefix, false));
  return 0;
}

#include "wheel_record.hpp"

#include <vector>

#include "envtool/base/text.hpp"

namespace envtool::detail {

namespace {
/// As the wheel format has digests: URL-safe base64 without padding.
std::string url_safe_base64(const Sha256& digest) {
  constexpr const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t byte : digest.bytes) {
    bits = bits << 8U | byte;
    for (count += 8; count >= 6; count -= 6) out += letters[(bits >> (count - 6)) & 63U];
  }
  if (count != 0) out += letters[(bits << (6 - count)) & 63U];
  return out;
}

std::string unquoted(std::string_view field) {
  if (field.size() < 2 || field.front() != '"' || field.back() != '"') return std::string(field);
  return replace_all(field.substr(1, field.size() - 2), "\"\"", "\"");
}

/// A path of the file, relative to the environment; empty when it is outside.
std::string placed(const std::string& folder, const std::string& path) {
  if (path.starts_with('/')) return {};
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(folder, '/')) parts.push_back(part);
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else {
      if (parts.empty()) return {};
      parts.pop_back();
    }
  }
  std::string out;
  for (const std::string_view part : parts) out.append(out.empty() ? "" : "/").append(part);
  return out;
}
}  // namespace

std::string corrected_wheel_record(std::string_view text, const std::string& folder,
                                   const std::function<std::optional<std::pair<Sha256, std::uint64_t>>(const std::string&)>& lookup) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    const std::size_t content = std::min(line.find_last_not_of("\r\n") + 1, line.size());
    const std::string_view fields = line.substr(0, content);
    // The path may hold commas, the two fields behind it cannot.
    const std::size_t second = fields.rfind(',');
    const std::size_t first = second == std::string_view::npos || second == 0 ? std::string_view::npos : fields.rfind(',', second - 1);
    if (first != std::string_view::npos && fields.substr(first + 1, second - first - 1).starts_with("sha256=")) {
      if (const auto changed = lookup(placed(folder, unquoted(fields.substr(0, first))))) {
        out.append(fields.substr(0, first)).append(",sha256=" + url_safe_base64(changed->first) + "," + std::to_string(changed->second));
        out.append(line.substr(content));
        continue;
      }
    }
    out.append(line);
  }
  return out;
}

}  // namespace envtool::detail

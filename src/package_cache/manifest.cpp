#include "manifest.hpp"

#include <vector>

#include "envtool/base/text.hpp"

namespace envtool {
namespace {

constexpr std::string_view first_line = "envtool package manifest 2";

std::string body(const Manifest& manifest) {
  std::string text = std::string(first_line) + "\n";
  text += "boot " + (manifest.boot_id.empty() ? "-" : manifest.boot_id) + "\n";
  text += std::string("synced ") + (manifest.synced ? "1" : "0") + "\n";
  text += "paths " + manifest.paths.hex() + "\n";
  text += "stat " + manifest.stat.hex() + "\n";
  text += "content " + (manifest.content ? manifest.content->hex() : "-") + "\n";
  return text;
}

}  // namespace

std::string to_text(const Manifest& manifest) {
  const std::string text = body(manifest);
  return text + "end " + sha256(text).hex() + "\n";
}

std::optional<Manifest> parse_manifest(std::string_view text) {
  const std::vector<std::string_view> lines = split_lines(text);
  if (lines.size() < 7 || lines[0] != first_line) return std::nullopt;
  const auto value = [&](std::size_t line, std::string_view key) {
    return lines[line].starts_with(key) ? lines[line].substr(key.size()) : std::string_view();
  };
  Manifest manifest;
  manifest.boot_id = value(1, "boot ");
  if (manifest.boot_id == "-") manifest.boot_id.clear();
  manifest.synced = value(2, "synced ") == "1";
  const auto paths = Sha256::parse(value(3, "paths ")), stat = Sha256::parse(value(4, "stat "));
  manifest.content = Sha256::parse(value(5, "content "));
  if (!paths || !stat) return std::nullopt;
  manifest.paths = *paths;
  manifest.stat = *stat;
  // The checksum behind the end covers everything, so that half a file is never believed.
  return to_text(manifest) == text ? std::optional(manifest) : std::nullopt;
}

}  // namespace envtool

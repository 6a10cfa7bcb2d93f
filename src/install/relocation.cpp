#include "relocation.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "envtool/base/text.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool::detail {

namespace {
constexpr std::size_t npos = std::string_view::npos;

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_name(char c) { return is_alnum(c) || c == '_' || c == '-' || c == '+' || c == '~' || static_cast<unsigned char>(c) >= 0x80; }

/// True when the path goes on behind the match with more of the same name.
bool goes_on(std::string_view content, std::size_t end) {
  if (end >= content.size()) return false;
  if (is_name(content[end])) return true;
  if (content[end] == '.') return end + 1 < content.size() && is_name(content[end + 1]);
  return content[end] == '%' && end + 2 < content.size() && is_hex_digit(content[end + 1]) && is_hex_digit(content[end + 2]);
}

/// True when the match is the end of a longer path: `/mnt` before `/envs/a`. Options that a path follows
/// without a gap (`-L/envs/a`) are none.
bool has_beginning(std::string_view content, std::size_t start) {
  std::size_t at = start;
  while (at > 0 && start - at < 4096 && (is_name(content[at - 1]) || content[at - 1] == '.')) --at;
  return at != start && at > 0 && content[at - 1] == '/';
}

std::size_t find_place(std::string_view content, std::string_view place, std::size_t from, bool any_beginning = false) {
  while (from < content.size()) {
    const void* hit = memmem(content.data() + from, content.size() - from, place.data(), place.size());
    if (hit == nullptr) return npos;
    const auto at = static_cast<std::size_t>(static_cast<const char*>(hit) - content.data());
    if (!goes_on(content, at + place.size()) && (any_beginning || !has_beginning(content, at))) return at;
    from = at + 1;
  }
  return npos;
}

std::string replaced(std::string_view content, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t hit = find_place(content, from, 0); hit != npos; hit = find_place(content, from, at)) {
    out.append(content, at, hit - at).append(to);
    at = hit + from.size();
  }
  return out.append(content, at, npos);
}

/// A path as it stands in a URL; `kept` are the characters that stay beside letters and digits.
std::string percent_encoded(std::string_view path, std::string_view kept) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    if (is_alnum(c) || kept.find(c) != npos) {
      out += c;
      continue;
    }
    out += '%';
    out += digits[static_cast<unsigned char>(c) >> 4U];
    out += digits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

void append_escaped(std::string& out, std::uint32_t unit) {
  constexpr const char* digits = "0123456789abcdef";
  out += "\\u";
  for (unsigned shift = 16; shift != 0; shift -= 4) out += digits[(unit >> (shift - 4)) & 15U];
}

/// A path (valid UTF-8) as Python's `json` writes it: ASCII only.
std::string json_escaped(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size();) {
    const auto lead = static_cast<unsigned char>(path[i]);
    if (lead < 0x80) {
      if (lead == '"' || lead == '\\') out += '\\';
      out += path[i++];
      continue;
    }
    const unsigned length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    std::uint32_t code = lead & (0x7fU >> length);
    for (unsigned k = 1; k < length; ++k) code = code << 6U | (static_cast<unsigned char>(path[i + k]) & 0x3fU);
    i += length;
    if (code < 0x10000) {
      append_escaped(out, code);
    } else {
      append_escaped(out, 0xd800U + ((code - 0x10000U) >> 10U));
      append_escaped(out, 0xdc00U + ((code - 0x10000U) & 0x3ffU));
    }
  }
  return out;
}

/// An absolute path without `.`, `..` and double slashes.
std::string normalized(std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") parts.push_back(part);
    else if (!parts.empty()) parts.pop_back();
  }
  std::string out;
  for (const std::string_view part : parts) out.append("/").append(part);
  return out.empty() ? "/" : out;
}

/// True when a relative path, followed from a folder `depth` below the environment, leaves it on its way.
bool leaves(std::string_view target, std::size_t depth) {
  for (const std::string_view part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") ++depth;
    else if (depth-- == 0) return true;
  }
  return false;
}

/// The first line of a script, or the lines that do its work where the kernel would cut it.
std::string script_head(const std::string& interpreter, std::string arguments) {
  arguments.resize(arguments.find_last_not_of(" \t\r") + 1);
  const bool has_space = interpreter.find(' ') != std::string::npos;
  if (interpreter.size() + arguments.size() + 2 <= longest_shebang && !has_space) return "#!" + interpreter + arguments;
  const std::string name = interpreter.substr(interpreter.rfind('/') + 1);
  const bool is_python = name.starts_with("python") || name.starts_with("pypy");
  if (!is_python || interpreter.find_first_of("'\\") != std::string::npos)
    return "#!/usr/bin/env " + std::string(arguments.empty() ? "" : "-S ") + name + arguments;
  // The shell sees a command, Python a string that it ignores.
  const char quote = interpreter.find_first_of("\"$`") == std::string::npos ? '"' : '\'';
  return "#!/bin/sh\n'''exec' " + (quote + interpreter + quote) + arguments + " \"$0\" \"$@\"\n' '''";
}
}  // namespace

Relocation::Relocation(const std::string& from, const std::string& to, const std::string& real_from) : from_(from), to_(to) {
  const auto add = [&](std::string old_text, std::string new_text, bool encoded) {
    for (const Spelling& spelling : spellings_)
      if (spelling.from == old_text) return;
    spellings_.push_back({std::move(old_text), std::move(new_text), encoded});
  };
  for (const std::string& place : {from, real_from}) {
    if (place.empty()) continue;
    add(place, to, false);
    // As Python's `quote` writes URLs, and with all that RFC 3986 allows in a path.
    for (const std::string_view kept : {"/-._~", "/-._~!$&'()*+,;=:@"})
      add(percent_encoded(place, kept), percent_encoded(to, kept), true);
    if (is_valid_utf8(place) && is_valid_utf8(to)) add(json_escaped(place), json_escaped(to), true);
  }
}

bool Relocation::mentions(std::string_view content) const {
  return std::any_of(spellings_.begin(), spellings_.end(),
                     [&](const Spelling& spelling) { return find_place(content, spelling.from, 0) != npos; });
}

bool Relocation::mentions_in_bytes(std::string_view content) const {
  return std::any_of(spellings_.begin(), spellings_.end(),
                     [&](const Spelling& spelling) { return find_place(content, spelling.from, 0, true) != npos; });
}

std::string Relocation::text(std::string_view content) const {
  std::string head;
  if (content.starts_with("#!")) {
    const std::string_view line = content.substr(0, content.find('\n'));
    const std::size_t start = std::min(line.find_first_not_of(' ', 2), line.size());
    for (const Spelling& spelling : spellings_) {
      if (spelling.encoded || !line.substr(start).starts_with(spelling.from + "/")) continue;
      const std::string_view rest = line.substr(start + spelling.from.size());
      const std::size_t end = std::min(rest.find_first_of(" \t\r"), rest.size());
      head = script_head(to_ + std::string(rest.substr(0, end)), replaced(rest.substr(end), spelling.from, to_));
      content.remove_prefix(line.size());
      break;
    }
  }
  std::string out(content);
  for (const Spelling& spelling : spellings_) out = replaced(out, spelling.from, spelling.to);
  return head + out;
}

std::optional<std::string> Relocation::binary(std::string_view content, std::size_t room) const {
  std::string out(content);
  for (const Spelling& spelling : spellings_) {
    if (spelling.encoded) continue;
    const std::string before = out;
    const std::string_view text(before);
    std::size_t at = 0;
    for (std::size_t hit = find_place(text, spelling.from, 0); hit != npos; hit = find_place(text, spelling.from, at)) {
      if (spelling.to.size() > std::max(room, spelling.from.size())) return std::nullopt;
      const std::size_t end = std::min(text.find('\0', hit), text.size());
      const std::size_t next = std::min(text.find_first_not_of('\0', end), text.size());
      const std::string changed = replaced(text.substr(hit, end - hit), spelling.from, spelling.to);
      const std::size_t new_end = hit + changed.size();
      // Longer: into the padding of the installation, of which one NUL has to stay.
      if (new_end > end && new_end + 1 > next) return std::nullopt;
      std::fill(out.begin() + static_cast<std::ptrdiff_t>(hit), out.begin() + static_cast<std::ptrdiff_t>(end), '\0');
      std::copy(changed.begin(), changed.end(), out.begin() + static_cast<std::ptrdiff_t>(hit));
      at = std::max(end, new_end);
    }
  }
  return out;
}

std::string Relocation::link_target(const std::string& link, const std::string& target) const {
  const auto below_old = [&](const std::string& path) -> std::optional<std::string> {
    for (const Spelling& spelling : spellings_)
      if (!spelling.encoded && (path == spelling.from || path.starts_with(spelling.from + "/")))
        return to_ + path.substr(spelling.from.size());
    return std::nullopt;
  };
  if (target.starts_with('/')) return below_old(target).value_or(target);
  const std::size_t slash = link.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : "/" + link.substr(0, slash);
  if (!leaves(target, static_cast<std::size_t>(std::count(folder.begin(), folder.end(), '/')))) return target;
  const std::string meant = normalized(from_ + folder + "/" + target);
  if (const auto inside = below_old(meant)) return *inside;
  return normalized(to_ + folder + "/" + target) == meant ? target : meant;
}

}  // namespace envtool::detail

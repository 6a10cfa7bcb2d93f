#include "envtool/install/replace_placeholder.hpp"

#include <cstring>

#include "envtool/base/error.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool {

namespace {
constexpr std::size_t npos = std::string_view::npos;

std::size_t find(std::string_view content, std::string_view needle, std::size_t from) {
  if (from >= content.size() || needle.empty()) return npos;
  const void* hit = memmem(content.data() + from, content.size() - from, needle.data(), needle.size());
  return hit == nullptr ? npos : static_cast<std::size_t>(static_cast<const char*>(hit) - content.data());
}

void append_replaced(std::string& out, std::string_view content, std::string_view placeholder, std::string_view prefix) {
  std::size_t at = 0;
  for (std::size_t hit = find(content, placeholder, 0); hit != npos; hit = find(content, placeholder, at)) {
    out.append(content, at, hit - at).append(prefix);
    at = hit + placeholder.size();
  }
  out.append(content, at, npos);
}

/// The `#!` line (without newline) of a script whose interpreter lies below the placeholder.
std::string replace_shebang(std::string_view line, std::string_view placeholder, std::string_view prefix) {
  const std::size_t start = line.find_first_not_of(' ', 2);
  if (start == npos) return std::string(line);
  const std::size_t end = std::min(line.find_first_of(" \t\r", start), line.size());
  std::string interpreter, arguments;
  append_replaced(interpreter, line.substr(start, end - start), placeholder, prefix);
  append_replaced(arguments, line.substr(end), placeholder, prefix);

  std::string replaced = std::string(line.substr(0, start)) + interpreter + arguments;
  const bool has_space = interpreter.find(' ') != std::string::npos;
  if (interpreter.front() != '/' || (replaced.size() <= longest_shebang && !has_space)) return replaced;
  // The kernel would cut the line or split the path: let `env` find the interpreter in PATH. With
  // arguments `env` needs `-S`, or it would look for a program whose name holds them.
  const std::string name = interpreter.substr(interpreter.rfind('/') + 1);
  const bool has_arguments = arguments.find_first_not_of(" \t\r") != std::string::npos;
  return "#!/usr/bin/env " + std::string(has_arguments ? "-S " : "") + name + arguments;
}

std::string replace_text(std::string_view content, std::string_view placeholder, std::string_view prefix) {
  std::string out;
  out.reserve(content.size() + content.size() / 8 + 256);
  if (content.starts_with("#!")) {
    const std::string_view line = content.substr(0, content.find('\n'));
    if (find(line, placeholder, 0) != npos) {
      out += replace_shebang(line, placeholder, prefix);
      content.remove_prefix(line.size());
    }
  }
  append_replaced(out, content, placeholder, prefix);
  return out;
}

std::string replace_binary(std::string_view content, std::string_view placeholder, std::string_view prefix) {
  if (prefix.size() > placeholder.size())
    throw Error("the environment's path is too long", ErrorKind::invalid_input)
        .at(std::string(prefix))
        .because("a binary file has room for " + std::to_string(placeholder.size()) + " bytes");
  std::string out(content);
  const std::size_t gain = placeholder.size() - prefix.size();
  std::size_t at = 0;
  for (std::size_t hit = find(content, placeholder, 0); hit != npos; hit = find(content, placeholder, at)) {
    // One C string: from its first occurrence to its NUL. All its occurrences move together.
    const void* nul = std::memchr(content.data() + hit, 0, content.size() - hit);
    const std::size_t end =
        nul == nullptr ? content.size() : static_cast<std::size_t>(static_cast<const char*>(nul) - content.data());
    const std::string_view piece = content.substr(hit, end - hit);
    std::size_t read = 0, write = hit;
    for (std::size_t found = 0; found != npos; found = find(piece, placeholder, read)) {
      std::memcpy(out.data() + write, piece.data() + read, found - read);
      write += found - read;
      std::memcpy(out.data() + write, prefix.data(), prefix.size());
      write += prefix.size();
      read = found + placeholder.size();
    }
    std::memcpy(out.data() + write, piece.data() + read, piece.size() - read);
    write += piece.size() - read;
    if (gain != 0) std::memset(out.data() + write, 0, end - write);
    at = end;
  }
  return out;
}
}  // namespace

std::size_t count_placeholder(std::string_view content, std::string_view placeholder) {
  std::size_t count = 0;
  for (std::size_t hit = find(content, placeholder, 0); hit != npos; hit = find(content, placeholder, hit + placeholder.size()))
    ++count;
  return count;
}

std::string replace_placeholder(std::string_view content, FileMode mode, std::string_view placeholder, std::string_view prefix) {
  if (placeholder.empty()) return std::string(content);
  return mode == FileMode::binary ? replace_binary(content, placeholder, prefix) : replace_text(content, placeholder, prefix);
}

}  // namespace envtool

#include "envtool/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"

namespace envtool {
namespace {

/// Appends `text` behind `lead`; further lines of the text are indented by `indent` + 2, and each
/// line is made harmless for the terminal.
void append_block(std::string& out, std::size_t indent, std::string_view lead, std::string_view text) {
  bool first = true;
  for (std::string_view line : split_lines(text)) {
    if (!out.empty()) out += '\n';
    if (first) {
      out.append(indent, ' ');
      out += lead;
      first = false;
    } else if (indent > 0 || !line.empty()) {
      out.append(indent + 2, ' ');
    }
    out += escape_control(line);
  }
}

/// `text` with every line moved to the right.
std::string indented(std::string_view text, std::size_t indent) {
  std::string out;
  for (std::string_view line : split_lines(text)) {
    if (!out.empty()) out += '\n';
    out.append(indent, ' ');
    out += line;
  }
  return out;
}

ErrorKind kind_of_errno(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return ErrorKind::no_space;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::permission;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return ErrorKind::network;
    default:
      return ErrorKind::general;
  }
}

std::string_view hint_of_errno(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "free some space or inodes on that file system, then run the command again";
    case EDQUOT:
      return "your disk quota is used up: free some space, then run the command again";
    case EROFS:
      return "the file system is mounted read-only";
    case EMFILE:
      return "raise the limit of open files, for example `ulimit -n 1024`";
    default:
      return {};
  }
}

}  // namespace

std::string_view exception_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::general: return "CondaError";
    case ErrorKind::usage: return "ArgumentError";
    case ErrorKind::invalid_input: return "CondaValueError";
    case ErrorKind::channel_not_found: return "UnavailableInvalidChannel";
    case ErrorKind::packages_not_found: return "PackagesNotFoundError";
    case ErrorKind::unsatisfiable: return "UnsatisfiableError";
    case ErrorKind::environment_not_found: return "EnvironmentLocationNotFound";
    case ErrorKind::prefix_exists: return "CondaValueError";
    case ErrorKind::network: return "CondaHTTPError";
    case ErrorKind::offline: return "OfflineError";
    case ErrorKind::checksum: return "ChecksumMismatchError";
    case ErrorKind::corrupt: return "CondaVerificationError";
    case ErrorKind::unsafe: return "SafetyError";
    case ErrorKind::clobber: return "ClobberError";
    case ErrorKind::no_space: return "NoSpaceLeftError";
    case ErrorKind::permission: return "NotWritableError";
    case ErrorKind::locked: return "LockError";
    case ErrorKind::child_failed: return "CondaEnvException";
    case ErrorKind::interrupted: return "CondaSignalInterrupt";
    case ErrorKind::internal: return "InternalError";
  }
  return "CondaError";
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return 2;
    case ErrorKind::locked: return 75;
    case ErrorKind::interrupted: return 130;
    default: return 1;
  }
}

Error::Error(std::string what, ErrorKind kind) : kind_(kind), message_(redact(what)) { render(); }

Error& Error::at(std::string where) {
  where_ = redact(where);
  render();
  return *this;
}

Error& Error::at(std::string_view file, std::size_t line, std::size_t column) {
  return at(std::string(file) + ":" + std::to_string(line) + ":" + std::to_string(column));
}

Error& Error::because(std::string why) {
  why_ = redact(why);
  render();
  return *this;
}

Error& Error::hint(std::string hint) {
  hints_.push_back(redact(hint));
  render();
  return *this;
}

Error& Error::caused_by(const Error& cause) {
  causes_.emplace_back(cause.what());
  render();
  return *this;
}

Error& Error::with(std::string key, std::vector<std::string> values) {
  for (std::string& value : values) value = redact(value);
  fields_.emplace_back(std::move(key), std::move(values));
  return *this;
}

Error& Error::with_json(std::string key, std::string document) {
  json_fields_.emplace_back(std::move(key), std::move(document));
  return *this;
}

const char* Error::what() const noexcept { return rendered_.c_str(); }

void Error::render() {
  std::string out;
  append_block(out, 0, "", message_);
  append_block(out, 2, "at ", where_);
  append_block(out, 2, "because ", why_);
  for (const std::string& cause : causes_) {
    // A cause is rendered text already: its own details go one step further in.
    out += "\n  caused by: ";
    out += indented(cause, 2).substr(2);
  }
  for (const std::string& hint : hints_) append_block(out, 2, "hint: ", hint);
  rendered_ = std::move(out);
}

Error system_error(std::string what, int error_number) {
  const char* description = strerrordesc_np(error_number);
  const char* name = strerrorname_np(error_number);
  std::string why = description != nullptr ? description : "unknown error";
  why += name != nullptr ? " (" + std::string(name) + ")" : " (errno " + std::to_string(error_number) + ")";
  Error error(std::move(what), kind_of_errno(error_number));
  error.because(std::move(why));
  const std::string_view hint = hint_of_errno(error_number);
  if (!hint.empty()) error.hint(std::string(hint));
  return error;
}

}  // namespace envtool

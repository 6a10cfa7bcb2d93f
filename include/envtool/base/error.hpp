#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace envtool {

/// What sort of failure an `Error` is. Callers branch on this, never on message text; it selects
/// the exit code and the `exception_name` of the JSON form (conda's names).
enum class ErrorKind {
  general,               ///< anything without a kind of its own
  usage,                 ///< the command line is wrong
  invalid_input,         ///< a file, spec or URL that cannot be understood
  channel_not_found,     ///< a channel is not there, or is no channel
  packages_not_found,    ///< no channel has a package of that name or spec
  unsatisfiable,         ///< the wishes cannot stand together
  environment_not_found, ///< the named environment does not exist
  prefix_exists,         ///< something is already where a new environment should go
  network,               ///< a transfer failed for good
  offline,               ///< needed something that only the network has
  checksum,              ///< content is not what its digest says
  corrupt,               ///< a file of ours, a package or an index is damaged
  unsafe,                ///< hostile content: a path that escapes, a device file, ...
  clobber,               ///< two owners for one path, or an unowned file in the way
  no_space,              ///< disk, inodes or quota exhausted
  permission,            ///< not writable, not readable, frozen environment
  locked,                ///< another process works on it
  child_failed,          ///< a program that we ran (pip, a link script) failed
  interrupted,           ///< SIGINT, SIGTERM, SIGHUP
  internal               ///< a bug in envtool
};

/// conda's exception name for a kind, as its `--json` prints it (for example
/// `PackagesNotFoundError`).
std::string_view exception_name(ErrorKind kind);

/// The process exit code for a kind: 1 for most, 2 usage, 75 locked (EX_TEMPFAIL), 130 interrupted.
int exit_code(ErrorKind kind);

/// A failure as the user shall read it: what went wrong, where, why, and what to do about it. Every
/// text passes through `redact()` on its way in, so that an error cannot carry a URL's credentials.
/// Built fluently: `throw Error("cannot parse version").at("env.yml:3:5").because("...").hint("...")`.
class Error : public std::exception {
 public:
  explicit Error(std::string what, ErrorKind kind = ErrorKind::general);

  /// The place: a path, `file:line:column`, a URL without credentials, a spec.
  Error& at(std::string where);
  /// `file:line:column`, both counted from 1.
  Error& at(std::string_view file, std::size_t line, std::size_t column);
  /// The reason, one sentence without a full stop.
  Error& because(std::string why);
  /// Something that the user can do. May be called several times.
  Error& hint(std::string hint);
  /// Chains the error that led to this one; its text is shown below this one's.
  Error& caused_by(const Error& cause);
  /// A structured field of the JSON form, for example `packages` of a `packages_not_found`.
  Error& with(std::string key, std::vector<std::string> values);
  /// The same for a nested value: a whole JSON document as text. Its strings pass through `redact()`
  /// when it is shown.
  Error& with_json(std::string key, std::string document);

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::string& where() const { return where_; }
  const std::string& why() const { return why_; }
  const std::vector<std::string>& hints() const { return hints_; }
  /// The whole texts of the errors that led to this one, as their `what()` gave them.
  const std::vector<std::string>& causes() const { return causes_; }
  const std::vector<std::pair<std::string, std::vector<std::string>>>& fields() const { return fields_; }
  const std::vector<std::pair<std::string, std::string>>& json_fields() const { return json_fields_; }

  /// The whole error as plain text without a trailing newline: the message, then indented by two
  /// `at ...`, `because ...`, `caused by: ...`, `hint: ...`. Control characters are escaped.
  const char* what() const noexcept override;

 private:
  void render();

  ErrorKind kind_;
  std::string message_;
  std::string where_;
  std::string why_;
  std::vector<std::string> hints_;
  std::vector<std::string> causes_;
  std::vector<std::pair<std::string, std::vector<std::string>>> fields_;
  std::vector<std::pair<std::string, std::string>> json_fields_;
  std::string rendered_;
};

/// The message for a failed system call: `strerror` text and the name of the error (`ENOSPC`);
/// chooses the kind (`no_space`, `permission`, ...) from the number.
Error system_error(std::string what, int error_number);

}  // namespace envtool

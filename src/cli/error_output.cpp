#include "error_output.hpp"

#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "output_closed.hpp"
#include "terminal.hpp"

namespace envtool {

namespace {
/// Keeps our own line breaks and escapes whatever foreign text brought along.
std::string printable(std::string_view text) {
  std::string result;
  const std::string clean = redact(text);
  for (std::string_view line : split_lines(clean)) {
    if (!result.empty()) result += '\n';
    result += escape_control(line);
  }
  return result;
}

/// Every string of a nested value made harmless.
void make_printable(nlohmann::ordered_json& value) {
  if (value.is_string()) value = printable(value.get_ref<const std::string&>());
  else if (value.is_structured())
    for (auto& item : value) make_printable(item);
}
}  // namespace

int report_error(const Error& error, bool json) {
  if (dynamic_cast<const OutputClosed*>(&error) != nullptr) return output_closed_code;
  if (json) {
    nlohmann::ordered_json document;
    const std::string name(exception_name(error.kind()));
    document["success"] = false;
    document["error"] = printable(error.what());
    document["exception_name"] = name;
    document["exception_type"] = "<class 'conda.exceptions." + name + "'>";
    document["message"] = printable(error.message());
    if (!error.where().empty()) document["where"] = printable(error.where());
    if (!error.why().empty()) document["reason"] = printable(error.why());
    document["hints"] = nlohmann::ordered_json::array();
    for (const std::string& hint : error.hints()) document["hints"].push_back(printable(hint));
    for (const auto& [key, values] : error.fields()) {
      document[key] = nlohmann::ordered_json::array();
      for (const std::string& value : values) document[key].push_back(printable(value));
    }
    for (const auto& [key, text] : error.json_fields()) {
      auto value = nlohmann::ordered_json::parse(text, nullptr, false);
      if (value.is_discarded()) continue;
      make_printable(value);
      document[key] = std::move(value);
    }
    document["exit_code"] = exit_code(error.kind());
    try {
      print_out(document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    } catch (const Error&) {
      // Nobody reads: the exit code still tells.
    }
  } else {
    const bool color = is_terminal(STDERR_FILENO) && std::getenv("NO_COLOR") == nullptr;
    print_note((color ? "\x1b[1;31merror\x1b[0m: " : "error: ") + printable(error.what()));
  }
  return exit_code(error.kind());
}

int report_usage_error(const std::string& message, bool json) {
  return report_error(Error(message, ErrorKind::usage).hint("`envtool --help` and `envtool COMMAND --help` show what there is"),
                      json);
}

}  // namespace envtool

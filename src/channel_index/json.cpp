#include "json.hpp"

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

Json parse_json(std::string_view text, const std::string& origin) {
  constexpr int max_depth = 64;
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > max_depth;
    return !too_deep;
  };
  try {
    Json document = Json::parse(text, watch_depth);
    if (!too_deep) return document;
  } catch (const Json::exception& error) {
    throw Error("cannot read a JSON document", ErrorKind::invalid_input).at(origin).because(escape_control(error.what()));
  }
  throw Error("cannot read a JSON document", ErrorKind::invalid_input)
      .at(origin)
      .because("it is nested more than " + std::to_string(max_depth) + " levels deep");
}

std::string compact(const Json& value) { return value.dump(); }

}  // namespace envtool

#include <algorithm>
#include <map>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/envfile/environment_spec.hpp"

namespace envtool {
namespace {

// One text that all files which give it have to agree on.
void unite(std::string& value, std::string& where, const std::string& other, const std::string& other_where,
           const std::string& what) {
  if (other.empty()) return;
  if (!value.empty() && value != other) {
    throw Error("the files give different " + what, ErrorKind::invalid_input)
        .at(other_where)
        .because("`" + escape_control(other) + "` stands there, and `" + escape_control(value) + "` at " + where)
        .hint("say it on the command line, or make the files agree");
  }
  value = other;
  where = other_where;
}

template <typename Item, typename Same>
void append_new(std::vector<Item>& items, const std::vector<Item>& others, Same same) {
  for (const Item& other : others) {
    if (std::none_of(items.begin(), items.end(), [&](const Item& item) { return same(item, other); })) {
      items.push_back(other);
    }
  }
}

}  // namespace

EnvironmentSpec merge_environments(const std::vector<EnvironmentSpec>& specs) {
  EnvironmentSpec result;
  bool is_first = true;
  for (const EnvironmentSpec& spec : specs) {
    unite(result.name, result.name_where, spec.name, spec.name_where, "names");
    unite(result.prefix, result.prefix_where, spec.prefix, spec.prefix_where, "prefixes");
    append_new(result.channels, spec.channels, std::equal_to<>());
    result.nodefaults = result.nodefaults || spec.nodefaults;
    append_new(result.dependencies, spec.dependencies, [](const RequestedSpec& a, const RequestedSpec& b) {
      return a.category == b.category && a.spec == b.spec;
    });
    append_new(result.pip, spec.pip, [](const PipRequirement& a, const PipRequirement& b) {
      return a.category == b.category && a.text == b.text;
    });
    append_new(result.platforms, spec.platforms, std::equal_to<>());
    for (const auto& variable : spec.variables) {
      const std::string& name = variable.first;
      const std::string& value = variable.second;
      const auto same = std::find_if(result.variables.begin(), result.variables.end(),
                                     [&](const auto& entry) { return entry.first == name; });
      if (same == result.variables.end()) {
        result.variables.emplace_back(name, value);
      } else if (same->second != value) {
        const auto place_of = [&](const EnvironmentSpec& in) {
          const auto found = in.variable_places.find(name);
          return found == in.variable_places.end() ? std::string("another file") : found->second;
        };
        throw Error("the files give different values of the variable `" + name + "`", ErrorKind::invalid_input)
            .at(place_of(spec))
            .because("another value stands at " + place_of(result));
      }
    }
    for (const auto& [name, where] : spec.variable_places) result.variable_places.emplace(name, where);
    result.category = is_first || result.category == spec.category ? spec.category : "";
    result.warnings.insert(result.warnings.end(), spec.warnings.begin(), spec.warnings.end());
    is_first = false;
  }
  return result;
}

}  // namespace envtool

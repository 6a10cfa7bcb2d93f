#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/settings/settings.hpp"
#include "keys.hpp"

namespace envtool {

namespace {
constexpr std::size_t size_limit = 1 << 20;

std::string place(const std::string& origin, const YAML::Mark& mark) {
  return origin + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

Error wrong(const std::string& key, const std::string& where, const std::string& why) {
  return Error("the setting `" + key + "` is wrong", ErrorKind::invalid_input).at(where).because(why);
}

/// The text of the line that a node stands on, for conda's `#!` marks, which YAML calls comments.
std::string_view line_of(const std::vector<std::string_view>& lines, const YAML::Node& node) {
  const auto line = static_cast<std::size_t>(std::max(node.Mark().line, 0));
  return line < lines.size() ? lines[line] : std::string_view();
}

std::vector<std::string> read_list(const YAML::Node& node, const std::string& key, const std::string& origin) {
  std::vector<std::string> items;
  if (node.IsScalar()) {  // one channel without a dash: conda accepts it, too
    for (std::string_view item : split(node.Scalar(), ',')) items.emplace_back(strip(item));
    return items;
  }
  if (!node.IsSequence()) throw wrong(key, place(origin, node.Mark()), "expected a list");
  for (const YAML::Node& item : node) {
    if (!item.IsScalar()) throw wrong(key, place(origin, item.Mark()), "expected a list of plain values");
    items.push_back(item.Scalar());
  }
  return items;
}

SettingValue read_value(const detail::Key& key, const YAML::Node& node, const std::string& origin,
                        const std::vector<std::string_view>& lines) {
  SettingValue value;
  const std::string name(key.name);
  value.where = place(origin, node.Mark());
  switch (key.type) {
    case detail::KeyType::list:
    case detail::KeyType::path_list:
      value.value = node.IsNull() ? std::vector<std::string>{} : read_list(node, name, origin);
      if (node.IsSequence())
        for (const YAML::Node& item : node) {
          if (line_of(lines, item).find("#!top") != std::string_view::npos) value.top.push_back(item.Scalar());
          if (line_of(lines, item).find("#!bottom") != std::string_view::npos) value.bottom.push_back(item.Scalar());
        }
      break;
    case detail::KeyType::map: {
      std::map<std::string, std::string> map;
      if (!node.IsMap() && !node.IsNull()) throw wrong(name, value.where, "expected names and values");
      for (const auto& item : node) {
        if (!item.second.IsScalar()) throw wrong(name, place(origin, item.second.Mark()), "expected a plain value");
        map[item.first.Scalar()] = item.second.Scalar();
      }
      value.value = std::move(map);
      break;
    }
    case detail::KeyType::list_map: {
      std::map<std::string, std::vector<std::string>> map;
      if (!node.IsMap() && !node.IsNull()) throw wrong(name, value.where, "expected names and lists");
      for (const auto& item : node) map[item.first.Scalar()] = read_list(item.second, name, origin);
      value.value = std::move(map);
      break;
    }
    default:
      if (!node.IsScalar()) throw wrong(name, value.where, "expected a single value");
      value.value = node.Scalar();
  }
  return value;
}
}  // namespace

void SettingsLayer::set(const std::string& key, std::string value) {
  SettingValue entry;
  entry.value = std::move(value);
  entry.where = source;
  values[key] = std::move(entry);
}

void SettingsLayer::set(const std::string& key, std::vector<std::string> value) {
  SettingValue entry;
  entry.value = std::move(value);
  entry.where = source;
  values[key] = std::move(entry);
}

SettingsLayer parse_condarc(std::string_view text, const std::string& origin, SettingsTrust trust) {
  SettingsLayer layer;
  layer.source = origin;
  layer.trust = trust;
  if (text.size() > size_limit)
    throw Error("a configuration file is too large", ErrorKind::invalid_input).at(origin);
  YAML::Node document;
  try {
    document = YAML::Load(std::string(text));
  } catch (const YAML::Exception& error) {
    throw Error("cannot read a configuration file", ErrorKind::invalid_input)
        .at(origin, static_cast<std::size_t>(std::max(error.mark.line, 0)) + 1,
            static_cast<std::size_t>(std::max(error.mark.column, 0)) + 1)
        .because(escape_control(error.msg));
  }
  if (document.IsNull()) return layer;
  if (!document.IsMap())
    throw Error("cannot read a configuration file", ErrorKind::invalid_input)
        .at(origin)
        .because("expected `key: value` lines");
  const std::vector<std::string_view> lines = split_lines(text);
  std::set<std::string> seen;
  for (const auto& item : document) {
    if (!item.first.IsScalar())
      throw Error("cannot read a configuration file", ErrorKind::invalid_input)
          .at(place(origin, item.first.Mark()))
          .because("a key must be a plain word");
    const std::string written = item.first.Scalar();
    const std::string name(detail::canonical_key(written));
    const std::string where = place(origin, item.first.Mark());
    if (!seen.insert(name).second) throw wrong(written, where, "it is given twice");
    const detail::Key* key = detail::find_key(name);
    if (key == nullptr) {
      if (detail::is_harmless_key(name)) continue;
      if (detail::is_unsupported_key(name)) {
        layer.warnings.push_back(where + ": the setting `" + written + "` is not supported by envtool and has no effect");
        continue;
      }
      std::vector<std::string> known;
      for (const detail::Key& candidate : detail::supported_keys()) known.emplace_back(candidate.name);
      const auto close = closest_matches(name, known, 1);
      layer.warnings.push_back(where + ": unknown setting `" + escape_control(written) + "`" +
                               (close.empty() ? "" : ", did you mean `" + close[0] + "`?"));
      continue;
    }
    if (item.second.IsNull() && key->type != detail::KeyType::list && key->type != detail::KeyType::path_list) continue;
    SettingValue value = read_value(*key, item.second, origin, lines);
    value.is_final = line_of(lines, item.first).find("#!final") != std::string_view::npos;
    layer.values[name] = std::move(value);
  }
  return layer;
}

SettingsLayer layer_from_variables(const std::map<std::string, std::string>& variables) {
  SettingsLayer layer;
  layer.source = "environment variables";
  for (const char* tool : {"CONDA_", "MAMBA_", "ENVTOOL_"})
    for (const detail::Key& key : detail::supported_keys()) {
      std::string name = tool;
      for (char c : key.name) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
      const auto found = variables.find(name);
      if (found == variables.end() || found->second.empty()) continue;
      SettingValue value;
      value.where = name;
      if (key.type == detail::KeyType::list || key.type == detail::KeyType::path_list) {
        std::vector<std::string> items;
        std::string text = found->second;
        // A path holds no `:`; a channel's URL does.
        if (key.type == detail::KeyType::path_list) std::replace(text.begin(), text.end(), ':', ',');
        for (std::string_view item : split(text, ','))
          if (!strip(item).empty()) items.emplace_back(strip(item));
        value.value = std::move(items);
      } else if (key.type == detail::KeyType::map || key.type == detail::KeyType::list_map) {
        continue;
      } else {
        value.value = found->second;
      }
      layer.values[std::string(key.name)] = std::move(value);
    }
  return layer;
}

}  // namespace envtool

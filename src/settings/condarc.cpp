#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/settings/settings.hpp"
#include "keys.hpp"
#include "envtool/yaml/yaml_document.hpp"

namespace envtool {

namespace {
constexpr YamlLimits limits{1u << 20, 20, 50'000};

std::string place(const std::string& origin, std::size_t line, std::size_t column) {
  return origin + ":" + std::to_string(line) + ":" + std::to_string(column);
}
std::string place(const std::string& origin, const YamlNode& node) { return place(origin, node.line, node.column); }

Error wrong(const std::string& key, const std::string& where, const std::string& why) {
  return Error("the setting `" + key + "` is wrong", ErrorKind::invalid_input).at(where).because(why);
}

/// Whether a line (counted from 1) carries one of conda's `#!` marks, which YAML calls comments.
bool has_mark(const std::vector<std::string_view>& lines, std::size_t line, std::string_view mark) {
  return line <= lines.size() && lines[line - 1].find(mark) != std::string_view::npos;
}

std::vector<std::string> read_list(const YamlNode& node, const std::string& key, const std::string& origin) {
  std::vector<std::string> items;
  if (node.is_scalar()) {  // one channel without a dash: conda accepts it, too
    for (std::string_view item : split(node.text, ',')) items.emplace_back(strip(item));
    return items;
  }
  if (!node.is_sequence()) throw wrong(key, place(origin, node), "expected a list");
  for (const YamlNode::Pointer& item : node.items) {
    if (!item->is_scalar()) throw wrong(key, place(origin, *item), "expected a list of plain values");
    items.push_back(item->text);
  }
  return items;
}

/// conda's list of channels with settings of their own; of those only `exclude_newer` means something to envtool.
std::map<std::string, std::string> read_channel_settings(const YamlNode& node, const std::string& origin,
                                                         std::vector<std::string>& warnings) {
  std::map<std::string, std::string> cutoffs;
  if (node.is_null()) return cutoffs;
  if (!node.is_sequence()) throw wrong("channel_settings", place(origin, node), "expected a list");
  for (const YamlNode::Pointer& item : node.items) {
    const YamlNode* channel = item->is_map() ? item->find("channel") : nullptr;
    if (channel == nullptr || !channel->is_scalar())
      throw wrong("channel_settings", place(origin, *item), "expected `channel: NAME` and its settings");
    for (const YamlNode::Entry& entry : item->entries) {
      if (entry.key == "channel") continue;
      if (entry.key != "exclude_newer") {
        warnings.push_back(place(origin, entry.line, entry.column) + ": `" + escape_control(entry.key) +
                           "` of `channel_settings` is not supported by envtool and has no effect");
        continue;
      }
      if (!entry.value->is_scalar()) throw wrong("channel_settings", place(origin, *entry.value), "expected a single value");
      cutoffs[channel->text] = entry.value->text;
    }
  }
  return cutoffs;
}

SettingValue read_value(const detail::Key& key, const YamlNode& node, const std::string& origin,
                        const std::vector<std::string_view>& lines, std::vector<std::string>& warnings) {
  SettingValue value;
  const std::string name(key.name);
  value.where = place(origin, node);
  switch (key.type) {
    case detail::KeyType::list:
    case detail::KeyType::path_list:
      value.value = node.is_null() ? std::vector<std::string>{} : read_list(node, name, origin);
      if (node.is_sequence())
        for (const YamlNode::Pointer& item : node.items) {
          if (has_mark(lines, item->line, "#!top")) value.top.push_back(item->text);
          if (has_mark(lines, item->line, "#!bottom")) value.bottom.push_back(item->text);
          value.item_where.emplace(item->text, place(origin, *item));
        }
      break;
    case detail::KeyType::map: {
      std::map<std::string, std::string> map;
      if (!node.is_map() && !node.is_null()) throw wrong(name, value.where, "expected names and values");
      for (const YamlNode::Entry& item : node.entries) {
        if (!item.value->is_scalar()) throw wrong(name, place(origin, *item.value), "expected a plain value");
        map[item.key] = item.value->text;
      }
      value.value = std::move(map);
      break;
    }
    case detail::KeyType::channel_settings:
      value.value = read_channel_settings(node, origin, warnings);
      break;
    case detail::KeyType::list_map: {
      std::map<std::string, std::vector<std::string>> map;
      if (!node.is_map() && !node.is_null()) throw wrong(name, value.where, "expected names and lists");
      for (const YamlNode::Entry& item : node.entries) map[item.key] = read_list(*item.value, name, origin);
      value.value = std::move(map);
      break;
    }
    default:
      if (!node.is_scalar()) throw wrong(name, value.where, "expected a single value");
      value.value = node.text;
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

void SettingsLayer::set(const std::string& key, std::string value, std::string where) {
  set(key, std::move(value));
  values[key].where = std::move(where);
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
  const YamlNode::Pointer document = parse_yaml(text, origin, limits);
  if (document->is_null()) return layer;
  if (!document->is_map())
    throw Error("cannot read a configuration file", ErrorKind::invalid_input)
        .at(origin)
        .because("expected `key: value` lines");
  const std::vector<std::string_view> lines = split_lines(text);
  for (const YamlNode::Entry& item : document->entries) {
    // conda's settings of plugins are one level down; the one that is known here has a key of its own.
    if (item.key == "plugins" && item.value->is_map()) {
      const YamlNode* sharded = item.value->find("use_sharded_repodata");
      const detail::Key* const key = detail::find_key("use_sharded_repodata");
      if (sharded != nullptr && !sharded->is_null() && !layer.values.contains(std::string(key->name))) {
        layer.values[std::string(key->name)] = read_value(*key, *sharded, origin, lines, layer.warnings);
      }
      continue;
    }
    const std::string& written = item.key;
    const std::string name(detail::canonical_key(written));
    const std::string where = place(origin, item.line, item.column);
    // Under an older name, too; the same name twice is refused by the reader.
    if (layer.values.contains(name)) throw wrong(written, where, "it is given twice");
    const detail::Key* key = detail::find_key(name);
    if (key == nullptr) {
      if (detail::is_harmless_key(name)) continue;
      if (detail::is_unsupported_key(name)) {
        layer.warnings.push_back(where + ": the setting `" + escape_control(written) + "` is not supported by envtool and has no effect");
        continue;
      }
      std::vector<std::string> known;
      for (const detail::Key& candidate : detail::supported_keys()) known.emplace_back(candidate.name);
      const auto close = closest_matches(name, known, 1);
      layer.warnings.push_back(where + ": unknown setting `" + escape_control(written) + "`" +
                               (close.empty() ? "" : ", did you mean `" + close[0] + "`?"));
      continue;
    }
    if (item.value->is_null() && key->type != detail::KeyType::list && key->type != detail::KeyType::path_list) continue;
    SettingValue value = read_value(*key, *item.value, origin, lines, layer.warnings);
    value.is_final = has_mark(lines, item.line, "#!final");
    layer.values[name] = std::move(value);
  }
  return layer;
}

namespace {
std::string variable_name(std::string_view tool, std::string_view key) {
  std::string name(tool);
  for (char c : key) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

// Nothing for maps, which variables cannot hold.
std::optional<SettingValue> value_of_variable(const detail::Key& key, const std::string& name, std::string text) {
  SettingValue value;
  value.where = name;
  if (key.type == detail::KeyType::map || key.type == detail::KeyType::list_map ||
      key.type == detail::KeyType::channel_settings)
    return std::nullopt;
  if (key.type != detail::KeyType::list && key.type != detail::KeyType::path_list) {
    value.value = std::move(text);
    return value;
  }
  // A path holds no `:`; a channel's URL does.
  if (key.type == detail::KeyType::path_list) std::replace(text.begin(), text.end(), ':', ',');
  // conda's separator of pins: a version may hold a comma. With none of these, commas separate as ever.
  const char separator = key.name == "pinned_packages" && text.find('&') != std::string::npos ? '&' : ',';
  std::vector<std::string> items;
  for (std::string_view item : split(text, separator))
    if (!strip(item).empty()) items.emplace_back(strip(item));
  value.value = std::move(items);
  return value;
}
}  // namespace

SettingsLayer layer_from_variables(const std::map<std::string, std::string>& variables) {
  SettingsLayer layer;
  layer.source = "environment variables";
  for (const char* tool : {"CONDA_", "MAMBA_", "ENVTOOL_"})
    for (const detail::Key& key : detail::supported_keys())
      // Older names first, so that the key's own name wins.
      for (std::string_view spelling : detail::spellings(key.name)) {
        const std::string name = variable_name(tool, spelling);
        const auto found = variables.find(name);
        if (found == variables.end() || found->second.empty()) continue;
        if (auto value = value_of_variable(key, name, found->second)) layer.values[std::string(key.name)] = std::move(*value);
      }
  return layer;
}

}  // namespace envtool

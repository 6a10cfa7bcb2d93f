#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/settings/settings.hpp"
#include "keys.hpp"

namespace envtool {

namespace {

Error wrong(const std::string& key, const SettingValue& value, const std::string& why) {
  return Error("the setting `" + key + "` is wrong", ErrorKind::invalid_input).at(value.where).because(why);
}

using Variables = std::map<std::string, std::string>;

/// `$NAME` and `${NAME}` replaced; unknown names stay.
std::string expand(const std::string& text, const Variables& variables) {
  const auto is_name_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      result += text[i++];
      continue;
    }
    const bool braces = text.compare(i, 2, "${") == 0;
    const std::size_t begin = i + (braces ? 2 : 1);
    std::size_t end = begin;
    while (end < text.size() && is_name_character(text[end])) ++end;
    const bool closed = !braces || (end < text.size() && text[end] == '}');
    const auto found = closed ? variables.find(text.substr(begin, end - begin)) : variables.end();
    const std::size_t next = end + (braces && closed ? 1 : 0);
    result += found == variables.end() ? text.substr(i, next - i) : found->second;
    i = next;
  }
  return result;
}

void expand_value(SettingValue& value, const Variables& variables) {
  const auto expand_all = [&](std::vector<std::string>& texts) {
    for (std::string& text : texts) text = expand(text, variables);
  };
  expand_all(value.top);
  expand_all(value.bottom);
  if (auto* text = std::get_if<std::string>(&value.value)) *text = expand(*text, variables);
  if (auto* list = std::get_if<std::vector<std::string>>(&value.value)) expand_all(*list);
  if (auto* map = std::get_if<Variables>(&value.value))
    for (auto& [name, text] : *map) text = expand(text, variables);
  if (auto* map = std::get_if<std::map<std::string, std::vector<std::string>>>(&value.value))
    for (auto& [name, list] : *map) expand_all(list);
}

/// conda replaces variables in the values of these keys. A file that comes with an environment is left as it is:
/// it could have a secret of the user's sent to a server of its own.
std::vector<SettingsLayer> with_variables(std::vector<SettingsLayer> layers, const Variables& variables) {
  for (SettingsLayer& layer : layers) {
    if (layer.trust == SettingsTrust::project) continue;
    for (const char* key : {"channels", "default_channels", "channel_alias", "custom_channels", "custom_multichannels",
                            "envs_dirs", "pkgs_dirs", "root_prefix", "proxy_servers", "ssl_verify", "virtual_packages"})
      if (const auto found = layer.values.find(key); found != layer.values.end()) expand_value(found->second, variables);
  }
  return layers;
}

/// The layers that speak of one key, and the folding rules.
class Folder {
 public:
  explicit Folder(const std::vector<SettingsLayer>& layers) : layers_(layers) {}

  /// The value that wins: the highest layer, or the lowest that is final.
  const SettingValue* scalar(const std::string& key) const {
    const SettingValue* winner = nullptr;
    for (const SettingsLayer& layer : layers_) {
      const auto found = layer.values.find(key);
      if (found == layer.values.end()) continue;
      winner = &found->second;
      if (winner->is_final) break;
    }
    return winner;
  }

  std::vector<std::string> list(const std::string& key) const {
    std::vector<const SettingValue*> values;  // highest first
    for (const SettingsLayer& layer : layers_) {
      const auto found = layer.values.find(key);
      if (found == layer.values.end()) continue;
      values.insert(values.begin(), &found->second);
      if (found->second.is_final) break;
    }
    std::vector<std::string> result;
    auto add = [&](const std::string& item) {
      if (std::find(result.begin(), result.end(), item) == result.end()) result.push_back(item);
    };
    auto marked = [](const std::vector<std::string>& marks, const std::string& item) {
      return std::find(marks.begin(), marks.end(), item) != marks.end();
    };
    // `#!top` items of the lowest layer come first of all, `#!bottom` items of it last of all.
    for (auto value = values.rbegin(); value != values.rend(); ++value)
      for (const std::string& item : (*value)->top) add(item);
    for (const SettingValue* value : values)
      if (const auto* items = std::get_if<std::vector<std::string>>(&value->value))
        for (const std::string& item : *items) {
          bool at_bottom = false;
          for (const SettingValue* other : values) at_bottom = at_bottom || marked(other->bottom, item);
          if (!at_bottom) add(item);
        }
    for (const SettingValue* value : values)
      for (const std::string& item : value->bottom) add(item);
    return result;
  }

  /// Where an item of a list comes from: of the layers that have it, the highest.
  std::string place_of(const std::string& key, const std::string& item) const {
    std::string place;
    for (const SettingsLayer& layer : layers_) {
      const auto found = layer.values.find(key);
      if (found == layer.values.end()) continue;
      const SettingValue& value = found->second;
      const auto* items = std::get_if<std::vector<std::string>>(&value.value);
      if (items != nullptr && std::find(items->begin(), items->end(), item) != items->end()) {
        const auto own = value.item_where.find(item);
        place = own == value.item_where.end() ? value.where : own->second;
      }
      if (value.is_final) break;
    }
    return place;
  }

  template <typename Map>
  Map map(const std::string& key) const {
    Map result;
    for (const SettingsLayer& layer : layers_) {
      const auto found = layer.values.find(key);
      if (found == layer.values.end()) continue;
      if (const auto* value = std::get_if<Map>(&found->second.value))
        for (const auto& [name, item] : *value) result[name] = item;
      if (found->second.is_final) break;
    }
    return result;
  }

 private:
  const std::vector<SettingsLayer>& layers_;
};

std::optional<bool> as_boolean(const std::string& text) {
  const std::string word = to_lower(strip(text));
  for (const char* yes : {"true", "yes", "on", "1", "y"})
    if (word == yes) return true;
  for (const char* no : {"false", "no", "off", "0", "n"})
    if (word == no) return false;
  return std::nullopt;
}

const std::string& text_of(const SettingValue& value) { return std::get<std::string>(value.value); }

bool boolean(const std::string& key, const SettingValue& value) {
  const auto result = as_boolean(text_of(value));
  if (!result) throw wrong(key, value, "`" + escape_control(text_of(value)) + "` is neither true nor false");
  return *result;
}

std::uint64_t number(const std::string& key, const SettingValue& value, std::uint64_t limit) {
  std::string text(strip(text_of(value)));
  // conda's timeouts may be written as 9.15
  if (const auto dot = text.find('.'); dot != std::string::npos && parse_unsigned(text.substr(dot + 1)).has_value())
    text.resize(dot);
  const auto result = parse_unsigned(text);
  if (!result || *result > limit)
    throw wrong(key, value, "`" + escape_control(text_of(value)) + "` is not a number from 0 to " + std::to_string(limit));
  return *result;
}

std::string expand_home(const std::string& path, const SettingsDefaults& defaults) {
  if (path == "~") return defaults.home;
  if (path.starts_with("~/")) return defaults.home + path.substr(1);
  if (!path.starts_with('/')) return defaults.working_directory + "/" + path;
  return path;
}

template <typename Enum>
Enum choice(const std::string& key, const SettingValue& value,
            const std::vector<std::pair<std::string, Enum>>& choices) {
  const std::string text = to_lower(strip(text_of(value)));
  std::vector<std::string> names;
  for (const auto& [name, meaning] : choices) {
    if (name == text) return meaning;
    names.push_back("`" + name + "`");
  }
  throw wrong(key, value, "`" + escape_control(text_of(value)) + "` is none of " + join(names, ", "));
}

void merge_channels(const Folder& fold, const SettingsDefaults& defaults, Settings& settings) {
  settings.channels = fold.list("channels");
  if (const auto* value = fold.scalar("channel_alias")) {
    try {
      settings.channel_config.channel_alias = Url::parse(text_of(*value));
    } catch (const Error& error) {
      throw wrong("channel_alias", *value, "it must be a URL").caused_by(error);
    }
  }
  settings.channel_config.custom_channels = fold.map<std::map<std::string, std::string>>("custom_channels");
  settings.channel_config.custom_multichannels =
      fold.map<std::map<std::string, std::vector<std::string>>>("custom_multichannels");
  if (auto channels = fold.list("default_channels"); !channels.empty())
    settings.channel_config.default_channels = std::move(channels);
  settings.channel_config.home = defaults.home;
  settings.channel_config.working_directory = defaults.working_directory;
  if (const auto* value = fold.scalar("channel_priority")) {
    // conda before 4.6 had a boolean here.
    const auto old_form = as_boolean(text_of(*value));
    settings.channel_priority =
        old_form ? (*old_form ? ChannelPrioritySetting::flexible : ChannelPrioritySetting::disabled)
                 : choice<ChannelPrioritySetting>("channel_priority", *value,
                                                  {{"strict", ChannelPrioritySetting::strict},
                                                   {"flexible", ChannelPrioritySetting::flexible},
                                                   {"disabled", ChannelPrioritySetting::disabled}});
  }
}

/// TLS checks may be switched off only by the user, never by a file that comes with an environment.
void merge_tls(const std::vector<SettingsLayer>& layers, const SettingsDefaults& defaults, Settings& settings) {
  std::vector<SettingsLayer> trusted;
  for (const SettingsLayer& layer : layers) {
    const auto found = layer.values.find("ssl_verify");
    if (layer.trust == SettingsTrust::project && found != layer.values.end()) {
      settings.warnings.push_back(found->second.where + ": `ssl_verify` is ignored here; only your own configuration can set it");
      continue;
    }
    trusted.push_back(layer);
  }
  const auto* value = Folder(trusted).scalar("ssl_verify");
  if (value == nullptr) return;
  if (const auto flag = as_boolean(text_of(*value))) {
    settings.verify_tls = *flag;
    settings.verify_tls_source = value->where;
  } else if (text_of(*value) != "truststore" && text_of(*value) != "<system>") {
    settings.ca_bundle = expand_home(text_of(*value), defaults);
  }
}

/// Whether programs of packages run is the user's to say, never a file's that packages can bring.
void merge_link_scripts(const std::vector<SettingsLayer>& layers, Settings& settings) {
  std::vector<SettingsLayer> trusted = layers;
  for (SettingsLayer& layer : trusted)
    if (layer.trust == SettingsTrust::project)
      for (const char* key : {"link_scripts", "link_script_timeout"})
        if (const auto found = layer.values.find(key); found != layer.values.end()) {
          settings.warnings.push_back(found->second.where + ": `" + key + "` is ignored here; only your own configuration can set it");
          layer.values.erase(found);
        }
  const Folder fold(trusted);
  if (const auto* value = fold.scalar("link_scripts")) {
    // YAML has `on` and `off` for true and false.
    if (const auto flag = as_boolean(text_of(*value))) settings.link_scripts = *flag ? LinkScriptSetting::on : LinkScriptSetting::off;
    else settings.link_scripts = choice<LinkScriptSetting>("link_scripts", *value, {{"off", LinkScriptSetting::off}, {"warn", LinkScriptSetting::warn}, {"on", LinkScriptSetting::on}});
  }
  if (const auto* value = fold.scalar("link_script_timeout"))
    settings.link_script_timeout = std::chrono::seconds(std::max<std::uint64_t>(number("link_script_timeout", *value, 86400), 1));
}

ReleaseCutoff cutoff(const std::string& key, const SettingValue& value, const std::string& text) {
  try {
    return parse_release_cutoff(text);
  } catch (const Error& error) {
    Error wrong_value = wrong(key, value, error.message() + ": " + error.why());
    for (const std::string& hint : error.hints()) wrong_value.hint(hint);
    throw wrong_value;
  }
}

/// Also what protects from fresh packages is the user's to say.
void merge_cutoffs(const std::vector<SettingsLayer>& layers, Settings& settings) {
  std::vector<SettingsLayer> trusted = layers;
  for (SettingsLayer& layer : trusted)
    if (layer.trust == SettingsTrust::project)
      for (const char* key : {"exclude_newer", "exclude_newer_package", "channel_settings"})
        if (const auto found = layer.values.find(key); found != layer.values.end()) {
          settings.warnings.push_back(found->second.where + ": `" + key + "` is ignored here; only your own configuration can set it");
          layer.values.erase(found);
        }
  const Folder fold(trusted);
  if (const auto* value = fold.scalar("exclude_newer")) settings.exclude_newer = cutoff("exclude_newer", *value, text_of(*value));
  for (auto [key, slot] : {std::pair{"exclude_newer_package", &settings.exclude_newer_packages},
                           std::pair{"channel_settings", &settings.exclude_newer_channels}})
    for (const auto& [name, text] : fold.map<std::map<std::string, std::string>>(key))
      (*slot)[name] = cutoff(key, *fold.scalar(key), text);
}

void merge_places(const Folder& fold, const SettingsDefaults& defaults, Settings& settings) {
  settings.root_prefix = defaults.home + "/.envtool";
  if (const auto* value = fold.scalar("root_prefix")) settings.root_prefix = expand_home(text_of(*value), defaults);
  while (settings.root_prefix.size() > 1 && settings.root_prefix.ends_with('/')) settings.root_prefix.pop_back();
  for (const std::string& path : fold.list("envs_dirs")) settings.envs_dirs.push_back(expand_home(path, defaults));
  for (const std::string& path : fold.list("pkgs_dirs")) settings.pkgs_dirs.push_back(expand_home(path, defaults));
  // conda keeps its own folders in the list of environments behind those that are configured.
  for (const std::string& path : {settings.root_prefix + "/envs", defaults.home + "/.conda/envs"})
    if (std::find(settings.envs_dirs.begin(), settings.envs_dirs.end(), path) == settings.envs_dirs.end())
      settings.envs_dirs.push_back(path);
  if (settings.pkgs_dirs.empty()) settings.pkgs_dirs = {settings.root_prefix + "/pkgs", defaults.home + "/.conda/pkgs"};
}

}  // namespace

Settings merge(const std::vector<SettingsLayer>& written, const SettingsDefaults& defaults) {
  Settings settings;
  const std::vector<SettingsLayer> layers = with_variables(written, defaults.variables);
  const Folder fold(layers);
  for (const SettingsLayer& layer : layers) {
    settings.warnings.insert(settings.warnings.end(), layer.warnings.begin(), layer.warnings.end());
    for (const auto& [key, value] : layer.values) settings.sources[key] = fold.scalar(key)->where;
  }
  merge_places(fold, defaults, settings);
  merge_channels(fold, defaults, settings);
  merge_tls(layers, defaults, settings);
  merge_link_scripts(layers, settings);
  merge_cutoffs(layers, settings);
  if (const auto* value = fold.scalar("path_conflict"))
    settings.path_conflict = choice<PathConflictSetting>("path_conflict", *value,
                                                         {{"clobber", PathConflictSetting::clobber},
                                                          {"warn", PathConflictSetting::warn},
                                                          {"prevent", PathConflictSetting::prevent}});
  for (auto [key, slot] : {std::pair{"offline", &settings.offline}, std::pair{"always_yes", &settings.always_yes},
                           std::pair{"always_copy", &settings.always_copy},
                           std::pair{"changeps1", &settings.change_prompt},
                           std::pair{"auto_activate_base", &settings.auto_activate_base},
                           std::pair{"envvars_force_uppercase", &settings.uppercase_variables}})
    if (const auto* value = fold.scalar(key)) *slot = boolean(key, *value);
  if (const auto* value = fold.scalar("env_prompt")) settings.env_prompt = text_of(*value);
  if (const auto* value = fold.scalar("durability"))
    settings.durable = choice<bool>("durability", *value, {{"full", true}, {"fast", false}});
  settings.pinned_packages = fold.list("pinned_packages");
  for (const std::string& pin : settings.pinned_packages) settings.pinned_packages_sources[pin] = fold.place_of("pinned_packages", pin);
  if (const auto* value = fold.scalar("virtual_packages"); value != nullptr && !strip(text_of(*value)).empty())
    settings.virtual_packages = expand_home(text_of(*value), defaults);
  settings.create_default_packages = fold.list("create_default_packages");
  for (const auto& [scheme, url] : fold.map<std::map<std::string, std::string>>("proxy_servers"))
    settings.proxy_servers.emplace(scheme, Secret(url));
  if (const auto* value = fold.scalar("remote_connect_timeout_secs"))
    settings.connect_timeout = std::chrono::seconds(number("remote_connect_timeout_secs", *value, 3600));
  if (const auto* value = fold.scalar("remote_read_timeout_secs"))
    settings.read_timeout = std::chrono::seconds(number("remote_read_timeout_secs", *value, 86400));
  if (const auto* value = fold.scalar("remote_max_retries"))
    settings.max_retries = static_cast<unsigned>(number("remote_max_retries", *value, 100));
  if (const auto* value = fold.scalar("keep_revisions"))
    settings.keep_revisions = static_cast<unsigned>(number("keep_revisions", *value, 1000000));
  if (const auto* value = fold.scalar("fetch_threads"))
    settings.fetch_threads = static_cast<unsigned>(number("fetch_threads", *value, 256));
  if (const auto* value = fold.scalar("use_sharded_repodata"))
    settings.use_sharded_repodata = boolean("use_sharded_repodata", *value);
  if (const auto* value = fold.scalar("lock_timeout"))
    settings.lock_timeout = std::chrono::seconds(number("lock_timeout", *value, 365 * 86400));
  if (const auto* value = fold.scalar("local_repodata_ttl")) {
    // conda: 1 and true follow the server, 0 and false always ask; other numbers are seconds.
    const std::string text = to_lower(strip(text_of(*value)));
    if (text == "false" || text == "0") settings.repodata_ttl = std::chrono::seconds(0);
    else if (text != "true" && text != "1")
      settings.repodata_ttl = std::chrono::seconds(number("local_repodata_ttl", *value, 365 * 86400));
  }
  return settings;
}

}  // namespace envtool

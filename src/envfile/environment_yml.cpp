#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/envfile/environment_spec.hpp"
#include "envtool/specs/package_name.hpp"
#include "selectors.hpp"
#include "envtool/yaml/yaml_document.hpp"

namespace envtool {
namespace {

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys = {"name",      "prefix",    "channels", "dependencies",
                                                "variables", "platforms", "category"};
  return keys;
}

std::string place(const std::string& origin, std::size_t line, std::size_t column) {
  return origin + ":" + std::to_string(line) + ":" + std::to_string(column);
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

class Reader {
 public:
  Reader(const std::string& origin, const Platform& platform) : origin_(origin), platform_(platform) {}

  EnvironmentSpec read(std::string_view text) {
    bool used_comments = false;
    const std::string selected = apply_comment_selectors(text, origin_, platform_, used_comments);
    const YamlNode::Pointer root = parse_yaml(selected, origin_);
    if (!root->is_map()) {
      throw yaml_error("this is not an environment.yml", origin_, *root)
          .because(root->is_null() ? "the file is empty" : "expected `key: value` lines")
          .hint("the smallest one is `dependencies:` with a list of packages below it");
    }
    warn_of_unknown_keys(*root);
    read_name(*root);
    read_prefix(*root);
    read_channels(*root);
    if (const YamlNode* node = value(*root, "category")) spec_.category = text_of(*node, "`category`");
    if (spec_.category == "main") spec_.category.clear();
    read_platforms(*root);
    read_variables(*root);
    read_dependencies(*root);
    if (used_comments && used_dictionary_) {
      warn("the file uses both kinds of selectors, `# [...]` and `sel(...)`", *root);
    }
    return std::move(spec_);
  }

 private:
  Error wrong(const YamlNode& node, const std::string& what) const { return yaml_error(what, origin_, node); }
  std::string where(const YamlNode& node) const { return place(origin_, node.line, node.column); }
  void warn(const std::string& text, const YamlNode& node) { spec_.warnings.push_back(where(node) + ": " + text); }

  // The value of a key, or null when it is not there or empty.
  static const YamlNode* value(const YamlNode& map, std::string_view key) {
    const YamlNode* node = map.find(key);
    return node == nullptr || node->is_null() ? nullptr : node;
  }

  std::string text_of(const YamlNode& node, const std::string& what) const {
    if (!node.is_scalar()) throw wrong(node, what + " has to be a single text");
    const std::string_view text = strip(node.text);
    if (text.empty()) throw wrong(node, what + " is empty");
    if (has_control_character(text)) throw wrong(node, what + " contains a control character");
    return std::string(text);
  }

  // Calls for the items of a list; a single text is a common slip and gets its own hint.
  template <typename Function>
  void for_each_item(const YamlNode& node, const std::string& what, Function function) const {
    if (node.is_scalar()) {
      throw wrong(node, what + " has to be a list")
          .hint("write it as a list: a line `- " + escape_control(strip(node.text).substr(0, 60)) + "` below the key");
    }
    if (!node.is_sequence()) throw wrong(node, what + " has to be a list");
    for (const YamlNode::Pointer& item : node.items) {
      // the parser sees what is missing only when the next thing comes
      if (item->is_null()) throw wrong(*item, "the entry of " + what + " before this place is empty");
      function(*item);
    }
  }

  void warn_of_unknown_keys(const YamlNode& root) {
    for (const YamlNode::Entry& entry : root.entries) {
      const std::vector<std::string>& keys = known_keys();
      if (std::find(keys.begin(), keys.end(), entry.key) != keys.end()) continue;
      std::string text = place(origin_, entry.line, entry.column) + ": the key `" + escape_control(entry.key) +
                         "` is not known and is ignored";
      for (const std::string& match : closest_matches(entry.key, keys, 1)) {
        text += "; did you mean `" + match + "`?";
        if (match == "dependencies") misspelled_dependencies_ = &entry;
      }
      spec_.warnings.push_back(std::move(text));
    }
  }

  void read_name(const YamlNode& root) {
    const YamlNode* node = value(root, "name");
    if (node == nullptr) return;
    std::string name = text_of(*node, "the environment's name");
    if (name == "base" || name == "root") {
      // CEP 24 asks not to accept these; the rest of the file is of use all the same.
      warn("the name `" + name + "` is reserved for the base environment and is ignored", *node);
      return;
    }
    if (const std::string problem = environment_name_problem(name); !problem.empty()) {
      throw wrong(*node, "the environment's name `" + escape_control(name) + "` is refused").because(problem);
    }
    spec_.name = std::move(name);
    spec_.name_where = where(*node);
  }

  void read_prefix(const YamlNode& root) {
    const YamlNode* node = value(root, "prefix");
    if (node == nullptr) return;
    std::string prefix = text_of(*node, "the prefix");
    std::string_view last = prefix;
    while (last.size() > 1 && (last.back() == '/' || last.back() == '\\')) last.remove_suffix(1);
    if (const auto slash = last.find_last_of("/\\"); slash != std::string_view::npos) last.remove_prefix(slash + 1);
    if (last.empty() || last == "." || last == ".." || last.find_first_of(" :#") != std::string_view::npos) {
      // Written by an export on another machine more often than meant: not worth a failure.
      warn("the prefix `" + escape_control(prefix) + "` cannot hold an environment and is ignored", *node);
      return;
    }
    spec_.prefix = std::move(prefix);
    spec_.prefix_where = where(*node);
  }

  void read_channels(const YamlNode& root) {
    const YamlNode* node = value(root, "channels");
    if (node == nullptr) return;
    for_each_item(*node, "`channels`", [&](const YamlNode& item) {
      std::string channel = text_of(item, "a channel");
      check_channel_url(channel, item);
      if (channel == "nodefaults") {
        spec_.nodefaults = true;
      } else if (std::find(spec_.channels.begin(), spec_.channels.end(), channel) == spec_.channels.end()) {
        spec_.channels.push_back(std::move(channel));
      }
    });
  }

  void check_channel_url(const std::string& channel, const YamlNode& node) const {
    if (!Url::looks_like_url(channel)) return;
    try {
      Url::parse(channel);
    } catch (const Error& cause) {
      throw wrong(node, "the URL of a channel cannot be understood").caused_by(cause);
    }
  }

  void read_platforms(const YamlNode& root) {
    const YamlNode* node = value(root, "platforms");
    if (node == nullptr) return;
    for_each_item(*node, "`platforms`", [&](const YamlNode& item) {
      const std::string text = text_of(item, "a platform");
      if (text == "noarch") {
        throw wrong(item, "`noarch` is not a platform that an environment can be solved for")
            .hint("packages of `noarch` are used on every platform anyway");
      }
      try {
        const Platform platform = Platform::parse(text);
        if (std::find(spec_.platforms.begin(), spec_.platforms.end(), platform) == spec_.platforms.end()) {
          spec_.platforms.push_back(platform);
        }
      } catch (Error& error) {
        throw error.at(origin_, item.line, item.column);
      }
    });
  }

  void read_variables(const YamlNode& root) {
    const YamlNode* node = value(root, "variables");
    if (node == nullptr) return;
    if (!node->is_map()) throw wrong(*node, "`variables` has to be a map of names and values");
    for (const YamlNode::Entry& entry : node->entries) {
      const std::string& name = entry.key;
      const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
      if (name.empty() || !is_letter(name.front()) ||
          !std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); })) {
        throw Error("`" + escape_control(name) + "` cannot be the name of a variable", ErrorKind::invalid_input)
            .at(origin_, entry.line, entry.column)
            .hint("letters, digits and `_` make a name, with no digit first");
      }
      const YamlNode& content = *entry.value;
      spec_.variable_places[name] = place(origin_, entry.line, entry.column);
      if (content.is_null()) {
        warn("the variable `" + name + "` has no value and is set to the empty text", content);
        spec_.variables.emplace_back(name, "");
        continue;
      }
      if (!content.is_scalar()) throw wrong(content, "the value of the variable `" + name + "` has to be a text");
      if (content.text.find('\0') != std::string::npos) {
        throw wrong(content, "the value of the variable `" + name + "` contains a NUL character");
      }
      // Unquoted numbers and booleans are taken as they are written, not as YAML understands them.
      spec_.variables.emplace_back(name, content.text);
    }
  }

  void read_dependencies(const YamlNode& root) {
    const YamlNode* node = root.find("dependencies");
    if (node == nullptr) {
      if (misspelled_dependencies_ != nullptr) {
        throw Error("the file has no `dependencies`", ErrorKind::invalid_input)
            .at(origin_, misspelled_dependencies_->line, misspelled_dependencies_->column)
            .because("the key there is `" + escape_control(misspelled_dependencies_->key) + "`")
            .hint("did you mean `dependencies`?");
      }
      warn("the file has no `dependencies`", root);
      return;
    }
    if (node->is_null()) return;
    for_each_item(*node, "`dependencies`", [&](const YamlNode& item) {
      if (item.is_scalar()) {
        add_spec(item);
      } else if (item.is_map()) {
        for (const YamlNode::Entry& entry : item.entries) read_section(entry);
      } else {
        throw wrong(item, "a dependency has to be a package or a section such as `pip:`");
      }
    });
    const bool has_pip = std::any_of(spec_.dependencies.begin(), spec_.dependencies.end(),
                                     [](const RequestedSpec& requested) { return requested.spec.name == "pip"; });
    if (!spec_.pip.empty() && !has_pip) {
      spec_.warnings.push_back(spec_.pip.front().where +
                               ": there are packages for pip, but `pip` is not among the dependencies");
    }
  }

  void read_section(const YamlNode::Entry& entry) {
    const std::string& key = entry.key;
    if (key.starts_with("sel(") && key.ends_with(")")) {
      read_dictionary_selector(entry);
      return;
    }
    if (key == "pip") {
      if (entry.value->is_null()) return;
      for_each_item(*entry.value, "`pip`", [&](const YamlNode& item) {
        spec_.pip.push_back({text_of(item, "a line for pip"), where(item), spec_.category});
      });
      return;
    }
    static const std::vector<std::string> sections = {"pip"};
    Error error("the section `" + escape_control(key) + "` of the dependencies is not supported",
                ErrorKind::invalid_input);
    error.at(origin_, entry.line, entry.column);
    for (const std::string& match : closest_matches(key, sections, 1)) error.hint("did you mean `" + match + "`?");
    // `numpy: >=1.2`: a package written like a section
    if (entry.value->is_scalar()) {
      error.hint("a package is written without the colon: `- " + escape_control(key) + " " +
                 escape_control(entry.value->text.substr(0, 60)) + "`");
    }
    throw error;
  }

  void read_dictionary_selector(const YamlNode::Entry& entry) {
    used_dictionary_ = true;
    const std::string_view expression = std::string_view(entry.key).substr(4, entry.key.size() - 5);
    const SelectorPlace selector_place{origin_, entry.line, entry.column + 4};
    const std::vector<std::string> true_ones = platform_.selectors();
    const bool keep = evaluate_selector(expression, true_ones, dictionary_selector_variables(), selector_place);
    if (!entry.value->is_scalar()) throw wrong(*entry.value, "the value of a `sel(...)` has to be a package");
    if (keep) add_spec(*entry.value);
  }

  void add_spec(const YamlNode& node) {
    std::string text = text_of(node, "a dependency");
    try {
      MatchSpec spec = MatchSpec::parse(text);
      spec_.dependencies.push_back({std::move(spec), std::move(text), where(node), spec_.category});
    } catch (const Error& cause) {
      throw wrong(node, "a dependency cannot be understood").caused_by(cause);
    }
  }

  const std::string& origin_;
  const Platform& platform_;
  EnvironmentSpec spec_;
  const YamlNode::Entry* misspelled_dependencies_ = nullptr;
  bool used_dictionary_ = false;
};

}  // namespace

EnvironmentSpec parse_environment_yml(std::string_view text, const std::string& origin, const Platform& platform) {
  return Reader(origin, platform).read(text);
}

}  // namespace envtool

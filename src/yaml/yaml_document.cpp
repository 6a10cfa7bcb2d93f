#include "envtool/yaml/yaml_document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <streambuf>

#include "envtool/base/text.hpp"

namespace envtool {
namespace {

// Reads a string_view without copying it.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // a get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

std::size_t from_one(int zero_based) { return static_cast<std::size_t>(std::max(zero_based, 0)) + 1; }

bool is_plain_tag(const std::string& tag) { return tag.empty() || tag == "?"; }

// Builds the tree from the parser's events and refuses what exceeds the limits as it comes, so that
// nothing grows beyond them.
class Builder : public YAML::EventHandler {
 public:
  Builder(const std::string& origin, const YamlLimits& limits) : origin_(origin), limits_(limits) {}

  std::shared_ptr<YamlNode> root() { return root_ ? root_ : std::make_shared<YamlNode>(); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(mark, YamlNode::Kind::null), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail("an alias stands inside what it refers to", mark);
    count(found->second->weight, mark);
    attach(found->second, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    auto node = make(mark, YamlNode::Kind::scalar);
    node->text = value;
    node->plain = is_plain_tag(tag);
    // The parser reports only an empty plain scalar as null.
    if (node->plain && (value == "~" || value == "null" || value == "Null" || value == "NULL")) {
      node->kind = YamlNode::Kind::null;
    }
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  using Node = std::shared_ptr<YamlNode>;
  struct Level {
    Node node;
    YAML::anchor_t anchor;
    // The key that waits for its value, and the maps of a merge key.
    bool has_key = false;
    YamlNode::Entry pending;
    std::vector<YamlNode::Pointer> merged;
    std::map<std::string, std::size_t, std::less<>> seen;
  };

  [[noreturn]] void fail(std::string why, const YAML::Mark& mark) const {
    throw Error("the YAML cannot be accepted", ErrorKind::invalid_input)
        .at(origin_, from_one(mark.line), from_one(mark.column))
        .because(std::move(why));
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    constexpr std::string_view core = "tag:yaml.org,2002:";
    if (is_plain_tag(tag) || tag == "!") return;
    if (tag.starts_with(core)) {
      const std::string_view type = std::string_view(tag).substr(core.size());
      for (const std::string_view known : {"str", "int", "float", "bool", "null", "seq", "map"}) {
        if (type == known) return;
      }
    }
    fail("the tag `" + escape_control(tag) + "` is not allowed", mark);
  }

  void count(std::size_t nodes, const YAML::Mark& mark) {
    total_ += nodes;
    if (total_ > limits_.nodes) fail("it has too many parts", mark);
  }

  Node make(const YAML::Mark& mark, YamlNode::Kind kind) {
    count(1, mark);
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->line = from_one(mark.line);
    node->column = from_one(mark.column);
    return node;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    check_tag(mark, tag);
    if (levels_.size() >= limits_.depth) fail("it is nested too deeply", mark);
    levels_.push_back({make(mark, kind), anchor, false, {}, {}, {}});
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    for (const YamlNode::Pointer& source : level.merged) {
      for (const YamlNode::Entry& entry : source->entries) {
        if (level.seen.emplace(entry.key, entry.line).second) level.node->entries.push_back(entry);
      }
    }
    add(std::move(level.node), level.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    const YAML::Mark mark = mark_of(*node);
    attach(std::move(node), mark);
  }

  static YAML::Mark mark_of(const YamlNode& node) {
    YAML::Mark mark;
    mark.line = static_cast<int>(node.line) - 1;
    mark.column = static_cast<int>(node.column) - 1;
    return mark;
  }

  void attach(YamlNode::Pointer node, const YAML::Mark& mark) {
    if (levels_.size() + node->height > limits_.depth) fail("it is nested too deeply", mark);
    if (levels_.empty()) {
      root_ = std::const_pointer_cast<YamlNode>(node);
      return;
    }
    Level& level = levels_.back();
    level.node->height = std::max(level.node->height, node->height + 1);
    level.node->weight += node->weight;
    if (level.node->is_sequence()) {
      level.node->items.push_back(std::move(node));
    } else if (!level.has_key) {
      take_key(level, *node, mark);
    } else {
      level.has_key = false;
      if (level.pending.key == "<<") {
        merge(level, node, mark);
      } else {
        level.pending.value = std::move(node);
        level.node->entries.push_back(std::move(level.pending));
      }
    }
  }

  void take_key(Level& level, const YamlNode& key, const YAML::Mark& mark) {
    if (!key.is_scalar()) fail("a key has to be a plain word", mark);
    if (key.text != "<<") {
      const auto [earlier, is_new] = level.seen.emplace(key.text, from_one(mark.line));
      if (!is_new) {
        fail("the key `" + escape_control(key.text) + "` is there twice, first in line " +
                 std::to_string(earlier->second),
             mark);
      }
    }
    level.has_key = true;
    level.pending = {key.text, from_one(mark.line), from_one(mark.column), nullptr};
  }

  void merge(Level& level, const YamlNode::Pointer& node, const YAML::Mark& mark) {
    if (node->is_map()) {
      level.merged.push_back(node);
      return;
    }
    const bool all_maps = node->is_sequence() && std::all_of(node->items.begin(), node->items.end(),
                                                             [](const auto& item) { return item->is_map(); });
    if (!all_maps) fail("`<<` needs a map or a list of maps", mark);
    level.merged.insert(level.merged.end(), node->items.begin(), node->items.end());
  }

  const std::string& origin_;
  const YamlLimits& limits_;
  Node root_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t total_ = 0;
};

bool looks_like_more_than_text(std::string_view text) {
  // Words and numbers of YAML 1.1, in which `no` is false, `1e3` and `0x1` numbers, `1:30` sixty-one
  // and a half minutes.
  static constexpr std::string_view words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"};
  const std::string lower = to_lower(text);
  if (std::find(std::begin(words), std::end(words), lower) != std::end(words)) return true;
  if (lower.ends_with(".inf") || lower == ".nan") return true;
  // Whatever begins like a number is quoted unless a letter or sign in it rules numbers out.
  const std::string_view body = text.starts_with('-') || text.starts_with('+') ? text.substr(1) : text;
  if (body.empty()) return true;
  if ((body.front() < '0' || body.front() > '9') && body.front() != '.') return false;
  if (std::count(text.begin(), text.end(), '.') > 1 && lower.find_first_not_of("0123456789.") == std::string::npos &&
      !lower.ends_with('.') && text.front() != '.') {
    return false;  // 1.2.3
  }
  return lower.find_first_not_of("0123456789abcdefox_.:+-tz ") == std::string::npos;
}

bool is_plain_safe(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (!is_alphanumeric(text.front()) && text.front() != '_' && text.front() != '/' && text.front() != '.' &&
      text.front() != '$') {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_alphanumeric(text[i])) continue;
    if (std::string_view("_./+=<>!*|~ :-^$@();%&?").find(text[i]) != std::string_view::npos) {
      if (text[i] == ':' && (i + 1 == text.size() || text[i + 1] == ' ')) return false;
      continue;
    }
    if (text[i] == ',' || text[i] == '[' || text[i] == ']') continue;  // plain outside flow collections
    if (text[i] == '#' && i > 0 && text[i - 1] != ' ') continue;
    return false;
  }
  return !looks_like_more_than_text(text) && text != "---" && text != "...";
}

// Line and paragraph separators, byte order marks and non-characters, which readers refuse or fold.
bool is_unprintable_three_bytes(std::string_view text) {
  return text.starts_with("\u2028") || text.starts_with("\u2029") || text.starts_with("\uFEFF") ||
         text.starts_with("\xEF\xBF\xBE") || text.starts_with("\xEF\xBF\xBF");
}

void append_escape(std::string& result, char kind, unsigned code) {
  constexpr std::string_view digits = "0123456789abcdef";
  result += '\\';
  result += kind;
  for (int shift = kind == 'x' ? 4 : 12; shift >= 0; shift -= 4) result += digits[(code >> shift) & 15u];
}

bool is_indented_by_tab(std::string_view text, std::size_t line) {
  const std::vector<std::string_view> lines = split_lines(text);
  if (line > lines.size()) return false;
  const std::string_view content = lines[line - 1];
  return content.substr(0, content.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return entry.value.get();
  }
  return nullptr;
}

YamlNode::Pointer parse_yaml(std::string_view text, const std::string& origin, const YamlLimits& limits) {
  const auto refuse = [&](std::string why) {
    throw Error("the file cannot be read", ErrorKind::invalid_input).at(origin).because(std::move(why));
  };
  if (text.size() > limits.bytes) refuse("it is larger than " + human_size(limits.bytes));
  if (!is_valid_utf8(text) || text.find('\0') != std::string_view::npos) refuse("it is not UTF-8 text");
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  try {
    Builder builder(origin, limits);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return std::make_shared<YamlNode>();
    YamlNode::Pointer root = builder.root();
    Builder rest(origin, limits);
    if (parser.HandleNextDocument(rest) && !rest.root()->is_null()) refuse("it has more than one YAML document");
    return root;
  } catch (const YAML::Exception& error) {
    // yaml-cpp repeats the place in `what()`; `msg` is the reason alone.
    Error rendered("the file is not valid YAML", ErrorKind::invalid_input);
    rendered.at(origin, from_one(error.mark.line), from_one(error.mark.column)).because(escape_control(error.msg));
    if (is_indented_by_tab(text, from_one(error.mark.line))) rendered.hint("indent with spaces: YAML allows no tabs");
    throw rendered;
  }
}

Error yaml_error(std::string what, const std::string& origin, const YamlNode& node) {
  Error error(std::move(what), ErrorKind::invalid_input);
  error.at(origin, node.line, node.column);
  return error;
}

std::string yaml_scalar(std::string_view text) {
  if (is_plain_safe(text)) return std::string(text);
  std::string result = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': result += "\\\""; break;
      case '\\': result += "\\\\"; break;
      case '\n': result += "\\n"; break;
      case '\r': result += "\\r"; break;
      case '\t': result += "\\t"; break;
      default:
        if (byte < 0x20 || byte == 0x7f) {
          append_escape(result, 'x', byte);
        } else if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
          append_escape(result, 'x', static_cast<unsigned char>(text[++i]));  // C1 controls
        } else if (is_unprintable_three_bytes(text.substr(i))) {
          const auto at = [&](std::size_t n) { return static_cast<unsigned char>(text[i + n]) & 0x3fu; };
          append_escape(result, 'u', ((byte & 0x0fu) << 12) | (at(1) << 6) | at(2));
          i += 2;
        } else {
          result += c;
        }
    }
  }
  return result + "\"";
}

}  // namespace envtool

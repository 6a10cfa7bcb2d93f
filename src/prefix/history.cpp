#include "envtool/prefix/history.hpp"

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/os/files.hpp"
#include "envtool/specs/match_spec.hpp"

namespace envtool {

namespace {
constexpr std::string_view public_server = "https://conda.anaconda.org/";

/// A Python list of strings as conda writes it (`['a', "b"]`, old files with `u'a'`), or nothing.
std::optional<std::vector<std::string>> parse_string_list(std::string_view text) {
  std::vector<std::string> items;
  std::size_t at = 1;  // behind `[`
  const auto skip_blanks = [&] {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == ',')) ++at;
  };
  for (skip_blanks(); at < text.size() && text[at] != ']'; skip_blanks()) {
    if (text[at] == 'u' && at + 1 < text.size() && (text[at + 1] == '\'' || text[at + 1] == '"')) ++at;
    const char quote = text[at];
    if (quote != '\'' && quote != '"') return std::nullopt;
    std::string item;
    for (++at; at < text.size() && text[at] != quote; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      item += text[at];
    }
    if (at >= text.size()) return std::nullopt;
    ++at;
    items.push_back(std::move(item));
  }
  return at < text.size() ? std::optional(items) : std::nullopt;
}

/// The comma list of conda before 4.5: a piece that starts with an operator belongs to the spec before.
std::vector<std::string> parse_comma_list(std::string_view text) {
  std::vector<std::string> specs;
  for (std::string_view piece : split(text, ',')) {
    piece = strip(piece);
    if (piece.empty()) continue;
    const bool continues = !specs.empty() && std::string_view("<>=!~").find(piece.front()) != std::string_view::npos;
    if (continues)
      specs.back() += "," + std::string(piece);
    else
      specs.emplace_back(piece);
  }
  return specs;
}

std::vector<std::string> parse_specs(std::string_view text) {
  text = strip(text);
  if (text.starts_with("[")) {
    if (auto items = parse_string_list(text)) {
      std::erase_if(*items, [](const std::string& item) { return strip(item).empty(); });
      return *items;
    }
    return {};
  }
  return parse_comma_list(text);
}

/// As Python's `repr` of a list of strings.
std::string render_list(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& raw : items) {
    const std::string item = escape_control(redact(raw));
    if (text.size() > 1) text += ", ";
    const char quote = item.find('\'') == std::string::npos || item.find('"') != std::string::npos ? '\'' : '"';
    text += quote;
    for (char c : item) {
      if (c == quote || c == '\\') text += '\\';
      text += c;
    }
    text += quote;
  }
  return text + "]";
}

void read_comment(std::string_view line, HistoryEntry& entry) {
  line.remove_prefix(1);
  line = strip(line);
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view key = strip(line.substr(0, colon));
  const std::string_view value = strip(line.substr(colon + 1));
  const auto words = split_whitespace(key);
  if (key == "cmd") {
    for (std::string_view word : split_whitespace(value)) entry.command.emplace_back(word);
  } else if (key == "note") {
    entry.note = std::string(value);
  } else if (words.size() == 2 && words[1] == "version") {
    entry.tool = std::string(words[0]);
    entry.tool_version = std::string(value);
  } else if (words.size() == 2 && words[1] == "specs") {
    if (words[0] == "update" || words[0] == "install" || words[0] == "create")
      entry.update_specs = parse_specs(value);
    else if (words[0] == "remove" || words[0] == "uninstall")
      entry.remove_specs = parse_specs(value);
    else if (words[0] == "neutered")
      entry.neutered_specs = parse_specs(value);
  }
}

std::string spec_name(const std::string& spec) {
  try {
    return MatchSpec::parse(spec).name;
  } catch (const Error&) {
    // Old files hold specs of grammars long gone; their first word is still the name.
    const std::string_view text = strip(spec);
    return to_lower(text.substr(0, text.find_first_of(" \t=<>!~[")));
  }
}
}  // namespace

History History::parse(std::string_view text) {
  History history;
  for (std::string_view line : split_lines(text)) {
    line = strip(line);
    if (line.empty()) continue;
    if (line.starts_with("==>")) {
      line.remove_prefix(3);
      if (const std::size_t end = line.rfind("<=="); end != std::string_view::npos) line = line.substr(0, end);
      history.entries_.emplace_back();
      history.entries_.back().time = std::string(strip(line));
      history.entries_.back().tool.clear();
      continue;
    }
    if (line.front() == '#') {
      if (!history.entries_.empty()) read_comment(line, history.entries_.back());
      continue;
    }
    // Lines before any head are the whole state of a very old file.
    if (history.entries_.empty()) {
      history.entries_.emplace_back();
      history.entries_.back().tool.clear();
    }
    HistoryEntry& entry = history.entries_.back();
    const std::string rest(line.substr(1));
    if (line.front() == '+')
      entry.linked.push_back(rest);
    else if (line.front() == '-')
      entry.unlinked.push_back(rest);
    else
      entry.state.emplace_back(line);
  }
  return history;
}

History History::load(const Prefix& prefix) {
  const auto text = read_file_if_exists(prefix.history_file(), history_limit);
  return text ? parse(*text) : History();
}

std::map<std::string, std::string> History::requested_specs() const {
  std::map<std::string, std::string> specs;
  for (const HistoryEntry& entry : entries_) {
    if (entry.command.empty()) continue;  // conda reads requests of blocks with a command only
    for (const std::string& spec : entry.remove_specs) specs.erase(spec_name(spec));
    for (const std::string& spec : entry.update_specs) specs[spec_name(spec)] = spec;
    for (const std::string& spec : entry.neutered_specs) specs[spec_name(spec)] = spec;
  }
  return specs;
}

std::vector<std::string> History::state_at(std::size_t revision) const {
  std::set<std::string> state;
  for (std::size_t i = 0; i <= revision && i < entries_.size(); ++i) {
    const HistoryEntry& entry = entries_[i];
    if (entry.linked.empty() && entry.unlinked.empty() && !entry.state.empty()) state.clear();
    for (const std::string& line : entry.state) state.insert(line);
    for (const std::string& line : entry.unlinked) state.erase(line);
    for (const std::string& line : entry.linked) state.insert(line);
  }
  return {state.begin(), state.end()};
}

std::string render(const HistoryEntry& entry) {
  std::string text = "==> " + escape_control(entry.time) + " <==\n";
  if (!entry.command.empty()) {
    text += "# cmd: " + escape_control(redact(join(entry.command, " "))) + "\n";
    text += "# " + escape_control(entry.tool) + " version: " + escape_control(entry.tool_version) + "\n";
  }
  if (!entry.note.empty()) text += "# note: " + escape_control(entry.note) + "\n";
  std::vector<std::string> unlinked = entry.unlinked, linked = entry.linked;
  std::sort(unlinked.begin(), unlinked.end());
  std::sort(linked.begin(), linked.end());
  for (const std::string& line : unlinked) text += "-" + escape_control(line) + "\n";
  for (const std::string& line : linked) text += "+" + escape_control(line) + "\n";
  if (!entry.update_specs.empty()) text += "# update specs: " + render_list(entry.update_specs) + "\n";
  if (!entry.remove_specs.empty()) text += "# remove specs: " + render_list(entry.remove_specs) + "\n";
  if (!entry.neutered_specs.empty()) text += "# neutered specs: " + render_list(entry.neutered_specs) + "\n";
  return text;
}

std::string history_line(const RepoDataRecord& record) {
  std::string channel = redact(record.channel);
  while (!channel.empty() && channel.back() == '/') channel.pop_back();
  if (channel.starts_with(public_server)) channel.erase(0, public_server.size());
  if (channel.empty()) channel = "<unknown>";
  return channel + "/" + (record.subdir.empty() ? "noarch" : record.subdir) + "::" + record.dist();
}

std::string_view dist_of_history_line(std::string_view line) {
  const std::size_t colons = line.rfind("::");
  if (colons != std::string_view::npos) line.remove_prefix(colons + 2);
  line.remove_suffix(archive_extension(line).size());
  return line;
}

bool only_changes_place(const History& history, std::size_t revision) {
  const std::string& note = history.entries()[revision].note;
  if (!note.starts_with(moved_note) && !note.starts_with(copied_note)) return false;
  // So that other tools see the block it has a package that was there before.
  return revision > 0 && history.state_at(revision) == history.state_at(revision - 1);
}

}  // namespace envtool

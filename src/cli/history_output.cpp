#include "history_output.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "envtool/activation/activation.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/specs/version.hpp"
#include "terminal.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

/// Of packages of conda and of pip.
struct Counts {
  std::size_t added = 0, removed = 0, changed = 0;

  template <typename Value>
  void add(const std::vector<RevisionDifference::Change<Value>>& changes) {
    for (const auto& change : changes) ++(!change.from ? added : !change.to ? removed : changed);
  }
};

RevisionDifference since_last(const std::vector<RevisionView>& views, std::size_t number) {
  RevisionView nothing;
  nothing.is_recorded = true;
  return compare(number == 0 ? nothing : views[number - 1], views[number]);
}

Counts counts_of(const RevisionDifference& difference) {
  Counts counts;
  counts.add(difference.packages);
  counts.add(difference.pip);
  return counts;
}

std::string command_text(const RevisionView& view) {
  if (view.entry.command.empty()) return view.entry.note.empty() ? "-" : "(" + view.entry.note + ")";
  std::vector<std::string> words = view.entry.command;
  // The program by its name, wherever it lies.
  words.front().erase(0, words.front().rfind('/') + 1);
  const bool has_note = !view.entry.note.empty() && view.entry.note != no_package_note;
  return join(words, " ") + (has_note ? " (" + view.entry.note + ")" : "");
}

/// What else changed, in words.
std::string other_changes(const RevisionDifference& difference) {
  std::vector<std::string> words;
  if (!difference.requested.empty()) words.push_back("specs");
  if (!difference.pins_added.empty() || !difference.pins_removed.empty()) words.push_back("pins");
  if (!difference.variables.empty()) words.push_back("variables");
  return join(words, ", ");
}

std::string package_text(const ListedPackage& package) {
  return package.version + (package.build.empty() ? "" : " " + package.build) + (package.channel.empty() ? "" : " (" + package.channel + ")");
}

std::string shown(const std::string& text) { return escape_control(redact(text)); }

constexpr const char* hidden = "***";

/// Values of variables that look like secrets are shown by `env config vars list` alone.
std::string shown_variable(const std::string& name, const std::string& value) {
  return value == unset_variable_mark ? "(unset)" : names_a_secret(name) ? hidden : shown(value);
}

Json variable_json(const std::string& name, const std::string& value) {
  if (value == unset_variable_mark) return nullptr;
  return names_a_secret(name) ? hidden : redact(value);
}

Json package_json(const std::optional<ListedPackage>& package) {
  if (!package) return nullptr;
  return {{"version", package->version}, {"build_string", package->build}, {"channel", redact(package->channel)}};
}

template <typename Value>
Json value_json(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// Sections with a title and indented lines; empty ones are left out.
void add_section(std::string& text, const char* title, const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return;
  if (!text.empty()) text += "\n";
  text += std::string(title) + ":\n" + format_table(rows);
}

bool is_upgrade(const ListedPackage& from, const ListedPackage& to) {
  try {
    const auto order = Version::parse(to.version) <=> Version::parse(from.version);
    if (order != 0) return order > 0;
  } catch (const std::exception&) {
    // Old histories hold anything.
  }
  return std::pair(to.version, to.build) > std::pair(from.version, from.build);
}
}  // namespace

std::string history_text(const std::vector<RevisionView>& views, const std::string& prefix) {
  if (views.empty()) return "There is no history of " + escape_control(prefix) + "\n";
  std::vector<std::vector<std::string>> rows{{"", "REV", "DATE", "+", "-", "~", "COMMAND"}};
  bool damaged = false;
  for (const RevisionView& view : views) {
    const RevisionDifference difference = since_last(views, view.number);
    const Counts counts = counts_of(difference);
    const auto number = [](char sign, std::size_t count) { return count == 0 ? std::string("-") : sign + std::to_string(count); };
    std::string what = shown(command_text(view));
    if (const std::string others = other_changes(difference); !others.empty()) what += "  [" + others + "]";
    damaged = damaged || !view.problem.empty();
    rows.push_back({view.is_current ? "*" : view.problem.empty() ? " " : "!", std::to_string(view.number), shown(view.entry.time),
                    number('+', counts.added), number('-', counts.removed), number('~', counts.changed), what});
  }
  std::string text = "# revisions of " + escape_control(prefix) + " (* the current one)\n#\n" + format_table(rows);
  if (damaged) text += "! the file of this revision is damaged: `envtool history show REV` says how\n";
  return text;
}

Json history_json(const std::vector<RevisionView>& views) {
  Json list = Json::array();
  for (const RevisionView& view : views) {
    const RevisionDifference difference = since_last(views, view.number);
    const Counts counts = counts_of(difference);
    Json item{{"rev", view.number},
              {"date", view.entry.time},
              {"command", redact(join(view.entry.command, " "))},
              {"tool", view.entry.tool},
              {"tool_version", view.entry.tool_version},
              {"current", view.is_current},
              {"recorded", view.is_recorded},
              {"added", counts.added},
              {"removed", counts.removed},
              {"changed", counts.changed},
              {"specs_changed", !difference.requested.empty()},
              {"pins_changed", !difference.pins_added.empty() || !difference.pins_removed.empty()},
              {"variables_changed", !difference.variables.empty()}};
    if (!view.entry.note.empty()) item["note"] = view.entry.note;
    if (!view.problem.empty()) item["problem"] = view.problem;
    list.push_back(std::move(item));
  }
  return list;
}

std::string revision_text(const RevisionView& view) {
  std::string text = "revision " + std::to_string(view.number) + (view.is_current ? " (the current one)" : "") + "\n" +
                     format_table({{"date", shown(view.entry.time)}, {"command", shown(command_text(view))},
                                   {"tool", shown(view.entry.tool + " " + view.entry.tool_version)}});
  std::vector<std::vector<std::string>> rows;
  const auto flush = [&](const char* title) {
    add_section(text, title, rows);
    rows.clear();
  };
  for (const auto& [name, specs] : view.requested)
    for (const std::string& spec : specs) rows.push_back({"  " + shown(spec)});
  flush("asked for");
  for (const auto& [name, package] : view.packages)
    rows.push_back({"  " + escape_control(name), escape_control(package.version), escape_control(package.build), shown(package.channel)});
  flush("packages");
  for (const auto& [name, version] : view.pip) rows.push_back({"  " + escape_control(name), escape_control(version)});
  flush("pip packages");
  for (const std::string& pin : parse_pinned(view.pinned.value_or(""))) rows.push_back({"  " + shown(pin)});
  flush("pins");
  for (const auto& [name, value] : view.variables) rows.push_back({"  " + escape_control(name), shown_variable(name, value)});
  flush("variables");
  if (!view.is_recorded && view.problem.empty())
    text += "\nAnother tool made this revision: of pip packages, pins and variables nothing is known.\n";
  return text;
}

Json revision_json(const RevisionView& view) {
  Json document{{"rev", view.number},     {"date", view.entry.time},      {"command", redact(join(view.entry.command, " "))},
                {"tool", view.entry.tool}, {"tool_version", view.entry.tool_version}, {"current", view.is_current},
                {"recorded", view.is_recorded}};
  if (!view.problem.empty()) document["problem"] = view.problem;
  document["packages"] = Json::array();
  for (const auto& [name, package] : view.packages) {
    Json item{{"name", name}};
    item.update(package_json(package));
    document["packages"].push_back(std::move(item));
  }
  document["requested"] = Json::object();
  for (const auto& [name, specs] : view.requested) document["requested"][name] = specs;
  document["pip"] = Json::array();
  for (const auto& [name, version] : view.pip) document["pip"].push_back({{"name", name}, {"version", version}});
  document["pinned"] = parse_pinned(view.pinned.value_or(""));
  document["variables"] = Json::object();
  for (const auto& [name, value] : view.variables) document["variables"][name] = variable_json(name, value);
  return document;
}

std::string difference_text(const RevisionDifference& difference) {
  std::string text;
  const auto section = [&](const char* title, const auto& changes, const auto& show) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& change : changes)
      rows.push_back({change.from && change.to ? "  ~" : change.to ? "  +" : "  -", escape_control(change.name),
                      (change.from ? show(change.name, *change.from) : "") + (change.from && change.to ? " -> " : "") +
                          (change.to ? show(change.name, *change.to) : "")});
    add_section(text, title, rows);
  };
  section("packages", difference.packages, [](const std::string&, const ListedPackage& package) { return shown(package_text(package)); });
  section("pip packages", difference.pip, [](const std::string&, const std::string& version) { return escape_control(version); });
  section("asked for", difference.requested, [](const std::string&, const std::vector<std::string>& specs) { return shown(join(specs, ", ")); });
  std::vector<std::vector<std::string>> pins;
  for (const std::string& pin : difference.pins_removed) pins.push_back({"  -", shown(pin)});
  for (const std::string& pin : difference.pins_added) pins.push_back({"  +", shown(pin)});
  add_section(text, "pins", pins);
  section("variables", difference.variables, shown_variable);
  if (text.empty()) text = "Nothing differs.\n";
  if (difference.is_partial) text += "\nAnother tool made one of the two: pip packages, pins and variables cannot be compared.\n";
  return text;
}

Json difference_json(const RevisionDifference& difference, std::size_t from, std::size_t to) {
  Json document{{"from", from}, {"to", to}, {"partial", difference.is_partial}};
  const auto put = [&](const char* key, const auto& changes, const auto& value) {
    document[key] = Json::array();
    for (const auto& change : changes) document[key].push_back({{"name", change.name}, {"from", value(change.from)}, {"to", value(change.to)}});
  };
  const auto variable = [](const std::string& name, const std::optional<std::string>& value) { return value ? variable_json(name, *value) : Json(nullptr); };
  put("packages", difference.packages, package_json);
  put("pip", difference.pip, value_json<std::string>);
  put("requested", difference.requested, value_json<std::vector<std::string>>);
  document["variables"] = Json::array();
  for (const auto& change : difference.variables)
    document["variables"].push_back({{"name", change.name}, {"from", variable(change.name, change.from)}, {"to", variable(change.name, change.to)}});
  document["pins"] = {{"removed", difference.pins_removed}, {"added", difference.pins_added}};
  return document;
}

std::string conda_revisions_text(const std::vector<RevisionView>& views) {
  std::string text;
  for (const RevisionView& view : views) {
    text += shown(view.entry.time) + "  (rev " + std::to_string(view.number) + ")\n";
    const auto version = [](const ListedPackage& package) {
      return escape_control(package.version) + (package.channel.empty() ? "" : " (" + shown(package.channel) + ")");
    };
    const RevisionDifference difference = since_last(views, view.number);
    const auto& changes = difference.packages;
    for (const auto& change : changes)
      if (change.from && change.to) text += "     " + escape_control(change.name) + "  {" + version(*change.from) + " -> " + version(*change.to) + "}\n";
    for (const auto& change : changes)
      if (!change.to) text += "    -" + escape_control(change.name) + "-" + version(*change.from) + "\n";
    for (const auto& change : changes)
      if (!change.from) text += "    +" + escape_control(change.name) + "-" + version(*change.to) + "\n";
    for (const auto& change : difference.pip) {
      const std::string name = escape_control(change.name);
      text += change.from && change.to ? "     " + name + "  {" + escape_control(*change.from) + " -> " + escape_control(*change.to) + " (pip)}\n"
              : change.to              ? "    +" + name + "-" + escape_control(*change.to) + " (pip)\n"
                                       : "    -" + name + "-" + escape_control(*change.from) + " (pip)\n";
    }
    const std::string others = other_changes(difference);
    if (changes.empty() && difference.pip.empty()) text += "     (no packages" + (others.empty() ? "" : ": " + others) + ")\n";
    text += "\n";
  }
  return text;
}

Json conda_revisions_json(const std::vector<RevisionView>& views) {
  Json list = Json::array();
  for (const RevisionView& view : views) {
    Json item{{"date", view.entry.time}, {"rev", view.number}, {"install", Json::array()}, {"remove", Json::array()},
              {"upgrade", Json::array()}, {"downgrade", Json::array()}};
    const auto whole = [](const std::string& name, const ListedPackage& package) {
      return name + "-" + package.version + "-" + package.build + (package.channel.empty() ? "" : "-" + redact(package.channel));
    };
    for (const auto& change : since_last(views, view.number).packages) {
      if (!change.from) item["install"].push_back(whole(change.name, *change.to));
      else if (!change.to) item["remove"].push_back(whole(change.name, *change.from));
      else item[is_upgrade(*change.from, *change.to) ? "upgrade" : "downgrade"].push_back(
          {{"old", whole(change.name, *change.from)}, {"new", whole(change.name, *change.to)}});
    }
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace envtool

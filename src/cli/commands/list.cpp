#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../history_output.hpp"
#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "envtool/app/export.hpp"
#include "envtool/app/history.hpp"
#include "envtool/app/pip.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "envtool/specs/match_spec.hpp"

namespace envtool {

namespace {
struct ListOptions {
  TargetOptions target;
  std::string pattern;
  bool explicit_list = false;
  bool md5 = false, sha256 = false;
  bool full_name = false;
  bool reverse = false;
  bool no_pip = false;
  bool export_form = false;
  bool canonical = false;
  bool revisions = false;
};

/// conda's `list PATTERN` searches with a regular expression; a plain word is found anywhere in a name.
class NameFilter {
 public:
  NameFilter(const std::string& pattern, bool full_name) : any_(pattern.empty()) {
    if (any_) return;
    const bool is_expression = pattern.find_first_of("^$*") != std::string::npos;
    if (full_name || is_expression) {
      std::string text = pattern;
      if (text.starts_with('^') && !text.ends_with('$')) text += ".*$";
      else if (!text.starts_with('^') && text.ends_with('$')) text = "^.*" + text;
      matcher_ = StringMatcher::parse(text);
    } else {
      part_ = to_lower(pattern);
    }
  }
  bool matches(const std::string& name) const {
    if (any_) return true;
    return part_.empty() ? matcher_.matches(name) : to_lower(name).find(part_) != std::string::npos;
  }

 private:
  bool any_;
  StringMatcher matcher_;
  std::string part_;
};

int run_list(const CommandContext& context, const ListOptions& options) {
  if (!options.explicit_list && (options.md5 || options.sha256))
    throw Error("`--md5` and `--sha256` belong to `--explicit`", ErrorKind::usage);
  if (options.explicit_list && (!options.pattern.empty() || options.export_form || options.canonical))
    throw Error("`--explicit` lists the whole environment in a form of its own", ErrorKind::usage)
        .hint("leave out the pattern, `--export` and `--canonical`");
  if (options.revisions && (options.explicit_list || options.export_form || options.canonical || !options.pattern.empty()))
    throw Error("`--revisions` lists the changes, not the packages", ErrorKind::usage)
        .hint("leave out the pattern, `--explicit`, `--export` and `--canonical`");
  const Settings settings = load_settings(context);
  const Prefix prefix = existing_target(context, settings, options.target);
  recover_and_tell(context, prefix);
  if (options.revisions) {
    const auto views = view_history(prefix);
    if (context.global.json) print_json(conda_revisions_json(views));
    else print_out(conda_revisions_text(views));
    return 0;
  }
  if (options.explicit_list) {
    print_out(export_explicit(prefix, options.sha256 ? "sha256" : options.md5 ? "md5" : ""));
    return 0;
  }
  const PrefixData data = PrefixData::load(prefix);
  const NameFilter filter(options.pattern, options.full_name);
  struct Line {
    std::string name;
    std::vector<std::string> row;
    nlohmann::ordered_json json;
    std::string canonical;
  };
  std::vector<Line> lines;
  for (const PrefixRecord& record : data.records()) {
    if (!filter.matches(record.name)) continue;
    Line line{record.name,
              {record.name, record.version, record.build, channel_display_name(record.channel)},
              dist_json(record),
              channel_display_name(record.channel) + "/" + record.subdir + "::" + record.dist()};
    lines.push_back(std::move(line));
  }
  if (!options.no_pip)
    for (const PipPackage& package : pip_packages(prefix, data.records())) {
      if (!filter.matches(package.name)) continue;
      nlohmann::ordered_json json{{"base_url", "https://conda.anaconda.org/pypi"}, {"build_number", 0},
                                  {"build_string", "pypi_0"}, {"channel", "pypi"},
                                  {"dist_name", package.name + "-" + package.version + "-pypi_0"}, {"name", package.name},
                                  {"platform", "pypi"}, {"version", package.version}};
      lines.push_back({package.name, {package.name, package.version, "pypi_0", "pypi"}, std::move(json),
                       "pypi/pypi::" + package.name + "-" + package.version + "-pypi_0"});
    }
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return to_lower(a.name) < to_lower(b.name); });
  if (options.reverse) std::reverse(lines.begin(), lines.end());
  if (context.global.json) {
    nlohmann::ordered_json document = nlohmann::ordered_json::array();
    for (Line& line : lines) document.push_back(std::move(line.json));
    print_json(document);
    return 0;
  }
  std::string text;
  if (options.canonical) {
    for (const Line& line : lines) text += escape_control(line.canonical) + "\n";
  } else if (options.export_form) {
    text = "# platform: " + Platform::current().str() + "\n";
    for (const Line& line : lines)
      text += escape_control(line.row[0]) + "=" + escape_control(line.row[1]) + "=" + escape_control(line.row[2]) + "\n";
  } else {
    std::vector<std::vector<std::string>> rows{{"# Name", "Version", "Build", "Channel"}};
    for (Line& line : lines) {
      for (std::string& cell : line.row) cell = escape_control(cell);
      rows.push_back(std::move(line.row));
    }
    text = "# packages in environment at " + prefix.path() + ":\n#\n" + format_table(rows);
  }
  print_out(text);
  return 0;
}
}  // namespace

void register_list(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("list", "The packages of an environment");
  auto options = std::make_shared<ListOptions>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  command->add_option("pattern", options->pattern, "Only names that contain or match this");
  command->add_flag("--explicit", options->explicit_list, "As an @EXPLICIT file, for `create -f`");
  command->add_flag("--md5", options->md5, "With `--explicit`: MD5 digests");
  command->add_flag("--sha256", options->sha256, "With `--explicit`: SHA-256 digests");
  command->add_flag("-f,--full-name", options->full_name, "The pattern is the whole name");
  command->add_flag("--reverse", options->reverse, "Last name first");
  command->add_flag("--no-pip", options->no_pip, "Without packages that pip installed");
  command->add_flag("-e,--export", options->export_form, "As `name=version=build` lines");
  command->add_flag("--canonical", options->canonical, "As `channel/subdir::name-version-build` lines");
  command->add_flag("--revisions", options->revisions, "The changes, as conda lists them; `envtool history` says more");
  command->callback([&context, options] { context.action = [&context, options] { return run_list(context, *options); }; });
}

}  // namespace envtool

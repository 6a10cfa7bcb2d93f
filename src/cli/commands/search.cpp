#include <CLI/CLI.hpp>

#include <utility>
#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../query_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/environments.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

struct SearchOptions {
  ChannelOptions channels;
  std::vector<std::string> specs;
  bool info = false;
  bool environments = false;
};

/// Collects the document as text: a whole channel as JSON values would take gigabytes.
class SearchDocument {
 public:
  void add(const std::string& name, const std::vector<RepoDataRecord>& records) {
    Json list = Json::array();
    for (const RepoDataRecord& record : records) list.push_back(record_json(record, ChannelForm::subdir_url));
    text_ += text_.empty() && !begun_ ? "{" : ",";
    begun_ = true;
    text_ += "\n  " + Json(name).dump(-1, ' ', false, Json::error_handler_t::replace) + ": " +
             replace_all(list.dump(2, ' ', false, Json::error_handler_t::replace), "\n", "\n  ");
    constexpr std::size_t enough = std::size_t{32} << 20;
    if (text_.size() > enough) flush();
  }
  void finish() {
    text_ += begun_ ? "\n}\n" : "{}\n";
    flush();
  }

 private:
  void flush() {
    print_out(text_);
    text_.clear();
  }
  bool begun_ = false;
  std::string text_;
};

int search_channels(const CommandContext& context, const AppInputs& inputs, const SearchOptions& options) {
  auto specs = query_specs(options.specs);
  RecordSource source = channel_records(inputs, options.channels, specs);
  std::vector<std::string> widened;
  SearchDocument document;
  TextTable table;
  table.add({"# Name", "Version", "Build", "Channel"});
  std::string channel, channel_name;  // of the last record
  bool begun = false;
  // Known before the first record is.
  const auto tell_widened = [&] {
    for (const std::string& pattern : widened)
      if (!context.global.quiet)
        print_note("No package is called `" + escape_control(pattern.substr(1, pattern.size() - 2)) + "`; these match `" +
                   escape_control(pattern) + "`:");
  };
  search_records(
      source, std::move(specs),
      [&](const std::string& name, const std::vector<RepoDataRecord>& records) {
        if (context.global.json) {
          document.add(name, records);
          return;
        }
        if (options.info) {
          if (!begun) tell_widened();
          std::string details;
          for (const RepoDataRecord& record : records) {
            if (std::exchange(begun, true)) details += "\n";
            details += record_details(record);
          }
          print_out(details);
          return;
        }
        for (const RepoDataRecord& record : records) {
          if (record.channel != channel || channel.empty()) {
            channel = record.channel;
            channel_name = escape_control(channel_display_name(channel));
          }
          table.add({escape_control(record.name), escape_control(record.version), escape_control(record.build), channel_name});
        }
      },
      &widened);
  if (context.global.json) {
    document.finish();
    return 0;
  }
  if (options.info) return 0;
  tell_widened();
  table.write(print_out);
  return 0;
}

int search_environments(const CommandContext& context, const AppInputs& inputs, const SearchOptions& options) {
  const auto specs = query_specs(options.specs);
  Json document = Json::array();
  std::vector<std::vector<std::string>> rows{{"# Name", "Version", "Build", "Channel", "Location"}};
  std::string details;
  for (const FoundEnvironment& environment :
       list_environments(inputs.settings.root_prefix, inputs.settings.envs_dirs, EnvironmentRegistry(context.environment.home))) {
    const Prefix prefix(environment.path);
    std::optional<PrefixData> data;
    try {
      data = PrefixData::load(prefix);
    } catch (const Error& error) {
      inputs.reporter.on_warning(std::string("passed over: ") + error.what());
      continue;
    }
    const RecordSource source = RecordSource::of_environment(inputs, prefix, *data);
    Json found = Json::array();
    for (const PrefixRecord& record : data->records()) {
      if (!specs.empty() &&
          std::none_of(specs.begin(), specs.end(), [&](const MatchSpec& spec) { return source.matches(spec, record); }))
        continue;
      found.push_back(record_json(record, ChannelForm::subdir_url));
      if (options.info) details += (details.empty() ? "" : "\n") + record_details(record);
      rows.push_back(record_cells(record));
      rows.back().push_back(escape_control(environment.path));
    }
    if (!found.empty())
      document.push_back({{"location", environment.path}, {"name", environment.name}, {"package_records", std::move(found)}});
  }
  if (document.empty())
    throw Error("no environment has a package for `" + join(options.specs, "`, `") + "`", ErrorKind::packages_not_found)
        .hint("`envtool env list` shows the environments; without `--envs` the channels are searched")
        .with("packages", options.specs);
  if (context.global.json) print_json(document);
  else print_out(options.info ? details : format_table(rows));
  return 0;
}

int run_search(const CommandContext& context, const SearchOptions& options) {
  const Settings settings = load_settings(context, options.channels);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  return options.environments ? search_environments(context, inputs, options) : search_channels(context, inputs, options);
}
}  // namespace

void register_search(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("search", "Packages that the channels have");
  auto options = std::make_shared<SearchOptions>();
  add_global_options(*command, context.global);
  add_channel_options(*command, options->channels);
  command->add_option("specs", options->specs, "`numpy`, `*numpy*`, `numpy>=1.20`, `pytorch=*=cuda*`; none: every package");
  command->add_flag("-i,--info", options->info, "All that is known of each");
  command->add_flag("--envs", options->environments, "Search what is installed in all environments instead");
  command->footer("The newest version stands last. Exit code 1 when there is none.");
  command->callback([&context, options] { context.action = [&context, options] { return run_search(context, *options); }; });
}

}  // namespace envtool

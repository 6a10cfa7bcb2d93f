#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../error_output.hpp"
#include "../json_output.hpp"
#include "../query_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/install/installer.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

struct WhyOptions {
  TargetOptions target;
  std::string name;
};

std::string quoted(const std::vector<std::string>& specs) {
  std::vector<std::string> parts;
  for (const std::string& spec : specs) parts.push_back("`" + escape_control(redact(spec)) + "`");
  return join(parts, ", ");
}

Json presence_json(const PresenceReason& reason, const Prefix& prefix) {
  Json document;
  document["prefix"] = prefix.path();
  document["name"] = reason.name;
  document["virtual"] = reason.is_virtual;
  if (reason.record) document["package"] = record_json(*reason.record, ChannelForm::name);
  if (reason.is_virtual) document["offered"] = reason.offered.empty() ? Json(nullptr) : Json(reason.offered);
  document["requested_specs"] = Json::array();
  for (const std::string& spec : reason.requested_as) document["requested_specs"].push_back(redact(spec));
  document["needed_by"] = Json::array();
  for (const auto& dependent : reason.needed_by)
    document["needed_by"].push_back({{"name", dependent.record.name}, {"version", dependent.record.version},
                                     {"build", dependent.record.build}, {"spec", redact(dependent.spec)}});
  document["chains"] = reason.chains;
  document["orphan"] = reason.is_orphan();
  return document;
}

std::string presence_text(const PresenceReason& reason, const Prefix& prefix) {
  const std::string name = escape_control(reason.name);
  std::string text;
  if (reason.is_virtual) {
    text = name + (reason.offered.empty() ? " is not offered by this machine" : " is " + escape_control(reason.offered) + " on this machine") +
           "; it is no package that could be installed.\n";
  } else {
    const auto cells = record_cells(*reason.record);
    text = cells[0] + " " + cells[1] + " " + cells[2] + " (" + cells[3] + ") is in " + prefix.path() + "\n";
    if (!reason.requested_as.empty()) text += "It was asked for: " + quoted(reason.requested_as) + "\n";
    else if (reason.any_requested) text += "It was not asked for by name.\n";
    else text += "Nobody knows what was asked for: the environment was not made from specs, or its history is lost.\n";
  }
  if (reason.needed_by.empty()) {
    text += "No installed package needs it.\n";
  } else {
    text += "\nNeeded by:\n";
    std::vector<std::vector<std::string>> rows;
    for (const auto& dependent : reason.needed_by)
      rows.push_back({"  " + escape_control(dependent.record.name), escape_control(dependent.record.version), escape_control(redact(dependent.spec))});
    text += format_table(rows);
  }
  if (!reason.chains.empty()) {
    text += "\nShortest ways from what was asked for:\n";
    for (const auto& chain : reason.chains) text += "  " + escape_control(join(chain, " -> ")) + "\n";
  }
  if (reason.is_orphan())
    text += "\nNothing that was asked for needs it" +
            std::string(reason.needed_by.empty() ? ": `envtool remove " + name + "` takes it out and nothing else.\n" : ".\n");
  return text;
}

int run_why(const CommandContext& context, const WhyOptions& options) {
  const MatchSpec spec = MatchSpec::parse(options.name);
  if (!spec.is_name_only() || spec.name_matcher || spec.name == "*")
    throw Error("`why` takes the name of one package", ErrorKind::usage)
        .at(redact(options.name))
        .hint("`envtool why-not SPEC` says what keeps a version out");
  const Settings settings = load_settings(context);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  const Prefix prefix = existing_target(context, settings, options.target);
  recover(prefix);
  const PresenceReason reason = explain_presence(inputs, prefix, spec.name);
  if (context.global.json) print_json(presence_json(reason, prefix));
  else print_out(presence_text(reason, prefix));
  return 0;
}

struct WhyNotOptions {
  TargetOptions target;
  ChannelOptions channels;
  std::string spec;
  std::vector<std::string> with;
  std::vector<std::string> files;
  bool no_pin = false;
};

/// The rows of what would be different.
std::string changes_text(const Transaction& transaction) {
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const char* sign, const RepoDataRecord& record, const std::string& version) {
    const auto cells = record_cells(record);
    rows.push_back({sign, cells[0], version, cells[2], cells[3]});
  };
  for (const RepoDataRecord& record : transaction.install) add("  +", record, escape_control(record.version));
  for (const PackageChange& change : transaction.change) {
    const char* sign = change.kind == PackageChange::Kind::downgrade ? "  v"
                       : change.kind == PackageChange::Kind::upgrade ? "  ^"
                                                                     : "  ~";
    add(sign, change.to, escape_control(change.from.version == change.to.version ? change.to.version : change.from.version + " -> " + change.to.version));
  }
  for (const PrefixRecord& record : transaction.remove) add("  -", record, escape_control(record.version));
  return format_table(rows);
}

/// A word for a shell.
std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=+,@%") ==
                                          std::string::npos;
  return plain ? text : "'" + replace_all(text, "'", "'\\''") + "'";
}

Json absence_json(const AbsenceReason& reason, const std::string& spec, const std::string& prefix) {
  Json document;
  document["spec"] = spec;
  document["prefix"] = prefix.empty() ? Json(nullptr) : Json(prefix);
  document["possible"] = reason.outcome != AbsenceReason::Outcome::impossible;
  document["installed"] = reason.outcome == AbsenceReason::Outcome::installed;
  if (reason.record) document["package"] = record_json(*reason.record, ChannelForm::name);
  if (reason.outcome == AbsenceReason::Outcome::possible) {
    Json link = Json::array(), unlink = Json::array();
    for (const RepoDataRecord& record : reason.transaction.to_link()) link.push_back(action_json(record));
    for (const PrefixRecord& record : reason.transaction.to_unlink()) unlink.push_back(action_json(record));
    document["actions"] = {{"LINK", std::move(link)}, {"UNLINK", std::move(unlink)}};
  }
  document["notes"] = reason.notes;
  if (reason.obstacle) {
    document["exception_name"] = std::string(exception_name(reason.obstacle->kind()));
    document["message"] = reason.obstacle->message();
    document["reason"] = reason.obstacle->why();
    document["hints"] = reason.obstacle->hints();
    for (const auto& [key, values] : reason.obstacle->fields()) document[key] = values;
    for (const auto& [key, text] : reason.obstacle->json_fields()) document[key] = Json::parse(text, nullptr, false);
  }
  document["warnings"] = reason.warnings;
  return document;
}

/// An explanation's own line breaks stay; what foreign text brought along is escaped.
std::string printable_lines(const std::string& text, const std::string& indent) {
  std::string result;
  for (std::string_view line : split_lines(text)) result += indent + escape_control(line) + "\n";
  return result;
}

std::string absence_text(const AbsenceReason& reason, const std::string& spec, const std::string& place, const std::string& command) {
  const std::string shown = "`" + escape_control(spec) + "`";
  std::string text;
  switch (reason.outcome) {
    case AbsenceReason::Outcome::installed: {
      const std::string package = reason.record ? escape_control(reason.record->dist()) : shown;
      text = "Nothing keeps " + shown + " out: " + package + " is in " + place + ".\n";
      break;
    }
    case AbsenceReason::Outcome::possible:
      text = "Nothing keeps " + shown + " out of " + place + ".\n\n";
      if (reason.transaction.empty()) text += "Nothing would change.\n";
      else text += (command.empty() ? "With it these would be there instead:\n" : "`" + escape_control(command) + "` would change these:\n") +
                   changes_text(reason.transaction);
      break;
    case AbsenceReason::Outcome::impossible:
      text = shown + " cannot be in " + place + ": " + escape_control(reason.obstacle->message()) + "\n\n" +
             printable_lines(reason.obstacle->why(), "  ");
      for (const std::string& hint : reason.obstacle->hints()) text += "\nhint: " + escape_control(hint);
      if (!reason.obstacle->hints().empty()) text += "\n";
      break;
  }
  if (!reason.notes.empty()) text += "\n";
  for (const std::string& note : reason.notes) text += "note: " + escape_control(note) + "\n";
  return text;
}

int run_why_not(const CommandContext& context, const WhyNotOptions& options) {
  const MatchSpec spec = query_specs({options.spec})[0];
  if (spec.name_matcher || spec.name == "*")
    throw Error("`why-not` takes one package, not a pattern", ErrorKind::usage)
        .at(redact(options.spec))
        .hint("`envtool search '" + redact(options.spec) + "'` shows what there is");
  if (spec.name.starts_with("__"))
    throw Error("a virtual package says what the machine offers; it cannot be installed", ErrorKind::usage)
        .at(spec.str())
        .hint("`envtool info` shows what this machine offers");
  const Settings settings = load_settings(context, options.channels);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  RequestOptions request_options;
  request_options.files = options.files;
  request_options.specs = options.with;
  request_options.channels = options.channels.channels;
  request_options.override_channels = options.channels.override_channels;
  request_options.platform = options.channels.platform;
  EnvironmentRequest request = load_request(request_options, settings, context.environment);

  const bool names_environment = !options.target.name.empty() || !options.target.prefix.empty();
  const bool has_wishes = !options.files.empty() || !options.with.empty();
  AbsenceReason reason;
  std::string prefix_path, place, command;
  if (names_environment || !has_wishes) {
    const Prefix prefix = existing_target(context, settings, options.target);
    if (request.explicit_records)
      throw Error("a lock leaves no choice: there is nothing to solve", ErrorKind::usage).hint("give an environment.yml or specs");
    prefix_path = place = prefix.path();
    SolveChoices choices;
    choices.no_pin = options.no_pin;
    reason = explain_absence(inputs, prefix, request, spec, choices);
    command = "envtool install";
    if (!options.target.name.empty()) command += " -n " + shell_word(options.target.name);
    if (!options.target.prefix.empty()) command += " -p " + shell_word(options.target.prefix);
    for (const std::string& channel : options.channels.channels) command += " -c " + shell_word(redact(channel));
    if (options.channels.override_channels) command += " --override-channels";
    if (options.no_pin) command += " --no-pin";
    for (const std::string& file : options.files) command += " -f " + shell_word(file);
    for (const std::string& text : options.with) command += " " + shell_word(redact(text));
    command += " " + shell_word(redact(options.spec));
  } else {
    reason = explain_absence(inputs, request, spec);
    place = "an environment of " + quoted(options.files.empty() ? options.with : options.files);
  }
  for (const std::string& text : reason.warnings)
    if (!context.global.json && !context.global.quiet) print_note("warning: " + escape_control(text));
  if (context.global.json) print_json(absence_json(reason, spec.str(), prefix_path));
  else print_out(absence_text(reason, redact(options.spec), place, command));
  return reason.outcome == AbsenceReason::Outcome::impossible ? 1 : 0;
}
}  // namespace

void register_why(CLI::App& app, CommandContext& context) {
  auto* why = app.add_subcommand("why", "Why a package is in an environment: who needs it, who asked for it");
  auto options = std::make_shared<WhyOptions>();
  add_global_options(*why, context.global);
  add_target_options(*why, options->target);
  why->add_option("package", options->name, "Name of a package, also `__glibc` and the like")->required();
  why->footer("Exit code 0 when it is there (or is a virtual package), 1 when it is not installed.");
  why->callback([&context, options] { context.action = [&context, options] { return run_why(context, *options); }; });

  auto* why_not = app.add_subcommand("why-not", "What keeps a package or version out of an environment");
  auto not_options = std::make_shared<WhyNotOptions>();
  add_global_options(*why_not, context.global);
  add_target_options(*why_not, not_options->target);
  add_channel_options(*why_not, not_options->channels);
  why_not->add_option("spec", not_options->spec, "`numpy`, `numpy=2.0`, `python>=3.13`")->required();
  why_not->add_option("-f,--file", not_options->files, "Ask about an environment of this environment.yml; may be repeated")
      ->allow_extra_args(false);
  why_not->add_option("--with", not_options->with, "Ask about an environment with this spec; may be repeated")->allow_extra_args(false);
  why_not->add_flag("--no-pin", not_options->no_pin, "Ignore pinned packages");
  why_not->footer(
      "Nothing is changed. Without `-n` and `-p`, `-f` and `--with` ask about a new environment, else the active one is\n"
      "meant. Exit code 0 when nothing keeps it out, 1 when something does.");
  why_not->callback([&context, not_options] { context.action = [&context, not_options] { return run_why_not(context, *not_options); }; });
}

}  // namespace envtool

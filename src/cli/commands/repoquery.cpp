#include <CLI/CLI.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../query_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;
using Kind = DependencyGraph::Kind;

enum class Query { search, depends, whoneeds };

struct RepoQueryOptions {
  TargetOptions target;
  ChannelOptions channels;
  std::string spec;
  bool local = false, remote = false;
  bool tree = false, recursive = false, pretty = false;
  std::size_t depth = 0;
};

const char* query_name(Query query) {
  return query == Query::search ? "search" : query == Query::depends ? "depends" : "whoneeds";
}

/// An environment is asked when it is named, unless channels are, too.
bool asks_environment(const RepoQueryOptions& options) {
  if (options.local || options.remote) return options.local;
  if (!options.channels.channels.empty() || !options.channels.platform.empty()) return false;
  return !options.target.name.empty() || !options.target.prefix.empty();
}

RecordSource records_to_ask(const CommandContext& context, const AppInputs& inputs, const RepoQueryOptions& options,
                            std::vector<MatchSpec>& specs) {
  if (!asks_environment(options)) return channel_records(inputs, options.channels, specs);
  const Prefix prefix = existing_target(context, inputs.settings, options.target);
  recover(prefix);
  return RecordSource::of_environment(inputs, prefix, PrefixData::load(prefix));
}

Json query_document(const RepoQueryOptions& options, Query query) {
  Json document;
  document["query"] = {{"query", redact(options.spec)}, {"type", query_name(query)}};
  document["result"] = {{"msg", ""}, {"pkgs", Json::array()}, {"status", "OK"}};
  return document;
}

/// `h1_0 (+ 3 builds)`
std::string build_text(const RepoDataRecord& record, std::size_t others, const char* one, const char* many) {
  if (others == 0) return escape_control(record.build);
  return escape_control(record.build) + " (+ " + std::to_string(others) + " " + (others == 1 ? one : many) + ")";
}

int print_search(const CommandContext& context, RecordSource& source, const RepoQueryOptions& options, std::vector<MatchSpec> specs) {
  Json document = query_document(options, Query::search);
  std::vector<std::vector<std::string>> rows{{"Name", "Version", "Build", "Channel", "Subdir"}};
  std::string details;
  std::vector<std::string> widened;
  search_records(
      source, std::move(specs),
      [&](const std::string&, std::vector<RepoDataRecord>& records) {
        std::reverse(records.begin(), records.end());
        if (context.global.json) {
          for (const RepoDataRecord& record : records)
            document["result"]["pkgs"].push_back(record_json(record, ChannelForm::name));
          return;
        }
        // One row for each version in each channel and subdir, by its best build.
        std::vector<bool> counted(records.size(), false);
        for (std::size_t i = 0; i < records.size(); ++i) {
          if (counted[i]) continue;
          const RepoDataRecord* best = &records[i];
          std::size_t builds = 0;
          for (std::size_t k = i; k < records.size() && records[k].version == records[i].version; ++k) {
            if (records[k].channel != records[i].channel || records[k].subdir != records[i].subdir) continue;
            counted[k] = true;
            ++builds;
            if (source.is_better(records[k], *best)) best = &records[k];
          }
          if (options.pretty) {
            details += (details.empty() ? "" : "\n") + record_details(*best);
            continue;
          }
          rows.push_back(record_cells(*best));
          rows.back()[2] = build_text(*best, builds - 1, "build", "builds");
          rows.back().push_back(escape_control(best->subdir));
        }
      },
      &widened);
  if (context.global.json) {
    print_json(document);
    return 0;
  }
  for (const std::string& pattern : widened)
    if (!context.global.quiet)
      print_note("No package is called `" + escape_control(pattern.substr(1, pattern.size() - 2)) + "`; these match `" +
                 escape_control(pattern) + "`:");
  print_out(options.pretty ? details : format_table(rows));
  return 0;
}

/// The nodes after the root, by name.
std::vector<const DependencyGraph::Node*> sorted_nodes(const DependencyGraph& graph) {
  std::vector<const DependencyGraph::Node*> nodes;
  for (std::size_t i = 1; i < graph.nodes.size(); ++i) nodes.push_back(&graph.nodes[i]);
  std::stable_sort(nodes.begin(), nodes.end(), [](const auto* left, const auto* right) {
    if (left->record.name != right->record.name) return left->record.name < right->record.name;
    return left->spec < right->spec;
  });
  return nodes;
}

void print_graph_json(const DependencyGraph& graph, const RepoQueryOptions& options, Query query) {
  Json document = query_document(options, query);
  Json& result = document["result"];
  const DependencyGraph::Node& root = graph.nodes[0];
  result["graph_roots"] = Json::array();
  result["graph_roots"].push_back(root.kind == Kind::package ? record_json(root.record, ChannelForm::name) : Json(root.record.name));
  if (query == Query::depends) result["pkgs"].push_back(record_json(root.record, ChannelForm::name));
  Json virtuals = Json::array(), missing = Json::array(), edges = Json::array();
  for (const DependencyGraph::Node* node : sorted_nodes(graph)) {
    if (node->kind == Kind::package) result["pkgs"].push_back(record_json(node->record, ChannelForm::name));
    else (node->kind == Kind::missing ? missing : virtuals).push_back(redact(node->spec));
  }
  for (const DependencyGraph::Node& node : graph.nodes)
    for (const DependencyGraph::Edge& edge : node.edges) {
      const std::string& other = graph.nodes[edge.to].record.name;
      const bool down = query == Query::depends;
      edges.push_back({{"package", down ? node.record.name : other}, {"needs", down ? other : node.record.name}, {"spec", redact(edge.spec)}});
    }
  if (query == Query::depends) {
    result["virtual_packages"] = std::move(virtuals);
    result["missing"] = std::move(missing);
  }
  result["edges"] = std::move(edges);
  if (result["pkgs"].empty()) result["msg"] = "No entries matching \"" + redact(options.spec) + "\" found";
  print_json(document);
}

std::string dependencies_table(const DependencyGraph& graph) {
  std::vector<std::vector<std::string>> rows{{"Name", "Version", "Build", "Channel", "Subdir"}};
  auto add = [&](const DependencyGraph::Node& node) {
    if (node.kind == Kind::package) {
      rows.push_back(record_cells(node.record));
      rows.back().push_back(escape_control(node.record.subdir));
      return;
    }
    std::string constraint = redact(node.spec);
    if (to_lower(constraint).starts_with(node.record.name)) constraint.erase(0, node.record.name.size());
    rows.push_back({escape_control(node.record.name), escape_control(strip(constraint)), "",
                    node.kind == Kind::missing ? "(not found)" : "(of the machine)"});
  };
  add(graph.nodes[0]);
  for (const DependencyGraph::Node* node : sorted_nodes(graph)) add(*node);
  return format_table(rows);
}

std::string dependents_table(const DependencyGraph& graph) {
  // By what each one needs, as the nearest one to the root has it.
  std::vector<std::string> needs(graph.nodes.size());
  for (const DependencyGraph::Node& node : graph.nodes)
    for (const DependencyGraph::Edge& edge : node.edges)
      if (needs[edge.to].empty()) needs[edge.to] = redact(edge.spec);
  std::vector<std::vector<std::string>> rows{{"Name", "Version", "Build", "Depends", "Channel", "Subdir"}};
  for (const DependencyGraph::Node* node : sorted_nodes(graph)) {
    const auto cells = record_cells(node->record);
    rows.push_back({cells[0], cells[1], build_text(node->record, node->others, "more", "more"),
                    escape_control(needs[static_cast<std::size_t>(node - graph.nodes.data())]), cells[3],
                    escape_control(node->record.subdir)});
  }
  return format_table(rows);
}

int run_repoquery(const CommandContext& context, const RepoQueryOptions& options, Query query) {
  if (options.local && options.remote) throw Error("`--local` and `--remote` exclude one another", ErrorKind::usage);
  const Settings settings = load_settings(context, options.channels);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  auto specs = query_specs({options.spec});
  RecordSource source = records_to_ask(context, inputs, options, specs);
  if (query == Query::search) return print_search(context, source, options, std::move(specs));
  const bool recursive = options.recursive || options.tree;
  const DependencyGraph graph = query == Query::depends ? find_dependencies(source, specs[0], recursive)
                                                        : find_dependents(source, specs[0], recursive);
  if (context.global.json) {
    print_graph_json(graph, options, query);
  } else if (query == Query::whoneeds && graph.nodes.size() == 1) {
    const DependencyGraph::Node& root = graph.nodes[0];
    print_out("Nothing needs " + escape_control(root.record.name + (root.kind == Kind::package ? " " + root.record.version : "")) + ".\n");
  } else if (options.tree) {
    print_out(dependency_tree(graph, options.depth));
  } else {
    print_out(query == Query::depends ? dependencies_table(graph) : dependents_table(graph));
  }
  return 0;
}

void add_query(CLI::App& parent, CommandContext& context, Query query, const char* text) {
  auto* command = parent.add_subcommand(query_name(query), text);
  auto options = std::make_shared<RepoQueryOptions>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  add_channel_options(*command, options->channels);
  command->add_option("spec", options->spec, "A package: `numpy`, `numpy>=1.20`")->required();
  command->add_flag("--local", options->local, "Ask the environment (`-n`, `-p` or the active one)");
  command->add_flag("--remote", options->remote, "Ask the channels");
  if (query == Query::search) {
    command->add_flag("--pretty,--info", options->pretty, "All that is known of each version's best build");
  } else {
    command->add_flag("-t,--tree", options->tree, "As a tree, down to the last; repeated parts are shown once");
    command->add_flag("--recursive", options->recursive, "Not only the direct ones");
    command->add_option("--depth", options->depth, "With `--tree`: how many levels below the first")->check(CLI::PositiveNumber);
  }
  command->footer(std::string("The channels are asked (always with `-c` or `--platform`), unless `-n`, `-p` or `--local` name an environment.") +
                  (query == Query::whoneeds ? " Each package that needs it is shown by its best such build."
                   : query == Query::depends ? " A dependency is shown by the best package that satisfies it; nothing is solved."
                                             : ""));
  command->callback([&context, options, query] {
    context.action = [&context, options, query] { return run_repoquery(context, *options, query); };
  });
}
}  // namespace

void register_repoquery(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("repoquery", "Ask channels or an environment about packages");
  command->require_subcommand(1);
  add_query(*command, context, Query::search, "Packages, newest first, with the number of their builds");
  add_query(*command, context, Query::depends, "What a package needs");
  add_query(*command, context, Query::whoneeds, "Which packages need a package");
}

}  // namespace envtool

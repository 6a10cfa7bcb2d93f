#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "envtool/app/query.hpp"
#include "envtool/base/error.hpp"
#include "envtool/repodata/repodata_gateway.hpp"

namespace envtool {

namespace {

using Kind = DependencyGraph::Kind;
using Node = DependencyGraph::Node;

bool is_virtual_name(std::string_view name) { return name.starts_with("__"); }

/// Foreign records may hold what no grammar allows: nothing then.
std::optional<MatchSpec> try_parse(const std::string& text) {
  try {
    return MatchSpec::parse(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void add_edge(Node& from, std::size_t to, const std::string& spec) {
  for (DependencyGraph::Edge& edge : from.edges)
    if (edge.to == to) {
      if (edge.spec != spec) edge.spec += ", " + spec;
      return;
    }
  from.edges.push_back({to, spec});
}

void sort_edges(DependencyGraph& graph) {
  for (Node& node : graph.nodes)
    std::sort(node.edges.begin(), node.edges.end(), [&](const auto& left, const auto& right) {
      const Node &a = graph.nodes[left.to], &b = graph.nodes[right.to];
      if (a.record.name != b.record.name) return a.record.name < b.record.name;
      return left.to < right.to;
    });
}

Node plain_node(Kind kind, std::string name, std::string spec) {
  Node node;
  node.kind = kind;
  node.record.name = std::move(name);
  node.spec = std::move(spec);
  return node;
}

/// Grows the graph of dependencies, nearest ones first.
class DependencyWalk {
 public:
  explicit DependencyWalk(RecordSource& source) : source_(source) {}

  DependencyGraph walk(RepoDataRecord root, bool recursive) {
    add_package(std::move(root));
    std::size_t level_end = 0;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (i > 0 && !recursive) break;
      if (i == level_end) {
        level_end = graph_.nodes.size();
        prefetch(i);
      }
      const std::vector<std::string> depends = graph_.nodes[i].record.depends;
      for (const std::string& text : depends)
        if (const auto to = node_for(text)) add_edge(graph_.nodes[i], *to, text);
    }
    sort_edges(graph_);
    return std::move(graph_);
  }

 private:
  /// What the nodes from that one on depend on comes in one go, not name by name.
  void prefetch(std::size_t begin) {
    std::vector<std::string> names;
    for (std::size_t i = begin; i < graph_.nodes.size(); ++i)
      for (const std::string& text : graph_.nodes[i].record.depends)
        if (std::string name = dependency_name(text); !name.empty() && !is_virtual_name(name) && fetched_.insert(name).second)
          names.push_back(std::move(name));
    if (names.size() > 1) source_.prefetch(std::move(names));
  }

  std::size_t add_package(RepoDataRecord record) {
    const std::size_t number = graph_.nodes.size();
    by_name_[record.name].push_back(number);
    Node& node = graph_.nodes.emplace_back();
    node.record = std::move(record);
    return number;
  }

  std::size_t add_plain(Kind kind, const std::string& name, const std::string& text) {
    const auto [place, is_new] = plain_.try_emplace(text, graph_.nodes.size());
    if (is_new) graph_.nodes.push_back(plain_node(kind, name, text));
    return place->second;
  }

  /// The node that answers a dependency; nothing for a condition (CEP 43) that need not hold.
  std::optional<std::size_t> node_for(const std::string& text) {
    const auto known = answers_.find(text);
    if (known != answers_.end()) return known->second;
    const auto answer = find_node(text);
    answers_.emplace(text, answer);
    return answer;
  }

  std::optional<std::size_t> find_node(const std::string& text) {
    const std::string name = dependency_name(text);
    if (is_virtual_name(name)) return add_plain(Kind::virtual_package, name, text);
    const auto spec = try_parse(text);
    if (!spec || spec->name_matcher) return add_plain(Kind::missing, name.empty() ? text : name, text);
    // One environment has one package of a name: what is chosen already is the likeliest answer.
    for (const std::size_t number : by_name_[spec->name])
      if (source_.matches(*spec, graph_.nodes[number].record)) return number;
    if (auto record = source_.best(*spec)) return add_package(std::move(*record));
    if (!spec->when.empty()) return std::nullopt;
    return add_plain(Kind::missing, spec->name, text);
  }

  RecordSource& source_;
  DependencyGraph graph_;
  std::map<std::string, std::vector<std::size_t>> by_name_;
  std::map<std::string, std::size_t> plain_;
  std::map<std::string, std::optional<std::size_t>> answers_;
  std::set<std::string> fetched_;
};

/// The records that a search for dependents starts from.
class Target {
 public:
  Target(RecordSource& source, const MatchSpec& spec) : source_(source), name_(spec.name) {
    if (spec.name_matcher || spec.name == "*")
      throw Error("this needs one package, not a pattern", ErrorKind::usage).at(spec.str());
    any_ = spec.is_name_only();
    if (is_virtual_name(name_)) {
      root_ = plain_node(Kind::virtual_package, name_, spec.str());
      if (any_) return;
      const Version* version = spec.version.exact() != nullptr ? spec.version.exact() : spec.version.prefix();
      if (version == nullptr)
        throw Error("who needs a virtual package is asked by its name or one version", ErrorKind::usage)
            .at(spec.str())
            .hint("for example `" + name_ + "` or `" + name_ + "=1.0`");
      RepoDataRecord& record = records_.emplace_back();
      record.name = name_;
      record.version = version->str();
      record.build = spec.build.exact().value_or("0");
      return;
    }
    std::optional<RepoDataRecord> best;
    source_.visit({name_}, [&](const RepoDataRecord& record) {
      if (!source_.matches(spec, record)) return;
      if (!best || source_.is_better(record, *best)) best = record;
      if (!any_) records_.push_back(record);
    });
    if (!best) throw not_found(source_, {spec});
    root_.record = std::move(*best);
  }

  /// Whether a dependency of that text accepts one of the records.
  bool accepted_by(const std::string& dependency) {
    if (any_) return dependency_name(dependency) == name_;
    const auto known = verdicts_.find(dependency);
    if (known != verdicts_.end()) return known->second;
    if (dependency_name(dependency) != name_) return false;  // most are: not worth remembering
    const auto spec = try_parse(dependency);
    const bool accepted = spec && std::any_of(records_.begin(), records_.end(), [&](const RepoDataRecord& record) {
                            return source_.matches(*spec, record);
                          });
    verdicts_.emplace(dependency, accepted);
    return accepted;
  }

  const std::string& name() const { return name_; }
  Node& root() { return root_; }

 private:
  RecordSource& source_;
  std::string name_;
  bool any_ = false;
  Node root_;
  std::vector<RepoDataRecord> records_;
  std::unordered_map<std::string, bool> verdicts_;
};

/// The same for the archives of one package in two formats.
std::size_t build_hash(const RepoDataRecord& record) {
  return std::hash<std::string>()(record.channel + "/" + record.subdir + "/" + record.dist());
}

/// Who depends on which name, of the best record of each name.
using Dependents = std::unordered_map<std::string, std::vector<std::pair<const RepoDataRecord*, const std::string*>>>;

}  // namespace

DependencyGraph find_dependencies(RecordSource& source, const MatchSpec& spec, bool recursive) {
  auto root = source.best(spec);
  if (!root) throw not_found(source, {spec});
  return DependencyWalk(source).walk(std::move(*root), recursive);
}

DependencyGraph find_dependents(RecordSource& source, const MatchSpec& spec, bool recursive) {
  Target target(source, spec);
  struct Answer {
    Node node;
    std::string needs;
  };
  std::map<std::string, Answer> answers;       // by name
  std::map<std::string, RepoDataRecord> best;  // of each name, for the further levels
  std::unordered_set<std::size_t> counted;
  source.visit(source.names(), [&](const RepoDataRecord& record) {
    if (recursive) {
      const auto [place, is_new] = best.try_emplace(record.name, record);
      if (!is_new && source.is_better(record, place->second)) place->second = record;
    }
    std::string needs;
    for (const std::string& text : record.depends)
      if (target.accepted_by(text)) needs += (needs.empty() ? "" : ", ") + text;
    if (needs.empty()) return;
    const auto [place, is_new] = answers.try_emplace(record.name);
    Answer& answer = place->second;
    if (counted.insert(build_hash(record)).second && !is_new) ++answer.node.others;
    if (!is_new && !source.is_better(record, answer.node.record)) return;
    answer.node.record = record;
    answer.needs = needs;
  });

  DependencyGraph graph;
  graph.nodes.push_back(std::move(target.root()));
  std::map<std::string, std::size_t> numbers;  // of nodes, by name
  for (auto& [name, answer] : answers) {
    numbers.emplace(name, graph.nodes.size());
    graph.nodes[0].edges.push_back({graph.nodes.size(), std::move(answer.needs)});
    graph.nodes.push_back(std::move(answer.node));
  }
  if (recursive) {
    // A package that needs itself, by way of others, leads back to the root.
    if (graph.nodes[0].kind == Kind::package) numbers.try_emplace(target.name(), 0);
    Dependents dependents;
    for (const auto& [name, record] : best)
      for (const std::string& text : record.depends) dependents[dependency_name(text)].emplace_back(&record, &text);
    for (std::size_t i = 1; i < graph.nodes.size(); ++i) {
      const auto found = dependents.find(graph.nodes[i].record.name);
      if (found == dependents.end()) continue;
      for (const auto& [record, text] : found->second) {
        const auto wanted = try_parse(*text);
        if (!wanted || !source.matches(*wanted, graph.nodes[i].record)) continue;
        const auto [place, is_new] = numbers.try_emplace(record->name, graph.nodes.size());
        if (is_new) graph.nodes.emplace_back().record = *record;
        add_edge(graph.nodes[i], place->second, *text);
      }
    }
  }
  sort_edges(graph);
  return graph;
}

}  // namespace envtool

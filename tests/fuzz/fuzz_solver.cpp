// libFuzzer target: the solver, on small worlds that the bytes describe: packages of two channels with
// dependencies, constraints, conditions and groups, an environment, wishes, pins, options. A solution
// obeys every record and wish; where nothing is installed, "there is none" is checked by trying every
// combination; the explanation of a conflict is never empty.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "envtool/solver/solve.hpp"
#include "envtool/specs/version.hpp"

using namespace envtool;

namespace {

constexpr unsigned name_count = 5;
constexpr unsigned version_count = 3;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Bytes as decisions; zeros when they are used up.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  unsigned below(unsigned limit) { return next() % limit; }
  /// True for about one of `one_in` bytes, and never for the zeros behind the end.
  bool seldom(unsigned one_in) { return next() % one_in == one_in - 1; }

 private:
  unsigned next() { return position_ < size_ ? data_[position_++] : 0; }
  const std::uint8_t* data_;
  std::size_t size_, position_ = 0;
};

/// Versions of one name that are accepted, a bit each; never none.
struct Demand {
  unsigned name = 0, accepted = 1;
};

struct Conditional {
  Demand demand, condition;
  /// The condition is about the machine's `__gpu` instead.
  bool about_machine = false;
};

struct Package {
  unsigned name = 0, version = 0, channel = 0;
  bool too_new = false, needs_machine = false, installed = false;
  std::vector<Demand> needs, allows;
  std::vector<Conditional> conditionals;
};

struct World {
  std::vector<Package> packages;
  std::vector<Demand> wishes, pins;
  bool machine = false, date_limit = false;
};

std::string package_name(unsigned name) { return "n" + std::to_string(name); }

std::string versions_of(unsigned accepted) {
  std::string text;
  for (unsigned v = 0; v < version_count; ++v)
    if ((accepted >> v) & 1U) text += (text.empty() ? "==" : "|==") + std::to_string(v + 1);
  return text;
}

std::string spec_of(const Demand& demand) { return package_name(demand.name) + " " + versions_of(demand.accepted); }

std::string text_of(const Conditional& conditional) {
  std::string condition;
  if (conditional.about_machine) {
    condition = "__gpu";
  } else {
    for (unsigned v = 0; v < version_count; ++v)
      if ((conditional.condition.accepted >> v) & 1U)
        condition += (condition.empty() ? "" : " or ") + package_name(conditional.condition.name) + "==" + std::to_string(v + 1);
  }
  return package_name(conditional.demand.name) + "[version=\"" + versions_of(conditional.demand.accepted) + "\", when=\"" +
         condition + "\"]";
}

Demand read_demand(Bytes& bytes) { return {bytes.below(name_count), 1 + bytes.below((1U << version_count) - 1)}; }

World read_world(Bytes& bytes) {
  World world;
  world.machine = bytes.seldom(2);
  world.date_limit = bytes.seldom(4);
  for (unsigned channel = 0; channel < 2; ++channel)
    for (unsigned name = 0; name < name_count; ++name)
      for (unsigned version = 0; version < version_count; ++version) {
        if (bytes.seldom(channel == 0 ? 5 : 2)) continue;
        Package package;
        package.name = name;
        package.version = version;
        package.channel = channel;
        package.too_new = bytes.seldom(8);
        package.needs_machine = bytes.seldom(9);
        while (package.needs.size() < 3 && bytes.seldom(3)) package.needs.push_back(read_demand(bytes));
        if (bytes.seldom(6)) package.allows.push_back(read_demand(bytes));
        if (bytes.seldom(9)) package.conditionals.push_back({read_demand(bytes), read_demand(bytes), bytes.seldom(4)});
        world.packages.push_back(package);
      }
  do world.wishes.push_back(read_demand(bytes));
  while (world.wishes.size() < 4 && bytes.seldom(2));
  while (world.pins.size() < 2 && bytes.seldom(3)) world.pins.push_back(read_demand(bytes));
  return world;
}

using Chosen = std::array<const Package*, name_count>;

bool holds(const Chosen& chosen, const Demand& demand) {
  return chosen[demand.name] != nullptr && ((demand.accepted >> chosen[demand.name]->version) & 1U) != 0;
}

/// Whether the packages can stand together; `deep`: their dependencies count.
bool stands(const World& world, const Chosen& chosen, bool deep) {
  for (const Demand& wish : world.wishes)
    if (!holds(chosen, wish)) return false;
  for (const Demand& pin : world.pins)
    if (chosen[pin.name] != nullptr && !holds(chosen, pin)) return false;
  for (const Package* package : chosen) {
    if (package == nullptr) continue;
    if (world.date_limit && package->too_new && !package->installed) return false;
    if (!deep) continue;
    if (package->needs_machine && !world.machine) return false;
    for (const Demand& demand : package->needs)
      if (!holds(chosen, demand)) return false;
    for (const Demand& demand : package->allows)
      if (chosen[demand.name] != nullptr && !holds(chosen, demand)) return false;
    for (const Conditional& conditional : package->conditionals)
      if ((conditional.about_machine ? world.machine : holds(chosen, conditional.condition)) && !holds(chosen, conditional.demand))
        return false;
  }
  return true;
}

bool solvable(const World& world, bool strict, bool deep) {
  std::array<std::vector<const Package*>, name_count> candidates;
  for (unsigned name = 0; name < name_count; ++name) {
    unsigned best = 2;
    for (const Package& package : world.packages)
      if (package.name == name) best = std::min(best, package.channel);
    // Two channels' records of one version may differ in what they need: both are tried.
    for (const Package& package : world.packages) {
      if (package.name != name || (strict && package.channel != best)) continue;
      if ((world.date_limit && package.too_new) || (deep && package.needs_machine && !world.machine)) continue;
      const auto refuses = [&](const Demand& demand) { return demand.name == name && ((demand.accepted >> package.version) & 1U) == 0; };
      if (std::any_of(world.wishes.begin(), world.wishes.end(), refuses) || std::any_of(world.pins.begin(), world.pins.end(), refuses)) continue;
      candidates[name].push_back(&package);
    }
  }
  Chosen chosen{};
  const std::function<bool(unsigned)> choose = [&](unsigned name) {
    if (name == name_count) return stands(world, chosen, deep);
    chosen[name] = nullptr;
    const bool wished = std::any_of(world.wishes.begin(), world.wishes.end(), [&](const Demand& wish) { return wish.name == name; });
    if (!wished && choose(name + 1)) return true;
    for (const Package* package : candidates[name]) {
      chosen[name] = package;
      if (choose(name + 1)) return true;
    }
    return false;
  };
  return choose(0);
}

RepoDataRecord record_of(const Package& package) {
  RepoDataRecord record;
  record.name = package_name(package.name);
  record.version = std::to_string(package.version + 1);
  record.build = "0";
  record.subdir = "linux-64";
  record.channel = "https://channels.test/" + std::to_string(package.channel);
  record.fn = record.dist() + ".conda";
  record.url = record.channel + "/linux-64/" + record.fn;
  record.timestamp = package.too_new ? 2000 : 500;
  for (const Demand& demand : package.needs) record.depends.push_back(spec_of(demand));
  if (package.needs_machine) record.depends.push_back("__gpu >=2");
  for (const Conditional& conditional : package.conditionals) record.depends.push_back(text_of(conditional));
  for (const Demand& demand : package.allows) record.constrains.push_back(spec_of(demand));
  return record;
}

/// Some of the packages as an environment, whether it is whole or not, and what shall happen to it.
void read_installed(Bytes& bytes, const World& world, const std::deque<RepoDataRecord>& records, std::deque<RepoDataRecord>& copies,
                    InstalledPackages& installed) {
  if (!bytes.seldom(2)) return;
  std::array<bool, name_count> taken{};
  for (std::size_t i = 0; i < records.size(); ++i) {
    const unsigned name = world.packages[i].name;
    if (taken[name] || !bytes.seldom(3)) continue;
    taken[name] = true;
    copies.push_back(records[i]);
    installed.records.push_back(&copies.back());
    if (bytes.seldom(6)) installed.freeze.push_back(records[i].name);
    if (bytes.seldom(4)) installed.update.push_back(records[i].name);
  }
  if (bytes.seldom(6) && !installed.records.empty())
    installed.remove = removed_with(installed.records, {installed.records.front()->name});
  installed.freeze_all = bytes.seldom(8);
  installed.update_all = bytes.seldom(5);
  installed.prune_orphans = bytes.seldom(5);
}

/// What a report needs: the request in words.
void print(const SolveRequest& request, const std::deque<RepoDataRecord>& records) {
  for (const RepoDataRecord& record : records) {
    std::fprintf(stderr, "%s time %u:", record.url.c_str(), static_cast<unsigned>(record.timestamp));
    for (const std::string& text : record.depends) std::fprintf(stderr, " needs {%s}", text.c_str());
    for (const std::string& text : record.constrains) std::fprintf(stderr, " allows {%s}", text.c_str());
    std::fprintf(stderr, "\n");
  }
  for (const MatchSpec& spec : request.specs) std::fprintf(stderr, "wish %s\n", spec.str().c_str());
  for (const MatchSpec& spec : request.pins) std::fprintf(stderr, "pin %s\n", spec.str().c_str());
  for (const RepoDataRecord* record : request.installed.records) std::fprintf(stderr, "installed %s\n", record->url.c_str());
  std::fprintf(stderr, "priority %d, dependencies %d, machine %zu, limit %u\n", static_cast<int>(request.options.channel_priority),
               static_cast<int>(request.options.dependencies), request.virtual_packages.size(),
               static_cast<unsigned>(request.options.exclude_newer_ms));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  const World world = read_world(bytes);
  std::deque<RepoDataRecord> records, copies;
  CandidateIndex index;
  index.add_channel("first");
  index.add_channel("second");
  for (const Package& package : world.packages) records.push_back(record_of(package));
  for (std::size_t i = 0; i < records.size(); ++i) index.add(records[i], world.packages[i].channel);

  SolveRequest request;
  request.candidates = &index;
  if (world.machine) {
    PackageRecord& gpu = request.virtual_packages.emplace_back();
    gpu.name = "__gpu";
    gpu.version = "3";
    gpu.build = "0";
  }
  for (const Demand& wish : world.wishes) request.specs.push_back(MatchSpec::parse(spec_of(wish)));
  for (const Demand& pin : world.pins) request.pins.push_back(MatchSpec::parse(spec_of(pin)));
  request.options.channel_priority = std::array{ChannelPriority::strict, ChannelPriority::flexible, ChannelPriority::disabled}[bytes.below(3)];
  const bool strict = request.options.channel_priority == ChannelPriority::strict;
  const bool deep = !bytes.seldom(8);
  if (!deep) request.options.dependencies = DependencyMode::none;
  if (world.date_limit) request.options.exclude_newer_ms = 1000;
  read_installed(bytes, world, records, copies, request.installed);

  const auto result = solve(request);
  static const bool talks = std::getenv("ENVTOOL_FUZZ_PRINT") != nullptr;
  if (talks) {
    print(request, records);
    if (const auto* solution = std::get_if<Solution>(&result))
      for (const auto& package : solution->packages) std::fprintf(stderr, "chosen %s\n", package.record->url.c_str());
  }
  if (const auto* unsolvable = std::get_if<Unsolvable>(&result)) {
    require(!explain(*unsolvable).empty(), "a conflict has an explanation");
    if (request.installed.records.empty()) require(!solvable(world, strict, deep), "there is a solution");
    return 0;
  }
  // The packages as the world knows them; two channels' twins are told apart by their URL.
  std::deque<Package> stays;
  Chosen chosen{};
  for (const Solution::Package& package : std::get<Solution>(result).packages) {
    const Package* known = nullptr;
    for (std::size_t i = 0; i < records.size(); ++i)
      if (records[i].url == package.record->url) known = &world.packages[i];
    require(known != nullptr, "a chosen record is one of the world's");
    require(chosen[known->name] == nullptr, "a name is there once");
    stays.push_back(*known);
    stays.back().installed = package.installed;
    chosen[known->name] = &stays.back();
  }
  // An installed package that stays may lack what it lacked before.
  if (request.installed.records.empty()) {
    require(stands(world, chosen, deep), "the solution obeys the records");
    require(solvable(world, strict, deep), "trying everything finds a solution, too");
  }
  for (const Demand& wish : world.wishes) require(holds(chosen, wish), "the wishes are met");
  return 0;
}

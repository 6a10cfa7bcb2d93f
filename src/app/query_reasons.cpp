#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "envtool/app/query.hpp"
#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/history.hpp"
#include "envtool/repodata/repodata_gateway.hpp"

namespace envtool {

namespace {

/// What was asked for and is there, by name: the history's specs, or those of the records.
std::map<std::string, std::vector<std::string>> requested_specs(const Prefix& prefix, const PrefixData& data) {
  std::map<std::string, std::vector<std::string>> requested;
  for (const auto& [name, spec] : History::load(prefix).requested_specs())
    if (data.find(name) != nullptr) requested[name] = {spec};
  for (const PrefixRecord& record : data.records())
    if (!record.requested_specs.empty()) requested[record.name] = record.requested_specs;
  return requested;
}

Error not_installed(const Prefix& prefix, const PrefixData& data, const std::string& name) {
  Error error("`" + name + "` is not installed", ErrorKind::packages_not_found);
  error.at(prefix.path());
  for (const PipPackage& package : pip_packages(prefix, data.records()))
    if (to_lower(package.name) == name)
      return error.because("pip installed " + package.name + " " + package.version + "; no conda package can need it")
          .with("packages", {name});
  std::vector<std::string> names;
  for (const PrefixRecord& record : data.records()) names.push_back(record.name);
  if (const auto close = closest_matches(name, names, 1); !close.empty()) error.hint("did you mean `" + close[0] + "`?");
  return error.hint("`envtool why-not " + name + "` says what keeps it out").with("packages", {name});
}

/// The version, with the build when the version alone does not tell the two apart.
std::string told_apart(const RepoDataRecord& record, const RepoDataRecord& from) {
  if (record.version != from.version) return record.version;
  return record.version + " " + record.build;
}

bool is_same_package(const RepoDataRecord& left, const RepoDataRecord& right) {
  return left.name == right.name && left.version == right.version && left.build == right.build &&
         left.subdir == right.subdir && left.channel == right.channel;
}

const RepoDataRecord* find_record(const std::vector<RepoDataRecord>& records, const std::string& name) {
  const auto found = std::find_if(records.begin(), records.end(), [&](const auto& record) { return record.name == name; });
  return found == records.end() ? nullptr : &*found;
}

/// All that there would be after a transaction.
std::vector<RepoDataRecord> result_of(const Transaction& transaction) {
  std::vector<RepoDataRecord> records = transaction.install;
  for (const PackageChange& change : transaction.change) records.push_back(change.to);
  records.insert(records.end(), transaction.keep.begin(), transaction.keep.end());
  return records;
}

/// Says why conda would rather take `chosen` than `wanted`.
std::string preference(const RepoDataRecord& chosen, const RepoDataRecord& wanted, const std::vector<Channel>& channels) {
  const auto position = [&](const RepoDataRecord& record) {
    const auto found = std::find_if(channels.begin(), channels.end(),
                                    [&](const Channel& channel) { return channel.base_url.str() == record.channel; });
    return found - channels.begin();
  };
  if (position(chosen) < position(wanted)) return "its channel comes first";
  if (chosen.track_features.size() < wanted.track_features.size()) return "the other one is marked as second choice (track_features)";
  try {
    const auto order = Version::parse(chosen.version) <=> Version::parse(wanted.version);
    if (order > 0) return "it is newer";
    if (order < 0) return "it suits the other wishes better";
  } catch (const Error&) {
    return "it suits the other wishes better";
  }
  if (chosen.build_number > wanted.build_number) return "its build number is higher";
  return "it is preferred among the builds of that version";
}

bool is_an_answer(const Error& error) {
  return error.kind() == ErrorKind::unsatisfiable || error.kind() == ErrorKind::packages_not_found;
}

AbsenceReason impossible(const Error& error) {
  AbsenceReason reason;
  reason.outcome = AbsenceReason::Outcome::impossible;
  reason.obstacle = error;
  return reason;
}

MatchSpec with_channel_urls(const AppInputs& inputs, MatchSpec spec) {
  ChannelConfig config = inputs.settings.channel_config;
  config.home = inputs.environment.home;
  config.working_directory = inputs.environment.working_directory;
  spec.promote_channel(config);
  return spec;
}

/// What a plain update does instead, when the package is there.
void note_update(const AppInputs& inputs, const Prefix& prefix, EnvironmentRequest request, const SolveChoices& choices,
                 const RepoDataRecord& wanted, AbsenceReason& reason) {
  request.specs = {MatchSpec::from_name(wanted.name)};
  request.pip.clear();
  try {
    const Plan update = plan_update(inputs, prefix, request, choices);
    const auto records = result_of(update.transaction);
    const RepoDataRecord* chosen = find_record(records, wanted.name);
    if (chosen == nullptr) return;
    const std::string command = "`envtool update " + wanted.name + "`";
    if (is_same_package(*chosen, wanted)) {
      reason.notes.push_back(command + " chooses it, too");
    } else {
      const bool stays = std::any_of(update.transaction.keep.begin(), update.transaction.keep.end(),
                                     [&](const PrefixRecord& record) { return record.name == wanted.name; });
      reason.notes.push_back(command + (stays ? " stays at " : " chooses ") + told_apart(*chosen, wanted) + ": " +
                             preference(*chosen, wanted, request.channels));
    }
  } catch (const Error& error) {
    if (!is_an_answer(error)) throw;
    reason.notes.push_back("a plain update of `" + wanted.name + "` has no solution");
  }
}

}  // namespace

PresenceReason explain_presence(const AppInputs& inputs, const Prefix& prefix, const std::string& name) {
  const PrefixData data = PrefixData::load(prefix);
  const auto requested = requested_specs(prefix, data);
  PresenceReason reason;
  reason.name = name;
  reason.any_requested = !requested.empty();
  reason.is_virtual = name.starts_with("__");
  if (reason.is_virtual) {
    for (const PackageRecord& offered : virtual_packages(Platform::current(), inputs.settings, inputs.environment))
      if (offered.name == name)
        reason.offered = offered.version + (offered.build.empty() || offered.build == "0" ? "" : " " + offered.build);
  } else {
    const PrefixRecord* record = data.find(name);
    if (record == nullptr) throw not_installed(prefix, data, name);
    reason.record = *record;
    if (const auto found = requested.find(name); found != requested.end()) reason.requested_as = found->second;
  }

  // Who depends on which name.
  std::map<std::string, std::vector<std::pair<const PrefixRecord*, std::string>>> dependents;
  for (const PrefixRecord& record : data.records()) {
    std::map<std::string, std::string> specs;
    for (const std::string& text : record.depends) {
      std::string& spec = specs[dependency_name(text)];
      spec += (spec.empty() ? "" : ", ") + text;
    }
    for (const auto& [needed, spec] : specs) dependents[needed].emplace_back(&record, spec);
  }
  for (const auto& [record, spec] : dependents[name]) reason.needed_by.push_back({*record, spec});

  // Breadth first from the package upwards: the first way found is a shortest one.
  std::map<std::string, std::string> next;  // name to what it needs on its way down
  std::deque<std::string> open{name};
  next[name] = "";
  while (!open.empty()) {
    const std::string current = open.front();
    open.pop_front();
    if (current != name && requested.count(current) != 0) {
      std::vector<std::string> chain;
      for (std::string step = current; !step.empty(); step = next[step]) chain.push_back(step);
      reason.chains.push_back(std::move(chain));
    }
    for (const auto& [record, spec] : dependents[current])
      if (next.try_emplace(record->name, current).second) open.push_back(record->name);
  }
  std::stable_sort(reason.chains.begin(), reason.chains.end(), [](const auto& left, const auto& right) {
    return left.size() != right.size() ? left.size() < right.size() : left < right;
  });
  return reason;
}

AbsenceReason explain_absence(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& given,
                              const MatchSpec& spec, const SolveChoices& choices) {
  const PrefixData data = PrefixData::load(prefix);
  const MatchSpec wanted = with_channel_urls(inputs, spec);
  if (const PrefixRecord* record = data.find(spec.name); record != nullptr && given.specs.empty()) {
    if (RecordSource::of_environment(inputs, prefix, data).matches(wanted, *record)) {
      AbsenceReason reason;
      reason.outcome = AbsenceReason::Outcome::installed;
      reason.record = *record;
      return reason;
    }
  }
  EnvironmentRequest request = given;
  request.specs.push_back(spec);
  request.pip.clear();
  SolveChoices all = choices;
  all.override_frozen = true;  // nothing is changed here
  try {
    const Plan plan = plan_install(inputs, prefix, request, all);
    AbsenceReason reason;
    reason.outcome = AbsenceReason::Outcome::possible;
    reason.transaction = plan.transaction;
    reason.warnings = plan.warnings;
    const auto records = result_of(plan.transaction);
    if (const RepoDataRecord* record = find_record(records, spec.name)) reason.record = *record;
    const auto earlier = requested_specs(prefix, data);
    if (const auto found = earlier.find(spec.name); found != earlier.end() && reason.record)
      for (const std::string& text : found->second) {
        const MatchSpec wish = with_channel_urls(inputs, MatchSpec::parse(text));
        RecordSource source = RecordSource::of_environment(inputs, prefix, data);
        if (!wish.is_name_only() && wish.url.empty() && !source.matches(wish, *reason.record))
          reason.notes.push_back("the environment was asked for `" + text + "`; the new wish would take that one's place");
      }
    if (reason.record && data.find(spec.name) != nullptr) note_update(inputs, prefix, given, all, *reason.record, reason);
    if (const auto mark = frozen(prefix)) reason.notes.push_back("the environment is frozen: " + mark->message);
    return reason;
  } catch (const Error& error) {
    if (!is_an_answer(error)) throw;
    return impossible(error);
  }
}

AbsenceReason explain_absence(const AppInputs& inputs, const EnvironmentRequest& request, const MatchSpec& spec) {
  if (request.explicit_records)
    throw Error("a lock leaves no choice: there is nothing to solve", ErrorKind::usage)
        .hint("ask with the file that the lock was made from");
  EnvironmentRequest wider = request;
  wider.specs.push_back(spec);
  try {
    const auto wanted = solve_request(inputs, wider, request.platform);
    AbsenceReason reason;
    if (const RepoDataRecord* record = find_record(wanted, spec.name)) reason.record = *record;
    std::vector<PrefixRecord> without;
    if (!request.specs.empty())
      for (RepoDataRecord& record : solve_request(inputs, request, request.platform)) {
        PrefixRecord& before = without.emplace_back();
        static_cast<RepoDataRecord&>(before) = std::move(record);
      }
    reason.transaction = diff(without, wanted);
    if (reason.transaction.empty()) {
      reason.outcome = AbsenceReason::Outcome::installed;
    } else if (reason.record) {
      for (const PackageChange& change : reason.transaction.change)
        if (change.to.name == spec.name)
          reason.notes.push_back("without it " + told_apart(change.from, change.to) + " is chosen: " +
                                 preference(change.from, change.to, request.channels));
    }
    return reason;
  } catch (const Error& error) {
    if (!is_an_answer(error)) throw;
    AbsenceReason reason = impossible(error);
    if (error.kind() == ErrorKind::unsatisfiable && !request.specs.empty()) {
      try {
        solve_request(inputs, request, request.platform);
      } catch (const Error& other) {
        if (!is_an_answer(other)) throw;
        reason.obstacle->hint("the other wishes have no solution even without `" + spec.str() + "`");
      }
    }
    return reason;
  }
}

}  // namespace envtool

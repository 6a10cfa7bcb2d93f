#pragma once

#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/solver/solve.hpp"

namespace envtool::test {

/// A small world for the solver, a package in one line:
/// `world.add("foo 1.0 py39_0", {"bar >=2"})`.
class Scenario {
 public:
  Scenario() { index_.add_channel("main"); }

  std::uint32_t channel(const std::string& name) {
    channels_.push_back(name);
    return index_.add_channel(name);
  }
  /// Another name for the first channel, before anything is added to it.
  std::uint32_t rename_main(const std::string& name) {
    channels_.front() = name;
    return 0;
  }

  /// Adds `name version [build]` to a channel; the record can be changed further.
  RepoDataRecord& add(std::string_view what, std::vector<std::string> depends = {},
                      std::vector<std::string> constrains = {}, std::uint32_t channel = 0) {
    RepoDataRecord& record = make(what, std::move(depends), std::move(constrains));
    record.channel = "https://example.org/" + channels_[channel];
    record.url = record.channel + "/linux-64/" + record.fn;
    pending_.emplace_back(&record, channel);
    return record;
  }

  RepoDataRecord& install(std::string_view what, std::vector<std::string> depends = {},
                          std::vector<std::string> constrains = {}) {
    RepoDataRecord& record = make(what, std::move(depends), std::move(constrains));
    record.channel = "https://example.org/main";
    record.url = record.channel + "/linux-64/" + record.fn;
    request.installed.records.push_back(&record);
    return record;
  }

  void offer(std::string name, std::string version, std::string build = "0") {
    PackageRecord& record = request.virtual_packages.emplace_back();
    record.name = std::move(name);
    record.version = std::move(version);
    record.build = std::move(build);
  }

  std::variant<Solution, Unsolvable> run(std::initializer_list<const char*> specs) {
    for (const char* spec : specs) request.specs.push_back(MatchSpec::parse(spec));
    for (const auto& [record, channel] : pending_) index_.add(*record, channel);
    pending_.clear();
    request.candidates = &index_;
    auto result = solve(request);
    request.specs.clear();
    return result;
  }

  /// The solution as `name version build` in its order, or the explanation as the only line.
  std::vector<std::string> solved(std::initializer_list<const char*> specs) {
    auto result = run(specs);
    if (const auto* unsolvable = std::get_if<Unsolvable>(&result)) return {explain(*unsolvable)};
    std::vector<std::string> lines;
    for (const auto& package : std::get<Solution>(result).packages)
      lines.push_back(package.record->name + " " + package.record->version + " " + package.record->build);
    return lines;
  }

  /// The explanation of an unsolvable request, or an empty text.
  std::string reasons(std::initializer_list<const char*> specs) {
    auto result = run(specs);
    const auto* unsolvable = std::get_if<Unsolvable>(&result);
    return unsolvable == nullptr ? "" : explain(*unsolvable);
  }

  /// All channels and their packages into an index of one's own.
  void fill(CandidateIndex& index) const {
    for (const auto& name : channels_) index.add_channel(name);
    for (const auto& [record, channel] : pending_) index.add(*record, channel);
  }

  SolveRequest request;

 private:
  RepoDataRecord& make(std::string_view what, std::vector<std::string> depends,
                       std::vector<std::string> constrains) {
    RepoDataRecord& record = records_.emplace_back();
    const std::size_t first = what.find(' ');
    const std::size_t second = what.find(' ', first + 1);
    record.name = what.substr(0, first);
    record.version = what.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
    record.build = second == std::string_view::npos ? "0" : what.substr(second + 1);
    const std::size_t digits = record.build.find_last_not_of("0123456789") + 1;
    if (digits < record.build.size()) record.build_number = std::stoull(record.build.substr(digits));
    record.subdir = "linux-64";
    record.depends = std::move(depends);
    record.constrains = std::move(constrains);
    record.fn = record.dist() + ".conda";
    return record;
  }

  std::deque<RepoDataRecord> records_;
  std::vector<std::pair<const RepoDataRecord*, std::uint32_t>> pending_;
  CandidateIndex index_;
  std::vector<std::string> channels_ = {"main"};
};

}  // namespace envtool::test

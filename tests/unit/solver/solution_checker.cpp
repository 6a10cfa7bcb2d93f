#include "solution_checker.hpp"

#include <map>

namespace envtool::test {
namespace {

struct Chosen {
  Version version;
  MatchTarget target;
};

void fill(Chosen& chosen, const PackageRecord& record) {
  chosen.version = Version::parse(record.version);
  chosen.target.name = record.name;
  chosen.target.version = &chosen.version;
  chosen.target.build = record.build;
  chosen.target.build_number = record.build_number;
  chosen.target.subdir = record.subdir;
}

}  // namespace

std::vector<std::string> check_solution(const SolveRequest& request, const Solution& solution) {
  std::vector<std::string> problems;
  std::map<std::string, Chosen, std::less<>> present;
  for (const auto& record : request.virtual_packages) fill(present[record.name], record);
  std::map<std::string, std::size_t> position;
  for (const auto& package : solution.packages) {
    const RepoDataRecord& record = *package.record;
    if (present.contains(record.name)) problems.push_back("`" + record.name + "` is there twice");
    Chosen& chosen = present[record.name];
    fill(chosen, record);
    chosen.target.channel_url = record.channel;
    position[record.name] = position.size();
  }
  for (const auto& spec : request.specs) {
    const auto found = present.find(spec.name);
    if (found == present.end()) problems.push_back("requested `" + spec.str() + "` is missing");
    else if (!spec.matches(found->second.target)) problems.push_back("requested `" + spec.str() + "` is not met");
  }
  for (const auto& package : solution.packages) {
    const RepoDataRecord& record = *package.record;
    for (const auto& text : record.depends) {
      const MatchSpec spec = MatchSpec::parse(text);
      const auto found = present.find(spec.name);
      if (found == present.end())
        problems.push_back(record.dist() + " needs `" + text + "`, which is missing");
      else if (!spec.matches(found->second.target))
        problems.push_back(record.dist() + " needs `" + text + "`, there is " + found->second.version.str());
    }
    for (const auto& text : record.constrains) {
      const MatchSpec spec = MatchSpec::parse(text);
      const auto found = present.find(spec.name);
      if (found != present.end() && !spec.matches(found->second.target))
        problems.push_back(record.dist() + " works only with `" + text + "`, there is " + found->second.version.str());
    }
  }
  return problems;
}

}  // namespace envtool::test

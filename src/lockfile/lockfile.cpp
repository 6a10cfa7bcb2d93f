#include "envtool/lockfile/lockfile.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/specs/match_spec.hpp"
#include "envtool/specs/package_name.hpp"
#include "ordering.hpp"

namespace envtool {
namespace {

std::string_view name_of(PackageManager manager) { return manager == PackageManager::conda ? "conda" : "pip"; }

std::vector<std::string> platform_names(const Lockfile& lock) {
  std::vector<std::string> names;
  for (const Platform& platform : lock.platforms) names.push_back(platform.str());
  return names;
}

std::vector<std::string> category_names(const Lockfile& lock) {
  std::set<std::string> names;
  for (const LockedPackage& package : lock.packages) names.insert(package.category);
  return {names.begin(), names.end()};
}

// Trailing digits of a build string (`py311h0_2`, `2`) are its number by convention.
std::uint64_t build_number_of(std::string_view build) {
  const auto underscore = build.rfind('_');
  const auto digits = underscore == std::string_view::npos ? build : build.substr(underscore + 1);
  return parse_unsigned(digits).value_or(0);
}

// `numpy >=1,<2 py*` as name and the rest. Forms other than words go through the parser.
std::pair<std::string, std::string> split_dependency(const std::string& text) {
  const std::string_view stripped = strip(text);
  const auto space = stripped.find_first_of(" \t");
  const std::string_view head = stripped.substr(0, space);
  if (is_valid_package_name(head)) {
    const std::string_view rest =
        space == std::string_view::npos ? std::string_view() : strip(stripped.substr(space));
    return {std::string(head), std::string(rest)};
  }
  const MatchSpec spec = MatchSpec::parse(stripped);
  return {spec.name, spec.constraint_str()};
}

}  // namespace

std::vector<const LockedPackage*> in_canonical_order(const Lockfile& lock) {
  std::vector<const LockedPackage*> result;
  for (const LockedPackage& package : lock.packages) result.push_back(&package);
  const auto key = [](const LockedPackage& p) {
    return std::tuple(name_of(p.manager), std::string_view(p.name), std::string_view(p.platform.str()),
                      std::string_view(p.category), p.url.str());
  };
  std::sort(result.begin(), result.end(),
            [&](const LockedPackage* a, const LockedPackage* b) { return key(*a) < key(*b); });
  return result;
}

std::map<std::string, std::string> content_hashes(const Lockfile& lock) {
  std::map<std::string, Hasher<Sha256>> hashers;
  for (const Platform& platform : lock.platforms) hashers[platform.str()];
  for (const LockedPackage* package : in_canonical_order(lock)) {
    const auto hasher = hashers.find(package->platform.str());
    if (hasher == hashers.end()) continue;
    // One line a package; no field can contain a tab or a line break.
    hasher->second.update(name_of(package->manager));
    for (const std::string& field : {package->name, package->version, package->build, package->category,
                                     package->url.str(), package->md5 ? package->md5->hex() : std::string(),
                                     package->sha256 ? package->sha256->hex() : std::string()}) {
      hasher->second.update("\t");
      hasher->second.update(field);
    }
    hasher->second.update("\n");
  }
  std::map<std::string, std::string> result;
  for (auto& [platform, hasher] : hashers) result[platform] = hasher.finish().hex();
  return result;
}

std::vector<LockedPackage> select_packages(const Lockfile& lock, const Platform& platform,
                                           const std::vector<std::string>& categories) {
  if (std::find(lock.platforms.begin(), lock.platforms.end(), platform) == lock.platforms.end()) {
    const std::vector<std::string> there = platform_names(lock);
    throw Error("the lock has no packages for `" + platform.str() + "`", ErrorKind::invalid_input)
        .because(there.empty() ? "it lists no platform" : "it was made for " + join(there, ", "))
        .hint("lock the environment again with this platform, or install for one of those with `--platform`")
        .with("platforms", there);
  }
  const std::vector<std::string> known = category_names(lock);
  for (const std::string& category : categories) {
    if (category == "main" || std::find(known.begin(), known.end(), category) != known.end()) continue;
    Error error("the lock has no category `" + escape_control(category) + "`", ErrorKind::invalid_input);
    for (const std::string& match : closest_matches(category, known, 1)) error.hint("did you mean `" + match + "`?");
    throw error.hint("its categories are " + join(known, ", "));
  }

  std::vector<LockedPackage> result;
  std::map<std::pair<PackageManager, std::string>, std::size_t> places;
  for (const LockedPackage* package : in_canonical_order(lock)) {
    if (package->platform != platform) continue;
    if (package->category != "main" &&
        std::find(categories.begin(), categories.end(), package->category) == categories.end()) {
      continue;
    }
    const auto [place, is_new] = places.try_emplace({package->manager, package->name}, result.size());
    if (is_new) {
      result.push_back(*package);
    } else if (const LockedPackage& other = result[place->second]; other.url.str() != package->url.str()) {
      throw Error("the lock has two versions of `" + escape_control(package->name) + "`", ErrorKind::invalid_input)
          .at(package->where)
          .because("the categories `" + escape_control(other.category) + "` and `" +
                   escape_control(package->category) + "` lock different archives")
          .hint("lock the environment again");
    }
  }
  return result;
}

RepoDataRecord to_record(const LockedPackage& package) {
  if (package.manager != PackageManager::conda) {
    throw Error("`" + escape_control(package.name) + "` is a package of pip", ErrorKind::invalid_input)
        .at(package.where);
  }
  RepoDataRecord record;
  record.name = package.name;
  record.version = package.version;
  record.build = package.build;
  record.build_number = build_number_of(package.build);
  for (const auto& [name, constraint] : package.dependencies) {
    record.depends.push_back(constraint.empty() ? name : name + " " + constraint);
  }
  record.md5 = package.md5;
  record.sha256 = package.sha256;
  record.url = package.url.str();
  record.fn = package.url.file_name();
  const Url folder = package.url.parent();
  record.subdir = folder.file_name();
  record.channel = folder.parent().str();
  record.needs_index = true;
  return record;
}

LockedPackage to_locked_package(const RepoDataRecord& record, const Platform& platform, const std::string& category) {
  const auto refuse = [&](std::string why) {
    throw Error("`" + escape_control(record.dist()) + "` cannot be locked", ErrorKind::invalid_input)
        .because(std::move(why));
  };
  if (record.url.empty()) refuse("nobody knows the URL that it came from");
  if (!record.sha256 && !record.md5) refuse("nobody knows a digest of its archive");
  LockedPackage package;
  package.name = record.name;
  package.version = record.version;
  package.build = record.build;
  package.platform = platform;
  package.url = Url::parse(record.url).without_fragment();
  package.md5 = record.md5;
  package.sha256 = record.sha256;
  package.category = category;
  package.optional = category != "main";
  for (const std::string& dependency : record.depends) {
    auto [name, constraint] = split_dependency(dependency);
    std::string& known = package.dependencies[name];
    // The format has one constraint a name. Two on the version alone can be said in one.
    const bool can_join = known.find_first_of(" |") == std::string::npos &&
                          constraint.find_first_of(" |") == std::string::npos;
    if (known.empty()) {
      known = std::move(constraint);
    } else if (!constraint.empty() && constraint != known && can_join) {
      known += "," + constraint;
    } else if (constraint.size() > known.size()) {
      known = std::move(constraint);
    }
  }
  return package;
}

}  // namespace envtool

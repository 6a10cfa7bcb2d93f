#include "envtool/settings/machine_profile.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/yaml/yaml_document.hpp"

namespace envtool {

namespace {
constexpr YamlLimits limits{1u << 20, 20, 20'000};

std::string place(const std::string& origin, std::size_t line, std::size_t column) {
  return origin + ":" + std::to_string(line) + ":" + std::to_string(column);
}

Error wrong(const std::string& where, std::string why) {
  return Error("cannot use a file of virtual packages", ErrorKind::invalid_input).at(where).because(std::move(why));
}

[[noreturn]] void refuse_key(const YamlNode::Entry& entry, const std::string& origin, const std::vector<std::string>& known) {
  Error error = wrong(place(origin, entry.line, entry.column), "unknown key `" + escape_control(entry.key) + "`");
  if (auto close = closest_matches(entry.key, known, 1); !close.empty()) error.hint("did you mean `" + close[0] + "`?");
  else if (entry.key.starts_with("__")) error.hint("virtual packages stand below `packages:`");
  else error.hint("known here: `" + join(known, "`, `") + "`");
  throw error;
}

std::string plain_text(const YamlNode& node, const std::string& key, const std::string& origin) {
  if (!node.is_scalar()) throw wrong(place(origin, node.line, node.column), "`" + key + "` must be a plain value");
  return node.text;
}

void read_packages(const YamlNode& node, const std::string& origin, MachineProfile& profile) {
  if (node.is_null()) return;
  if (!node.is_map()) throw wrong(place(origin, node.line, node.column), "`packages` must hold names and versions, such as `__cuda: \"12.4\"`");
  for (const YamlNode::Entry& item : node.entries) {
    MachineProfile::Entry& entry = profile.packages.emplace_back();
    entry.name = item.key;
    entry.where = place(origin, item.line, item.column);
    const YamlNode& value = *item.value;
    if (value.is_null() || (value.is_scalar() && value.plain && to_lower(value.text) == "false")) continue;
    if (!value.is_scalar()) throw wrong(entry.where, "`" + escape_control(item.key) + "` must have one plain value, its version");
    entry.value = strip(value.text);
    if (entry.value.empty()) throw wrong(entry.where, "`" + escape_control(item.key) + "` has an empty version");
  }
}

MachineProfile read_profile(const YamlNode& node, const std::string& origin, bool with_platform) {
  MachineProfile profile;
  profile.where = place(origin, node.line, node.column);
  if (!node.is_map()) throw wrong(profile.where, "a profile is a map with `packages:`");
  for (const YamlNode::Entry& item : node.entries) {
    if (item.key == "packages") read_packages(*item.value, origin, profile);
    else if (item.key == "platform" && with_platform) profile.platform = plain_text(*item.value, "platform", origin);
    else refuse_key(item, origin, with_platform ? std::vector<std::string>{"platform", "packages"} : std::vector<std::string>{"packages"});
  }
  if (node.find("packages") == nullptr) throw wrong(profile.where, "the profile has no `packages:`");
  return profile;
}

std::string names_of(const std::vector<MachineProfile>& profiles) {
  std::vector<std::string> names;
  for (const MachineProfile& profile : profiles)
    names.push_back("`" + escape_control(profile.name) + "`" + (profile.platform.empty() ? "" : " (" + escape_control(profile.platform) + ")"));
  return join(names, ", ");
}
}  // namespace

std::vector<MachineProfile> parse_machine_profiles(std::string_view text, const std::string& origin) {
  const YamlNode::Pointer document = parse_yaml(text, origin, limits);
  if (!document->is_map()) throw wrong(origin, "expected `platform:` and `packages:`, as `envtool info --virtual-packages` prints them");
  const YamlNode* many = document->find("profiles");
  const YamlNode* by_platform = document->find("subdirs");
  if (many == nullptr && by_platform == nullptr) return {read_profile(*document, origin, true)};
  for (const YamlNode::Entry& item : document->entries)
    if (item.value.get() != (many != nullptr ? many : by_platform))
      refuse_key(item, origin, {many != nullptr ? "profiles" : "subdirs"});
  const YamlNode& map = many != nullptr ? *many : *by_platform;
  if (!map.is_map() || map.entries.empty())
    throw wrong(place(origin, map.line, map.column), many != nullptr ? "`profiles` must hold profiles by name" : "`subdirs` must hold profiles by platform");
  std::vector<MachineProfile> profiles;
  for (const YamlNode::Entry& item : map.entries) {
    MachineProfile profile = read_profile(*item.value, origin, many != nullptr);
    profile.name = item.key;
    profile.where = place(origin, item.line, item.column);
    if (many == nullptr) profile.platform = item.key;
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

const MachineProfile& select_machine_profile(const std::vector<MachineProfile>& profiles, const std::string& name,
                                             const std::string& platform, const std::string& origin) {
  const MachineProfile* found = nullptr;
  if (!name.empty()) {
    for (const MachineProfile& profile : profiles)
      if (profile.name == name) found = &profile;
    if (found == nullptr) {
      Error error("there is no profile `" + name + "`", ErrorKind::invalid_input);
      error.at(origin);
      if (profiles.size() == 1 && profiles[0].name.empty()) error.because("the file holds one profile, which has no name");
      else error.because("it holds " + names_of(profiles));
      throw error;
    }
  } else {
    std::vector<const MachineProfile*> fitting;
    for (const MachineProfile& profile : profiles)
      if (profile.platform.empty() || profile.platform == platform) fitting.push_back(&profile);
    if (fitting.size() > 1)
      throw Error("which profile?", ErrorKind::invalid_input)
          .at(origin)
          .because("it holds " + names_of(profiles))
          .hint("choose one: `" + origin + "#" + fitting[0]->name + "`");
    found = fitting.empty() ? &profiles.front() : fitting.front();
    if (fitting.empty() && profiles.size() > 1)
      throw Error("there is no profile for " + platform, ErrorKind::invalid_input).at(origin).because("it holds " + names_of(profiles));
  }
  if (!found->platform.empty() && found->platform != platform)
    throw Error("the profile is for another platform", ErrorKind::invalid_input)
        .at(found->where)
        .because("it is for " + escape_control(found->platform) + ", the packages are wanted for " + platform)
        .hint("`--platform " + escape_control(found->platform) + "` solves for that platform");
  return *found;
}

std::string to_machine_profile(const MachineProfile& profile) {
  std::string text = "# The virtual packages of a machine, for `--virtual-packages FILE`.\n";
  if (!profile.platform.empty()) text += "platform: " + yaml_scalar(profile.platform) + "\n";
  text += profile.packages.empty() ? "packages: {}\n" : "packages:\n";
  for (const MachineProfile::Entry& entry : profile.packages)
    text += "  " + yaml_scalar(entry.name) + ": " + (entry.value.empty() ? "false" : yaml_scalar(entry.value)) + "\n";
  return text;
}

}  // namespace envtool

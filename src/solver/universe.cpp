#include "universe.hpp"

#include <algorithm>
#include <tuple>

#include "envtool/base/error.hpp"

namespace envtool::solving {

struct Universe::Draft {
  const RepoDataRecord* record = nullptr;
  std::uint32_t channel = 0;
  std::uint32_t version = 0;  // position in the name's versions
  bool installed = false;
  bool valid = true;
  Exclusion exclusion = Exclusion::none;
};

namespace {

bool is_virtual(std::string_view name) { return name.starts_with("__"); }

/// A condition can use names that nothing else brings in; they are false then.
template <typename Function>
void for_each_atom(Condition& condition, Function&& function) {
  if (condition.kind == Condition::Kind::atom) function(condition);
  for (auto& part : condition.parts) for_each_atom(part, function);
}

/// True when only name, version and build are said, so that a version can be judged for all of its
/// builds at once.
bool only_version_and_build(const MatchSpec& spec) {
  return !spec.name_matcher && !spec.build_number && spec.channel.empty() && spec.subdir.empty() &&
         !spec.md5 && !spec.sha256 && spec.url.empty() && spec.fn.empty() && !spec.license &&
         !spec.license_family && !spec.features && spec.track_features.empty() && spec.flags.empty() &&
         !spec.size && !spec.timestamp;
}

std::uint64_t effective_timestamp(const PackageRecord& record) {
  return record.indexed_timestamp != 0 ? record.indexed_timestamp : record.timestamp;
}

bool same_package(const RepoDataRecord& a, const RepoDataRecord& b) {
  if (a.version != b.version || a.build != b.build || a.subdir != b.subdir) return false;
  if (a.sha256 && b.sha256) return *a.sha256 == *b.sha256;
  return a.channel == b.channel;
}

}  // namespace

Universe::Universe(const SolveRequest& request, Purpose purpose) : request_(request), purpose_(purpose) {
  // The root: a package that needs all wishes.
  Name& root_name = names_.emplace_back();
  root_name.kind = Name::Kind::root;
  root_name.loaded = true;
  root_name.count = 1;
  root_name.versions.emplace_back();
  candidates_.emplace_back().name = 0;
  candidates_[0].expanded = true;
  for (const auto& package : request.virtual_packages)
    virtuals_.emplace(package.name, Virtual{&package, Version::parse(package.version)});
  for (const auto& spec : request.specs) {
    if (spec.name_matcher || spec.name == "*")
      throw Error("`" + spec.str() + "` does not name a package", ErrorKind::invalid_input)
          .hint("give the exact name of the package");
    // A conditional wish does not restrict the candidates by itself.
    if (spec.when.empty()) wishes_[spec.name].push_back(&spec);
  }
  for (const auto& pin : request.pins)
    if (pin.name_matcher || pin.name == "*") wide_pins_.push_back(&pin);
    else pins_[pin.name].push_back(&pin);
  for (const auto* record : request.installed.records) installed_.emplace(record->name, record);
  update_.insert(request.installed.update.begin(), request.installed.update.end());
  freeze_.insert(request.installed.freeze.begin(), request.installed.freeze.end());
  // A set of views: the closure's names are those of the records.
  const auto closure = removed_with(request.installed.records, request.installed.remove);
  for (const auto& name : request.installed.remove) removed_.insert(name);
  for (const auto* record : request.installed.records)
    if (std::binary_search(closure.begin(), closure.end(), record->name)) removed_.insert(record->name);

  // Sorted: the order in which things are looked at decides between equals later on.
  std::vector<std::pair<std::string, MatchSpec>> needed;
  for (const auto& spec : request.specs)
    if (!is_virtual(spec.name) || !virtual_matches(spec)) needed.emplace_back(spec.str(), spec);
  for (const auto* record : request.installed.records)
    if (is_frozen(record->name)) needed.emplace_back(record->name, MatchSpec::from_name(record->name));
  std::sort(needed.begin(), needed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [text, spec] : needed) add_dependency(0, intern_spec(spec));
}

bool Universe::is_frozen(std::string_view name) const {
  return (request_.installed.freeze_all || freeze_.contains(name)) && installed(name) != nullptr &&
         !is_update(name);
}

const RepoDataRecord* Universe::installed(std::string_view name) const {
  const auto found = installed_.find(name);
  return found == installed_.end() || removed_.contains(name) ? nullptr : found->second;
}

std::vector<const MatchSpec*> Universe::pins(std::string_view name) const {
  std::vector<const MatchSpec*> result;
  if (const auto found = pins_.find(name); found != pins_.end()) result = found->second;
  for (const auto* pin : wide_pins_)
    if (!pin->name_matcher || pin->name_matcher->matches(name)) result.push_back(pin);
  return result;
}

NameId Universe::intern_name(std::string_view name) {
  if (const auto found = name_ids_.find(name); found != name_ids_.end()) return found->second;
  const NameId id = static_cast<NameId>(names_.size());
  Name& created = names_.emplace_back();
  created.text = name;
  name_ids_.emplace(created.text, id);
  return id;
}

void Universe::resolve_atoms(Condition& condition) {
  for_each_atom(condition, [&](Condition& atom) { atom.spec = intern_spec(atom.atom); });
}

SpecId Universe::intern_spec(std::string_view text) {
  if (const auto found = spec_ids_.find(text); found != spec_ids_.end()) return found->second;
  const SpecId id = static_cast<SpecId>(specs_.size());
  spec_ids_.emplace(text, id);
  Spec& created = specs_.emplace_back();
  try {
    created.match = MatchSpec::parse(text);
    if (created.match.name_matcher || created.match.name == "*") {
      created.valid = false;
      return id;
    }
    if (!created.match.when.empty())
      created.condition = std::make_unique<Condition>(parse_condition(created.match.when));
  } catch (const Error&) {
    // A record with a dependency that cannot be understood cannot be chosen; the others can.
    created.match = MatchSpec{};
    created.match.name = text;
    created.valid = false;
    return id;
  }
  if (created.condition) resolve_atoms(*created.condition);
  created.name = intern_name(created.match.name);
  names_[created.name].specs.push_back(id);
  for (const auto& extra : created.match.extras) {
    const NameId group = intern_name(created.match.name + "[" + extra + "]");
    names_[group].kind = Name::Kind::group;
    names_[group].base = created.name;
    names_[group].group = extra;
    created.extras.push_back(group);
  }
  return id;
}

SpecId Universe::intern_spec(const MatchSpec& spec) {
  const std::string text = spec.str();
  if (const auto found = spec_ids_.find(text); found != spec_ids_.end()) return found->second;
  // Here a condition that cannot be understood is the user's, who shall hear of it.
  if (!spec.when.empty()) parse_condition(spec.when);
  return intern_spec(std::string_view(own_texts_.emplace_back(text)));
}

const PackageRecord* Universe::virtual_package(std::string_view name) const {
  const auto found = virtuals_.find(name);
  return found == virtuals_.end() ? nullptr : found->second.record;
}

bool Universe::virtual_matches(const MatchSpec& spec) const {
  const auto found = virtuals_.find(spec.name);
  if (found == virtuals_.end()) return false;
  MatchTarget target;
  target.name = found->second.record->name;
  target.version = &found->second.version;
  target.build = found->second.record->build;
  return spec.matches(target);
}

std::optional<bool> Universe::condition_value(const Condition& condition) const {
  if (condition.kind == Condition::Kind::atom) {
    if (is_virtual(condition.atom.name)) return virtual_matches(condition.atom);
    return std::nullopt;
  }
  const bool decides = condition.kind == Condition::Kind::any_of;
  bool open = false;
  for (const auto& part : condition.parts) {
    const auto value = condition_value(part);
    if (!value) open = true;
    else if (*value == decides) return decides;
  }
  if (open) return std::nullopt;
  return !decides;
}

bool Universe::matches(const MatchSpec& spec, const RepoDataRecord& record, const Version& version,
                       std::uint32_t channel) const {
  MatchTarget target;
  target.name = record.name;
  target.version = &version;
  target.build = record.build;
  target.build_number = record.build_number;
  target.channel_url = record.channel;
  const auto& channels = request_.candidates->channels();
  if (channel < channels.size()) target.channel_name = channels[channel];
  target.subdir = record.subdir;
  std::string md5, sha256;
  if (spec.md5 && record.md5) target.md5 = md5 = record.md5->hex();
  if (spec.sha256 && record.sha256) target.sha256 = sha256 = record.sha256->hex();
  target.url = record.url;
  target.fn = record.fn;
  target.license = record.license;
  target.license_family = record.license_family;
  target.features = record.features;
  target.track_features = &record.track_features;
  target.flags = &record.flags;
  target.size = record.size;
  target.timestamp = record.timestamp;
  return spec.matches(target);
}

/// The records of a name with their versions ordered; one of several archives of the same build.
std::vector<Universe::Draft> Universe::draft(const Name& name) {
  std::vector<Draft> drafts;
  const RepoDataRecord* installed_record = installed(name.text);
  std::uint32_t installed_channel = static_cast<std::uint32_t>(request_.candidates->channels().size());
  for (const auto& entry : request_.candidates->find(name.text)) {
    if (installed_record != nullptr && same_package(*installed_record, *entry.record)) {
      installed_channel = std::min(installed_channel, entry.channel);
      continue;
    }
    Draft& added = drafts.emplace_back();
    added.record = entry.record;
    added.channel = entry.channel;
  }
  // The same build as .conda and as .tar.bz2: the former.
  const auto identity = [](const Draft& d) {
    return std::tie(d.channel, d.record->subdir, d.record->version, d.record->build);
  };
  std::sort(drafts.begin(), drafts.end(), [&](const Draft& a, const Draft& b) {
    const auto left = identity(a), right = identity(b);
    if (left != right) return left < right;
    const bool a_old = a.record->fn.ends_with(".tar.bz2"), b_old = b.record->fn.ends_with(".tar.bz2");
    if (a_old != b_old) return b_old;
    return std::tie(a.record->fn, a.record->url) < std::tie(b.record->fn, b.record->url);
  });
  drafts.erase(std::unique(drafts.begin(), drafts.end(),
                           [&](const Draft& a, const Draft& b) { return identity(a) == identity(b); }),
               drafts.end());
  if (installed_record != nullptr) {
    Draft& added = drafts.emplace_back();
    added.record = installed_record;
    added.channel = installed_channel;
    added.installed = true;
  }
  return drafts;
}

Exclusion Universe::exclusion(const Draft& draft, const Name& name, std::uint32_t best_channel) const {
  if (!draft.valid) return Exclusion::invalid;
  const auto& options = request_.options;
  if (is_removed(name.text)) return Exclusion::removed;
  if (!draft.installed) {
    if (is_frozen(name.text)) return Exclusion::frozen;
    if (options.channel_priority == ChannelPriority::strict && draft.channel > best_channel)
      return Exclusion::channel_priority;
    if (const std::uint64_t limit = options.date_limit(name.text, draft.channel);
        limit != 0 && effective_timestamp(*draft.record) > limit)
      return Exclusion::too_new;
  }
  const auto& version = name.versions[draft.version];
  if (const auto wish = wishes_.find(name.text); wish != wishes_.end()) {
    // For an explanation the wishes are the root's demands.
    if (purpose_ == Purpose::solve)
      for (const auto* spec : wish->second)
        if (!matches(*spec, *draft.record, version, draft.channel)) return Exclusion::request;
  }
  for (const auto* pin : pins(name.text))
    if (!matches(*pin, *draft.record, version, draft.channel)) return Exclusion::pin;
  return Exclusion::none;
}

void Universe::load(NameId id) {
  if (names_[id].loaded) return;
  names_[id].loaded = true;
  if (names_[id].kind == Name::Kind::group) load_group(id);
  else load_package(id);
}

void Universe::load_package(NameId id) {
  Name& name = names_[id];
  name.first = static_cast<CandidateId>(candidates_.size());
  std::vector<Draft> drafts = draft(name);

  // Order the distinct versions once; everything after compares positions.
  std::vector<std::pair<Version, std::vector<std::size_t>>> versions;
  std::unordered_map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const auto [found, added] = seen.emplace(drafts[i].record->version, versions.size());
    if (added) {
      try {
        versions.emplace_back(Version::parse(drafts[i].record->version), std::vector<std::size_t>{});
      } catch (const Error&) {
        found->second = no_id;
      }
    }
    if (found->second == no_id) {
      drafts[i].valid = false;
      continue;
    }
    versions[found->second].second.push_back(i);
  }
  std::sort(versions.begin(), versions.end(), [](const auto& a, const auto& b) { return b.first < a.first; });
  for (auto& [version, members] : versions) {
    // `1.0` and `1.0.0` are one version (CEP 33).
    if (name.versions.empty() || !(name.versions.back() == version)) name.versions.push_back(std::move(version));
    for (const std::size_t member : members)
      drafts[member].version = static_cast<std::uint32_t>(name.versions.size() - 1);
  }

  std::uint32_t best_channel = ~std::uint32_t{0};
  const auto wish = wishes_.find(name.text);
  for (const Draft& draft : drafts) {
    if (draft.installed || !draft.valid) continue;
    // `channel::name` asks for that channel, so only it competes.
    bool asked = true;
    if (wish != wishes_.end())
      for (const auto* spec : wish->second)
        if (!spec->channel.empty() && !matches(*spec, *draft.record, name.versions[draft.version], draft.channel))
          asked = false;
    if (asked) best_channel = std::min(best_channel, draft.channel);
  }
  for (Draft& draft : drafts) draft.exclusion = exclusion(draft, name, best_channel);
  std::erase_if(drafts, [&](const Draft& draft) {
    return draft.exclusion != Exclusion::none && (purpose_ == Purpose::solve || !draft.valid);
  });

  const bool by_channel = request_.options.channel_priority != ChannelPriority::disabled;
  const bool keep_installed = !is_update(name.text);
  const auto key = [&](const Draft& d) {
    const auto& record = *d.record;
    return std::make_tuple(!(d.installed && keep_installed), by_channel ? d.channel : 0U,
                           !record.track_features.empty(), d.version, by_channel ? 0U : d.channel,
                           ~record.build_number, !d.installed, record.noarch != NoarchType::none,
                           ~record.timestamp, std::cref(record.build), std::cref(record.url));
  };
  std::sort(drafts.begin(), drafts.end(), [&](const Draft& a, const Draft& b) { return key(a) < key(b); });
  for (const Draft& draft : drafts) {
    Candidate& added = candidates_.emplace_back();
    added.record = draft.record;
    added.name = id;
    added.channel = draft.channel;
    added.version_rank = draft.version;
    added.installed = draft.installed;
    added.exclusion = draft.exclusion;
  }
  name.count = static_cast<std::uint32_t>(drafts.size());
}

/// One pseudo candidate for each candidate of the package: needs exactly that one and what the
/// group adds to it.
void Universe::load_group(NameId id) {
  load(names_[id].base);
  Name& name = names_[id];
  const Name& base = names_[name.base];
  name.versions = base.versions;
  name.first = static_cast<CandidateId>(candidates_.size());
  name.count = base.count;
  for (std::uint32_t i = 0; i < base.count; ++i) {
    Candidate& added = candidates_.emplace_back();
    added.name = id;
    added.channel = candidates_[base.first + i].channel;
    added.version_rank = candidates_[base.first + i].version_rank;
  }
}

void Universe::add_dependency(CandidateId candidate, SpecId id) {
  candidates_[candidate].depends.push_back(id);
  for (const NameId group : specs_[id].extras) {
    // The group's pseudo package, any candidate of it: which one is tied to the package chosen.
    const SpecId any = static_cast<SpecId>(specs_.size());
    Spec& created = specs_.emplace_back();
    created.match.name = names_[group].text;
    created.name = group;
    if (specs_[id].condition) {
      created.condition = std::make_unique<Condition>(parse_condition(specs_[id].match.when));
      resolve_atoms(*created.condition);
    }
    names_[group].specs.push_back(any);
    candidates_[candidate].depends.push_back(any);
  }
}

bool Universe::expand(CandidateId id) {
  Candidate& candidate = candidates_[id];
  if (candidate.expanded) return true;
  candidate.expanded = true;
  const auto add_all = [&](const std::vector<std::string>& texts) {
    for (const auto& text : texts) {
      const SpecId spec_id = intern_spec(text);
      const Spec& spec = specs_[spec_id];
      if (!spec.valid) return false;
      if (spec.condition) {
        const auto value = condition_value(*spec.condition);
        if (value && !*value) continue;
      }
      if (is_virtual(spec.match.name)) {
        const bool offered = virtual_matches(spec.match);
        if (offered) continue;
        if (purpose_ == Purpose::solve && !spec.condition) return false;
      }
      add_dependency(id, spec_id);
    }
    return true;
  };
  const Name& name = names_[candidate.name];
  if (name.kind == Name::Kind::group) {
    const CandidateId base = names_[name.base].first + local(id);
    const SpecId exact = static_cast<SpecId>(specs_.size());
    Spec& created = specs_.emplace_back();
    created.match.name = names_[name.base].text;
    created.name = name.base;
    created.matching = Bits(names_[name.base].count);
    created.matching.set(local(id));
    created.matched = true;
    names_[name.base].specs.push_back(exact);
    candidate.depends.push_back(exact);
    for (const auto& [group, texts] : candidates_[base].record->extra_depends)
      if (group == name.group && !add_all(texts)) return false;
    return true;
  }
  if (request_.options.dependencies == DependencyMode::none) return true;
  if (!add_all(candidate.record->depends)) return false;
  for (const auto& text : candidate.record->constrains) {
    const SpecId spec_id = intern_spec(text);
    const Spec& spec = specs_[spec_id];
    if (!spec.valid) return false;
    if (is_virtual(spec.match.name)) {
      if (virtual_package(spec.match.name) == nullptr || virtual_matches(spec.match)) continue;
      if (purpose_ == Purpose::solve) return false;
      // A demand on what is there but does not fit tells the same as a dependency on it.
      candidate.depends.push_back(spec_id);
      continue;
    }
    if (spec.name == candidate.name && !spec.condition && !matching(spec_id).test(local(id))) {
      // A record that forbids itself cannot be had; one that is installed shows that it can.
      if (candidate.installed) continue;
      if (purpose_ == Purpose::solve) return false;
    }
    candidate.constrains.push_back(spec_id);
  }
  return true;
}

const Bits& Universe::matching(SpecId id) {
  Spec& spec = specs_[id];
  if (!spec.matched) match(spec);
  return spec.matching;
}

void Universe::match(Spec& spec) {
  load(spec.name);
  spec.matched = true;
  const Name& name = names_[spec.name];
  spec.matching = Bits(name.count);
  if (name.kind == Name::Kind::group) {
    spec.matching = Bits(name.count, true);
    return;
  }
  const bool simple = only_version_and_build(spec.match);
  const bool any_version = spec.match.version.is_any();
  const bool any_build = spec.match.build.is_any();
  std::vector<signed char> by_version(name.versions.size(), -1);
  for (std::uint32_t i = 0; i < name.count; ++i) {
    const Candidate& candidate = candidates_[name.first + i];
    auto& verdict = by_version[candidate.version_rank];
    if (verdict < 0) verdict = any_version || spec.match.version.matches(name.versions[candidate.version_rank]);
    if (verdict == 0) continue;
    const bool matched = simple ? any_build || spec.match.build.matches(candidate.record->build)
                                : matches(spec.match, *candidate.record, name.versions[candidate.version_rank],
                                          candidate.channel);
    if (matched) spec.matching.set(i);
  }
}

}  // namespace envtool::solving

#include "universe.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "envtool/base/error.hpp"
#include "envtool/records/record_queries.hpp"

namespace envtool::solving {

struct Universe::Draft {
  const RecordTable::Row* row = nullptr;
  std::uint32_t table = 0;
  std::uint32_t position = 0;  // in the table
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

/// Of two records with the same version, build and subdir.
bool same_package(const RepoDataRecord& a, const RepoDataRecord& b) {
  if (a.sha256 && b.sha256) return *a.sha256 == *b.sha256;
  return a.channel == b.channel;
}

}  // namespace

/// Tries a spec on the candidates of one name. A version is looked at once for all of its builds.
class Universe::Trial {
 public:
  Trial(const Universe& universe, const MatchSpec& spec, const Name& name)
      : universe_(universe), spec_(spec), name_(name), simple_(only_version_and_build(spec)),
        any_version_(spec.version.is_any()), any_build_(spec.build.is_any()), by_version_(name.versions.size(), -1) {}

  /// Of a candidate or a draft.
  template <typename Tried>
  bool accepts(const Tried& tried, std::uint32_t version) {
    auto& verdict = by_version_[version];
    if (verdict < 0) verdict = any_version_ || spec_.version.matches(name_.versions[version]);
    if (verdict == 0) return false;
    const RecordTable& table = *universe_.tables_[tried.table].records;
    if (simple_) return any_build_ || spec_.build.matches(table.text(tried.row->build));
    return universe_.matches(spec_, table.record(tried.position), name_.versions[version], tried.channel);
  }

 private:
  const Universe& universe_;
  const MatchSpec& spec_;
  const Name& name_;
  bool simple_, any_version_, any_build_;
  std::vector<signed char> by_version_;
};

/// What the request says of one name.
struct Universe::Demands {
  bool removed = false, frozen = false;
  std::uint32_t best_channel = ~std::uint32_t{0};
  std::vector<Trial> wishes, pins;
};

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
  for (const auto* record : request.installed.records) {
    installed_.emplace(record->name, static_cast<std::uint32_t>(installed_list_.size()));
    installed_list_.add(*record);
  }
  tables_.push_back({&installed_list_, std::vector<SpecId>(installed_list_.text_count(), no_id)});
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
  for (const auto& [text, spec] : needed) add_dependency(intern_spec(spec));
  candidates_[0].depends = keep(depends_);
}

bool Universe::is_frozen(std::string_view name) const {
  return (request_.installed.freeze_all || freeze_.contains(name)) && installed(name) != nullptr &&
         !is_update(name);
}

const RepoDataRecord* Universe::installed(std::string_view name) const {
  const auto found = installed_.find(name);
  return found == installed_.end() || removed_.contains(name) ? nullptr : request_.installed.records[found->second];
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
  created.is_virtual = is_virtual(created.match.name);
  created.offered = created.is_virtual && virtual_matches(created.match);
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
  const auto& channels = request_.candidates->channels();
  return envtool::matches(spec, record, version, channel < channels.size() ? std::string_view(channels[channel]) : std::string_view());
}

std::string_view Universe::text(const Draft& draft, RecordTable::Text number) const {
  return tables_[draft.table].records->text(number);
}

const RepoDataRecord& Universe::record(const Draft& draft) const {
  return tables_[draft.table].records->record(draft.position);
}

/// The records of a name, the installed one last.
std::vector<Universe::Draft> Universe::draft(const Name& name) {
  std::vector<Draft> drafts;
  const RepoDataRecord* installed_record = installed(name.text);
  std::uint32_t installed_channel = static_cast<std::uint32_t>(request_.candidates->channels().size());
  for (const auto& source : request_.candidates->sources(name.text)) {
    const auto table = static_cast<std::uint32_t>(tables_.size());
    tables_.push_back({source.table, std::vector<SpecId>(source.table->text_count(), no_id)});
    drafts.reserve(drafts.size() + source.table->size() + 1);
    for (std::uint32_t i = 0; i < source.table->size(); ++i) {
      const RecordTable::Row& row = source.table->row(i);
      if (installed_record != nullptr && source.table->text(row.version) == installed_record->version &&
          source.table->text(row.build) == installed_record->build && source.table->text(row.subdir) == installed_record->subdir &&
          same_package(*installed_record, source.table->record(i))) {
        installed_channel = std::min(installed_channel, source.channel);
        continue;
      }
      Draft& added = drafts.emplace_back();
      added.row = &row;
      added.table = table;
      added.position = i;
      added.channel = source.channel;
    }
  }
  const auto sources = request_.candidates->sources(name.text);
  if (sources.size() != 1 || !sources[0].table->builds_differ()) drop_other_archives(drafts);
  if (installed_record != nullptr) {
    Draft& added = drafts.emplace_back();
    added.position = installed_.at(name.text);
    added.row = &installed_list_.row(added.position);
    added.channel = installed_channel;
    added.installed = true;
  }
  return drafts;
}

/// Leaves one of several archives of the same build: `.conda` rather than `.tar.bz2`.
void Universe::drop_other_archives(std::vector<Draft>& drafts) const {
  const auto identity = [&](const Draft& d) {
    return std::tuple(d.channel, text(d, d.row->version), text(d, d.row->build), text(d, d.row->subdir));
  };
  const auto by_identity = [&](const Draft& a, const Draft& b) { return identity(a) < identity(b); };
  // They mostly come in this order.
  if (!std::is_sorted(drafts.begin(), drafts.end(), by_identity)) std::sort(drafts.begin(), drafts.end(), by_identity);
  for (std::size_t begin = 0; begin + 1 < drafts.size(); ++begin) {
    if (identity(drafts[begin]) != identity(drafts[begin + 1])) continue;
    std::size_t end = begin + 2;
    while (end < drafts.size() && identity(drafts[begin]) == identity(drafts[end])) ++end;
    std::sort(drafts.begin() + static_cast<std::ptrdiff_t>(begin), drafts.begin() + static_cast<std::ptrdiff_t>(end),
              [&](const Draft& a, const Draft& b) {
                const RepoDataRecord &left = record(a), &right = record(b);
                const bool a_old = left.fn.ends_with(".tar.bz2"), b_old = right.fn.ends_with(".tar.bz2");
                if (a_old != b_old) return b_old;
                return std::tie(left.fn, left.url) < std::tie(right.fn, right.url);
              });
    for (std::size_t other = begin + 1; other < end; ++other) drafts[other].row = nullptr;
    begin = end - 1;
  }
  std::erase_if(drafts, [](const Draft& draft) { return draft.row == nullptr; });
}

Exclusion Universe::exclusion(const Draft& draft, const Name& name, Demands& demands) const {
  if (!draft.valid) return Exclusion::invalid;
  const auto& options = request_.options;
  if (demands.removed) return Exclusion::removed;
  if (!draft.installed) {
    if (demands.frozen) return Exclusion::frozen;
    if (options.channel_priority == ChannelPriority::strict && draft.channel > demands.best_channel)
      return Exclusion::channel_priority;
    if (const std::uint64_t limit = options.date_limit(name.text, draft.channel);
        limit != 0 && draft.row->release_time > limit)
      return Exclusion::too_new;
  }
  // For an explanation the wishes are the root's demands.
  if (purpose_ == Purpose::solve)
    for (Trial& wish : demands.wishes)
      if (!wish.accepts(draft, draft.version)) return Exclusion::request;
  for (Trial& pin : demands.pins)
    if (!pin.accepts(draft, draft.version)) return Exclusion::pin;
  return Exclusion::none;
}

void Universe::load(NameId id) {
  if (names_[id].loaded) return;
  names_[id].loaded = true;
  if (names_[id].kind == Name::Kind::group) load_group(id);
  else load_package(id);
}

/// Orders the distinct versions once; everything after compares positions.
void Universe::order_versions(std::vector<Draft>& drafts, Name& name) const {
  std::vector<Version> versions;
  std::unordered_map<std::string_view, std::uint32_t> seen;
  std::string_view last_text;
  std::uint32_t last = no_id;
  for (Draft& draft : drafts) {
    const std::string_view version = text(draft, draft.row->version);
    if (version != last_text || &draft == drafts.data()) {
      const auto [found, added] = seen.emplace(version, static_cast<std::uint32_t>(versions.size()));
      if (added) {
        try {
          versions.push_back(Version::parse(version));
        } catch (const Error&) {
          found->second = no_id;
        }
      }
      last_text = version;
      last = found->second;
    }
    draft.valid = last != no_id;
    draft.version = last;
  }
  std::vector<std::uint32_t> order(versions.size()), ranks(versions.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const auto compared = versions[b] <=> versions[a];
    return compared != 0 ? compared < 0 : versions[a].str() < versions[b].str();
  });
  name.versions.reserve(versions.size());
  for (const std::uint32_t number : order) {
    // `1.0` and `1.0.0` are one version (CEP 33).
    if (name.versions.empty() || !(name.versions.back() == versions[number])) name.versions.push_back(std::move(versions[number]));
    ranks[number] = static_cast<std::uint32_t>(name.versions.size() - 1);
  }
  for (Draft& draft : drafts)
    if (draft.valid) draft.version = ranks[draft.version];
}

void Universe::load_package(NameId id) {
  Name& name = names_[id];
  name.first = static_cast<CandidateId>(candidates_.size());
  std::vector<Draft> drafts = draft(name);
  order_versions(drafts, name);

  Demands demands;
  demands.removed = is_removed(name.text);
  demands.frozen = is_frozen(name.text);
  for (const auto* pin : pins(name.text)) demands.pins.emplace_back(*this, *pin, name);
  // `channel::name` asks for that channel, so only it competes.
  std::vector<Trial> asking;
  if (const auto wish = wishes_.find(name.text); wish != wishes_.end())
    for (const auto* spec : wish->second) {
      demands.wishes.emplace_back(*this, *spec, name);
      if (!spec->channel.empty()) asking.emplace_back(*this, *spec, name);
    }
  for (const Draft& draft : drafts) {
    if (draft.installed || !draft.valid) continue;
    const bool asked = std::all_of(asking.begin(), asking.end(), [&](Trial& wish) { return wish.accepts(draft, draft.version); });
    if (asked) demands.best_channel = std::min(demands.best_channel, draft.channel);
  }
  for (Draft& draft : drafts) draft.exclusion = exclusion(draft, name, demands);
  std::erase_if(drafts, [&](const Draft& draft) {
    return draft.exclusion != Exclusion::none && (purpose_ == Purpose::solve || !draft.valid);
  });

  const bool by_channel = request_.options.channel_priority != ChannelPriority::disabled;
  const bool keep_installed = !is_update(name.text);
  const auto first_key = [&](const Draft& d) {
    return std::tuple(!(d.installed && keep_installed), by_channel ? d.channel : 0U, d.row->has_track_features);
  };
  const auto second_key = [&](const Draft& d) {
    const auto& row = *d.row;
    return std::tuple(by_channel ? 0U : d.channel, ~row.build_number, !d.installed, row.noarch != NoarchType::none, ~row.timestamp);
  };
  std::sort(drafts.begin(), drafts.end(), [&](const Draft& a, const Draft& b) {
    if (const auto left = first_key(a), right = first_key(b); left != right) return left < right;
    if (a.version != b.version) return a.version < b.version;
    if (const auto left = second_key(a), right = second_key(b); left != right) return left < right;
    if (const int order = text(a, a.row->build).compare(text(b, b.row->build)); order != 0) return order < 0;
    return &a != &b && record(a).url < record(b).url;
  });
  for (const Draft& draft : drafts) {
    Candidate& added = candidates_.emplace_back();
    added.row = draft.row;
    added.table = draft.table;
    added.position = draft.position;
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

/// Adds to the specs of the candidate that is looked at.
void Universe::add_dependency(SpecId id) {
  depends_.push_back(id);
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
    depends_.push_back(any);
  }
}

/// A copy that stays where it is.
std::span<const SpecId> Universe::keep(const std::vector<SpecId>& specs) {
  constexpr std::size_t piece = 8192;
  if (specs.empty()) return {};
  if (spec_lists_.empty() || spec_lists_.back().capacity() - spec_lists_.back().size() < specs.size())
    spec_lists_.emplace_back().reserve(std::max(piece, specs.size()));
  auto& target = spec_lists_.back();
  target.insert(target.end(), specs.begin(), specs.end());
  return std::span<const SpecId>(target).last(specs.size());
}

/// The spec that a text of a table is: looked up once.
SpecId Universe::spec_of(std::uint32_t table, RecordTable::Text text) {
  SpecId& known = tables_[table].specs[text];
  if (known == no_id) known = intern_spec(tables_[table].records->text(text));
  return known;
}

bool Universe::expand(CandidateId id) {
  Candidate& candidate = candidates_[id];
  if (candidate.expanded) return true;
  candidate.expanded = true;
  depends_.clear();
  constrains_.clear();
  const bool possible = collect_specs(id);
  candidate.depends = keep(depends_);
  candidate.constrains = keep(constrains_);
  return possible;
}

bool Universe::collect_specs(CandidateId id) {
  const Candidate& candidate = candidates_[id];
  const auto add = [&](SpecId spec_id) {
    const Spec& spec = specs_[spec_id];
    if (!spec.valid) return false;
    if (spec.condition) {
      const auto value = condition_value(*spec.condition);
      if (value && !*value) return true;
    }
    if (spec.is_virtual) {
      if (spec.offered) return true;
      if (purpose_ == Purpose::solve && !spec.condition) return false;
    }
    add_dependency(spec_id);
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
    depends_.push_back(exact);
    for (const auto& [group, texts] : record(base).extra_depends)
      if (group == name.group)
        for (const std::string& text : texts)
          if (!add(intern_spec(text))) return false;
    return true;
  }
  if (request_.options.dependencies == DependencyMode::none) return true;
  const RecordTable& table = *tables_[candidate.table].records;
  for (const auto text : table.depends(*candidate.row))
    if (!add(spec_of(candidate.table, text))) return false;
  for (const auto text : table.constrains(*candidate.row)) {
    const SpecId spec_id = spec_of(candidate.table, text);
    const Spec& spec = specs_[spec_id];
    if (!spec.valid) return false;
    if (spec.is_virtual) {
      if (spec.offered || virtual_package(spec.match.name) == nullptr) continue;
      if (purpose_ == Purpose::solve) return false;
      // A demand on what is there but does not fit tells the same as a dependency on it.
      depends_.push_back(spec_id);
      continue;
    }
    if (spec.name == candidate.name && !spec.condition && !matching(spec_id).test(local(id))) {
      // A record that forbids itself cannot be had; one that is installed shows that it can.
      if (candidate.installed) continue;
      if (purpose_ == Purpose::solve) return false;
    }
    constrains_.push_back(spec_id);
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
  Trial trial(*this, spec.match, name);
  for (std::uint32_t i = 0; i < name.count; ++i) {
    const Candidate& candidate = candidates_[name.first + i];
    if (trial.accepts(candidate, candidate.version_rank)) spec.matching.set(i);
  }
}

}  // namespace envtool::solving

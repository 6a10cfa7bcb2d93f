#include "envtool/prefix/revision.hpp"

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/files.hpp"
#include "envtool/records/record_json.hpp"
#include "revision_document.hpp"

namespace envtool {

using detail::RevisionDocument;

namespace {
constexpr std::uint64_t document_limit = std::uint64_t{256} << 20U;
constexpr std::string_view outside_note = "changes that were made outside of envtool";

/// `name-version-build` of a line of the history.
std::string_view dist_of(std::string_view line) {
  const std::size_t colons = line.rfind("::");
  if (colons != std::string_view::npos) line.remove_prefix(colons + 2);
  return line;
}

bool same_pip(const std::vector<PipDistribution>& a, const std::vector<PipDistribution>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_distribution);
}

bool no_variables(const std::optional<EnvironmentVariables>& variables) { return !variables || variables->empty(); }

/// Everything but packages and wishes, which have words of their own.
bool same_surroundings(const EnvironmentState& a, const EnvironmentState& b) {
  if (!same_pip(a.pip, b.pip) || a.pinned != b.pinned) return false;
  return no_variables(a.variables) ? no_variables(b.variables) : a.variables == b.variables;
}

/// The block as it will be read.
HistoryEntry as_read(const HistoryEntry& entry) {
  const History history = History::parse(render(entry));
  return history.entries().empty() ? entry : history.entries().front();
}
}  // namespace

bool same_distribution(const PipDistribution& a, const PipDistribution& b) {
  return a.name == b.name && a.version == b.version && a.folder == b.folder && a.record_digest == b.record_digest;
}

std::string revision_file(std::size_t number) { return "conda-meta/.envtool/revisions/" + std::to_string(number) + ".json"; }

struct RevisionStore::Data {
  std::string folder;
  History history;
  struct Item {
    std::optional<RevisionDocument> document;
    std::string problem;
  };
  std::vector<Item> items;

  /// The text of a record, from the revision itself or one before it.
  const std::string* find_record(const std::string& identifier, std::size_t number) const {
    for (std::size_t i = number + 1; i-- > 0;) {
      if (!items[i].document) continue;
      const auto found = items[i].document->records.find(identifier);
      if (found != items[i].document->records.end()) return &found->second;
    }
    return nullptr;
  }
};

RevisionStore::RevisionStore() : data_(std::make_shared<Data>()) {}

RevisionStore RevisionStore::load(const Prefix& prefix) {
  auto data = std::make_shared<Data>();
  data->history = History::load(prefix);
  data->items.resize(data->history.entries().size());
  for (std::size_t i = 0; i < data->items.size(); ++i) {
    Data::Item& item = data->items[i];
    const std::string path = prefix / revision_file(i);
    const auto text = read_file_if_exists(path, document_limit);
    if (!text) continue;
    try {
      RevisionDocument document = detail::parse_revision(*text, path);
      // Written for a history that has been replaced since.
      if (document.fingerprint != detail::fingerprint(data->history.entries()[i])) continue;
      item.document = std::move(document);
    } catch (const Error& error) {
      item.problem = error.why().empty() ? error.message() : error.why();
    }
  }
  RevisionStore store;
  data->folder = prefix / "conda-meta/.envtool/revisions";
  store.data_ = std::move(data);
  return store;
}

const History& RevisionStore::history() const { return data_->history; }

bool RevisionStore::is_recorded(std::size_t number) const {
  return number < data_->items.size() && data_->items[number].document.has_value();
}

std::string RevisionStore::problem(std::size_t number) const {
  return number < data_->items.size() ? data_->items[number].problem : std::string();
}

EnvironmentState RevisionStore::state(std::size_t number) const {
  const std::string origin = data_->folder + "/" + std::to_string(number) + ".json";
  if (!is_recorded(number))
    throw Error("revision " + std::to_string(number) + " is not recorded", ErrorKind::corrupt)
        .at(origin)
        .because(problem(number).empty() ? "another tool made it" : problem(number));
  const RevisionDocument& document = *data_->items[number].document;
  EnvironmentState state = document.state;
  for (const std::string& identifier : document.packages) {
    const std::string* text = data_->find_record(identifier, number);
    if (text == nullptr)
      throw Error("a revision is not complete", ErrorKind::corrupt)
          .at(origin)
          .because("the package record `" + identifier + "` is in none of the files")
          .hint("another revision may be complete: `envtool history`");
    state.packages.push_back(parse_repodata_record(*text, origin));
  }
  std::sort(state.packages.begin(), state.packages.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < state.packages.size(); ++i)
    if (state.packages[i].name == state.packages[i - 1].name)
      throw Error("cannot use the file of a revision", ErrorKind::corrupt)
          .at(origin)
          .because("it has two packages of the name `" + state.packages[i].name + "`");
  return state;
}

const EnvironmentState& RevisionStore::surroundings(std::size_t number) const {
  return data_->items.at(number).document.value().state;
}

/// Puts the files of a change together.
struct RevisionWriter {
  const RevisionStore& store;
  RevisionFiles result = {};
  /// The new text of the history, and the packages that it says are there.
  std::string text = {};
  std::vector<std::string> lines = {};
  /// The number of the next block.
  std::size_t number = 0;
  /// Records that the files written here have.
  std::set<std::string> fresh = {};

  bool is_stored(const std::string& identifier, std::size_t before) const {
    if (fresh.contains(identifier)) return true;
    const std::size_t known = std::min(before, store.size());
    return known > 0 && store.data_->find_record(identifier, known - 1) != nullptr;
  }

  void write(std::size_t place, const HistoryEntry& entry, const EnvironmentState& state) {
    RevisionDocument document;
    document.fingerprint = detail::fingerprint(entry);
    document.state = state;
    document.state.packages.clear();
    for (const RepoDataRecord& record : state.packages) {
      std::string record_text = detail::record_text(record);
      std::string identifier = detail::record_identifier(record_text);
      if (!is_stored(identifier, place)) {
        fresh.insert(identifier);
        document.records.emplace(identifier, std::move(record_text));
      }
      document.packages.push_back(std::move(identifier));
    }
    result.files.emplace_back(revision_file(place), detail::render_revision(document));
  }

  /// The files of pip packages were kept after the revision was written: it shall know.
  void keep_bundles(const EnvironmentState& known, const EnvironmentState& found) {
    const auto same = [](const PipDistribution& a, const PipDistribution& b) { return a.bundle == b.bundle; };
    if (std::equal(known.pip.begin(), known.pip.end(), found.pip.begin(), found.pip.end(), same)) return;
    EnvironmentState completed = found;
    completed.requested = known.requested;
    write(number - 1, store.history().entries()[number - 1], completed);
  }

  /// What is there and in no revision yet, because another tool or a hand did it.
  void write_found(const EnvironmentState& found, const std::string& time) {
    HistoryEntry outside;
    outside.time = time;
    std::set<std::string> there;
    std::set<std::string_view> known;
    for (const RepoDataRecord& record : found.packages) there.insert(record.dist());
    for (const std::string& line : lines) known.insert(dist_of(line));
    for (const std::string& line : lines)
      if (!there.contains(std::string(dist_of(line)))) outside.unlinked.push_back(line);
    for (const RepoDataRecord& record : found.packages)
      if (!known.contains(record.dist())) outside.linked.push_back(history_line(record));
    const bool packages_differ = !outside.linked.empty() || !outside.unlinked.empty();
    const bool recorded = number > 0 && store.is_recorded(number - 1);
    if (!packages_differ && !recorded) {
      if (number > 0) write(number - 1, store.history().entries()[number - 1], found);
      return;
    }
    if (!packages_differ) {
      const EnvironmentState& written = store.data_->items[number - 1].document->state;
      if (same_surroundings(written, found)) return keep_bundles(written, found);
    }
    outside.note = std::string(outside_note);
    if (!packages_differ && !lines.empty()) outside.linked.push_back(lines.front());
    outside = as_read(outside);
    text += render(outside);
    std::set<std::string> after(lines.begin(), lines.end());
    for (const std::string& line : outside.unlinked) after.erase(line);
    for (const std::string& line : outside.linked) after.insert(line);
    lines.assign(after.begin(), after.end());
    write(number++, outside, found);
  }

  /// The lines of a block as every tool reads them right.
  void settle(HistoryEntry& entry) const {
    // Another tool may have spelt a channel in its own way; to it the line that it wrote is the package.
    for (std::string& line : entry.unlinked) {
      if (std::find(lines.begin(), lines.end(), line) != lines.end()) continue;
      const auto same = std::find_if(lines.begin(), lines.end(), [&](const std::string& other) { return dist_of(other) == dist_of(line); });
      if (same != lines.end()) line = *same;
    }
    // A package that was linked anew is there before and after. conda reads the lines of a block in no order.
    std::erase_if(entry.unlinked, [&](const std::string& line) {
      return std::find(entry.linked.begin(), entry.linked.end(), line) != entry.linked.end();
    });
    if (!entry.linked.empty() || !entry.unlinked.empty() || lines.empty()) return;
    // To conda a block without lines is an environment without packages; a line that was there already says
    // that they stay.
    entry.linked.push_back(lines.front());
    if (entry.note.empty()) entry.note = std::string(no_package_note);
  }
};

RevisionFiles add_revision(const RevisionStore& store, const std::string& history_text, HistoryEntry entry,
                           const EnvironmentState* found, const EnvironmentState* state) {
  RevisionWriter writer{store};
  writer.text = history_text;
  if (!writer.text.empty() && writer.text.back() != '\n') writer.text += '\n';
  writer.number = store.size();
  if (writer.number > 0) writer.lines = store.history().state_at(writer.number - 1);
  if (entry.time.empty()) entry.time = format_history_time(now());
  if (found != nullptr) writer.write_found(*found, entry.time);
  writer.settle(entry);
  writer.text += render(entry);
  if (state != nullptr) writer.write(writer.number, as_read(entry), *state);
  writer.result.history = std::move(writer.text);
  return std::move(writer.result);
}

RevisionFiles amend_revision(const RevisionStore& store, const EnvironmentState& state) {
  RevisionWriter writer{store};
  if (store.size() == 0) return {};
  writer.write(store.size() - 1, store.history().entries().back(), state);
  return std::move(writer.result);
}

}  // namespace envtool

#include "journal.hpp"

#include <charconv>

#include "envtool/base/digest.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool::detail {

namespace {
constexpr std::string_view magic = "envtool-journal";
constexpr std::string_view format = "2";

/// One line: tab-separated fields, each escaped, and a checksum as the last.
class LineWriter {
 public:
  explicit LineWriter(std::string& out) : out_(out), start_(out.size()) {}
  LineWriter& field(std::string_view text) {
    for (char c : text) {
      if (c == '\\' || c == '\t' || c == '\n')
        out_ += {'\\', c == '\t' ? 't' : c == '\n' ? 'n' : '\\'};
      else
        out_ += c;
    }
    out_ += '\t';
    return *this;
  }
  LineWriter& field(std::uint64_t number) { return field(std::to_string(number)); }
  LineWriter& field(const Found& found) {
    field(static_cast<std::uint64_t>(found.type)).field(found.inode).field(found.size);
    return field(std::to_string(found.mtime_ns));
  }
  void end() {
    const std::string check = sha256(std::string_view(out_).substr(start_)).hex().substr(0, 16);
    out_ += check + "\n";
  }

 private:
  std::string& out_;
  std::size_t start_;
};

class LineReader {
 public:
  LineReader(std::string_view line, const std::string& origin) : origin_(origin) {
    const std::size_t tab = line.rfind('\t');
    if (tab == std::string_view::npos) fail();
    const std::string_view body = line.substr(0, tab + 1);
    if (sha256(body).hex().substr(0, 16) != line.substr(tab + 1)) fail();
    rest_ = body;
  }
  std::string field() {
    const std::size_t tab = rest_.find('\t');
    if (tab == std::string_view::npos) fail();
    std::string text;
    for (std::size_t i = 0; i < tab; ++i) {
      char c = rest_[i];
      if (c == '\\') {
        if (++i >= tab) fail();
        c = rest_[i] == 't' ? '\t' : rest_[i] == 'n' ? '\n' : '\\';
      }
      text += c;
    }
    rest_.remove_prefix(tab + 1);
    return text;
  }
  template <typename Number = std::uint64_t>
  Number number() {
    const std::string text = field();
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) fail();
    return value;
  }
  Found found() {
    Found result;
    const auto type = number();
    if (type > static_cast<std::uint64_t>(Found::Type::other)) fail();
    result.type = static_cast<Found::Type>(type);
    result.inode = number();
    result.size = number();
    result.mtime_ns = number<std::int64_t>();
    return result;
  }
  std::string path() {
    std::string text = field();
    if (!is_safe_relative_path(text)) fail();
    return text;
  }
  char letter(std::string_view allowed) {
    const std::string text = field();
    if (text.size() != 1 || allowed.find(text[0]) == std::string_view::npos) fail();
    return text[0];
  }
  bool at_end() const { return rest_.empty(); }
  [[noreturn]] void fail() const {
    throw Error("the journal of an unfinished change is damaged", ErrorKind::corrupt).at(origin_);
  }

 private:
  std::string_view rest_;
  const std::string& origin_;
};

void write_step(const JournalStep& step, std::string& out) {
  LineWriter line(out);
  line.field(std::string(1, static_cast<char>(step.kind))).field(step.path);
  if (step.kind == JournalStep::Kind::place || step.kind == JournalStep::Kind::remove) {
    line.field(std::string(1, static_cast<char>(step.old))).field(step.slot).field(step.before).field(step.parking_place);
  }
  if (step.kind == JournalStep::Kind::place) {
    line.field(step.after).field(step.after.mode).field(step.content).field(static_cast<std::uint64_t>(step.recipe.kind)).field(step.recipe.source);
    line.field(step.recipe.placeholder).field(step.recipe.digest ? step.recipe.digest->hex() : "");
    line.field(step.recipe.size ? std::to_string(*step.recipe.size) : "");
  }
  line.end();
}

JournalStep read_step(char kind, LineReader& line) {
  JournalStep step;
  step.kind = static_cast<JournalStep::Kind>(kind);
  step.path = line.path();
  if (step.kind == JournalStep::Kind::place || step.kind == JournalStep::Kind::remove) {
    step.old = static_cast<JournalStep::Old>(line.letter("dasp"));
    step.slot = line.number<std::uint32_t>();
    step.before = line.found();
    step.parking_place = line.field();
    if (!step.parking_place.empty() &&
        (!is_safe_relative_path(step.parking_place) || !step.parking_place.starts_with(std::string(parking_folder) + "/")))
      line.fail();
  }
  if (step.kind == JournalStep::Kind::place) {
    step.after = line.found();
    step.after.mode = line.number<std::uint32_t>();
    step.content = line.field();
    const auto recipe = line.number();
    if (recipe > static_cast<std::uint64_t>(FileAction::Kind::entry_point)) line.fail();
    step.recipe.kind = static_cast<FileAction::Kind>(recipe);
    step.recipe.source = line.field();
    if (!step.recipe.source.empty() && step.recipe.source[0] != '/') line.fail();
    step.recipe.placeholder = line.field();
    step.recipe.digest = Sha256::parse(line.field());
    step.recipe.size = parse_unsigned(line.field());
  }
  return step;
}
}  // namespace

std::string new_slot(std::uint32_t slot) {
  return "tx/new/" + std::to_string(slot / 1024) + "/" + std::to_string(slot);
}
std::string old_slot(std::uint32_t slot) { return "tx/old/" + std::to_string(slot); }

std::string render_journal(const Journal& journal) {
  std::string out;
  out.reserve(journal.steps.size() * 200 + 4096);
  LineWriter(out).field(magic).field(format).field(journal.id).field(journal.prefix).field(journal.folder).end();
  for (const JournalStep& step : journal.steps) write_step(step, out);
  if (!journal.compile.empty()) {
    LineWriter(out).field("Y").field(journal.python).end();
    for (const JournalCompile& item : journal.compile) LineWriter(out).field("C").field(item.source).field(item.target).end();
  }
  const std::string all = sha256(out).hex();
  LineWriter(out).field("end").field(journal.steps.size() + journal.compile.size()).field(all).end();
  return out;
}

Journal parse_journal(std::string_view text, const std::string& origin) {
  Journal journal;
  const auto fail = [&](const char* why) {
    return Error("the journal of an unfinished change is damaged", ErrorKind::corrupt).at(origin).because(why);
  };
  if (text.empty() || text.back() != '\n') throw fail("it is cut off");
  bool ended = false;
  for (std::size_t at = 0; at < text.size();) {
    if (ended) throw fail("it goes on after its end");
    const std::size_t newline = text.find('\n', at);
    LineReader line(text.substr(at, newline - at), origin);
    const std::string kind = line.field();
    if (at == 0) {
      if (kind != magic) throw fail("it does not start as one");
      if (line.field() != format)
        throw Error("an unfinished change was made by a newer envtool", ErrorKind::corrupt)
            .at(origin)
            .hint("finish it with that version: any command on this environment does");
      journal.id = line.field();
      journal.prefix = line.field();
      journal.folder = line.number();
    } else if (kind == "end") {
      const auto count = line.number();
      if (count != journal.steps.size() + journal.compile.size()) throw fail("steps are missing");
      if (line.field() != sha256(text.substr(0, at)).hex()) throw fail("its checksum is wrong");
      ended = true;
    } else if (kind == "Y") {
      journal.python = line.path();
    } else if (kind == "C") {
      std::string source = line.path();
      journal.compile.push_back({std::move(source), line.path()});
    } else if (kind.size() == 1 && std::string_view("PRME").find(kind[0]) != std::string_view::npos) {
      journal.steps.push_back(read_step(kind[0], line));
    } else {
      throw fail("it has a step that is not known");
    }
    if (!line.at_end()) throw fail("a step has too many fields");
    at = newline + 1;
  }
  if (!ended) throw fail("its end is missing");
  if (journal.id.empty() || journal.id.find_first_not_of("0123456789abcdef") != std::string::npos) throw fail("its name is odd");
  return journal;
}

}  // namespace envtool::detail

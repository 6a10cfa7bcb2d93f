#include "shard_reader.hpp"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/specs/package_name.hpp"
#include "msgpack_walker.hpp"
#include "record_fields.hpp"

namespace envtool {

namespace {

using Fields = FieldReader<MsgpackValue>;
using Path = std::vector<std::string>;

constexpr std::int64_t known_index_version = 1;

Error unknown_version(const std::string& origin, std::int64_t version, std::int64_t known) {
  return Error("channel index has an unknown format", ErrorKind::invalid_input)
      .at(origin)
      .because("its version is " + std::to_string(version) + ", known are up to " + std::to_string(known))
      .hint("a newer envtool may know it");
}

class ShardIndexWalker : public MsgpackWalker {
 public:
  ShardIndexContent read(std::string_view document, const std::string& origin) {
    document_origin_ = origin;
    walk(document, origin);
    if (!has_shards_) throw wrong("it has no `shards`");
    // A key that comes twice counts the last time.
    auto& shards = content_.shards;
    std::stable_sort(shards.begin(), shards.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto end = std::unique(shards.rbegin(), shards.rend(), [](const auto& a, const auto& b) { return a.first == b.first; });
    shards.erase(shards.begin(), end.base());
    return std::move(content_);
  }

 private:
  Step step(const Path& path, MsgpackKind kind) override {
    if (path.empty()) {
      if (kind != MsgpackKind::object) throw wrong("it is not an object");
      return Step::enter;
    }
    const std::string& key = path.front();
    if (path.size() == 1) {
      if (key == "info" || key == "version") return Step::take;
      if (key != "shards") return Step::skip;
      if (kind != MsgpackKind::object) throw wrong("`shards` is not an object");
      if (has_shards_) content_.shards.clear();
      has_shards_ = true;
      return Step::enter;
    }
    return Step::take;
  }

  void taken(const Path& path, const MsgpackValue& value) override {
    if (path.size() == 2) return add_shard(path.back(), value);
    if (path.front() == "version") {
      if (value.is_null()) return;
      const auto version = value.signed_number();
      if (!version) throw wrong("`version` is not a number");
      if (*version > known_index_version) throw unknown_version(document_origin_, *version, known_index_version);
      return;
    }
    try {
      content_.info = Fields::read_info(value);
    } catch (const MalformedJson& malformed) {
      throw wrong(malformed.why);
    }
  }

  void add_shard(const std::string& name, const MsgpackValue& value) {
    if (value.is_null()) return;  // removed, says CEP 16 of updates
    std::optional<Sha256> digest;
    if (const auto bytes = value.bytes(); bytes && bytes->size() == digest.emplace().bytes.size()) {
      std::copy(bytes->begin(), bytes->end(), reinterpret_cast<char*>(digest->bytes.data()));
    } else {
      const auto text = value.text();
      digest = text ? Sha256::parse(*text) : std::nullopt;
    }
    if (!digest) throw wrong("the digest of `" + escape_control(name) + "` is none");
    if (is_valid_package_name(name)) content_.shards.emplace_back(name, *digest);
  }

  std::string document_origin_;
  bool has_shards_ = false;
  ShardIndexContent content_;
};

class ShardWalker : public MsgpackWalker {
 public:
  ShardWalker(std::string_view name, IndexBuilder& builder) : name_(name), builder_(builder) {}
  const ReadSummary& summary() const { return summary_; }

 private:
  Step step(const Path& path, MsgpackKind kind) override {
    const auto enter = [&](const char* what) {
      if (kind == MsgpackKind::null) return Step::skip;
      if (kind != MsgpackKind::object) throw wrong(std::string(what) + " is not an object");
      return Step::enter;
    };
    if (path.empty()) {
      if (kind != MsgpackKind::object) throw wrong("it is not an object");
      return Step::enter;
    }
    const std::string& key = path.front();
    if (path.size() == 1) {
      if (key == "removed") return Step::take;
      if (key == "packages") return begin(key, Section::packages, enter("`packages`"));
      if (key == "packages.conda") return begin(key, Section::packages_conda, enter("`packages.conda`"));
      if (key == "v3") return begin(key, Section::revision3, enter("`v3`"));
      return Step::skip;
    }
    if (path.size() == 2 && key == "v3") {
      return path[1] == "conda" || path[1] == "tar.bz2" ? enter("a format of `v3`") : Step::skip;
    }
    return Step::take;
  }

  // An object that comes twice counts the last time.
  Step begin(const std::string& key, Section section, Step step) {
    if (!seen_.insert(key).second) builder_.forget(section);
    section_ = section;
    return step;
  }

  void taken(const Path& path, const MsgpackValue& value) override {
    if (path.front() == "removed") return read_removed(value);
    std::string file_name = path.back();
    if (section_ == Section::revision3) file_name += "." + path[1];
    ++summary_.records;
    record_.clear();
    std::string problem;
    try {
      const bool is_object = value.each_member([&](std::string_view key, MsgpackValue field) { Fields::read(key, field, record_); });
      problem = is_object ? problem_of(record_) : "it is not an object";
    } catch (const FieldProblem& field) {
      problem = "`" + std::string(field.key) + "` " + std::string(field.what);
    }
    if (problem.empty() && record_.name != name_) problem = "it is in the shard of `" + std::string(name_) + "`";
    if (problem.empty()) problem = builder_.add(section_, file_name, record_);
    if (problem.empty()) return;
    if (summary_.skipped++ == 0) summary_.first_problem = "`" + escape_control(file_name) + "`: " + problem;
  }

  void read_removed(const MsgpackValue& value) {
    if (value.is_null()) return;
    const bool is_list = value.each_element([&](MsgpackValue item) {
      if (const auto file_name = item.text()) builder_.remove(std::string(*file_name));
    });
    if (!is_list) throw wrong("`removed` is not a list");
  }

  std::string_view name_;
  IndexBuilder& builder_;
  Section section_ = Section::packages;
  std::set<std::string> seen_;
  RawRecord record_;
  ReadSummary summary_;
};

struct ContextDeleter {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Like `ByteSource`: a window of up to 128 MB.
constexpr int max_window_log = 27;

}  // namespace

ShardIndexContent read_shard_index(std::string_view document, const std::string& origin) {
  return ShardIndexWalker().read(document, origin);
}

ReadSummary read_shard(std::string_view document, const std::string& origin, std::string_view name, IndexBuilder& builder) {
  ShardWalker walker(name, builder);
  walker.walk(document, origin);
  return walker.summary();
}

std::string decompress_zstd(std::string_view packed, const std::string& origin, std::uint64_t limit) {
  const auto damaged = [&](const std::string& why) {
    return Error("channel index is damaged", ErrorKind::corrupt).at(origin).because(why);
  };
  const auto too_large = [&] {
    return Error("channel index is too large", ErrorKind::unsafe)
        .at(origin)
        .because("it is longer than " + with_thousands(limit) + " bytes when decompressed");
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, ContextDeleter> context(ZSTD_createDCtx());
  if (!context) throw std::bad_alloc();
  ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, max_window_log);
  // What the frame says of its size is a guess of how much to take at once, no more.
  const unsigned long long said = ZSTD_getFrameContentSize(packed.data(), packed.size());
  const bool known = said != ZSTD_CONTENTSIZE_UNKNOWN && said != ZSTD_CONTENTSIZE_ERROR;
  if (known && said > limit) throw too_large();
  std::string content(known ? std::min<std::uint64_t>(said, 1 << 24) + 1 : std::min<std::uint64_t>(packed.size() * 8 + 1024, 1 << 24), '\0');
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  ZSTD_outBuffer output{content.data(), content.size(), 0};
  std::size_t state = 1;
  while (input.pos < input.size || (state != 0 && output.pos == output.size)) {
    if (output.pos == output.size) {
      if (output.size > limit) throw too_large();
      content.resize(std::min<std::size_t>(content.size() * 2, static_cast<std::size_t>(limit) + 1));
      output = {content.data(), content.size(), output.pos};
    }
    state = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(state)) {
      throw damaged("its compressed data is wrong near byte " + std::to_string(input.pos) + " (" + ZSTD_getErrorName(state) + ")");
    }
  }
  if (output.pos > limit) throw too_large();
  if (state != 0) throw damaged("its compressed data ends too early, after " + with_thousands(packed.size()) + " bytes");
  content.resize(output.pos);
  return content;
}

}  // namespace envtool

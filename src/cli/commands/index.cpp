#include <unistd.h>

#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../command.hpp"
#include "../json_output.hpp"
#include "../terminal.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/channel_index/channel_index.hpp"
#include "envtool/os/clock.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

struct IndexOptions {
  std::string folder;
  ChannelIndexRequest request;
};

/// One line on a terminal that counts the packages.
class CountingReporter : public ChannelIndexReporter {
 public:
  explicit CountingReporter(const GlobalOptions& options)
      : notes_(!options.quiet), draws_(!options.quiet && !options.json && is_terminal(STDERR_FILENO)) {}
  void on_lock_wait(const LockHolder& holder) override {
    if (notes_) print_note("waiting for another index run: " + escape_control(holder.text()));
  }
  void on_read_start(std::size_t packages, std::uint64_t bytes) override {
    total_ = packages;
    bytes_ = bytes;
  }
  void on_read(const std::string& /*file*/) override {
    ++done_;
    const std::size_t percent = done_ * 100 / total_;
    if (draws_ && percent != shown_) draw("\rreading " + with_thousands(done_) + " of " + with_thousands(total_) + " packages, " + human_size(bytes_));
    shown_ = percent;
  }
  void on_read_finish() override {
    if (draws_) draw("\r\x1b[K");
  }

 private:
  static void draw(const std::string& text) {
    // Progress that cannot be shown is no reason to fail.
    static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
  }
  bool notes_, draws_;
  std::size_t total_ = 0, done_ = 0, shown_ = 101;
  std::uint64_t bytes_ = 0;
};

Json counts_json(const SubdirIndexCounts& counts) {
  return {{"packages", counts.packages}, {"v3", counts.revision3}, {"removed", counts.removed},
          {"read", counts.read},         {"unchanged", counts.unchanged}, {"broken", counts.broken}};
}

Error left_out_error(const ChannelIndexResult& result, const std::string& channel) {
  const bool one = result.broken.size() == 1;
  Error error(one ? "one package is left out of the index" : std::to_string(result.broken.size()) + " packages are left out of the index",
              ErrorKind::corrupt);
  error.at(channel);
  for (const BrokenPackage& broken : result.broken) error.caused_by(broken.error);
  return error.hint("the index is written without " + std::string(one ? "it" : "them") + "; replace or remove the files, then index again");
}

void print_result_json(const ChannelIndexResult& result, const std::string& channel) {
  Json document{{"success", result.broken.empty()}, {"channel", channel}, {"subdirs", Json::object()}};
  for (const auto& [subdir, counts] : result.subdirs) document["subdirs"][subdir] = counts_json(counts);
  document["broken"] = Json::array();
  for (const BrokenPackage& broken : result.broken)
    document["broken"].push_back({{"file", broken.file}, {"message", broken.error.message()}, {"reason", broken.error.why()}});
  document["warnings"] = result.warnings;
  document["written"] = result.written;
  document["removed"] = result.removed;
  if (!result.broken.empty()) {
    const Error error = left_out_error(result, channel);
    document["error"] = error.what();
    document["message"] = error.message();
    document["exception_name"] = std::string(exception_name(error.kind()));
    document["exit_code"] = exit_code(error.kind());
  }
  print_json(document);
}

void print_result(const ChannelIndexResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [subdir, counts] : result.subdirs) {
    std::string notes = with_thousands(counts.read) + " read";
    if (counts.revision3 != 0) notes += ", " + with_thousands(counts.revision3) + " for newer clients only";
    if (counts.removed != 0) notes += ", " + with_thousands(counts.removed) + " withdrawn";
    if (counts.broken != 0) notes += ", " + with_thousands(counts.broken) + " left out";
    rows.push_back({subdir, with_thousands(counts.packages) + (counts.packages == 1 ? " package" : " packages"), notes});
  }
  print_out(format_table(rows));
  if (result.written.empty() && result.removed.empty()) print_out("The index was up to date.\n");
}

int run_index(const CommandContext& context, IndexOptions options) {
  ChannelIndexRequest& request = options.request;
  request.channel = absolute_path(options.folder, context.environment);
  request.now = now();
  request.command = join(context.command, " ");
  if (context.global.lock_timeout) request.lock_timeout = std::chrono::seconds(*context.global.lock_timeout);
  CountingReporter reporter(context.global);
  const ChannelIndexResult result = index_channel(request, reporter, context.stop);
  if (context.global.json) {
    print_result_json(result, request.channel);
    return result.broken.empty() ? 0 : exit_code(ErrorKind::corrupt);
  }
  if (!context.global.quiet) {
    for (const std::string& warning : result.warnings) print_note("warning: " + warning);
    print_result(result);
  }
  if (!result.broken.empty()) throw left_out_error(result, request.channel);
  return 0;
}
}  // namespace

void register_index(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("index", "Make a folder of packages a channel, or bring its index up to date");
  auto options = std::make_shared<IndexOptions>();
  add_global_options(*command, context.global);
  ChannelIndexRequest& request = options->request;
  command->add_option("folder", options->folder, "The channel: a folder with `noarch`, `linux-64`, ... and packages in them")->required();
  command->add_option("--subdir", request.subdirs, "Only this subdir; may be repeated")->allow_extra_args(false);
  command->add_option("--base-url", request.base_url, "Where the packages are, if not beside the index (without the subdir)");
  command->add_option("--base-channel", request.base_channel, "Related channel of higher priority, such as `../conda-forge`");
  command->add_option("--overrides-channel", request.overrides_channel, "Related channel of lower priority");
  command->add_option("-j,--jobs", request.jobs, "Packages that are read at a time (default: one for each processor)");
  command->add_flag("--shards,!--no-shards", request.files.shards, "Sharded records beside `repodata.json` (default: yes)");
  command->add_flag("--zst,!--no-zst", request.files.zst, "Compressed copies (default: yes)");
  command->add_flag("--run-exports,!--no-run-exports", request.files.run_exports, "`run_exports.json` (default: yes)");
  command->add_flag("--channeldata,!--no-channeldata", request.files.channeldata, "`channeldata.json` (default: yes)");
  command->footer(
      "Archives that have not changed are not read again. Packages that cannot be indexed are left out and named; the exit code\n"
      "is 1 then. Those that `SUBDIR/withdrawn.txt` names, one a line, stay in the folder, but no longer in the index. Files\n"
      "of an index that are not wanted or not kept up to date (`current_repodata.json`, `repodata.json.bz2`) are removed.");
  command->callback([&context, options] { context.action = [&context, options] { return run_index(context, *options); }; });
}

}  // namespace envtool

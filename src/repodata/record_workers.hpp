#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index_builder.hpp"
#include "repodata_reader.hpp"

namespace envtool {

/// Parses the records of one document on several threads. All records of a name go to the same thread, in
/// the document's order, so that the outcome does not depend on who is faster.
class RecordWorkers {
 public:
  /// Threads start when there is enough to do; with `count` 1 the caller's thread does everything.
  RecordWorkers(const std::string& subdir, unsigned count);
  /// What was not finished is dropped.
  ~RecordWorkers();
  RecordWorkers(const RecordWorkers&) = delete;
  RecordWorkers& operator=(const RecordWorkers&) = delete;

  /// Takes a copy of one record's text; `offset` is where it begins in the document. Waits while the
  /// threads are far behind.
  void add(Section section, std::string_view file_name, std::string_view json, std::uint64_t offset);
  /// Drops what the section has brought so far.
  void forget(Section section);
  /// True when a text was found that is not JSON: nothing more is of interest.
  bool failed() const;

  /// A record whose text is not JSON.
  struct Malformed {
    std::uint64_t offset = 0;
    std::string file_name;
    std::string why;
  };
  /// Waits for all threads, gives their records to the builder and counts those left out. Returns the
  /// first malformed record, if there is one. Call it once.
  std::optional<Malformed> finish(IndexBuilder& builder, ReadSummary& summary);

 private:
  class Worker;
  Worker& worker_for(std::string_view file_name);
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace envtool

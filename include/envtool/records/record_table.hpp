#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "envtool/records/package_record.hpp"

namespace envtool {

/// Records of one package (or of one environment) in the form in which many of them can be compared at
/// little cost: rows of numbers, and each different text once. A whole `RepoDataRecord` is made only of
/// those that are asked for. Not for several threads at once.
class RecordTable {
 public:
  /// The number of a text.
  using Text = std::uint32_t;
  /// What decides which record is taken.
  struct Row {
    Text version = 0;
    Text build = 0;
    Text subdir = 0;
    NoarchType noarch = NoarchType::none;
    std::uint64_t build_number = 0;
    std::uint64_t timestamp = 0;
    std::uint64_t release_time = 0;  ///< as `envtool::release_time`
    bool has_track_features = false;
    // The dependencies' numbers, then those of the constraints.
    std::uint32_t first_spec = 0, depends_count = 0, constrains_count = 0;
  };

  RecordTable() = default;
  RecordTable(const RecordTable&) = delete;
  RecordTable& operator=(const RecordTable&) = delete;
  virtual ~RecordTable() = default;

  std::size_t size() const { return rows_.size(); }
  const Row& row(std::size_t position) const { return rows_[position]; }
  std::size_t text_count() const { return texts_.size(); }
  std::string_view text(Text number) const { return texts_[number]; }
  std::span<const Text> depends(const Row& row) const { return {specs_.data() + row.first_spec, row.depends_count}; }
  std::span<const Text> constrains(const Row& row) const {
    return {specs_.data() + row.first_spec + row.depends_count, row.constrains_count};
  }
  /// True when no two rows have the same version, build and subdir; false when that is not known.
  bool builds_differ() const { return builds_differ_; }
  /// The record with everything that is known of it; valid as long as the table.
  virtual const RepoDataRecord& record(std::size_t position) const = 0;

 protected:
  std::vector<Row> rows_;
  std::vector<std::string_view> texts_;
  std::vector<Text> specs_;
  bool builds_differ_ = false;
};

/// A table of records that are there anyhow; these must outlive it.
class RecordList : public RecordTable {
 public:
  void add(const RepoDataRecord& record);
  const RepoDataRecord& record(std::size_t position) const override { return *records_[position]; }

 private:
  Text intern(std::string_view text);

  std::vector<const RepoDataRecord*> records_;
  std::unordered_map<std::string_view, Text> numbers_;
};

}  // namespace envtool

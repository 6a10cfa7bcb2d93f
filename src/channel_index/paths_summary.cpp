#include "paths_summary.hpp"

#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "json.hpp"

namespace envtool {
namespace {

bool is_link_script(std::string_view path, std::string_view kind) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view name = path.substr(slash + 1);
  return name.starts_with('.') && name.find("-" + std::string(kind) + ".") != std::string_view::npos;
}

/// Looks at the entries of `paths` as they come by. Deeper levels and other keys are passed over.
class PathsReader : public Json::json_sax_t {
 public:
  explicit PathsReader(std::set<std::string>& found) : found_(found) {}
  const std::string& problem() const { return problem_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return true; }
  bool string(std::string& value) override {
    if (depth_ == entry_depth && in_paths_) {
      if (key_ == "_path") path_ = std::move(value);
      else if (key_ == "file_mode") mode_ = std::move(value);
      else if (key_ == "prefix_placeholder") has_placeholder_ = !value.empty();
    }
    return true;
  }
  bool start_object(std::size_t) override {
    if (++depth_ == entry_depth) {
      path_.clear();
      mode_ = "text";
      has_placeholder_ = false;
    }
    return true;
  }
  bool key(std::string& name) override {
    if (depth_ == 1) in_paths_ = name == "paths";
    key_ = std::move(name);
    return true;
  }
  bool end_object() override {
    if (depth_-- == entry_depth && in_paths_) take_entry();
    return true;
  }
  bool start_array(std::size_t) override {
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    problem_ = error.what();
    return false;
  }

 private:
  static constexpr std::size_t entry_depth = 3;  // the document, `paths`, the entry

  void take_entry() {
    if (has_placeholder_ && mode_ == "binary") found_.insert("binary_prefix");
    if (has_placeholder_ && mode_ == "text") found_.insert("text_prefix");
    if (path_.starts_with("etc/conda/activate.d/")) found_.insert("activate.d");
    if (path_.starts_with("etc/conda/deactivate.d/")) found_.insert("deactivate.d");
    if (is_link_script(path_, "pre-link")) found_.insert("pre_link");
    if (is_link_script(path_, "post-link")) found_.insert("post_link");
    if (is_link_script(path_, "pre-unlink")) found_.insert("pre_unlink");
  }

  std::set<std::string>& found_;
  std::string problem_;
  std::size_t depth_ = 0;
  bool in_paths_ = false, has_placeholder_ = false;
  std::string key_, path_, mode_;
};

}  // namespace

std::vector<std::string> summarise_paths(std::string_view paths_json, const std::string& origin) {
  std::set<std::string> found;
  PathsReader reader(found);
  if (!Json::sax_parse(paths_json, &reader))
    throw Error("cannot read a JSON document", ErrorKind::invalid_input).at(origin).because(escape_control(reader.problem()));
  return {found.begin(), found.end()};
}

const std::vector<std::string>& path_summary_keys() {
  static const std::vector<std::string> keys{"activate.d", "binary_prefix", "deactivate.d", "post_link",
                                             "pre_link",   "pre_unlink",    "text_prefix"};
  return keys;
}

}  // namespace envtool

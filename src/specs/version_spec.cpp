#include "envtool/specs/version_spec.hpp"

#include "version_spec_node.hpp"

namespace envtool {

namespace {

using Kind = VersionSpec::Node::Kind;

std::string_view operator_text(Kind kind) {
  switch (kind) {
    case Kind::not_equal:
    case Kind::not_starts_with:
    case Kind::not_text:
      return "!=";
    case Kind::less:
      return "<";
    case Kind::less_equal:
      return "<=";
    case Kind::greater:
      return ">";
    case Kind::greater_equal:
      return ">=";
    case Kind::compatible:
      return "~=";
    default:
      return "";
  }
}

}  // namespace

bool VersionSpec::Node::matches(const Version& candidate) const {
  switch (kind) {
    case Kind::any:
      return true;
    case Kind::equal:
      return candidate == version;
    case Kind::not_equal:
      // CEP 29: exclusion is negated fuzzy equality, with or without a glob. conda, mamba and rattler
      // exclude only equal versions without one (see tests/data/specs/version_spec.tsv).
      return !candidate.starts_with(version);
    case Kind::less:
      return candidate < version;
    case Kind::less_equal:
      return candidate <= version;
    case Kind::greater:
      return candidate > version;
    case Kind::greater_equal:
      return candidate >= version;
    case Kind::starts_with:
      return candidate.starts_with(version);
    case Kind::not_starts_with:
      return !candidate.starts_with(version);
    case Kind::compatible:
      return candidate >= version && (children.empty() || children.front().matches(candidate));
    case Kind::text:
      return text->matches(candidate.str());
    case Kind::not_text:
      return !text->matches(candidate.str());
    case Kind::all_of:
      for (const Node& child : children) {
        if (!child.matches(candidate)) {
          return false;
        }
      }
      return true;
    case Kind::any_of:
      for (const Node& child : children) {
        if (child.matches(candidate)) {
          return true;
        }
      }
      return false;
  }
  return false;
}

void VersionSpec::Node::print(std::string& out, bool is_alone) const {
  switch (kind) {
    case Kind::any:
      out += '*';
      return;
    case Kind::text:
    case Kind::not_text:
      out += operator_text(kind);
      out += text->str();
      return;
    case Kind::all_of:
    case Kind::any_of:
      for (const Node& child : children) {
        if (&child != &children.front()) {
          out += kind == Kind::all_of ? ',' : '|';
        }
        const bool needs_parentheses = kind == Kind::all_of && child.kind == Kind::any_of;
        out += needs_parentheses ? "(" : "";
        child.print(out, false);
        out += needs_parentheses ? ")" : "";
      }
      return;
    default:
      // A lone exact version is written with its operator: before a build string, conda and CEP 29
      // read `==1.8` the same way in every position.
      out += kind == Kind::equal && is_alone ? "==" : operator_text(kind);
      out += version.str();
      if (kind == Kind::starts_with || kind == Kind::not_starts_with) {
        out += ".*";
      }
  }
}

VersionSpec::VersionSpec() = default;

VersionSpec VersionSpec::parse(std::string_view text) {
  Node node = parse_version_spec(text);
  if (node.kind == Kind::any) {
    return {};
  }
  return VersionSpec(std::make_shared<const Node>(std::move(node)));
}

VersionSpec VersionSpec::equal_to(const Version& version) {
  Node node;
  node.kind = Kind::equal;
  node.version = version;
  return VersionSpec(std::make_shared<const Node>(std::move(node)));
}

VersionSpec VersionSpec::starting_with(const Version& version) {
  Node node;
  node.kind = Kind::starts_with;
  node.version = version;
  return VersionSpec(std::make_shared<const Node>(std::move(node)));
}

bool VersionSpec::matches(const Version& version) const {
  return root_ == nullptr || root_->matches(version);
}

const Version* VersionSpec::exact() const {
  return root_ != nullptr && root_->kind == Kind::equal ? &root_->version : nullptr;
}

const Version* VersionSpec::prefix() const {
  return root_ != nullptr && root_->kind == Kind::starts_with ? &root_->version : nullptr;
}

std::string VersionSpec::str() const {
  if (root_ == nullptr) {
    return "*";
  }
  std::string out;
  root_->print(out, true);
  return out;
}

bool VersionSpec::operator==(const VersionSpec& other) const {
  if (root_ == other.root_) {
    return true;
  }
  return root_ != nullptr && other.root_ != nullptr && *root_ == *other.root_;
}

}  // namespace envtool

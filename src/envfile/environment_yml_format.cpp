#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/envfile/environment_spec.hpp"
#include "envtool/yaml/yaml_document.hpp"

namespace envtool {
namespace {

void add_key(std::string& out, std::string_view key, std::string_view value) {
  if (!value.empty()) out.append(key).append(": ").append(yaml_scalar(value)).append("\n");
}

void add_item(std::string& out, std::string_view indent, std::string_view value) {
  out.append(indent).append("- ").append(yaml_scalar(value)).append("\n");
}

}  // namespace

std::string to_environment_yml(const EnvironmentSpec& spec) {
  std::string out;
  add_key(out, "name", spec.name);
  if (!spec.channels.empty() || spec.nodefaults) {
    out += "channels:\n";
    for (const std::string& channel : spec.channels) {
      add_item(out, "  ", Url::looks_like_url(channel) ? Url::parse(channel).str() : channel);
    }
    if (spec.nodefaults) add_item(out, "  ", "nodefaults");
  }
  if (!spec.platforms.empty()) {
    out += "platforms:\n";
    for (const Platform& platform : spec.platforms) add_item(out, "  ", platform.str());
  }
  add_key(out, "category", spec.category);
  out += spec.dependencies.empty() && spec.pip.empty() ? "dependencies: []\n" : "dependencies:\n";
  for (const RequestedSpec& dependency : spec.dependencies) add_item(out, "  ", redact(dependency.text));
  if (!spec.pip.empty()) {
    out += "  - pip:\n";
    for (const PipRequirement& requirement : spec.pip) add_item(out, "      ", redact(requirement.text));
  }
  if (!spec.variables.empty()) {
    out += "variables:\n";
    for (const auto& [name, value] : spec.variables) {
      out.append("  ").append(yaml_scalar(name)).append(": ").append(yaml_scalar(value)).append("\n");
    }
  }
  add_key(out, "prefix", spec.prefix);
  return out;
}

}  // namespace envtool

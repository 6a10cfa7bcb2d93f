#include "install_options.hpp"

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

InstallOptions install_options(const AppInputs& inputs) {
  InstallOptions options;
  options.link.hardlink = !inputs.settings.always_copy;
  options.durability = inputs.settings.durable ? Durability::full : Durability::none;
  options.lock_timeout = inputs.settings.lock_timeout;
  options.command = join(inputs.command, " ");
  options.stop = inputs.stop;
  options.reporter = &inputs.reporter;
  try {
    options.byte_code_folder = PackageCache(inputs.settings.pkgs_dirs).writable_directory() + "/.byte-code";
  } catch (const Error&) {
    // No cache that can be written: everything is compiled then.
  }
  return options;
}

}  // namespace envtool

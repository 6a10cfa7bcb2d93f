#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <thread>

#include "command.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/url.hpp"
#include "envtool/os/log.hpp"
#include "error_output.hpp"
#include "terminal.hpp"

namespace envtool {
namespace {

/// Turns SIGINT, SIGTERM and SIGHUP into a stop request. A thread waits for them, since hardly
/// anything may be done in a handler; work that must not be torn apart looks at the token.
class SignalWatch {
 public:
  SignalWatch() {
    sigemptyset(&signals_);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR2}) sigaddset(&signals_, number);
    pthread_sigmask(SIG_BLOCK, &signals_, &previous_);
    // A reader that goes away is seen as EPIPE where we write.
    ::signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { watch(); });
  }
  ~SignalWatch() {
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }
  std::stop_token token() const { return source_.get_token(); }
  /// The signal that asked us to stop, or 0.
  int received() const { return received_; }

 private:
  void watch() {
    for (;;) {
      int number = 0;
      if (sigwait(&signals_, &number) != 0 || number == SIGUSR2) return;
      if (received_ == 0) received_ = number;
      source_.request_stop();  // a second Ctrl-C finds this done already and does not break the undo
    }
  }
  sigset_t signals_{}, previous_{};
  std::stop_source source_;
  std::atomic<int> received_ = 0;
  std::thread thread_;
};

int run_main(int argc, char** argv) {
  CommandContext context;
  context.environment = EnvSnapshot::capture();
  context.command.assign(argv, argv + argc);

  CLI::App app{"envtool: conda environments, exactly as locked", "envtool"};
  app.set_version_flag("-V,--version", "envtool " ENVTOOL_VERSION);
  app.require_subcommand(0, 1);
  app.fallthrough(false);
  add_global_options(app, context.global);
  register_create(app, context);
  register_install(app, context);
  register_update(app, context);
  register_remove(app, context);
  register_list(app, context);
  register_env(app, context);
  register_info(app, context);
  register_run(app, context);
  register_clean(app, context);
  register_lock(app, context);
  register_shell(app, context);

  int signal_number = 0;
  int result = 0;
  {
    std::optional<SignalWatch> signals;
    try {
      std::vector<std::string> arguments = split_off_program(context.command, context.program);
      std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
      arguments.pop_back();
      app.parse(std::move(arguments));
      if (!context.action) {
        print_out(app.help());
        return 0;
      }
      if (context.global.verbosity > 0)
        set_log_level(context.global.verbosity == 1   ? LogLevel::info
                      : context.global.verbosity == 2 ? LogLevel::debug
                                                      : LogLevel::trace);
      signals.emplace();
      context.stop = signals->token();
      result = context.action();
    } catch (const CLI::Success& request) {
      return app.exit(request);
    } catch (const CLI::ParseError& error) {
      result = report_usage_error(error.what(), context.global.json);
    } catch (const Error& error) {
      result = report_error(error, context.global.json);
    } catch (const std::bad_alloc&) {
      result = report_error(Error("out of memory"), context.global.json);
    } catch (const std::exception& error) {
      result = report_error(Error("envtool has a bug", ErrorKind::internal)
                                .because(error.what())
                                .hint("please report it with the command and the output of `-vv`"),
                            context.global.json);
    }
    if (signals) signal_number = signals->received();
  }
  // The shell's convention tells a script which signal it was: 130 for Ctrl-C, 143 for SIGTERM.
  if (signal_number != 0 && result != 0) return 128 + signal_number;
  return result;
}

}  // namespace
}  // namespace envtool

int main(int argc, char** argv) { return envtool::run_main(argc, argv); }

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <system_error>
#include <thread>

#include "command.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/abandonable.hpp"
#include "envtool/os/log.hpp"
#include "error_output.hpp"
#include "terminal.hpp"

namespace envtool {
namespace {

/// Turns SIGINT, SIGTERM and SIGHUP into a stop request. A thread waits for them, since hardly
/// anything may be done in a handler; work that must not be torn apart looks at the token.
class SignalWatch {
 public:
  /// Work that nothing is lost of is ended at once, with an error in JSON or as text.
  explicit SignalWatch(bool json) : json_(json) {
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
      AbandonableWork::abandon([&] {
        report_error(Error("interrupted", ErrorKind::interrupted), json_);
        std::fflush(nullptr);
        _exit(128 + number);
      });
      source_.request_stop();  // a second Ctrl-C finds this done already and does not break the undo
    }
  }
  bool json_;
  sigset_t signals_{}, previous_{};
  std::stop_source source_;
  std::atomic<int> received_ = 0;
  std::thread thread_;
};

/// CLI11 would only say that arguments were not expected.
void refuse_unknown_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands({})) {
    known.push_back(command->get_name());
    for (const std::string& alias : command->get_aliases()) known.push_back(alias);
  }
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "-r" || word == "--root-prefix" || word == "--rc-file" || word == "--lock-timeout") ++i;
    if (word.starts_with('-')) continue;
    if (std::find(known.begin(), known.end(), word) != known.end()) return;
    Error error("envtool has no command `" + word + "`", ErrorKind::usage);
    static const std::map<std::string, std::string, std::less<>> other_words = {
        {"config", "edit ~/.condarc; `envtool info` shows the settings and where each comes from"},
        {"help", "`envtool --help`, or `envtool COMMAND --help`"},
        {"doctor", "`envtool verify` compares an environment with its records, `envtool repair` makes it good"},
        {"package", "`envtool env export` and `envtool lock` write an environment down"},
        {"self-update", "envtool is updated the way it was installed"},
        {"constructor", "`envtool lock` and `envtool create -f conda-lock.yml` bring an environment elsewhere"}};
    if (const auto found = other_words.find(word); found != other_words.end()) throw error.hint(found->second);
    if (const auto close = closest_matches(word, known, 1); !close.empty()) error.hint("did you mean `" + close[0] + "`?");
    throw error.hint("`envtool --help` lists the commands");
  }
}

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
  register_freeze(app, context);
  register_history(app, context);
  register_list(app, context);
  register_env(app, context);
  register_info(app, context);
  register_run(app, context);
  register_clean(app, context);
  register_lock(app, context);
  register_rename(app, context);
  register_verify(app, context);
  register_repair(app, context);
  register_shell(app, context);
  register_search(app, context);
  register_repoquery(app, context);
  register_why(app, context);
  register_index(app, context);

  int signal_number = 0;
  int result = 0;
  {
    std::optional<SignalWatch> signals;
    try {
      std::vector<std::string> arguments = split_off_program(context.command, context.program);
      // Known before anything is parsed, so that a wrong command line is answered in JSON, too.
      context.global.json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
      std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
      arguments.pop_back();
      refuse_unknown_command(app, context.command);
      app.parse(std::move(arguments));
      if (!context.action) {
        print_out(app.help());
        return 0;
      }
      if (context.global.verbosity > 0)
        set_log_level(context.global.verbosity == 1   ? LogLevel::info
                      : context.global.verbosity == 2 ? LogLevel::debug
                                                      : LogLevel::trace);
      // `run` becomes the program: a signal that comes before must end us as it would end the program.
      if (context.program.empty()) {
        signals.emplace(context.global.json);
        context.stop = signals->token();
      }
      result = context.action();
    } catch (const CLI::Success& request) {
      return app.exit(request);
    } catch (const CLI::ExtrasError&) {
      std::vector<std::string> extras = app.remaining(true);
      result = report_usage_error("not understood: " + join(extras, " "), context.global.json);
    } catch (const CLI::RequiredError& error) {
      // "to is required" is no sentence.
      const std::string text = error.what();
      const std::size_t end = text.rfind(" is required");
      const bool is_name = end != std::string::npos && text.find(' ') == end;
      result = report_usage_error(is_name ? "`" + text.substr(0, end) + "` is missing on the command line" : text, context.global.json);
    } catch (const CLI::ParseError& error) {
      result = report_usage_error(error.what(), context.global.json);
    } catch (const Error& error) {
      result = report_error(error, context.global.json);
    } catch (const std::bad_alloc&) {
      result = report_error(Error("out of memory"), context.global.json);
    } catch (const std::system_error& error) {
      // The standard library's threads report like this.
      Error refused = system_error("the system refused to start a thread", error.code().value());
      if (refused.hints().empty()) refused.hint("a limit may be reached: `ulimit -u` for processes, `ulimit -v` for memory");
      result = report_error(refused, context.global.json);
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

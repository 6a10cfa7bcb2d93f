#include "compile_python.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"
#include "envtool/os/process.hpp"
#include "parallel.hpp"

namespace envtool::detail {

namespace {
/// Runs in the environment's Python, any version from 2.7. The working folder must not be on the path:
/// a file there could pass for a module.
constexpr const char* script = R"(
import sys
sys.path[:] = [p for p in sys.path if p]
import os
import py_compile
stream = getattr(sys.stdin, "buffer", sys.stdin)
fields = stream.read().split(b"\0")[:-1]
if sys.version_info[0] > 2:
    fields = [os.fsdecode(f) for f in fields]
jobs = [fields[i:i + 3] for i in range(0, len(fields), 3)]
def work(part):
    for source, target, shown in part:
        try:
            py_compile.compile(source, target, shown, True)
        except Exception:
            pass
workers = min(int(sys.argv[1]), len(jobs) // 32 + 1)
children = []
if workers > 1 and hasattr(os, "fork"):
    for k in range(1, workers):
        try:
            child = os.fork()
        except OSError:
            work(jobs[k::workers])
            continue
        if child == 0:
            try:
                work(jobs[k::workers])
            finally:
                os._exit(0)
        children.append(child)
    work(jobs[0::workers])
    for child in children:
        os.waitpid(child, 0)
else:
    work(jobs)
)";
}  // namespace

bool is_behind_link(const std::string& target) {
  struct stat status{};
  return lstat(target.substr(0, target.rfind('/')).c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

std::vector<char> compile_python(const std::string& python, const std::vector<CompileJob>& jobs, unsigned time_limit,
                                 std::stop_token stop) {
  std::vector<char> compiled(jobs.size(), 0);
  if (jobs.empty() || !exists(python)) return compiled;
  std::string input;
  std::vector<char> refused(jobs.size(), 0);
  for (std::size_t i = 0; i < jobs.size(); ++i) refused[i] = is_behind_link(jobs[i].target) ? 1 : 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (refused[i]) continue;
    const CompileJob& job = jobs[i];
    for (const std::string* text : {&job.source, &job.target, &job.shown_as}) input.append(*text).push_back('\0');
  }
  if (input.empty()) return compiled;

  // Nothing of the user's environment may reach this Python (PYTHONPATH, PYTHONHOME, LD_LIBRARY_PATH, ...).
  const EnvSnapshot environment(std::map<std::string, std::string>{{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"}});
  ProcessRequest request;
  const unsigned workers = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  request.arguments = {python, "-B", "-E", "-s", "-S", "-Wi", "-c", script, std::to_string(workers)};
  request.environment = &environment;
  request.working_directory = "/";
  request.input = std::move(input);
  request.time_limit = time_limit;
  try {
    const ProcessResult result = run_process(request, stop);
    if (result.exit_code != 0) log_debug("byte-compiling ended with exit code " + std::to_string(result.exit_code));
  } catch (const Error& error) {
    throw_if_stopped(stop);
    log_debug(std::string("byte-compiling did not run: ") + error.what());
  }
  throw_if_stopped(stop);
  for (std::size_t i = 0; i < jobs.size(); ++i) compiled[i] = !refused[i] && exists_no_follow(jobs[i].target);
  return compiled;
}

}  // namespace envtool::detail

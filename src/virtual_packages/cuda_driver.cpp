#include "cuda_driver.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "envtool/os/files.hpp"

namespace envtool {
namespace {

/// What the child sends; plain numbers, written at once.
struct Answer {
  int version = 0;  ///< 12040 is 12.4
  int arch_major = 0, arch_minor = 0;
};

// From the CUDA driver API.
constexpr int success = 0;
constexpr int no_device = 100;
constexpr int compute_capability_major = 75;
constexpr int compute_capability_minor = 76;

template <typename Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

Answer ask(const char* path) {
  Answer answer;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return answer;
  const auto init = symbol<int (*)(unsigned)>(library, "cuInit");
  const auto version = symbol<int (*)(int*)>(library, "cuDriverGetVersion");
  if (init == nullptr || version == nullptr) return answer;
  // A driver without any device is a driver; one that cannot start is none.
  const int started = init(0);
  if (started != success && started != no_device) return answer;
  int number = 0;
  if (version(&number) != success || number < 1000) return answer;
  answer.version = number;
  const auto count_devices = symbol<int (*)(int*)>(library, "cuDeviceGetCount");
  const auto attribute = symbol<int (*)(int*, int, int)>(library, "cuDeviceGetAttribute");
  const auto device_at = symbol<int (*)(int*, int)>(library, "cuDeviceGet");
  int devices = 0;
  if (started != success || count_devices == nullptr || attribute == nullptr || device_at == nullptr ||
      count_devices(&devices) != success)
    return answer;
  for (int i = 0; i < devices; ++i) {
    int device = 0, major = 0, minor = 0;
    if (device_at(&device, i) != success || attribute(&major, compute_capability_major, device) != success ||
        attribute(&minor, compute_capability_minor, device) != success)
      continue;
    if (answer.arch_major == 0 || major < answer.arch_major ||
        (major == answer.arch_major && minor < answer.arch_minor)) {
      answer.arch_major = major;
      answer.arch_minor = minor;
    }
  }
  return answer;
}

[[noreturn]] void run_child(const char* path, int out) {
  // Nothing that the driver prints or dumps shall reach the user, and nothing that hides devices
  // from programs shall hide them from us.
  const int nowhere = open("/dev/null", O_RDWR);
  if (nowhere >= 0) {
    dup2(nowhere, 0);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
  }
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (const int number : {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGTERM, SIGINT}) signal(number, SIG_DFL);
  unsetenv("CUDA_VISIBLE_DEVICES");
  const Answer answer = ask(path);
  const ssize_t written = write(out, &answer, sizeof answer);
  _exit(written == static_cast<ssize_t>(sizeof answer) ? 0 : 1);
}

}  // namespace

CudaFacts detect_cuda(const std::string& library, std::chrono::milliseconds time_limit) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  FileDescriptor in(ends[0]), out(ends[1]);
  const pid_t child = fork();
  if (child < 0) return {};
  if (child == 0) run_child(library.c_str(), out.get());
  out.reset();

  Answer answer;
  std::size_t have = 0;
  const auto deadline = std::chrono::steady_clock::now() + time_limit;
  while (have < sizeof answer) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    pollfd waiting{in.get(), POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    const ssize_t got = read(in.get(), reinterpret_cast<char*>(&answer) + have, sizeof answer - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  kill(child, SIGKILL);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  CudaFacts facts;
  if (have < sizeof answer || answer.version <= 0) return facts;
  facts.version = std::to_string(answer.version / 1000) + "." + std::to_string(answer.version % 1000 / 10);
  if (answer.arch_major > 0)
    facts.arch = std::to_string(answer.arch_major) + "." + std::to_string(answer.arch_minor);
  return facts;
}

}  // namespace envtool

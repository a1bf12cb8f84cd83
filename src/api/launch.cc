#include "api/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace cloche {
namespace {

constexpr int kSocketInChild = 3;
static_assert(kFirstPassed == kSocketInChild + 1);

// What posix_spawn is to do in the child, freed when done.
class Actions {
 public:
  // The child's descriptors are those below `first_closed`.
  explicit Actions(int first_closed) : first_closed_(first_closed) { ::posix_spawn_file_actions_init(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  ~Actions() { ::posix_spawn_file_actions_destroy(&actions_); }

  // `fd`, or /dev/null for -1, becomes `target` in the child. A descriptor that lies among the targets is copied out of
  // the way first, where an earlier step would overwrite it.
  Result<void> pass(int fd, int target) {
    if (fd == -1) {
      ::posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", O_RDWR, 0);
      return {};
    }
    if (fd != target && fd < first_closed_) {
      Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, first_closed_));
      if (!copy) return fail_errno("duplicate a file descriptor");
      fd = copy.get();
      copies_.push_back(std::move(copy));
    }
    ::posix_spawn_file_actions_adddup2(&actions_, fd, target);  // Clears close-on-exec even where both are the same.
    return {};
  }
  void close_the_rest() { ::posix_spawn_file_actions_addclosefrom_np(&actions_, first_closed_); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  int first_closed_;
  std::vector<Fd> copies_;
};

// The VM's process ignores these, and must not die of one before it has come to that: they are blocked from the start.
class Attributes {
 public:
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t blocked, normal;
    ::sigemptyset(&blocked);
    for (int signal : {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ})
      ::sigaddset(&blocked, signal);
    ::sigfillset(&normal);
    ::posix_spawnattr_setsigmask(&attributes_, &blocked);
    ::posix_spawnattr_setsigdefault(&attributes_, &normal);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<LaunchedVmm> launch_vmm(const std::string& program, const StandardStreams& streams,
                               std::span<const int> passed) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail_errno("create a socket pair");
  Fd ours(ends[0]), theirs(ends[1]);
  Actions actions(kFirstPassed + static_cast<int>(passed.size()));
  TRY(actions.pass(streams.input, 0));
  TRY(actions.pass(streams.output, 1));
  TRY(actions.pass(streams.error, 2));
  TRY(actions.pass(theirs.get(), kSocketInChild));
  for (size_t i = 0; i < passed.size(); ++i) TRY(actions.pass(passed[i], kFirstPassed + static_cast<int>(i)));
  actions.close_the_rest();
  Attributes attributes;
  std::string name = "cloche-vmm", flag = "--fd", number = std::to_string(kSocketInChild);
  std::array<char*, 4> arguments{name.data(), flag.data(), number.data(), nullptr};
  std::array<char*, 1> environment{nullptr};
  pid_t pid = -1;
  int error =
      ::posix_spawn(&pid, program.c_str(), actions.get(), attributes.get(), arguments.data(), environment.data());
  if (error != 0) return fail_errno("start " + program, error);
  return LaunchedVmm{pid, std::move(ours)};
}

}  // namespace cloche

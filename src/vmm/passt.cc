#include "vmm/passt.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "devices/net/datagram.h"

namespace cloche {
namespace {

constexpr int kSocketInChild = 3;
constexpr size_t kMostWords = 4096;

// Of what passt says, the sentences that tell why it ended: without the complaints about a missing system log, and
// without what it always says.
std::string sentences_of(std::string_view text) {
  std::string sentences;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with("Failed to send ") || line.starts_with("Don't run as root")) continue;
    sentences.append(sentences.empty() ? "" : "; ").append(line);
  }
  return sentences;
}

// posix_spawn's settings, freed when done.
class Spawn {
 public:
  Spawn() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    // Out of reach of the terminal's keys: it lives as long as the VM.
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  // Both lie above the child's own descriptors.
  Result<pid_t> start(const std::string& program, std::vector<char*> arguments, const Fd& words, const Fd& socket) {
    for (int fd : {STDIN_FILENO, STDOUT_FILENO})
      ::posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, words.get(), STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, socket.get(), kSocketInChild);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, kSocketInChild + 1);
    std::array<char*, 1> environment{nullptr};
    pid_t pid = -1;
    int error = ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, arguments.data(), environment.data());
    if (error != 0) return fail_errno("start " + program, error);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Result<Fd> above_childs_own(const Fd& fd) {
  Fd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kSocketInChild + 1));
  if (!copy) return fail_errno("duplicate a file descriptor");
  return copy;
}

}  // namespace

Result<Passt::Started> Passt::start(const std::string& program, const std::vector<std::string>& arguments) {
  int ends[2];
  // Nobody reads before passt has ended, and it shall not wait for that.
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return fail_errno("make a pipe");
  Fd words(ends[0]), words_in_child(ends[1]);
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail_errno("create a socket pair");
  Fd ours(ends[0]), theirs(ends[1]);
  for (const Fd* end : {&ours, &theirs}) net::grow_buffers(end->get());
  words_in_child = TRY(above_childs_own(words_in_child));
  theirs = TRY(above_childs_own(theirs));
  std::vector<std::string> all{"passt"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.insert(all.end(), {"--fd", std::to_string(kSocketInChild)});
  std::vector<char*> raw;
  for (std::string& each : all) raw.push_back(each.data());
  raw.push_back(nullptr);
  pid_t pid = TRY(Spawn().start(program, std::move(raw), words_in_child, theirs));
  return Started{Passt(pid, std::move(words)), std::move(ours)};
}

Passt::Passt(Passt&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), words_(std::move(other.words_)), why_(std::move(other.why_)) {}

void Passt::end() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);  // It keeps nothing that would have to be saved.
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

Result<void> Passt::check() {
  if (pid_ > 0) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return {};
    pid_ = -1;
    why_ = last_words();
    if (why_.empty() && WIFSIGNALED(status)) why_ = "killed by signal " + std::to_string(WTERMSIG(status));
    if (why_.empty()) why_ = "it does not say why";
  }
  std::string what = "passt, which gives the guest its network, has ended: " + why_;
  if (why_.contains("nterface")) what += "; it needs a host with a default route, which the emulated machine is not";
  return fail(ErrorCode::kUnavailable, std::move(what));
}

std::string Passt::last_words() const {
  std::string text(kMostWords, '\0');
  ssize_t got = ::read(words_.get(), text.data(), text.size());
  return sentences_of(std::string_view(text).substr(0, got < 0 ? 0 : static_cast<size_t>(got)));
}

}  // namespace cloche

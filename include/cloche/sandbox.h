// Sandbox: a microVM that stays. It is started, entered by as many commands as one likes, stopped and started again; it
// outlives the program that made it. Its process is one per sandbox; there is no daemon.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloche/config.h"
#include "cloche/kelpie.h"
#include "cloche/result.h"
#include "cloche/upkeep.h"
#include "cloche/vm.h"

namespace cloche {

struct SandboxConfig {
  // What it is called besides its id: letters, digits, '.', '_' and '-', 64 at most. Empty: a name is made up.
  std::string name{};
  // The VM. With arguments, the sandbox lives as long as that command; without, until it is stopped. Streams do not
  // count: the command's output is kept (Sandbox::output), and with `input` carried, or a terminal, its input stays
  // open for those who attach to it (attach.h). `timeout` is the longest life.
  Config vm{};
  // Whatever its maker wants to find it by.
  std::map<std::string, std::string> labels{};
  // What programs get between SIGTERM and SIGKILL when it is stopped.
  std::chrono::milliseconds stop_grace{10'000};
  // Stops it when it has no command and nobody was connected to it for so long.
  std::optional<std::chrono::milliseconds> idle_timeout{};
  // How large a file of the command's output gets before the next one is begun, and how many are kept.
  uint32_t log_mib = 10;
  uint32_t log_files = 3;
  RestartPolicy restart{};
  HealthCheck health{};
  HostLimits limits{};
  // Where given, programs that were written for kelpie can use it.
  std::optional<KelpiePort> kelpie{};
};

enum class SandboxStatus : uint8_t {
  kCreated,     // Never started.
  kStarting,    // The VM boots.
  kRestarting,  // It has ended, and begins again in a moment: RestartPolicy.
  kRunning,     // It can be used.
  kPaused,      // The guest stands still.
  kStopping,    // Its programs are being ended.
  kExited,      // Its command ended: exit_code, or signal.
  kStopped,     // It was stopped: reason.
  kFailed,      // The VM could not be started or was lost: reason.
  kCrashed,     // Its process is gone and did not say why (SIGKILL, or the host restarted).
};

// "created", "starting" ...
std::string_view name_of(SandboxStatus status);

// One look at a sandbox. Times are CLOCK_REALTIME of the host in ns since 1970, 0 for what has not come.
struct SandboxInfo {
  std::string id{}, name{};
  SandboxStatus status = SandboxStatus::kCreated;
  int pid = 0;  // Of the VM's process.
  uint64_t created_ns = 0, started_ns = 0, ready_ns = 0, finished_ns = 0;
  int exit_code = 0;
  int signal = 0;
  std::string reason{};        // One sentence, where it was stopped or lost.
  std::string console_tail{};  // The guest kernel's last lines, where the VM was lost.
  uint32_t restarts = 0;       // By its RestartPolicy, since it was started.
  HealthStatus health = HealthStatus::kNone;
  uint32_t health_failures = 0;  // In a row.
  std::string health_output{};   // The end of what the last check that failed wrote, and why it failed.
  SandboxConfig config{};
};

// One command in a running sandbox. What is left empty is as in SandboxConfig::vm.
struct ExecConfig {
  std::vector<std::string> arguments{};
  std::vector<std::string> environment{};          // "NAME=value" each, over the sandbox's.
  std::optional<std::string> working_directory{};  // Absolute.
  std::optional<User> user{};
  std::optional<std::vector<Limit>> limits{};
  // The caller's ends of the command's streams; -1 is /dev/null. They are used without being changed.
  StandardStreams streams{};
  Input input = Input::kNone;
  std::optional<TerminalSize> terminal{};
  // Instead of the descriptors above, where given: called with output as it comes, on the thread that serves the Exec.
  std::function<void(std::span<const std::byte>)> on_output{}, on_error{};
  // Then SIGTERM to all its processes, and `grace` later SIGKILL.
  std::optional<std::chrono::milliseconds> timeout{};
  std::chrono::milliseconds grace{500};
};

struct ExecOutcome {
  ExitStatus status{};
  std::string text{};      // For kLost: one sentence for people.
  bool timed_out = false;  // ExecConfig::timeout was over.
};

// A line, or a part of one, that a sandbox's command has written.
struct OutputEntry {
  uint64_t time_ns = 0;  // CLOCK_REALTIME of the host when it had arrived whole.
  bool is_error = false;
  bool is_part = false;  // The line goes on in the stream's next entry.
  std::string text{};    // Without the line's end.
};

// Reads what is kept of a sandbox's output, oldest first. One thread at a time.
class OutputReader {
 public:
  OutputReader(OutputReader&&) noexcept;
  OutputReader& operator=(OutputReader&&) noexcept;
  ~OutputReader();

  // Empty when there is no more now. Entries that are lost to rotation before they are read are left out.
  Result<std::optional<OutputEntry>> next();

 private:
  friend class Sandbox;
  class Files;
  explicit OutputReader(std::unique_ptr<Files> files);
  std::unique_ptr<Files> files_;
};

// Whose the files of a copied tree are.
enum class CopyOwners : uint8_t {
  kDestination,  // In the sandbox its user's, on the host the caller's; set-user-ID and set-group-ID bits go.
  kKept,         // The same ids as before. On the host only root can do that.
};

class ExecClient;

// A command that runs in a sandbox. One thread at a time. Destroying it ends the command, with all its processes.
class Exec {
 public:
  Exec(Exec&&) noexcept;
  Exec& operator=(Exec&&) noexcept;
  ~Exec();

  // Carries its streams until it has ended; or, with `until`, a descriptor, until that is readable (then empty).
  Result<std::optional<ExecOutcome>> serve(int until = -1);
  Result<ExecOutcome> wait();
  // To the command's process group.
  Result<void> signal(int number);
  Result<void> resize(TerminalSize size);

 private:
  friend class Sandbox;
  explicit Exec(std::unique_ptr<ExecClient> client);
  std::unique_ptr<ExecClient> client_;
};

// A handle of a sandbox. It holds nothing: many handles, threads and programs can use one sandbox at once. Each call
// that talks to it ends within `deadline`, where it takes one (kTimeout). `home` is where sandboxes are kept; empty:
// $CLOCHE_HOME, or $XDG_DATA_HOME/cloche, or ~/.local/share/cloche.
class Sandbox {
 public:
  using Deadline = std::chrono::milliseconds;
  static constexpr Deadline kUsual{30'000};

  // Checks `config` as Vm::create() does, and writes it down. kInvalidArgument where the name is taken.
  static Result<Sandbox> create(SandboxConfig config, const std::string& home = {});
  // By name, id or the beginning of an id that no other has. kNotFound.
  static Result<Sandbox> open(const std::string& name, const std::string& home = {});

  const std::string& id() const { return id_; }
  // kNotFound where it was removed meanwhile.
  Result<SandboxInfo> info() const;

  // Starts its VM, and returns when the guest's agent has answered and its command, if any, has begun. Otherwise why
  // not, with the step that failed. kInvalidArgument where it runs.
  Result<void> start(Deadline deadline = kUsual);
  // Ends its programs in order, then its VM; returns when its process is gone. Without a `grace`, that of its config.
  Result<void> stop(std::optional<std::chrono::milliseconds> grace = {}, Deadline deadline = kUsual);
  // Ends its VM at once.
  Result<void> kill(Deadline deadline = kUsual);
  // Waits until it has no process any more, and none of its RestartPolicy follows.
  Result<SandboxInfo> wait(std::optional<Deadline> deadline = {}) const;
  Result<void> pause(Deadline deadline = kUsual);
  Result<void> resume(Deadline deadline = kUsual);
  // To the process group of its command.
  Result<void> signal(int number, Deadline deadline = kUsual);
  Result<void> rename(const std::string& name);
  // Removes it and all that is kept of it. kInvalidArgument where it runs.
  Result<void> remove();

  // Begins a command in it.
  Result<Exec> exec(ExecConfig config, Deadline deadline = kUsual) const;
  // Asks the guest's agent for an answer.
  Result<void> ping(Deadline deadline = kUsual) const;

  // Copies a file or a tree into it, or out of it, with modes, times, links and holes. Where the destination is a
  // directory it goes in there under its own name, else it becomes the destination, beside which nothing is touched. Of
  // "a/." it is what lies in "a" that is copied. Ends with kTimeout when nothing moves for as long as `patience`. What
  // the guest sends lands in the destination and nowhere else: links that lead out are refused (kInvalidArgument).
  Result<void> copy_in(const std::string& host_path, const std::string& guest_path,
                       CopyOwners owners = CopyOwners::kDestination, Deadline patience = kUsual) const;
  Result<void> copy_out(const std::string& guest_path, const std::string& host_path,
                        CopyOwners owners = CopyOwners::kDestination, Deadline patience = kUsual) const;
  // The same as tar streams: unpacks what comes from `fd` in a directory of the guest; writes what is at `guest_path`.
  Result<void> unpack(int fd, const std::string& guest_directory, CopyOwners owners = CopyOwners::kDestination,
                      Deadline patience = kUsual) const;
  Result<void> pack(const std::string& guest_path, int fd, Deadline patience = kUsual) const;

  // What its command has written. It is kept in the format of Kubernetes' container logs (CRI), in the sandbox's
  // directory: output.log, and those before it with .1, .2 ... behind that name.
  OutputReader output() const;

 private:
  friend Result<std::vector<Sandbox>> list_sandboxes(const std::string& home);
  friend struct SandboxPlace;
  Sandbox(std::string home, std::string id) : home_(std::move(home)), id_(std::move(id)) {}
  Result<void> command(uint16_t request, std::optional<uint32_t> number, Deadline deadline) const;
  std::string home_;
  std::string id_;
};

// All of them, oldest first.
Result<std::vector<Sandbox>> list_sandboxes(const std::string& home = {});

}  // namespace cloche

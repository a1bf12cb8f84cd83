// The emulated computer behind `cloche machine`: where the host has no usable KVM, one QEMU per user runs in the
// background, with the host's files at the same paths, and commands run in it as if they ran here. DESIGN.md,
// decision 10.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cloche::carrier {

enum class Kind : uint8_t {
  kNormal,
  kIcount,  // One processor on which an instruction is a nanosecond: for measuring.
};

struct Options {
  Kind kind = Kind::kNormal;
  std::string kernel_path;  // ELF vmlinux of the machine.
  std::string init_path;    // The agent, a static program.
  // Told, in whole sentences, what takes long.
  std::function<void(std::string_view)> progress = [](std::string_view) {};
};

// What a command ended with.
struct Exit {
  bool signaled = false;
  int value = 0;  // The exit code, or the signal's number.
  std::string
      problem;  // Why the command could not be run at all; value is then 127 (not found), 126 or 125. Else empty.
};

// Who runs a command in the machine, where it is not the caller.
struct User {
  uint32_t uid = 0, gid = 0;
};

struct Status {
  bool running = false;  // And answering; all below is zero without.
  pid_t pid = 0;         // QEMU's, on the host.
  uint16_t port = 0;     // On 127.0.0.1.
  unsigned memory_mib = 0;
  unsigned commands = 0;  // That run in it now.
  uint64_t uptime_s = 0;
  uint64_t idle_stop_s = 0;  // It ends after so long without a command; 0: never.
  std::string console_path;  // What it wrote on its serial console.
};

// Kernel and agent as they lie beside the program: EXE/../share/cloche/machine-vmlinux,
// EXE/../libexec/cloche/machine-init.
Options installed_options(Kind kind = Kind::kNormal);

// True inside the machine, where there is no other to be carried to.
bool inside_machine();

// Starts the machine unless it runs; returns when it answers. However many call at once, one is started, for all of
// them. kUnavailable when something that it needs is not installed (the message says what to do), kTimeout, kHost.
Result<void> start(const Options& options);

// Runs a command in the machine (started when needed) with the caller's descriptors 0 to 2, environment, directory,
// identity and limits; puts the caller's terminal into raw mode meanwhile. Signals that would end or stop the caller go
// to the command. Must be called on the process's main thread, with no other thread waiting for those signals.
Result<Exit> exec(const Options& options, std::vector<std::string> arguments, std::optional<User> user = {});

// The same for this very program: what /proc/self/exe is, with these arguments.
Result<Exit> carry(const Options& options, std::vector<std::string> arguments);

Result<Status> status(const Options& options);

// Ends the machine in order, or, if it does not answer, by killing it. Nothing to do is success.
Result<void> stop(const Options& options);

}  // namespace cloche::carrier

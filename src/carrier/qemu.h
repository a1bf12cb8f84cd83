// QEMU: where it is, what it is told, and how it is started so that it outlives whoever starts it.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "carrier/state.h"

namespace cloche::carrier {

// The machine's memory in MiB: half of the host's, at most 8 GiB. CLOCHE_MACHINE_MEMORY_MIB says otherwise;
// kInvalidArgument when it is no sensible number.
Result<unsigned> memory_for_host();

// After how many idle seconds the machine ends: CLOCHE_MACHINE_IDLE_MINUTES (0: never), or 15 minutes; 3 for kIcount,
// which keeps a processor of the host busy even when idle.
Result<uint64_t> idle_stop_s(Kind kind);

struct QemuConfig {
  Kind kind = Kind::kNormal;
  unsigned memory_mib = 0;
  uint16_t port = 0;  // On 127.0.0.1, forwarded to the agent.
  uint64_t idle_stop_s = 0;
  std::string kernel_path, initramfs_path, token_path, console_path;
  bool share_cached_usr = true;  // The host has a /usr.
  bool as_root = false;          // Files then keep the owners that commands give them.
  std::string hostname;
};

// QEMU's program; kUnavailable, with what to install, when there is none.
Result<std::string> find_qemu();

// Its arguments, the program's name first.
std::vector<std::string> qemu_arguments(const QemuConfig& config);

// Starts it in a session of its own, with nothing of ours but `life` (see StateDirectory::take_life) and its log. It
// has written its record when this returns.
Result<void> launch_qemu(const std::string& program, const QemuConfig& config, const StateDirectory& state, Fd life);

// A port of 127.0.0.1 that was free a moment ago.
Result<uint16_t> free_port();

}  // namespace cloche::carrier

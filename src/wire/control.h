// What is said on the control socket of a sandbox, to the process of its VM.
//
// Only the sandbox's owner can connect. A client sends one request and waits for its answer, kAccepted or kRefused
// (Failed of wire/vmm.h); then it may send the next one. A connection ends when the process does: who wants to wait for
// that keeps one open. After an accepted kAgent the connection is no longer this protocol's: it leads to the guest's
// agent (wire/agent.h). Frames are those of wire/guest.h.
//
// After an accepted kAttach the connection speaks wire/agent.h as well, with the sandbox's process: as if the client
// had begun the sandbox's own command with kExec, from that moment on. It is sent kOutput, kErrorOutput, kInputTaken,
// at the end kEnded, or kError where it is cut off; it may send kInput, kSignal and kResize. An empty kInput ends the
// command's input for everybody. A client that goes takes nothing with it. Where the connection closes without a
// kEnded, the sandbox has ended before its command.
#pragma once

#include <cstdint>

#include "wire/vmm.h"

namespace cloche::wire {

inline constexpr const char* kControlSocket = "control";  // In the sandbox's run directory,
inline constexpr const char* kLifeLock = "life";          // beside the file whose lock the process holds.

enum class ControlFrame : uint16_t {
  kAgent = 192,   // to the agent
  kPause = 193,   // the guest stands still
  kResume = 194,  // and goes on
  kStop = 195,    // u32: ms that programs get after SIGTERM. Accepted at once; the end is the end of the connection
  kKill = 196,    // the same without asking the guest
  kSignal = 197,  // u32 number, to the sandbox's command
  kAttach = 202,  // to the streams of the sandbox's command
  kAccepted = 208,
  kRefused = 209,
};

// A request is never larger than this.
inline constexpr uint32_t kMaxControlBytes = 64;

inline std::vector<std::byte> encode_control(ControlFrame type, Writer payload = {}) {
  return encode_frame(static_cast<VmmFrame>(type), std::move(payload));
}

}  // namespace cloche::wire

// Vm: one microVM that runs one command, in a process of its own. Whatever becomes of it, the caller lives on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloche/config.h"
#include "cloche/result.h"

namespace cloche {

// Why a VM ended other than by its command's own end.
enum class LostReason : uint8_t {
  kNone,           // It was the command's own end.
  kNotFound,       // The command is not in the guest.
  kNotExecutable,  // The command is there and cannot be executed.
  kSetupFailed,    // The guest could not be prepared for the command.
  kGuestPanic,     // The guest's kernel panicked.
  kInitKilled,     // Something in the guest killed its first process.
  kTripleFault,    // A virtual CPU gave up.
  kGuestReset,     // The guest restarted or powered off without a word about the command.
  kTimeout,        // Config::timeout passed.
  kStopped,        // Vm::kill() was called.
  kCpuError,       // The hypervisor could not go on.
  kVmmDied,        // The VM's process ended without a report.
};

enum class EndedBy : uint8_t { kExit, kSignal, kLost };

// How the command ended. Never "exited with 0" unless the command itself did.
struct ExitStatus {
  EndedBy by = EndedBy::kLost;
  int value = 0;                          // The exit code, or the signal's number.
  LostReason reason = LostReason::kNone;  // For kLost.
};

// One stretch of a VM's life. Times are CLOCK_MONOTONIC of the host in ns, those of the guest moved onto it.
struct TimedPhase {
  std::string name{};
  bool in_guest = false;
  uint64_t begin_ns = 0;
  uint64_t end_ns = 0;
};

struct Outcome {
  ExitStatus status{};
  std::string text{};          // For kLost: one sentence for people.
  std::string console_tail{};  // The guest kernel's last lines, where its end was not orderly. Printable, whatever the
                               // guest wrote.
  std::vector<TimedPhase> phases{};
  uint64_t guest_faults =
      0;  // How often a device refused what the guest did; more than 0 is a hostile or broken guest.
};

class VmProcess;

// One thread at a time. Destroying it ends the VM.
class Vm {
 public:
  // Checks every field of `config` and names the wrong one, its value and the remedy; creates nothing yet.
  static Result<Vm> create(Config config);

  Vm(Vm&&) noexcept;
  Vm& operator=(Vm&&) noexcept;
  ~Vm();

  // Starts the VM's process. What goes wrong after that, wait() tells.
  Result<void> start();
  // Waits until the VM has ended, all output has been handed over and its process is gone. An error: it could not be
  // started.
  Result<Outcome> wait();

  // For event loops: when event_fd() is readable, or wait_ms() milliseconds have passed (-1: no limit), call
  // try_wait(), which is empty while the VM runs. It blocks only to reap the VM's process after its last word.
  int event_fd() const;
  int wait_ms() const;
  Result<std::optional<Outcome>> try_wait();

  // Sends signal `number` to the command's process group.
  Result<void> signal(int number);
  // Tells the command's terminal its new size. The guest's consoles look at those of the host's terminals again.
  Result<void> resize(TerminalSize size);
  // Takes the VM's processors out of the guest; when it returns without an error, none of the guest's code runs until
  // resume(). The guest's clocks stand still in between, so that its time of day is late from then on; on a host whose
  // KVM cannot do that they jump instead. Config::timeout goes on. A paused VM can be ended like any other, and what it
  // had written before still arrives. Pausing it twice is no error. Waits for the VM's process to answer, which
  // includes setting up a VM that was just started; kTimeout when it does not within seconds, kInvalidArgument when the
  // VM has ended, which wait() tells about.
  Result<void> pause();
  // Lets a paused VM go on, and does nothing to one that runs. Errors as for pause().
  Result<void> resume();
  // Ends the VM now. wait() then says kStopped, unless the command was faster.
  Result<void> kill();

 private:
  explicit Vm(std::unique_ptr<VmProcess> process);
  std::unique_ptr<VmProcess> process_;
};

}  // namespace cloche

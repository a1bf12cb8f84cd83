// cloche-init: PID 1 of every microVM. Asks the host for its Start, prepares the root, runs one command, reports how it
// ended.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "guest/init/control.h"
#include "guest/init/host_link.h"
#include "guest/init/mounts.h"
#include "guest/init/network.h"
#include "guest/init/paths.h"
#include "guest/init/power.h"
#include "guest/init/process.h"
#include "guest/init/saving.h"
#include "guest/init/settings.h"
#include "guest/init/streams.h"
#include "guest/init/supervisor.h"
#include "guest/init/system.h"

namespace cloche::init {
namespace {

constexpr int kFarewellMs = 2000;  // How long the host has to end the VM before it ends itself.

Result<Control> call_host(uint64_t began_ns) {
  Control control(TRY(begin_connect(wire::kControlPort)));
  TRY(await_connected(control.socket(), "connect to the host"));
  TRY(control.greet(began_ns));
  return control;
}

// What depends on nothing that the host says, so that it is done while the host answers, or before a snapshot is taken.
Result<void> prepare_guest() {
  TRY(mount_system());
  TRY(mount_memory());
  bring_loopback_up();
  return {};
}

Result<void> prepare_command(const wire::Start& start, Streams& streams) {
  TRY(streams.connect(start));
  set_clock(start.realtime_ns);
  set_hostname(start.hostname);
  Network network;
  TRY(network.begin(start));  // Its questions are on their way while the root is mounted.
  TRY(mount_root(start));
  TRY(network.finish());
  if (!start.working_directory.empty()) TRY(make_place(start.working_directory, Place::kDirectory));
  return streams.open(start);
}

// The agent lies in the initramfs, which the root hides: from here on it is within reach as an open file only.
Result<int> open_program(const wire::Start& start) {
  if (!start.is_agent) return kByName;
  int program = ::open(wire::kAgentPath, O_RDONLY | O_CLOEXEC);
  if (program < 0) return failed("open the agent");
  return program;
}

void set_failure(wire::Exited& exited, const Error& error) {
  exited.kind = wire::ExitKind::kFailed;
  exited.value = static_cast<uint32_t>(error.sys_errno);
  exited.what = error.what;
}

void run_command(const wire::Start& start, Control& control, wire::Exited& exited) {
  static Streams streams;  // Not on the stack: its buffers are pages that most commands never touch.
  Result<int> program = open_program(start);
  if (!program) return set_failure(exited, program.error());
  Result<void> prepared = prepare_command(start, streams);
  if (!prepared) return set_failure(exited, prepared.error());
  exited.mounted_ns = monotonic_ns();
  auto command = launch(start, streams.command(), *program);
  if (!command) {
    exited.kind = command.error().kind;
    exited.value = command.error().value;
    exited.what = std::move(command.error().what);
    return;
  }
  exited.executed_ns = monotonic_ns();
  streams.command_started();
  if (Supervisor(control, streams, exited).run(*command) == Supervisor::End::kHostGone) end_vm();
  exited.drained_ns = monotonic_ns();
}

// The host ends the VM at our report: what programs wrote to shares and disks must be with it by then.
void save(const wire::Start& start, wire::Exited& exited) {
  if (start.has_disks) {
    exited.unsaved = leave_disks_clean();
    return;
  }
  if (std::ranges::all_of(start.mounts, &wire::Mount::read_only)) return;
  ::sync();
}

[[noreturn]] void run() {
  wire::Exited exited;
  exited.began_ns = monotonic_ns();
  Result<Control> control = call_host(exited.began_ns);
  if (!control) abandon(control.error());
  Result<void> prepared = prepare_guest();
  Result<wire::Start> start = control->receive_start();
  if (!start) abandon(start.error());
  exited.started_ns = monotonic_ns();
  if (prepared)
    run_command(*start, *control, exited);
  else
    set_failure(exited, prepared.error());
  save(*start, exited);
  [[maybe_unused]] Result<void> told = control->report(exited, kFarewellMs);
  end_vm();
}

}  // namespace
}  // namespace cloche::init

int main() {
  // SIGCHLD comes by signalfd. The kernel keeps from PID 1 every signal that it does not handle, so there is nothing
  // else to do.
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  cloche::init::run();
}

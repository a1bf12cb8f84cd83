// krun_start_enter(): runs the VM, and ends the process with it.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include "cloche/foreground.h"
#include "krun/context.h"
#include "krun/log.h"
#include "krun/plan.h"
#include "krun/plan_consoles.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

// A VM that runs, for those who want it to pause: a Vm is for one thread at a time.
struct Running {
  explicit Running(Vm started) : vm(std::move(started)) {}
  std::mutex mutex;
  Vm vm;
};

struct AllRunning {
  std::mutex mutex;
  std::map<uint32_t, std::shared_ptr<Running>> all;
};

AllRunning& running() {
  static AllRunning the_running;
  return the_running;
}

int32_t errno_of(const Error& error) {
  if (error.code == ErrorCode::kUnsupported) return -ENOTSUP;
  if (error.code == ErrorCode::kPermission) return -EACCES;
  if (error.code == ErrorCode::kNotFound) return -ENOENT;
  return error.sys_errno > 0 ? -error.sys_errno : -EINVAL;
}

int32_t refuse(const Error& error) {
  write_log(Verbosity::kError, error.message());
  return errno_of(error);
}

Result<void> change_user(const Context& context) {
  if (context.gid && ::setgid(*context.gid) < 0)
    return fail(ErrorCode::kHost, fmt::format("become group {}", *context.gid), errno);
  if (context.uid && ::setuid(*context.uid) < 0)
    return fail(ErrorCode::kHost, fmt::format("become user {}", *context.uid), errno);
  return {};
}

using Terminals = std::vector<RawTerminal>;

// `input` is what the command's terminal is.
void pass_on(Vm& vm, int signal, const Terminals& terminals, int input) {
  if (signal == SIGCONT)
    for (const RawTerminal& terminal : terminals) terminal.apply();
  auto passed = signal != SIGCONT && signal != SIGWINCH ? vm.signal(signal)
                : !terminals.empty()                    ? vm.resize(terminal_size(input))
                                                        : Result<void>();
  if (!passed) write_log(Verbosity::kWarning, passed.error().message());
}

Result<Outcome> wait_for(Running& run, const Signals& signals, const Terminals& terminals, int input) {
  for (;;) {
    std::array<pollfd, 2> wait{{{-1, POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
    int limit_ms = 0;
    {
      std::scoped_lock lock(run.mutex);
      auto outcome = run.vm.try_wait();
      if (!outcome) return std::unexpected(std::move(outcome).error());
      if (*outcome) return std::move(**outcome);
      wait[0].fd = run.vm.event_fd();
      limit_ms = run.vm.wait_ms();
    }
    ::poll(wait.data(), wait.size(), limit_ms);
    std::scoped_lock lock(run.mutex);
    while (auto signal = signals.next()) pass_on(run.vm, *signal, terminals, input);
  }
}

// An error: it could not be started, and nothing has changed.
Result<Outcome> run(uint32_t id, const Context& context) {
  auto config = plan(context);
  if (!config) return std::unexpected(std::move(config).error());
  auto vm = Vm::create(*config);
  if (!vm) return std::unexpected(std::move(vm).error());
  if (auto changed = change_user(context); !changed) return std::unexpected(std::move(changed).error());
  const char* name = std::getenv("HOSTNAME");
  ::prctl(PR_SET_NAME, name == nullptr ? "libkrun VM" : fmt::format("VM:{}", name).c_str());
  auto signals = Signals::create();
  if (!signals) return std::unexpected(std::move(signals).error());
  auto terminals = raw_terminals(*config);
  if (!terminals) return std::unexpected(std::move(terminals).error());
  if (auto started = vm->start(); !started) return std::unexpected(std::move(started).error());
  auto entry = std::make_shared<Running>(std::move(*vm));
  {
    std::scoped_lock lock(running().mutex);
    running().all[id] = entry;
  }
  auto outcome = wait_for(*entry, *signals, *terminals, config->streams.input);
  std::scoped_lock lock(running().mutex);
  running().all.erase(id);
  return outcome;
}

int32_t with_running(uint32_t id, Result<void> (Vm::*act)()) {
  std::shared_ptr<Running> entry;
  {
    std::scoped_lock lock(running().mutex);
    auto found = running().all.find(id);
    if (found == running().all.end()) return -ENOENT;
    entry = found->second;
  }
  std::scoped_lock lock(entry->mutex);
  auto done = (entry->vm.*act)();
  return done ? 0 : refuse(done.error());
}

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_start_enter(uint32_t ctx_id) {
  auto context = take_context(ctx_id);
  if (!context) return -ENOENT;
  try {
    auto outcome = run(ctx_id, *context);
    if (!outcome) return refuse(outcome.error());
    if (std::string words = cloche::last_words(*outcome); !words.empty())
      write_log(cloche::Verbosity::kError, words.substr(0, words.size() - 1));
    ::_exit(cloche::exit_code(outcome->status));
  } catch (const std::exception& error) {
    return refuse({cloche::ErrorCode::kInternal, ENOMEM, error.what()});
  }
}

int32_t krun_vm_pause(uint32_t ctx_id) { return with_running(ctx_id, &cloche::Vm::pause); }
int32_t krun_vm_resume(uint32_t ctx_id) { return with_running(ctx_id, &cloche::Vm::resume); }

}  // extern "C"

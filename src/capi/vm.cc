// cloche_vm: one VM, for any thread.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/place.h"
#include "capi/texts.h"

using cloche::Result;
using namespace cloche::capi;

namespace {

using Clock = std::chrono::steady_clock;

// While one thread waits, another may see the VM's end and close what the first one waits on, or bring its end nearer
// (cloche_vm_kill), which wait_ms() tells only who asks again; so none waits for longer before it looks again.
constexpr int kLongestWait_ms = 200;

// Takes note of its end. Call with its mutex held.
void look(cloche_vm& vm) {
  if (vm.outcome || vm.failure) return;
  auto ended = vm.vm.try_wait();
  if (!ended) {
    vm.failure = std::move(ended).error();
  } else if (*ended) {
    vm.outcome = cloche_outcome{.status = (*ended)->status,
                                .text = std::move((*ended)->text),
                                .console_tail = std::move((*ended)->console_tail)};
  }
}

// Null: it still ran when `limit` was over.
Result<const cloche_outcome*> wait_for(cloche_vm& vm, std::optional<std::chrono::milliseconds> limit) {
  auto until = limit ? Clock::now() + *limit : Clock::time_point::max();
  for (;;) {
    pollfd wait{-1, POLLIN, 0};
    int longest_ms = kLongestWait_ms;
    {
      std::scoped_lock lock(vm.mutex);
      look(vm);
      if (vm.failure) return std::unexpected(*vm.failure);
      if (vm.outcome) return &*vm.outcome;
      wait.fd = vm.vm.event_fd();
      if (int own_ms = vm.vm.wait_ms(); own_ms >= 0) longest_ms = std::min(longest_ms, own_ms);
    }
    auto now = Clock::now();
    if (now >= until) return nullptr;
    if (limit) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
      longest_ms = static_cast<int>(std::min<int64_t>(longest_ms, left));
    }
    ::poll(&wait, 1, longest_ms);
  }
}

template <typename Act>
cloche_code with(cloche_vm* vm, cloche_error** error, Act act) {
  return guarded(error, [&]() -> Result<void> {
    if (vm == nullptr) return missing("vm");
    std::scoped_lock lock(vm->mutex);
    return act(*vm);
  });
}

}  // namespace

extern "C" {

cloche_code cloche_vm_start(const cloche_config* config, cloche_vm** vm, cloche_error** error) {
  return guarded(error, [&]() -> Result<void> {
    if (config == nullptr) return missing("config");
    if (vm == nullptr) return missing("vm");
    auto created = cloche::Vm::create(placed(config->sandbox.vm));
    if (!created) return std::unexpected(std::move(created).error());
    auto handle = std::make_unique<cloche_vm>(std::move(*created));
    if (auto started = handle->vm.start(); !started) return started;
    *vm = handle.release();
    return {};
  });
}

void cloche_vm_free(cloche_vm* vm) { delete vm; }

cloche_code cloche_vm_wait(cloche_vm* vm, int64_t timeout_ms, const cloche_outcome** outcome, cloche_error** error) {
  return guarded(error, [&]() -> Result<void> {
    if (vm == nullptr) return missing("vm");
    auto limit = limit_of(timeout_ms);
    if (!limit) return std::unexpected(std::move(limit).error());
    auto ended = wait_for(*vm, *limit);
    if (!ended) return std::unexpected(std::move(ended).error());
    if (*ended == nullptr) return cloche::fail(cloche::ErrorCode::kTimeout, "VM: it still runs");
    if (outcome != nullptr) *outcome = *ended;
    return {};
  });
}

cloche_code cloche_vm_get_status(cloche_vm* vm, cloche_vm_status* status, cloche_error** error) {
  return with(vm, error, [&](cloche_vm& it) -> Result<void> {
    if (status == nullptr) return missing("status");
    look(it);
    *status = it.outcome || it.failure ? CLOCHE_VM_ENDED : it.is_paused ? CLOCHE_VM_PAUSED : CLOCHE_VM_RUNNING;
    return {};
  });
}

cloche_code cloche_vm_signal(cloche_vm* vm, int number, cloche_error** error) {
  return with(vm, error, [&](cloche_vm& it) { return it.vm.signal(number); });
}

cloche_code cloche_vm_resize(cloche_vm* vm, uint16_t rows, uint16_t columns, cloche_error** error) {
  return with(vm, error, [&](cloche_vm& it) { return it.vm.resize({.rows = rows, .columns = columns}); });
}

cloche_code cloche_vm_pause(cloche_vm* vm, cloche_error** error) {
  return with(vm, error, [&](cloche_vm& it) {
    auto done = it.vm.pause();
    if (done) it.is_paused = true;
    return done;
  });
}

cloche_code cloche_vm_resume(cloche_vm* vm, cloche_error** error) {
  return with(vm, error, [&](cloche_vm& it) {
    auto done = it.vm.resume();
    if (done) it.is_paused = false;
    return done;
  });
}

cloche_code cloche_vm_kill(cloche_vm* vm, cloche_error** error) {
  return with(vm, error, [&](cloche_vm& it) { return it.vm.kill(); });
}

}  // extern "C"

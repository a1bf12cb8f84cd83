// A Machine paused and resumed: no vCPU is in the guest, and the guest's clocks stand still meanwhile.
#include "machine/machine.h"

namespace cloche {

Result<void> Machine::pause() {
  if (paused_) return {};
  if (threads_.empty() || stopping_) return fail(ErrorCode::kInvalidArgument, "pause a VM that does not run");
  for (CpuGate& gate : gates_) gate.shut();
  for (auto& cpu : cpus_) cpu->kick();
  // Out of the guest is enough. A vCPU that serves an exit may need this thread for it, so that is not waited for.
  for (CpuGate& gate : gates_) gate.wait_outside();
  paused_ = true;
  if (auto held = hold_clocks(); !held) {
    clocks_.reset();
    config_.log.debug("the guest's clocks go on during the pause: {}", held.error().message());
  } else if (!clocks_->cpus.front().tsc_offset) {
    config_.log.debug("KVM does not tell TSC offsets: the guest's TSC jumps when the pause is shorter than a second");
  }
  return {};
}

Result<void> Machine::resume() {
  if (!paused_) return {};
  if (clocks_) {
    if (auto set = release_clocks(); !set)
      config_.log.debug("the guest's clocks jump by the length of the pause: {}", set.error().message());
    clocks_.reset();
  }
  paused_ = false;
  for (CpuGate& gate : gates_) gate.open();
  return {};
}

Result<void> Machine::hold_clocks() {
  clocks_.emplace();
  clocks_->vm = TRY(vm_->read_clock());
  for (auto& cpu : cpus_) clocks_->cpus.push_back(TRY(cpu->read_clock()));
  return {};
}

Result<void> Machine::release_clocks() {
  uint64_t elapsed = TRY(vm_->read_clock()).host_tsc - clocks_->vm.host_tsc;
  for (size_t index = 0; index < cpus_.size(); ++index) TRY(cpus_[index]->set_clock(clocks_->cpus[index], elapsed));
  return vm_->set_clock(clocks_->vm);
}

}  // namespace cloche

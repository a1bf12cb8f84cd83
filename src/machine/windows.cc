// Shared memory of devices: where the guest finds it, and what becomes of an access to it that the host cannot satisfy.
#include <fmt/format.h>

#include <utility>

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"
#include "machine/machine.h"

namespace cloche {

Result<GuestAddr> Machine::place_window(std::span<std::byte> bytes) {
  if (bytes.empty()) return GuestAddr{};
  GuestAddr start = windows_.empty()
                        ? x86_64::first_window(config_.memory_mib)
                        : x86_64::next_window({windows_.back().start.value + windows_.back().bytes.size()});
  uint64_t limit = x86_64::address_count(TRY(vm_->supported_cpuid()));
  if (bytes.size() > limit || start.value > limit - bytes.size())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a DAX window of {} MiB does not fit below the {} GiB that this CPU can address",
                            bytes.size() >> 20, limit >> 30));
  windows_.push_back({start, bytes});
  TRY(vm_->map_window(windows_.back()));
  memory_.add_window(windows_.back());
  return start;
}

// The guest touched what the host cannot give: most likely a file that shrank under its mapping. The shares put memory
// there. False when nothing has changed since this vCPU last came here: it would only fault again.
bool Machine::repair_memory(unsigned index) {
  bool changed = false;
  loop_->call([&] {
    uint64_t repairs = 0;
    for (auto& share : shares_) repairs += share->repair_window();
    changed = std::exchange(seen_repairs_[index], repairs) != repairs;
  });
  return changed;
}

}  // namespace cloche

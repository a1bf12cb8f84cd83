// The VM of KVM: memory slots, interrupt chips, eventfds.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include <cassert>
#include <vector>

#include "hypervisor/kvm/cpu.h"
#include "hypervisor/kvm/emulated_cpu.h"
#include "hypervisor/kvm/kvm.h"
#include "hypervisor/kvm/kvm_header.h"

namespace cloche::hypervisor::kvm {
namespace {

constexpr int kApiVersion = 12;  // The only one there has ever been since 2007.
// Three pages and one page below 4 GiB that Intel's real-mode emulation needs; above every device of ours, below the
// 16 MiB in which firmware may lie.
constexpr uint64_t kTssAddress = 0xfeffd000;
constexpr uint64_t kIdentityMapAddress = 0xfeffc000;
constexpr unsigned kMaxCpuidEntries = 256;

// ioctl that survives EINTR: KVM_CREATE_VM and others return it when a signal comes in between (Firecracker #5046).
template <typename Argument>
int ioctl_retry(int fd, unsigned long request, Argument argument) {
  int result;
  do {
    result = ::ioctl(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  return result;
}

class KvmVm final : public VirtualMachine {
 public:
  KvmVm(Fd device, Fd vm, size_t run_size) : device_(std::move(device)), vm_(std::move(vm)), run_size_(run_size) {}

  Result<void> map_memory(const GuestMemory& memory) override {
    for (const MemoryRegion& region : memory.regions()) TRY(map_window(region));
    return {};
  }

  Result<void> map_window(const MemoryRegion& window) override { return add_slot(window, 0); }
  Result<void> map_read_only(const MemoryRegion& region) override { return add_slot(region, KVM_MEM_READONLY); }

  Result<void> create_interrupt_chips() override {
    if (ioctl_retry(vm_.get(), KVM_SET_TSS_ADDR, kTssAddress) < 0) return fail_errno("set the VM's TSS address");
    uint64_t identity = kIdentityMapAddress;
    if (ioctl_retry(vm_.get(), KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
      return fail_errno("set the VM's identity map address");
    if (ioctl_retry(vm_.get(), KVM_CREATE_IRQCHIP, 0) < 0) return fail_errno("create the VM's interrupt chips");
    return {};
  }

  Result<std::unique_ptr<VirtualCpu>> create_cpu(unsigned index) override {
    int fd = ioctl_retry(vm_.get(), KVM_CREATE_VCPU, static_cast<unsigned long>(index));
    if (fd < 0) return fail_errno(fmt::format("create vCPU {}", index));
    return open_cpu(Fd(fd), run_size_);
  }

  // Not through an irqfd: KVM hands one that leads to the IOAPIC to a kernel thread, a switch and a wait more.
  void pulse_irq(uint32_t line) override {
    kvm_irq_level level{};
    level.irq = line;
    level.level = 1;
    [[maybe_unused]] int up = ioctl_retry(vm_.get(), KVM_IRQ_LINE, &level);
    level.level = 0;
    [[maybe_unused]] int down = ioctl_retry(vm_.get(), KVM_IRQ_LINE, &level);
    assert(up == 0 && down == 0);  // They fail without interrupt chips only.
  }

  Result<void> connect_kick(const EventFd& event, GuestAddr address, uint32_t value) override {
    kvm_ioeventfd entry{};
    entry.datamatch = value;
    entry.addr = address.value;
    entry.len = 4;
    entry.fd = event.fd();
    entry.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
    if (ioctl_retry(vm_.get(), KVM_IOEVENTFD, &entry) < 0)
      return fail_errno(fmt::format("connect the kick at {:#x}", address.value));
    return {};
  }

  Result<std::vector<x86_64::CpuidEntry>> supported_cpuid() override {
    // A header and an array behind it, as the kernel lays it out.
    std::vector<uint64_t> raw((sizeof(kvm_cpuid2) + kMaxCpuidEntries * sizeof(kvm_cpuid_entry2)) / 8 + 1);
    auto* list = reinterpret_cast<kvm_cpuid2*>(raw.data());
    list->nent = kMaxCpuidEntries;
    if (ioctl_retry(device_.get(), KVM_GET_SUPPORTED_CPUID, list) < 0) return fail_errno("ask KVM for its CPUID");
    std::vector<x86_64::CpuidEntry> entries;
    for (const kvm_cpuid_entry2& entry : std::span(list->entries, list->nent)) {
      bool index_matters = (entry.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
      entries.push_back({entry.function, entry.index, index_matters, entry.eax, entry.ebx, entry.ecx, entry.edx});
    }
    if (cpu_is_emulated()) remove_xsave(entries);
    return entries;
  }

  Result<x86_64::VmClock> read_clock() override {
    kvm_clock_data data{};
    if (ioctl_retry(vm_.get(), KVM_GET_CLOCK, &data) < 0) return fail_errno("read the VM's clock");
    // KVM tells the TSC of that very moment where the host's TSC is its clock, from Linux 5.16 on.
    return x86_64::VmClock{data.clock, (data.flags & KVM_CLOCK_HOST_TSC) != 0 ? data.host_tsc : __rdtsc()};
  }

  Result<void> set_clock(const x86_64::VmClock& clock) override {
    kvm_clock_data data{};
    data.clock = clock.guest_ns;
    if (ioctl_retry(vm_.get(), KVM_SET_CLOCK, &data) < 0) return fail_errno("set the VM's clock");
    return {};
  }

 private:
  Result<void> add_slot(const MemoryRegion& region, uint32_t flags) {
    kvm_userspace_memory_region entry{};
    entry.slot = next_slot_++;
    entry.flags = flags;
    entry.guest_phys_addr = region.start.value;
    entry.memory_size = region.bytes.size();
    entry.userspace_addr = reinterpret_cast<uintptr_t>(region.bytes.data());
    if (ioctl_retry(vm_.get(), KVM_SET_USER_MEMORY_REGION, &entry) < 0)
      return fail_errno(
          fmt::format("give the VM {} KiB of memory at {:#x}", region.bytes.size() >> 10, region.start.value));
    return {};
  }

  Fd device_;
  Fd vm_;
  size_t run_size_;
  uint32_t next_slot_ = 0;
};

}  // namespace

Result<std::unique_ptr<VirtualMachine>> create_vm() {
  Fd device = TRY(open_file("/dev/kvm", O_RDWR));
  int version = ioctl_retry(device.get(), KVM_GET_API_VERSION, 0);
  if (version != kApiVersion)
    return fail(ErrorCode::kUnavailable, fmt::format("/dev/kvm speaks version {} and not {}", version, kApiVersion));
  int run_size = ioctl_retry(device.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < 0) return fail_errno("ask KVM for the size of a vCPU");
  int vm = ioctl_retry(device.get(), KVM_CREATE_VM, 0);
  if (vm < 0) return fail_errno("create a VM");
  return std::make_unique<KvmVm>(std::move(device), Fd(vm), static_cast<size_t>(run_size));
}

}  // namespace cloche::hypervisor::kvm

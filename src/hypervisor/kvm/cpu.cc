#include "hypervisor/kvm/cpu.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>

#include "hypervisor/kvm/kvm_header.h"

namespace cloche::hypervisor::kvm {
namespace {

// Interrupts KVM_RUN. Its handler does nothing: the signal's arrival is the message. One per process by nature of
// signals.
int kick_signal() { return SIGRTMIN; }

void install_kick_handler() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(kick_signal(), &action, nullptr);
}

constexpr uint32_t kTsc = 0x10, kTscDeadline = 0x6e0;  // Intel SDM volume 4: IA32_TIME_STAMP_COUNTER, IA32_TSC_DEADLINE

kvm_segment to_kvm(const x86_64::Segment& segment) {
  kvm_segment out{};
  out.base = segment.base;
  out.limit = segment.limit;
  out.selector = segment.selector;
  out.type = segment.type;
  out.present = 1;
  out.db = segment.operand_32;
  out.s = segment.code_or_data;
  out.l = segment.long_mode;
  out.g = segment.granular;
  return out;
}

class KvmCpu final : public VirtualCpu {
 public:
  KvmCpu(Fd fd, kvm_run* run, size_t run_size) : fd_(std::move(fd)), run_(run), run_size_(run_size) {}
  ~KvmCpu() override { ::munmap(run_, run_size_); }

  Result<void> set_cpuid(std::span<const x86_64::CpuidEntry> entries) override;
  Result<void> set_registers(const x86_64::Registers& registers) override;
  Result<void> set_msrs(std::span<const x86_64::Msr> msrs) override;
  Result<void> set_local_interrupts() override;
  std::string describe() override;
  Result<x86_64::CpuClock> read_clock() override;
  Result<void> set_clock(const x86_64::CpuClock& clock, uint64_t elapsed) override;
  Result<Exit> run() override;
  void kick() override;

 private:
  Result<uint64_t> read_msr(uint32_t index);
  bool access_tsc_offset(unsigned long request, uint64_t& offset);
  Result<Exit> decode();
  std::string internal_error();

  Fd fd_;
  kvm_run* run_;  // Shared with the kernel, which writes it only inside KVM_RUN.
  size_t run_size_;
  std::atomic<pid_t> thread_ = 0;  // Who is in run(), for kick().
};

Result<void> KvmCpu::set_cpuid(std::span<const x86_64::CpuidEntry> entries) {
  std::vector<uint64_t> raw((sizeof(kvm_cpuid2) + entries.size() * sizeof(kvm_cpuid_entry2)) / 8 + 1);
  auto* list = reinterpret_cast<kvm_cpuid2*>(raw.data());
  list->nent = static_cast<uint32_t>(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    kvm_cpuid_entry2& out = list->entries[i];
    out.function = entries[i].function;
    out.index = entries[i].index;
    out.flags = entries[i].index_matters ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    out.eax = entries[i].eax;
    out.ebx = entries[i].ebx;
    out.ecx = entries[i].ecx;
    out.edx = entries[i].edx;
  }
  if (::ioctl(fd_.get(), KVM_SET_CPUID2, list) < 0) return fail_errno("set the vCPU's CPUID");
  return {};
}

Result<void> KvmCpu::set_registers(const x86_64::Registers& registers) {
  kvm_sregs special{};
  if (::ioctl(fd_.get(), KVM_GET_SREGS, &special) < 0) return fail_errno("read the vCPU's registers");
  special.cs = to_kvm(registers.code);
  special.ds = special.es = special.fs = special.gs = special.ss = to_kvm(registers.data);
  special.tr = to_kvm(registers.task);
  special.gdt.base = registers.gdt_base;
  special.gdt.limit = registers.gdt_limit;
  special.idt.base = registers.idt_base;
  special.idt.limit = registers.idt_limit;
  special.cr0 = registers.cr0;
  special.cr3 = registers.cr3;
  special.cr4 = registers.cr4;
  special.efer = registers.efer;
  if (::ioctl(fd_.get(), KVM_SET_SREGS, &special) < 0) return fail_errno("set the vCPU's special registers");
  kvm_regs general{};
  general.rip = registers.rip;
  general.rsp = registers.rsp;
  general.rsi = registers.rsi;
  general.rflags = registers.rflags;
  if (::ioctl(fd_.get(), KVM_SET_REGS, &general) < 0) return fail_errno("set the vCPU's registers");
  return {};
}

Result<void> KvmCpu::set_msrs(std::span<const x86_64::Msr> msrs) {
  std::vector<uint64_t> raw((sizeof(kvm_msrs) + msrs.size() * sizeof(kvm_msr_entry)) / 8 + 1);
  auto* list = reinterpret_cast<kvm_msrs*>(raw.data());
  list->nmsrs = static_cast<uint32_t>(msrs.size());
  for (size_t i = 0; i < msrs.size(); ++i) list->entries[i] = {msrs[i].index, 0, msrs[i].value};
  int set = ::ioctl(fd_.get(), KVM_SET_MSRS, list);
  if (set < 0) return fail_errno("set the vCPU's MSRs");
  if (static_cast<size_t>(set) != msrs.size())
    return fail(ErrorCode::kHost, fmt::format("KVM refuses MSR {:#x}", msrs[static_cast<size_t>(set)].index));
  return {};
}

Result<uint64_t> KvmCpu::read_msr(uint32_t index) {
  std::array<uint64_t, (sizeof(kvm_msrs) + sizeof(kvm_msr_entry)) / 8> raw{};
  auto* list = reinterpret_cast<kvm_msrs*>(raw.data());
  list->nmsrs = 1;
  list->entries[0].index = index;
  int got = ::ioctl(fd_.get(), KVM_GET_MSRS, list);
  if (got < 0) return fail_errno("read the vCPU's MSRs");
  if (got == 0) return fail(ErrorCode::kHost, fmt::format("KVM does not know MSR {:#x}", index));
  return list->entries[0].data;
}

// `request` is KVM_GET_DEVICE_ATTR or KVM_SET_DEVICE_ATTR. False before Linux 5.16.
bool KvmCpu::access_tsc_offset(unsigned long request, uint64_t& offset) {
  kvm_device_attr attribute{};
  attribute.group = KVM_VCPU_TSC_CTRL;
  attribute.attr = KVM_VCPU_TSC_OFFSET;
  attribute.addr = reinterpret_cast<uintptr_t>(&offset);
  return ::ioctl(fd_.get(), request, &attribute) == 0;
}

Result<x86_64::CpuClock> KvmCpu::read_clock() {
  x86_64::CpuClock clock;
  clock.tsc = TRY(read_msr(kTsc));
  clock.tsc_deadline = TRY(read_msr(kTscDeadline));
  uint64_t offset = 0;
  if (access_tsc_offset(KVM_GET_DEVICE_ATTR, offset)) clock.tsc_offset = offset;
  return clock;
}

Result<void> KvmCpu::set_clock(const x86_64::CpuClock& clock, uint64_t elapsed) {
  // The guest has the host's rate (open_cpu), so its TSC has come as far as the host's. Without the offset there is the
  // MSR, of which KVM takes a write within a second of what the TSC would be for one that is to synchronize the vCPUs:
  // after a short pause nothing happens then.
  // There is software KVM whose guests read the host's TSC whatever it is told: so a second look.
  bool taken;
  if (clock.tsc_offset) {
    uint64_t offset = *clock.tsc_offset - elapsed, used = 0;
    if (!access_tsc_offset(KVM_SET_DEVICE_ATTR, offset)) return fail_errno("set the vCPU's TSC offset");
    taken = access_tsc_offset(KVM_GET_DEVICE_ATTR, used) && used == offset;
  } else {
    uint64_t before = TRY(read_msr(kTsc));
    TRY(set_msrs(std::array{x86_64::Msr{kTsc, clock.tsc}}));
    taken = TRY(read_msr(kTsc)) < before;
  }
  if (!taken) return fail(ErrorCode::kUnsupported, "this KVM cannot set a guest's TSC");
  // KVM's timer counts on in the host's time, and has perhaps fired by now; a write starts it anew.
  if (clock.tsc_deadline != 0) TRY(set_msrs(std::array{x86_64::Msr{kTscDeadline, clock.tsc_deadline}}));
  // Tells a guest that looks for lockups that it was stopped. One without kvmclock cannot be told.
  static_cast<void>(::ioctl(fd_.get(), KVM_KVMCLOCK_CTRL, 0));
  return {};
}

Result<void> KvmCpu::set_local_interrupts() {
  kvm_lapic_state apic{};
  if (::ioctl(fd_.get(), KVM_GET_LAPIC, &apic) < 0) return fail_errno("read the vCPU's APIC");
  auto set_delivery = [&](size_t offset, uint32_t mode) {
    uint32_t value;
    std::memcpy(&value, apic.regs + offset, sizeof value);
    value = (value & ~0x700u) | mode << 8;
    std::memcpy(apic.regs + offset, &value, sizeof value);
  };
  set_delivery(0x350, 7);  // LVT LINT0: ExtINT (Intel SDM volume 3, 11.5.1)
  set_delivery(0x360, 4);  // LVT LINT1: NMI
  if (::ioctl(fd_.get(), KVM_SET_LAPIC, &apic) < 0) return fail_errno("set the vCPU's APIC");
  return {};
}

std::string KvmCpu::describe() {
  kvm_regs general{};
  kvm_sregs special{};
  if (::ioctl(fd_.get(), KVM_GET_REGS, &general) < 0 || ::ioctl(fd_.get(), KVM_GET_SREGS, &special) < 0)
    return "state unknown";
  return fmt::format("rip {:#x} rsp {:#x} cr0 {:#x} cr2 {:#x} cr3 {:#x}", general.rip, general.rsp, special.cr0,
                     special.cr2, special.cr3);
}

Result<Exit> KvmCpu::run() {
  // Always the same thread; the store is sequentially consistent, as the load in kick() is.
  if (thread_.load(std::memory_order_relaxed) == 0) thread_.store(static_cast<pid_t>(::syscall(SYS_gettid)));
  if (::ioctl(fd_.get(), KVM_RUN, 0) < 0) {
    if (errno == EINTR || errno == EAGAIN) {
      // Cleared here, by the only thread that runs it: a flag left standing would end every later run at once
      // (Firecracker #4388).
      // Sequentially consistent, as it is one thread's word against another's: what the kicker wrote before a kick that
      // is cleared here, this thread sees when it next looks.
      std::atomic_ref(run_->immediate_exit).store(0);
      return Exit{};
    }
    if (errno == EFAULT) {
      Exit exit;
      exit.kind = ExitKind::kNoMemory;
      return exit;
    }
    return fail_errno("run the vCPU");
  }
  return decode();
}

void KvmCpu::kick() {
  // First the flag, then the signal: whichever side of KVM_RUN's entry the thread is on, one of them ends it.
  std::atomic_ref(run_->immediate_exit).store(1);
  pid_t thread = thread_.load();
  if (thread != 0) ::syscall(SYS_tgkill, ::getpid(), thread, kick_signal());
}

Result<Exit> KvmCpu::decode() {
  Exit exit;
  switch (run_->exit_reason) {
    case KVM_EXIT_IO: {
      const auto& io = run_->io;
      exit.kind = io.direction == KVM_EXIT_IO_OUT ? ExitKind::kPortWrite : ExitKind::kPortRead;
      exit.address = io.port;
      exit.count = io.count;
      exit.data = {reinterpret_cast<std::byte*>(run_) + io.data_offset, size_t{io.size} * io.count};
      return exit;
    }
    case KVM_EXIT_MMIO:
      exit.kind = run_->mmio.is_write ? ExitKind::kMemoryWrite : ExitKind::kMemoryRead;
      exit.address = run_->mmio.phys_addr;
      exit.data = {reinterpret_cast<std::byte*>(run_->mmio.data), run_->mmio.len};
      return exit;
    case KVM_EXIT_INTR:
      return exit;
    case KVM_EXIT_HLT:
      exit.kind = ExitKind::kHalted;
      return exit;
    case KVM_EXIT_SHUTDOWN:
      exit.kind = ExitKind::kShutdown;
      return exit;
    default:
      exit.kind = ExitKind::kInternalError;
      exit.detail = internal_error();
      return exit;
  }
}

std::string KvmCpu::internal_error() {
  if (run_->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
    const char* what =
        run_->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ? " (an instruction that KVM cannot emulate)" : "";
    return fmt::format("KVM internal error, sub-error {}{}; {}", run_->internal.suberror, what, describe());
  }
  if (run_->exit_reason == KVM_EXIT_FAIL_ENTRY)
    return fmt::format("the CPU refused to enter the guest, reason {:#x}; {}",
                       uint64_t{run_->fail_entry.hardware_entry_failure_reason}, describe());
  return fmt::format("KVM exit {} that nobody handles; {}", uint32_t{run_->exit_reason}, describe());
}

}  // namespace

Result<std::unique_ptr<VirtualCpu>> open_cpu(Fd fd, size_t run_size) {
  void* run = ::mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (run == MAP_FAILED) return fail_errno("map a vCPU");
  install_kick_handler();
  // KVM gives a new vCPU the TSC rate that was measured when its module was loaded. Where the kernel has measured anew
  // since and the CPU cannot scale, setting that fails inside and leaves a TSC that stands still, and with it every
  // timer. 0 sets the rate of today. An old KVM without this has no such trouble.
  static_cast<void>(::ioctl(fd.get(), KVM_SET_TSC_KHZ, 0));
  return std::make_unique<KvmCpu>(std::move(fd), static_cast<kvm_run*>(run), run_size);
}

}  // namespace cloche::hypervisor::kvm

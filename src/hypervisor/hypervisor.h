// The seam between cloche and what runs guests: a VM, its memory slots, its interrupt lines, its vCPUs and their exits.
//
// KVM stands behind it today (hypervisor/kvm/). Order matters for speed: memory is registered before the interrupt
// chips are created (registering 128 MiB afterwards takes 100 times as long, facts measured with KVM on Linux 6).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "hypervisor/x86_64.h"
#include "memory/guest_memory.h"

namespace cloche::hypervisor {

enum class ExitKind {
  kPortRead,    // `data` is to be filled
  kPortWrite,   // `data` holds what was written
  kMemoryRead,  // as above, at a guest physical address that no memory slot covers
  kMemoryWrite,
  kInterrupted,    // kick(), or a signal: nothing happened in the guest
  kHalted,         // HLT with nobody to wake it (no in-kernel interrupt chip)
  kShutdown,       // triple fault
  kNoMemory,       // an access to guest memory that the host cannot give: beyond the end of a mapped file, or read-only
  kInternalError,  // the hypervisor could not go on; `detail` says why
};

// One return from the guest. `data` points into memory shared with the hypervisor and is valid until the next run(). A
// port access by a string instruction carries `count` items of data.size() / count bytes each.
struct Exit {
  ExitKind kind = ExitKind::kInterrupted;
  uint64_t address = 0;
  std::span<std::byte> data;
  uint32_t count = 1;
  std::string detail;
};

class VirtualCpu {
 public:
  virtual ~VirtualCpu() = default;
  virtual Result<void> set_cpuid(std::span<const x86_64::CpuidEntry> entries) = 0;
  virtual Result<void> set_registers(const x86_64::Registers& registers) = 0;
  virtual Result<void> set_msrs(std::span<const x86_64::Msr> msrs) = 0;
  // LINT0 as ExtINT and LINT1 as NMI: the wiring an operating system expects from firmware.
  virtual Result<void> set_local_interrupts() = 0;
  // Where the guest is, for a report: "rip 0x... cr3 0x...". The vCPU's own thread.
  virtual std::string describe() = 0;
  // The vCPU's clock, to be set later. Any thread, while none is in run(); the same goes for set_clock().
  virtual Result<x86_64::CpuClock> read_clock() = 0;
  // Lets the TSC go on from where it stood when the host's was `elapsed` less than now, and the APIC's timer wait for
  // the same value of it. `clock` was read after that moment; the same `elapsed` for all vCPUs keeps them in step.
  // kUnsupported where the hypervisor takes no note.
  virtual Result<void> set_clock(const x86_64::CpuClock& clock, uint64_t elapsed) = 0;

  // Runs the guest until something needs us. Always on the same thread.
  virtual Result<Exit> run() = 0;
  // Makes a run() on another thread return kInterrupted soon, or the next one at once. Any thread.
  virtual void kick() = 0;
};

class VirtualMachine {
 public:
  virtual ~VirtualMachine() = default;
  // Makes the regions guest memory. `memory` must outlive the VM.
  virtual Result<void> map_memory(const GuestMemory& memory) = 0;
  // Makes shared memory of a device guest memory as well. What is mapped at `window.bytes` may change at any time.
  virtual Result<void> map_window(const MemoryRegion& window) = 0;
  // Makes memory that the guest can read and run; a write there is an access to nothing. `bytes` must outlive the VM.
  virtual Result<void> map_read_only(const MemoryRegion& region) = 0;
  // Interrupt controllers inside the hypervisor. After map_memory, before create_cpu.
  virtual Result<void> create_interrupt_chips() = 0;
  virtual Result<std::unique_ptr<VirtualCpu>> create_cpu(unsigned index) = 0;
  // Raises interrupt line `line` of the IOAPIC for an instant (edge). After create_interrupt_chips. Any thread.
  virtual void pulse_irq(uint32_t line) = 0;
  // A 4-byte write of `value` at `address` signals `event` without leaving the hypervisor.
  virtual Result<void> connect_kick(const EventFd& event, GuestAddr address, uint32_t value) = 0;
  // What guests can be shown.
  virtual Result<std::vector<x86_64::CpuidEntry>> supported_cpuid() = 0;
  // The VM's clock, and to let it go on from where it stood. Any thread, while no vCPU is in run(); the vCPUs' clocks
  // are set first, as this one is derived from theirs.
  virtual Result<x86_64::VmClock> read_clock() = 0;
  virtual Result<void> set_clock(const x86_64::VmClock& clock) = 0;
};

}  // namespace cloche::hypervisor

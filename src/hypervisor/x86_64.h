// The state of an x86_64 vCPU that the machine sets, in names of the CPU's manuals and free of any hypervisor's
// headers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace cloche::hypervisor::x86_64 {

struct CpuidEntry {
  uint32_t function = 0;
  uint32_t index = 0;
  bool index_matters = false;  // The leaf has sub-leaves.
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

struct Segment {
  uint64_t base = 0;
  uint32_t limit = 0xfffff;
  uint16_t selector = 0;
  uint8_t type = 0;  // As in the descriptor, 4 bits.
  bool code_or_data = true;
  bool long_mode = false;
  bool operand_32 = false;
  bool granular = true;
};

struct Registers {
  uint64_t rip = 0, rsp = 0, rsi = 0, rflags = 2;
  uint64_t cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
  Segment code, data, task;
  uint64_t gdt_base = 0, idt_base = 0;
  uint16_t gdt_limit = 0, idt_limit = 0;
};

struct Msr {
  uint32_t index = 0;
  uint64_t value = 0;
};

// Where the clock of a VM stood: the time that it tells its guest (kvmclock), and the TSC of the host at that moment.
struct VmClock {
  uint64_t guest_ns = 0;
  uint64_t host_tsc = 0;
};

// Where the clock of a vCPU stood.
struct CpuClock {
  uint64_t tsc = 0;
  std::optional<uint64_t> tsc_offset;  // The TSC less the host's, modulo 2^64; empty where the hypervisor does not say.
  uint64_t tsc_deadline = 0;           // When the APIC's timer is due, 0: it is not set.
};

}  // namespace cloche::hypervisor::x86_64

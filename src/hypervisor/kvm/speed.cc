#include "hypervisor/kvm/speed.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "hypervisor/kvm/kvm.h"

namespace cloche::hypervisor::kvm {
namespace {

using namespace std::chrono_literals;

constexpr GuestAddr kTables[] = {{0x1000}, {0x2000}, {0x3000}};  // PML4, PDPT, page directory
constexpr GuestAddr kCode{0x4000};
constexpr GuestAddr kCount{0x5000};
constexpr uint64_t kMemorySize = 0x8000;
constexpr uint64_t kPresentWritable = 3;
constexpr uint64_t kLargePage = 0x80;
constexpr uint16_t kPort = 0x10;

// Counts down from the number at kCount, says so on kPort, and again. The count must be at least 1.
constexpr std::array<uint8_t, 15> kProgram{
    0x8b, 0x0c, 0x25, 0x00, 0x50, 0x00, 0x00,  // mov ecx, [0x5000]
    0xff, 0xc9,                                // dec ecx
    0x75, 0xfc,                                // jnz -4
    0xe6, 0x10,                                // out 0x10, al
    0xeb, 0xf1,                                // jmp -15
};
constexpr uint64_t kInstructionsPerRound = 2;

// From 100 rounds (0.1 us on hardware, 180 us under software) upwards, until the time is long enough to be told from
// noise.
constexpr uint32_t kFirstRounds = 100;
constexpr uint32_t kMostRounds = 1'000'000;
constexpr auto kLongEnough = 100us;
// Whoever is put aside by the host's scheduler in the middle looks slow. The fastest of a few is the truth.
constexpr int kAttempts = 3;

Result<GuestMemory> make_memory() {
  std::array ranges{GuestMemory::Range{{0}, kMemorySize}};
  GuestMemory memory = TRY(GuestMemory::create(ranges));
  // The first 2 MiB one to one.
  TRY(memory.store(kTables[0], kTables[1].value | kPresentWritable));
  TRY(memory.store(kTables[1], kTables[2].value | kPresentWritable));
  TRY(memory.store(kTables[2], kLargePage | kPresentWritable));
  TRY(memory.store(kCode, kProgram));
  return memory;
}

x86_64::Registers long_mode() {
  x86_64::Registers registers;
  registers.rip = kCode.value;
  registers.cr3 = kTables[0].value;
  registers.cr0 = 0x80000031;  // PG, NE, ET, PE
  registers.cr4 = 0x20;        // PAE
  registers.efer = 0x500;      // LMA, LME
  registers.code = {.selector = 0x08, .type = 0xb, .long_mode = true};
  registers.data = {.selector = 0x10, .type = 0x3, .operand_32 = true};
  registers.task = {.limit = 0x67, .selector = 0x18, .type = 0xb, .code_or_data = false, .granular = false};
  return registers;
}

Result<std::chrono::nanoseconds> time_rounds(VirtualCpu& cpu, const GuestMemory& memory, uint32_t rounds) {
  TRY(memory.store(kCount, rounds));
  auto begin = std::chrono::steady_clock::now();
  for (;;) {
    Exit exit = TRY(cpu.run());
    if (exit.kind == ExitKind::kInterrupted) continue;
    if (exit.kind == ExitKind::kPortWrite && exit.address == kPort) break;
    return fail(ErrorCode::kUnavailable, fmt::format("KVM does not run a few instructions as it should: {}",
                                                     exit.detail.empty() ? "the guest stopped" : exit.detail));
  }
  return std::chrono::steady_clock::now() - begin;
}

Result<std::chrono::nanoseconds> fastest(VirtualCpu& cpu, const GuestMemory& memory, uint32_t rounds) {
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < kAttempts; ++i) best = std::min(best, TRY(time_rounds(cpu, memory, rounds)));
  return best;
}

}  // namespace

Result<uint64_t> measure_speed() {
  GuestMemory memory = TRY(make_memory());
  auto vm = TRY(create_vm());
  TRY(vm->map_memory(memory));
  auto cpu = TRY(vm->create_cpu(0));
  TRY(cpu->set_registers(long_mode()));
  // Entering and leaving, once every page has been touched.
  auto overhead = TRY(fastest(*cpu, memory, 1));
  for (uint32_t rounds = kFirstRounds;; rounds *= 10) {
    auto spent = std::max<std::chrono::nanoseconds>(TRY(fastest(*cpu, memory, rounds)) - overhead, 1ns);
    if (spent < kLongEnough && rounds < kMostRounds) continue;
    return rounds * kInstructionsPerRound * 1'000'000'000 / static_cast<uint64_t>(spent.count());
  }
}

}  // namespace cloche::hypervisor::kvm

// Where things lie in the physical memory of an x86_64 guest.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/guest_memory.h"

namespace cloche::x86_64 {

// Below 1 MiB, in what the memory map gives the kernel as usable until it reserves them itself.
inline constexpr GuestAddr kGdt{0x500};
inline constexpr GuestAddr kZeroPage{0x7000};  // struct boot_params
inline constexpr GuestAddr kBootStack{0x8ff0};
inline constexpr GuestAddr kPageTables{0x9000};  // PML4, PDPT, then four page directories: the first 4 GiB, one to one
inline constexpr GuestAddr kSetupData{0x10000};  // random seed for the kernel
inline constexpr GuestAddr kCommandLine{0x20000};
inline constexpr size_t kMaxCommandLine = 2048;  // COMMAND_LINE_SIZE of x86 Linux, with the final NUL.

inline constexpr GuestAddr kMpTable{
    0x9fc00};  // Last KiB of base memory: where Linux looks for it (reserved in the map).
inline constexpr uint64_t kBaseMemoryEnd = 0x9fc00;
inline constexpr GuestAddr kSmbios{0xf0000};  // Where a guest without UEFI looks for it first (reserved in the map).
inline constexpr uint64_t kHighMemory = 0x100000;

// From 3 GiB to 4 GiB there is no memory: devices and interrupt controllers live there. What does not fit below goes
// above.
inline constexpr uint64_t kHoleStart = 0xc0000000;
inline constexpr uint64_t kHoleEnd = 0x100000000;
inline constexpr uint64_t kMmioBase = 0xd0000000;  // virtio devices, 4 KiB each.
inline constexpr uint32_t kIoApic = 0xfec00000;
inline constexpr uint32_t kLocalApic = 0xfee00000;

// Interrupt lines that virtio devices share among them, round robin: all of the IOAPIC's 24 but the ones with a PC
// meaning (timer, keyboard, cascade, serial ports, clock). Edge-triggered, and Linux's virtio-mmio driver requests them
// as shared.
inline constexpr uint32_t kDeviceLines[] = {5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
inline constexpr unsigned kIoApicLines = 24;

// The first two serial lines of a PC, and their interrupts.
struct SerialPort {
  uint16_t port;
  uint32_t line;
};
inline constexpr SerialPort kSerialPorts[] = {{0x3f8, 4}, {0x2f8, 3}};

// Shared memory of devices lies above all memory. Linux makes page tables and a struct page for it in sections of 128
// MiB.
GuestAddr first_window(uint64_t memory_mib);
GuestAddr next_window(GuestAddr end);  // After one that ends there.

// The ranges that make `memory_mib` MiB around the hole.
std::vector<GuestMemory::Range> memory_ranges(uint64_t memory_mib);

}  // namespace cloche::x86_64

// What Linux finds in memory when it is entered: zero page, memory map, command line, random seed, MP table,
// SMBIOS, page tables. (Linux Documentation/x86/boot.rst and zero-page.rst; Intel MultiProcessor Specification 1.4.)
#pragma once

#include <string>

#include "boot/kernel_image.h"

namespace cloche::x86_64 {

struct BootInput {
  const boot::LoadedKernel& kernel;
  std::span<const std::byte> initramfs;
  std::string command_line;
  std::span<const std::byte> random_seed;  // For the guest's random number generator.
  unsigned cpus = 1;
  std::span<const std::string> oem_strings{};  // Of the SMBIOS.
};

// Writes all of it. Fails (kInvalidArgument) where the command line is too long, the initramfs does not fit or the
// SMBIOS cannot hold its strings.
Result<void> write_boot_params(const BootInput& input, const GuestMemory& memory);

// The MP table for `cpus` processors and one IOAPIC whose pins are the interrupt lines.
std::vector<std::byte> make_mp_table(unsigned cpus);

}  // namespace cloche::x86_64

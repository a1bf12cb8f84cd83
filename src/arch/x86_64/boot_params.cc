#include "arch/x86_64/boot_params.h"

#include <asm/bootparam.h>
#include <fmt/format.h>

#include <cstring>

#include "arch/x86_64/layout.h"
#include "arch/x86_64/smbios.h"

namespace cloche::x86_64 {
namespace {

constexpr uint8_t kLoaderTypeUnknown = 0xff;
constexpr uint32_t kRngSeed = 9;  // SETUP_RNG_SEED, since Linux 6.0; older headers lack it.

struct SetupData {
  uint64_t next;
  uint32_t type;
  uint32_t size;
};

void add_range(boot_params& params, uint64_t start, uint64_t end, uint32_t type) {
  if (start >= end) return;
  params.e820_table[params.e820_entries++] = {start, end - start, type};
}

void add_memory_map(boot_params& params, const GuestMemory& memory) {
  constexpr uint32_t kRam = 1, kReserved = 2;
  add_range(params, 0, kBaseMemoryEnd, kRam);
  add_range(params, kBaseMemoryEnd, kHighMemory, kReserved);
  for (const MemoryRegion& region : memory.regions()) {
    uint64_t end = region.start.value + region.bytes.size();
    add_range(params, std::max(region.start.value, kHighMemory), end, kRam);
  }
}

// Two levels of tables and 2 MiB pages: the kernel needs itself, the zero page and the command line to be mapped one to
// one.
Result<void> write_page_tables(const GuestMemory& memory) {
  constexpr uint64_t kPresentWritable = 3, kLargePage = 0x80, kTable = 0x1000;
  uint64_t pdpt = kPageTables.value + kTable;
  TRY(memory.store<uint64_t>(kPageTables, pdpt | kPresentWritable));
  std::array<uint64_t, 512> entries;
  for (uint64_t gib = 0; gib < 4; ++gib) {
    uint64_t directory = pdpt + kTable * (gib + 1);
    TRY(memory.store<uint64_t>({pdpt + 8 * gib}, directory | kPresentWritable));
    for (uint64_t i = 0; i < entries.size(); ++i) entries[i] = (gib << 30 | i << 21) | kPresentWritable | kLargePage;
    TRY(memory.store({directory}, entries));
  }
  return {};
}

Result<void> write_gdt(const GuestMemory& memory) {
  // Null, unused, 64-bit code (selector 0x10), data (0x18), task (0x20): the selectors the boot protocol asks for.
  constexpr std::array<uint64_t, 5> kEntries{0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x008f8b000000ffff};
  return memory.store(kGdt, kEntries);
}

Result<void> write_seed(std::span<const std::byte> seed, const GuestMemory& memory) {
  SetupData header{0, kRngSeed, static_cast<uint32_t>(seed.size())};
  TRY(memory.store(kSetupData, header));
  return memory.copy_in({kSetupData.value + sizeof header}, seed);
}

// Right above the kernel, so that the first pages it touches are already there.
Result<GuestAddr> place_initramfs(const BootInput& input, const GuestMemory& memory) {
  if (input.initramfs.empty()) return GuestAddr{};
  GuestAddr place = input.kernel.first_free;
  if (!memory.copy_in(place, input.initramfs))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("an initramfs of {} KiB does not fit into {} MiB of memory beside the kernel",
                            input.initramfs.size() >> 10, memory.size() >> 20));
  return place;
}

}  // namespace

Result<void> write_boot_params(const BootInput& input, const GuestMemory& memory) {
  if (input.command_line.size() >= kMaxCommandLine)
    return fail(ErrorCode::kInvalidArgument, fmt::format("the kernel command line is {} bytes long; Linux takes {}",
                                                         input.command_line.size(), kMaxCommandLine - 1));
  TRY(memory.copy_in(kCommandLine,
                     std::as_bytes(std::span(input.command_line.c_str(), input.command_line.size() + 1))));
  GuestAddr initramfs = TRY(place_initramfs(input, memory));

  boot_params params{};
  if (input.kernel.setup_header) {
    static_assert(sizeof params.hdr >= sizeof *input.kernel.setup_header);
    std::memcpy(&params.hdr, input.kernel.setup_header->data(), input.kernel.setup_header->size());
  } else {
    params.hdr.boot_flag = 0xaa55;
    params.hdr.header = 0x53726448;  // "HdrS"
    params.hdr.kernel_alignment = 0x1000000;
  }
  params.hdr.type_of_loader = kLoaderTypeUnknown;
  params.hdr.cmd_line_ptr = static_cast<uint32_t>(kCommandLine.value);
  params.hdr.cmdline_size = static_cast<uint32_t>(input.command_line.size() + 1);
  params.hdr.ramdisk_image = static_cast<uint32_t>(initramfs.value);
  params.hdr.ramdisk_size = static_cast<uint32_t>(input.initramfs.size());
  if (!input.random_seed.empty()) {
    TRY(write_seed(input.random_seed, memory));
    params.hdr.setup_data = kSetupData.value;
  }
  add_memory_map(params, memory);
  TRY(memory.store(kZeroPage, params));
  TRY(write_page_tables(memory));
  TRY(write_gdt(memory));
  std::vector<std::byte> smbios = TRY(make_smbios(input.oem_strings));
  TRY(memory.copy_in(kSmbios, smbios));
  return memory.copy_in(kMpTable, make_mp_table(input.cpus));
}

}  // namespace cloche::x86_64

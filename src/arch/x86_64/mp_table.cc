// The MP table: how a guest without ACPI learns of its processors and interrupt wiring (Intel MultiProcessor
// Specification 1.4).
#include <cstring>

#include "arch/x86_64/boot_params.h"
#include "arch/x86_64/checksum.h"
#include "arch/x86_64/layout.h"
#include "base/append.h"
#include "base/endian.h"

namespace cloche::x86_64 {
namespace {

struct FloatingPointer {
  char signature[4] = {'_', 'M', 'P', '_'};
  le32 table;
  uint8_t length = 1;  // In 16-byte units.
  uint8_t revision = 4;
  uint8_t checksum = 0;
  uint8_t features[5] = {};
};
static_assert(sizeof(FloatingPointer) == 16);

struct Header {
  char signature[4] = {'P', 'C', 'M', 'P'};
  le16 length;
  uint8_t revision = 4;
  uint8_t checksum = 0;
  char oem[8] = {'C', 'L', 'O', 'C', 'H', 'E', ' ', ' '};
  char product[12] = {'m', 'i', 'c', 'r', 'o', 'v', 'm', ' ', ' ', ' ', ' ', ' '};
  le32 oem_table;
  le16 oem_size;
  le16 entries;
  le32 local_apic;
  le32 extended;
};
static_assert(sizeof(Header) == 44);

struct Processor {
  uint8_t type = 0;
  uint8_t apic_id = 0;
  uint8_t apic_version = 0x14;
  uint8_t flags = 0;  // 1 enabled, 2 bootstrap
  le32 signature = 0x600;
  le32 features = 0x201;  // FPU and APIC on chip
  le32 reserved[2];
};
static_assert(sizeof(Processor) == 20);

struct BusEntry {
  uint8_t type = 1;
  uint8_t id = 0;
  char name[6] = {'I', 'S', 'A', ' ', ' ', ' '};
};

struct IoApicEntry {
  uint8_t type = 2;
  uint8_t id = 0;
  uint8_t version = 0x11;
  uint8_t enabled = 1;
  le32 address = kIoApic;
};

struct Interrupt {
  uint8_t type = 3;
  uint8_t kind = 0;  // 0 INT, 1 NMI, 3 ExtINT
  le16 flags = 0;    // Polarity and trigger as the bus has them: ISA means edge, active high.
  uint8_t bus = 0;
  uint8_t source = 0;
  uint8_t apic = 0;
  uint8_t pin = 0;
};
static_assert(sizeof(Interrupt) == 8);

}  // namespace

std::vector<std::byte> make_mp_table(unsigned cpus) {
  std::vector<std::byte> entries;
  uint16_t count = 0;
  for (unsigned cpu = 0; cpu < cpus; ++cpu, ++count) {
    Processor processor;
    processor.apic_id = static_cast<uint8_t>(cpu);
    processor.flags = cpu == 0 ? 3 : 1;
    append(entries, processor);
  }
  auto io_apic_id = static_cast<uint8_t>(cpus);
  append(entries, BusEntry{});
  append(entries, IoApicEntry{.id = io_apic_id});
  count = static_cast<uint16_t>(count + 2);
  for (uint8_t line = 0; line < kIoApicLines; ++line, ++count)
    append(entries, Interrupt{.source = line, .apic = io_apic_id, .pin = line});
  append(entries, Interrupt{.type = 4, .kind = 3, .apic = 0xff, .pin = 0});
  append(entries, Interrupt{.type = 4, .kind = 1, .apic = 0xff, .pin = 1});
  count = static_cast<uint16_t>(count + 2);

  FloatingPointer pointer;
  pointer.table = static_cast<uint32_t>(kMpTable.value + sizeof pointer);
  pointer.checksum = checksum(std::as_bytes(std::span(&pointer, 1)));
  Header header;
  header.length = static_cast<uint16_t>(sizeof header + entries.size());
  header.entries = count;
  header.local_apic = kLocalApic;
  std::vector<std::byte> table;
  append(table, header);
  table.insert(table.end(), entries.begin(), entries.end());
  table[7] = static_cast<std::byte>(checksum(table));
  std::vector<std::byte> whole;
  append(whole, pointer);
  whole.insert(whole.end(), table.begin(), table.end());
  return whole;
}

}  // namespace cloche::x86_64

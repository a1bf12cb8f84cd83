#include "arch/x86_64/smbios.h"

#include <fmt/format.h>

#include <array>

#include "arch/x86_64/checksum.h"
#include "arch/x86_64/layout.h"
#include "base/append.h"
#include "base/endian.h"

namespace cloche::x86_64 {
namespace {

struct EntryPoint {  // Section 5.2.2.
  std::array<char, 5> anchor = {'_', 'S', 'M', '3', '_'};
  uint8_t checksum = 0;
  uint8_t length = 24;
  uint8_t major = 3, minor = 2, document_revision = 0;
  uint8_t revision = 1;
  uint8_t reserved = 0;
  le32 most_bytes;
  le64 table;
};
static_assert(sizeof(EntryPoint) == 24);

// A structure's strings are counted from 1, in the order in which they follow it.
struct Firmware {  // Type 0, section 7.1.
  uint8_t type = 0, length = 24;
  le16 handle = 0;
  uint8_t vendor = 1, version = 2;
  le16 segment = 0;
  uint8_t date = 3, size = 0;
  le64 characteristics = 1 << 3;                              // "Not supported": there is no firmware.
  std::array<uint8_t, 2> more_characteristics = {0, 1 << 4};  // A virtual machine.
  uint8_t major = 1, minor = 0;
  std::array<uint8_t, 2> controller = {0xff, 0xff};  // None.
};
static_assert(sizeof(Firmware) == 24);

struct System {  // Type 1, section 7.2.
  uint8_t type = 1, length = 27;
  le16 handle = 0x100;
  uint8_t manufacturer = 1, product = 2, version = 0, serial = 0;
  std::array<uint8_t, 16> uuid = {};  // None.
  uint8_t wake_up = 6;                // By the power switch.
  uint8_t sku = 0, family = 0;
};
static_assert(sizeof(System) == 27);

struct OemStrings {  // Type 11, section 7.12.
  uint8_t type = 11, length = 5;
  le16 handle = 0xb00;
  uint8_t count = 0;
};
static_assert(sizeof(OemStrings) == 5);

struct End {  // Type 127, section 7.45.
  uint8_t type = 127, length = 4;
  le16 handle = 0x7f00;
};
static_assert(sizeof(End) == 4);

template <typename Structure>
void append_with(std::vector<std::byte>& to, const Structure& structure, std::span<const std::string> strings) {
  append(to, structure);
  for (const std::string& each : strings) {
    auto raw = std::as_bytes(std::span(each.c_str(), each.size() + 1));
    to.insert(to.end(), raw.begin(), raw.end());
  }
  to.resize(to.size() + (strings.empty() ? 2 : 1));
}

std::unexpected<Error> wrong(std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("SMBIOS OEM strings: {}", why));
}

}  // namespace

Result<std::vector<std::byte>> make_smbios(std::span<const std::string> oem_strings) {
  if (oem_strings.size() > kMostOemStrings)
    return wrong(fmt::format("there are {}; SMBIOS has room for {}", oem_strings.size(), kMostOemStrings));
  for (const std::string& each : oem_strings)
    if (each.empty()) return wrong("one is empty");

  static const std::array<std::string, 3> kFirmware{"cloche", "1", "01/01/2026"};
  static const std::array<std::string, 2> kSystem{"cloche", "microVM"};
  std::vector<std::byte> table;
  append_with(table, Firmware{}, kFirmware);
  append_with(table, System{}, kSystem);
  if (!oem_strings.empty())
    append_with(table, OemStrings{.count = static_cast<uint8_t>(oem_strings.size())}, oem_strings);
  append_with(table, End{}, {});

  EntryPoint entry{.most_bytes = static_cast<uint32_t>(table.size()), .table = kSmbios.value + sizeof(EntryPoint)};
  if (sizeof entry + table.size() > kMostSmbiosBytes)
    return wrong(
        fmt::format("they make {} bytes; there is room for {}", table.size(), kMostSmbiosBytes - sizeof entry));
  entry.checksum = checksum(std::as_bytes(std::span(&entry, 1)));
  std::vector<std::byte> whole;
  append(whole, entry);
  whole.insert(whole.end(), table.begin(), table.end());
  return whole;
}

}  // namespace cloche::x86_64

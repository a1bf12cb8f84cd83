#include "arch/x86_64/smbios.h"

#include <gmock/gmock.h>

#include "arch/x86_64/layout.h"

namespace cloche::x86_64 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Bytes = std::vector<std::byte>;

uint64_t number(std::span<const std::byte> at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(at[i]);
  return value;
}

struct Structure {
  unsigned type;
  Bytes fixed;
  std::vector<std::string> strings;
};

// As a guest reads it: through the entry point, structure by structure.
std::vector<Structure> read(std::span<const std::byte> whole) {
  std::vector<Structure> all;
  EXPECT_EQ(number(whole.subspan(16), 8), kSmbios.value + 24);
  auto table = whole.subspan(24);
  EXPECT_EQ(number(whole.subspan(12), 4), table.size());
  for (size_t at = 0; at < table.size();) {
    auto length = static_cast<size_t>(table[at + 1]);
    Structure each{std::to_integer<unsigned>(table[at]), {}, {}};
    each.fixed.assign(table.begin() + static_cast<ptrdiff_t>(at), table.begin() + static_cast<ptrdiff_t>(at + length));
    at += length;
    if (table[at] == std::byte{}) ++at;  // No string at all: two zero bytes.
    while (table[at] != std::byte{}) {
      each.strings.emplace_back(reinterpret_cast<const char*>(table.data() + at));
      at += each.strings.back().size() + 1;
    }
    ++at;
    all.push_back(std::move(each));
  }
  return all;
}

TEST(Smbios, TheEntryPointIsOneOfVersion3) {
  Bytes whole = make_smbios({}).value();
  EXPECT_EQ(std::memcmp(whole.data(), "_SM3_", 5), 0);
  EXPECT_EQ(number(std::span(whole).subspan(6), 1), 24u);
  EXPECT_EQ(number(std::span(whole).subspan(7), 1), 3u);
  unsigned sum = 0;
  for (std::byte each : std::span(whole).first(24)) sum += std::to_integer<unsigned>(each);
  EXPECT_EQ(sum & 0xff, 0u);
}

TEST(Smbios, HasAMachineAndTheStrings) {
  std::vector<std::string> strings{"one", "key=value with spaces", "caf\xc3\xa9"};
  auto structures = read(make_smbios(strings).value());
  ASSERT_EQ(structures.size(), 4u);
  EXPECT_EQ(structures[0].type, 0u);
  EXPECT_EQ(structures[0].fixed.size(), 24u);
  EXPECT_EQ(structures[1].type, 1u);
  EXPECT_EQ(structures[1].fixed.size(), 27u);
  EXPECT_THAT(structures[1].strings, ElementsAre("cloche", "microVM"));
  EXPECT_EQ(structures[2].type, 11u);
  EXPECT_EQ(structures[2].fixed.at(4), std::byte{3});
  EXPECT_EQ(structures[2].strings, strings);
  EXPECT_EQ(structures[3].type, 127u);
}

TEST(Smbios, WithoutStringsThereIsNoStructureOfThem) {
  auto structures = read(make_smbios({}).value());
  ASSERT_EQ(structures.size(), 3u);
  EXPECT_EQ(structures[2].type, 127u);
}

TEST(Smbios, TooManyTooLongOrEmptyOnesAreRefused) {
  std::vector<std::string> most(kMostOemStrings, "x");
  EXPECT_EQ(read(make_smbios(most).value())[2].strings, most);
  most.emplace_back("x");
  EXPECT_THAT(make_smbios(most).error().what, HasSubstr("256"));
  std::vector<std::string> one{""};
  EXPECT_EQ(make_smbios(one).error().code, ErrorCode::kInvalidArgument);
  size_t rest = kMostSmbiosBytes - make_smbios({}).value().size();
  constexpr size_t kStructure = 5 + 2;  // And the two zero bytes.
  one = {std::string(rest - kStructure, 'x')};
  EXPECT_EQ(make_smbios(one).value().size(), kMostSmbiosBytes);
  one[0] += 'x';
  EXPECT_THAT(make_smbios(one).error().what, HasSubstr("there is room for"));
}

}  // namespace
}  // namespace cloche::x86_64

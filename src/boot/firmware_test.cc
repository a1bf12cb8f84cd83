#include "boot/firmware.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "base/fd.h"

namespace cloche::boot {
namespace {

class FirmwareTest : public ::testing::Test {
 protected:
  Result<Firmware> load(size_t size, uint64_t memory_bytes = 2 << 20) {
    std::string image(size, 'f'), path = ::testing::TempDir() + "firmware-XXXXXX";
    if (!image.empty()) image.back() = 'e';
    Fd fd(::mkstemp(path.data()));
    EXPECT_TRUE(write_full(fd.get(), std::as_bytes(std::span(image))));
    std::array ranges{GuestMemory::Range{{0}, memory_bytes}};
    memory_ = GuestMemory::create(ranges).value();
    auto loaded = load_firmware(path, memory_);
    ::unlink(path.c_str());
    return loaded;
  }
  GuestMemory memory_;
};

TEST_F(FirmwareTest, EndsAtFourGigabytesAndAtOneMegabyte) {
  for (size_t size : {size_t{16}, size_t{4096}, size_t{5000}, size_t{200} << 10, size_t{16} << 20}) {
    auto firmware = load(size);
    ASSERT_TRUE(firmware) << firmware.error().message();
    MemoryRegion region = firmware->region();
    EXPECT_EQ(region.start.value + region.bytes.size(), 1ull << 32);
    EXPECT_EQ(region.bytes.size() % 4096, 0u);
    EXPECT_EQ(region.bytes.back(), std::byte{'e'});
    EXPECT_EQ(region.bytes[region.bytes.size() - size], std::byte{'f'});
    EXPECT_EQ(memory_.load<uint8_t>({0xfffff}).value(), 'e');
    EXPECT_EQ(memory_.load<uint8_t>({0xdffff}).value(), 0);  // Not more than 128 KiB.
  }
}

TEST_F(FirmwareTest, RefusesWhatCannotLieThere) {
  EXPECT_FALSE(load(0));
  EXPECT_FALSE(load(15));
  EXPECT_FALSE(load((16 << 20) + 1));
  EXPECT_FALSE(load(4096, 512 << 10));
  EXPECT_FALSE(load_firmware("/no/such/firmware", memory_));
  EXPECT_FALSE(load_firmware("/tmp", memory_));
}

}  // namespace
}  // namespace cloche::boot

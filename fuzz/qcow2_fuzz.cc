// A qcow2 image that the fuzzer has damaged, opened, read, written to and cleared: errors at most, nothing outside the
// file.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>

#include "devices/block/big_endian.h"
#include "devices/block/qcow2.h"
#include "input.h"

namespace cloche::block {
namespace {

constexpr uint64_t kCluster = 512, kSize = 96 << 10;
constexpr int kMostSteps = 60;
constexpr size_t kMostPatches = 12;

// Clusters: the header, the refcount table, one block, L1, an L2 table, contents.
std::vector<std::byte> good_image() {
  std::vector<std::byte> image(8 * kCluster);
  std::span<std::byte> all(image);
  store_big<uint32_t>(all, 0, 0x514649fb);
  store_big<uint32_t>(all, 4, 3);
  store_big<uint32_t>(all, 20, 9);
  store_big<uint64_t>(all, 24, kSize);
  store_big<uint32_t>(all, 36, 3);
  store_big<uint64_t>(all, 40, 3 * kCluster);
  store_big<uint64_t>(all, 48, 1 * kCluster);
  store_big<uint32_t>(all, 56, 1);
  store_big<uint32_t>(all, 96, 4);
  store_big<uint32_t>(all, 100, 104);
  store_big<uint64_t>(all, 1 * kCluster, 2 * kCluster);
  for (uint64_t i = 0; i < 8; ++i) store_big<uint16_t>(all, 2 * kCluster + 2 * i, 1);
  store_big<uint64_t>(all, 3 * kCluster, kQcow2Copied | 4 * kCluster);
  for (uint64_t i = 0; i < 3; ++i) store_big<uint64_t>(all, 4 * kCluster + 8 * i, kQcow2Copied | (5 + i) * kCluster);
  return image;
}

Result<std::unique_ptr<Disk>> open(int fd, Writing writing) {
  HostFileOptions options{.writing = writing, .sync = Sync::kNone};
  return Qcow2Disk::create(TRY(HostFile::open("/proc/self/fd/" + std::to_string(fd), options)), nullptr);
}

void use(Disk& disk, FuzzInput& input) {
  std::vector<std::byte> bytes(8 * kCluster);
  for (int step = 0; step < kMostSteps && !input.empty(); ++step) {
    uint64_t sectors = disk.size() / 512;
    uint64_t offset = (input.pick(8) == 0 ? input.take<uint64_t>() : input.pick(200)) % sectors * 512;
    size_t size = std::min<uint64_t>((1 + input.pick(8)) * 512, disk.size() - offset);
    Pieces pieces(std::span(bytes).first(size));
    switch (input.pick(6)) {
      case 0:
        static_cast<void>(disk.read_at_once(offset, pieces));
        break;
      case 1:
        static_cast<void>(disk.discard(offset, size));
        break;
      case 2:
        static_cast<void>(disk.zero(offset, size, Space::kKept));
        break;
      case 3:
        static_cast<void>(disk.flush());
        break;
      case 4:
        static_cast<void>(disk.read(offset, pieces));
        break;
      default:
        static_cast<void>(disk.write(offset, pieces));
    }
  }
}

void run(FuzzInput input) {
  static const std::vector<std::byte> kGood = good_image();
  std::vector<std::byte> image = kGood;
  for (uint32_t count = input.pick(kMostPatches); count > 0; --count) {
    size_t at = input.pick(static_cast<uint32_t>(image.size() - sizeof(uint64_t)));
    uint64_t value = input.pick(2) == 0 ? input.take<uint64_t>() : input.pick(10) * kCluster;
    switch (input.pick(3)) {
      case 0:
        image[at] = static_cast<std::byte>(value);
        break;
      case 1:
        store_big(std::span(image), at / 8 * 8, value);
        break;
      default:
        store_big(std::span(image), at / 8 * 8, value | kQcow2Copied);
    }
  }
  Fd file(::memfd_create("image", MFD_CLOEXEC));
  static_cast<void>(write_full(file.get(), image));
  auto disk = open(file.get(), input.pick(4) == 0 ? Writing::kRefused : Writing::kAllowed);
  if (disk) use(**disk, input);
}

}  // namespace
}  // namespace cloche::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::block::run({data, size});
  return 0;
}

// A guest that sends virtio-blk requests of the fuzzer's liking, in any number of pieces, and looks at what comes back.
#include "devices/block/testing/memory_disk.h"
#include "input.h"

namespace cloche::block {
namespace {

constexpr int kMostSteps = 200;
constexpr uint64_t kSectors = 40;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

class Run {
 public:
  explicit Run(FuzzInput& input) {
    auto disk = std::make_unique<MemoryDisk>(kSectors * kSectorBytes);
    disk_ = disk.get();
    read_only_ = input.pick(4) == 0;
    Options options{.name = "fuzz", .read_only = read_only_, .flushes = input.pick(2) == 0, .serial = "serial"};
    block_ = Block::create(std::move(options), std::move(disk), Log()).value();
    driver_ = std::make_unique<virtio::FakeDriver>(*block_, input.pick(2) == 0 ? ~0ull : input.take<uint64_t>());
  }

  // Mostly types and sectors that there are, so that the fuzzer gets beyond the checks.
  void step(FuzzInput& input) {
    disk_->fails = input.pick(16) == 0;
    disk_->at_once = input.pick(2) == 0;
    Header header;
    header.type = input.pick(8) == 0 ? input.take<uint32_t>() : input.pick(14);
    header.sector = input.pick(8) == 0 ? input.take<uint64_t>() : input.pick(kSectors + 2);
    virtio::Bytes out = virtio::bytes_of(header);
    fill(input, out);
    virtio::FakeRequest request{.readable = {}, .writable = {}, .indirect = input.pick(2) == 0};
    while (!out.empty() && request.readable.size() < 16) {
      size_t cut = std::min<size_t>(out.size(), request.readable.size() == 15 ? out.size() : 1 + input.pick(1500));
      request.readable.emplace_back(out.begin(), out.begin() + static_cast<ptrdiff_t>(cut));
      out.erase(out.begin(), out.begin() + static_cast<ptrdiff_t>(cut));
    }
    for (uint32_t count = input.pick(5); count > 0; --count)
      request.writable.push_back(input.pick(4) == 0 ? input.pick(3000) : 512 * input.pick(5) + input.pick(2));
    auto reply = driver_->send(0, request);
    if (driver_->faulted()) {
      driver_->reset();
      driver_->start();
    } else {
      require(reply && !reply->bytes.empty() && reply->bytes.size() == reply->used);
      require(std::to_integer<int>(reply->bytes.back()) <= kStatusUnsupp);
    }
    if (read_only_) require(std::ranges::all_of(disk_->bytes, [](std::byte each) { return each == std::byte{0}; }));
  }

 private:
  void fill(FuzzInput& input, virtio::Bytes& out) {
    switch (input.pick(4)) {
      case 0:
        out.resize(input.pick(static_cast<uint32_t>(out.size()) + 1));
        break;
      case 1:
        out.resize(out.size() + 512 * input.pick(6), std::byte{'x'});
        break;
      case 2:
        for (uint32_t count = input.pick(40); count > 0; --count) {
          Segment segment{input.pick(8) == 0 ? input.take<uint64_t>() : input.pick(kSectors + 2),
                          input.pick(8) == 0 ? input.take<uint32_t>() : input.pick(8), input.pick(3)};
          virtio::Bytes bytes = virtio::bytes_of(segment);
          out.insert(out.end(), bytes.begin(), bytes.end());
        }
        break;
      default:
        out.resize(out.size() + input.pick(2000));
    }
  }

  MemoryDisk* disk_ = nullptr;
  bool read_only_ = false;
  std::unique_ptr<Block> block_;
  std::unique_ptr<virtio::FakeDriver> driver_;
};

void run(FuzzInput input) {
  Run all(input);
  for (int step = 0; step < kMostSteps && !input.empty(); ++step) all.step(input);
}

}  // namespace
}  // namespace cloche::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::block::run({data, size});
  return 0;
}

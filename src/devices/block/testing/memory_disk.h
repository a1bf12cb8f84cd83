// A disk in memory that fails, waits and counts as a test wants it, and requests for it as a driver makes them.
#pragma once

#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "devices/block/block.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::block {

class MemoryDisk final : public Disk {
 public:
  explicit MemoryDisk(size_t size) : bytes(size) {}

  uint64_t size() const override { return bytes.size(); }
  Result<void> read(uint64_t offset, const Pieces& to) override {
    TRY(begin());
    to.copy_from(std::span(bytes).subspan(offset, to.size()));
    return {};
  }
  Result<void> write(uint64_t offset, const Pieces& from) override {
    TRY(begin());
    from.copy_to(std::span(bytes).subspan(offset, from.size()));
    return {};
  }
  Result<void> flush() override {
    ++flushes;
    return begin();
  }
  Result<void> discard(uint64_t offset, uint64_t size) override { return zero(offset, size, Space::kGivenBack); }
  Result<void> zero(uint64_t offset, uint64_t size, Space space) override {
    TRY(begin());
    last_space = space;
    std::memset(bytes.data() + offset, 0, size);
    return {};
  }
  std::optional<Result<void>> read_at_once(uint64_t offset, const Pieces& to) override {
    if (!at_once) return std::nullopt;
    return read(offset, to);
  }

  std::vector<std::byte> bytes;
  std::atomic<int> flushes = 0;
  Space last_space = Space::kKept;
  bool fails = false;
  bool at_once = false;
  std::mutex gate;  // Held by a test: everything waits.

 private:
  Result<void> begin() {
    std::lock_guard pass(gate);
    if (fails) return fail(ErrorCode::kHost, "the disk is broken", EIO);
    return {};
  }
};

// A request as Linux sends it: the header, the data, the status.
inline virtio::FakeRequest request(uint32_t type, uint64_t sector, virtio::Bytes out, uint32_t in) {
  Header header{type, uint32_t{0}, sector};
  virtio::FakeRequest made{.readable = {virtio::bytes_of(header)}, .writable = {}};
  if (!out.empty()) made.readable.push_back(std::move(out));
  if (in != 0) made.writable.push_back(in);
  made.writable.push_back(1);
  return made;
}

inline virtio::Bytes segments(std::vector<Segment> list) {
  virtio::Bytes bytes(list.size() * sizeof(Segment));
  if (!list.empty()) std::memcpy(bytes.data(), list.data(), bytes.size());
  return bytes;
}

// The status of a reply, which is its last byte; -1: there is none.
inline int status_of(const std::optional<virtio::FakeReply>& reply) {
  return reply && !reply->bytes.empty() ? static_cast<int>(reply->bytes.back()) : -1;
}

}  // namespace cloche::block

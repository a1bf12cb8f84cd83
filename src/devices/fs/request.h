// Request: one FUSE request whose lengths and names have been checked, and the reply being written to it. The layouts
// are those of <linux/fuse.h>; host and guest have the same byte order (virtio 1.2, section 5.11.6: the fuse_in_header
// tells the guest's).
#pragma once

#include <linux/fuse.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <span>

#include "devices/fs/outcome.h"
#include "virtio/queue.h"

namespace cloche::fs {

// The largest reply data and request data: 1 MiB, as Linux takes at most 256 pages per request.
inline constexpr uint32_t kMaxWriteBytes = 1 << 20;
inline constexpr uint16_t kMaxPages = 256;
// The largest request that is copied before it is looked at: an extended attribute of 64 KiB with its name. File data
// is not copied.
inline constexpr size_t kMaxBodyBytes = (64 << 10) + 512;
// One chain's buffers, at most as many as the request queue has descriptors.
inline constexpr size_t kMostVectors = 512;

class Request {
 public:
  using Vectors = std::array<iovec, kMostVectors>;

  // `room` is how many writable bytes follow the reply's header.
  Request(const virtio::Chain& chain, const fuse_in_header& header, size_t room)
      : chain_(chain), header_(header), room_(room) {}

  const fuse_in_header& header() const { return header_; }
  uint64_t node() const { return header_.nodeid; }
  // The fixed part. Its size was checked against the table of operations.
  template <typename T>
  T arguments() const {
    static_assert(std::is_trivially_copyable_v<T>);
    assert(sizeof(T) <= arguments_.size());
    T value;
    std::memcpy(&value, arguments_.data(), sizeof value);
    return value;
  }
  // A component that passed check_component().
  const char* name(size_t index = 0) const { return names_[index]; }
  // What follows; of a text tail it is one string with its NUL.
  std::span<const std::byte> tail() const { return tail_; }
  const char* text() const { return reinterpret_cast<const char*>(tail_.data()); }

  // How many bytes more the reply can take after its header.
  size_t room() const { return room_ - replied_; }
  size_t replied() const { return replied_; }
  // Appends to the reply; what does not fit is our mistake, as room() says what does.
  void reply(std::span<const std::byte> bytes) {
    [[maybe_unused]] bool fits = chain_.copy_in(sizeof(fuse_out_header) + replied_, bytes);
    assert(fits || chain_.in_window);  // There, a file of the host may have shrunk.
    replied_ += bytes.size();
  }
  template <typename T>
  void reply(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    reply(std::as_bytes(std::span(&value, 1)));
  }

  // Guest memory for data that goes between it and a file directly: `size` bytes of room in the reply, and what lies
  // `offset` bytes after the request's start. Then reply_data() tells how much arrived.
  std::span<const iovec> sink(size_t size, Vectors& vectors) const {
    return slice(chain_.writable, sizeof(fuse_out_header) + replied_, size, vectors);
  }
  std::span<const iovec> source(size_t offset, size_t size, Vectors& vectors) const {
    return slice(chain_.readable, offset, size, vectors);
  }
  void reply_data(size_t size) { replied_ += size; }

  // For the dispatcher.
  void set_body(std::span<const std::byte> arguments, std::array<const char*, 2> names,
                std::span<const std::byte> tail) {
    arguments_ = arguments;
    names_ = names;
    tail_ = tail;
  }

 private:
  template <typename Span>
  static std::span<const iovec> slice(const std::vector<Span>& spans, size_t offset, size_t size, Vectors& vectors) {
    size_t used = 0;
    for (Span span : spans) {
      if (offset >= span.size()) {
        offset -= span.size();
        continue;
      }
      if (size == 0 || used == vectors.size()) break;
      size_t take = std::min(size, span.size() - offset);
      // iovec knows no const; pwritev only reads what a readable span gave.
      vectors[used++] = {const_cast<std::byte*>(span.data()) + offset, take};
      offset = 0;
      size -= take;
    }
    return std::span(vectors).first(used);
  }

  const virtio::Chain& chain_;
  fuse_in_header header_;
  size_t room_;
  size_t replied_ = 0;
  std::span<const std::byte> arguments_, tail_;
  std::array<const char*, 2> names_{};
};

}  // namespace cloche::fs

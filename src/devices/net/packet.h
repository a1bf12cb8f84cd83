// Packet: room for one packet of any size. Nothing is zeroed as packets come and go: most of it is written anew anyway.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <vector>

#include "devices/net/header.h"

namespace cloche::net {

class Packet {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<std::byte> bytes() { return std::span(room_).first(size_); }
  // All of its room, of kMostPacket bytes: what is put there becomes the packet by set_size().
  std::span<std::byte> room() {
    room_.resize(kMostPacket);
    return room_;
  }
  void set_size(size_t size) {
    assert(size <= room_.size());
    size_ = size;
  }
  void clear() { size_ = 0; }

 private:
  std::vector<std::byte> room_;  // From the first packet on.
  size_t size_ = 0;
};

}  // namespace cloche::net

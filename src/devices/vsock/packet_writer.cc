#include "devices/vsock/packet_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace cloche::vsock {
namespace {

// Buffers filled by one read: a Linux guest's hold under 4 KiB each.
constexpr size_t kMostBuffers = 18;
constexpr size_t kMostPieces = 256;

}  // namespace

void PacketWriter::detach() {
  queue_ = nullptr;
  buffers_.clear();
  resets_.clear();
}

Result<bool> PacketWriter::take_buffer() {
  auto chain = TRY(queue_->pop());
  if (!chain) return false;
  size_t size = chain->writable_size();
  if (size < kHeaderSize) return fail(ErrorCode::kGuest, fmt::format("a receive buffer of {} bytes", size));
  buffers_.push_back({.chain = std::move(*chain), .payload = std::min(size - kHeaderSize, kMostPayload)});
  return true;
}

Result<bool> PacketWriter::ready() {
  if (!buffers_.empty()) return true;
  return take_buffer();
}

void PacketWriter::send(const Header& packet) {
  assert(!buffers_.empty());
  virtio::Chain& chain = buffers_.front().chain;
  chain.copy_in(0, std::as_bytes(std::span(&packet, 1)));
  queue_->push(chain.head, static_cast<uint32_t>(kHeaderSize + packet.len));
  buffers_.pop_front();
}

Result<std::span<const iovec>> PacketWriter::data_room(size_t limit) {
  room_.clear();
  for (size_t i = 0; limit > 0 && i < kMostBuffers && room_.size() < kMostPieces; ++i) {
    if (i == buffers_.size() && !TRY(take_buffer())) break;
    const Buffer& buffer = buffers_[i];
    if (buffer.payload == 0) break;  // Data after it would be out of order.
    size_t left = std::min(limit, buffer.payload);
    limit -= left;
    size_t skip = kHeaderSize;
    for (std::span<std::byte> span : buffer.chain.writable) {
      size_t skipped = std::min(skip, span.size());
      skip -= skipped;
      size_t take = std::min(left, span.size() - skipped);
      if (take != 0) room_.push_back({span.data() + skipped, take});
      left -= take;
    }
  }
  return room_;
}

void PacketWriter::send_data(Connection& connection, size_t size) {
  while (size > 0) {
    auto payload = static_cast<uint32_t>(std::min(size, buffers_.front().payload));
    send(connection.header(kOpRw, payload));
    size -= payload;
  }
}

std::vector<iovec> PacketWriter::packet_room() const {
  assert(!buffers_.empty());
  std::vector<iovec> room;
  const Buffer& buffer = buffers_.front();
  for (std::span<std::byte> span : buffer.chain.writable_from(kHeaderSize, buffer.payload))
    room.push_back({span.data(), span.size()});
  return room;
}

bool PacketWriter::send_whole(const Header& packet, std::span<const std::byte> payload) {
  assert(!buffers_.empty() && packet.len == payload.size());
  if (payload.size() > buffers_.front().payload) return false;
  buffers_.front().chain.copy_in(kHeaderSize, payload);
  send(packet);
  return true;
}

bool PacketWriter::add_reset(const Header& reset, Sort sort) {
  if (resets_.size() >= (sort == Sort::kStray ? kMostStrayResets : kMostResets)) return false;
  resets_.push_back(reset);
  return true;
}

Result<void> PacketWriter::send_resets() {
  while (!resets_.empty() && TRY(ready())) {
    send(resets_.front());
    resets_.pop_front();
  }
  return {};
}

}  // namespace cloche::vsock

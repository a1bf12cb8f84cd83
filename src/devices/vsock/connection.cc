#include "devices/vsock/connection.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <utility>

namespace cloche::vsock {
namespace {

// The guest is told of room once this much was taken from it since it was told last: seldom enough that a stream of
// small packets is not answered one by one, early enough that the writer never waits for the news.
constexpr uint32_t kCreditUpdateBytes = Backlog::kSize / 2;

constexpr uint16_t op_of(Owed owed) {
  switch (owed) {
    case Owed::kRequest:
      return kOpRequest;
    case Owed::kResponse:
      return kOpResponse;
    case Owed::kShutdown:
      return kOpShutdown;
    case Owed::kCreditUpdate:
      return kOpCreditUpdate;
    case Owed::kCreditRequest:
      return kOpCreditRequest;
  }
  return kOpInvalid;
}

size_t total(std::span<const iovec> pieces) {
  size_t size = 0;
  for (const iovec& piece : pieces) size += piece.iov_len;
  return size;
}

}  // namespace

Connection::Connection(Address address, HostStream host, EventLoop& loop) : host_(std::move(host), loop) {
  state_.address = address;
}

Header Connection::take_owed() {
  assert(owes());
  auto owed = static_cast<Owed>(1u << std::countr_zero(state_.owed));
  state_.owed &= static_cast<uint8_t>(~static_cast<uint8_t>(owed));
  Header packet = header(op_of(owed));
  if (owed == Owed::kShutdown) packet.flags = state_.shutdown;
  return packet;
}

Header Connection::header(uint16_t op, uint32_t len) {
  Header packet;
  packet.src_cid = kHostCid;
  packet.dst_cid = state_.address.guest_cid;
  packet.src_port = state_.address.host_port;
  packet.dst_port = state_.address.guest_port;
  packet.len = len;
  packet.type = kTypeStream;
  packet.op = op;
  packet.buf_alloc = static_cast<uint32_t>(Backlog::kSize);
  packet.fwd_cnt = state_.forwarded;
  state_.advertised = state_.forwarded;
  state_.owed &= static_cast<uint8_t>(~static_cast<uint8_t>(Owed::kCreditUpdate));
  return packet;
}

uint32_t Connection::credit() const {
  // Modulo 2^32. A guest that takes credit back, or claims to have had more than was sent, gets nothing.
  uint32_t in_flight = state_.sent - state_.peer_fwd_cnt;
  return in_flight >= state_.peer_buf_alloc ? 0 : state_.peer_buf_alloc - in_flight;
}

Transfer Connection::read_input(std::span<const iovec> room) {
  Transfer got = host_.input().read(room);
  state_.sent += static_cast<uint32_t>(got.size);
  if (got.size == 0 && got.error == 0) shut_down(kShutdownSend);
  return got;
}

void Connection::establish() {
  state_.phase = Phase::kEstablished;
  readable = static_cast<bool>(host_.input());
  if (!host_.input()) shut_down(kShutdownSend);
  if (!host_.output()) shut_down(kShutdownReceive);
}

void Connection::ask_for_credit() {
  if (!std::exchange(state_.credit_requested, true)) owe(Owed::kCreditRequest);
}

void Connection::shut_down(uint32_t what) {
  if ((what & kShutdownSend) != 0) host_.close_input();
  if ((what & kShutdownReceive) != 0) host_.close_output();
  if ((state_.shutdown | what) == state_.shutdown) return;
  state_.shutdown |= static_cast<uint8_t>(what);
  owe(Owed::kShutdown);
}

void Connection::take_credit(const Header& packet) {
  state_.peer_buf_alloc = packet.buf_alloc;
  state_.peer_fwd_cnt = packet.fwd_cnt;
  if (credit() >= state_.peer_buf_alloc / 2 && credit() != 0) state_.credit_requested = false;
}

int Connection::deliver(std::span<iovec> bytes) {
  assert(has_room(static_cast<uint32_t>(total(bytes))));
  int error = 0;
  if (host_.output() && state_.backlog.empty()) {
    Transfer put = host_.output().write(bytes);
    count_forwarded(put.size);
    error = finish_write(put.error);
  }
  // Without an output, what comes was sent before the guest knew.
  if (!host_.output()) {
    count_forwarded(total(bytes));
    return error;
  }
  for (const iovec& piece : bytes)
    state_.backlog.append({static_cast<const std::byte*>(piece.iov_base), piece.iov_len});
  return error;
}

int Connection::flush() {
  Backlog::Pieces pieces = state_.backlog.pieces();
  std::span<iovec> rest(pieces.each.data(), pieces.count);
  Transfer put = host_.output().write(rest);
  state_.backlog.consume(put.size);
  count_forwarded(put.size);
  return finish_write(put.error);
}

// EPIPE ends the output for good; what waited for it counts as taken, so that the guest does not wait for room.
int Connection::finish_write(int error) {
  if (error == EAGAIN) return 0;
  if (error == EPIPE) {
    count_forwarded(state_.backlog.size());
    state_.backlog.clear();
    shut_down(kShutdownReceive);
  } else if (state_.backlog.empty() && error == 0 && (state_.guest_shutdown & kShutdownSend) != 0) {
    host_.close_output();
  }
  return error;
}

void Connection::take_shutdown(uint32_t flags) {
  state_.guest_shutdown |= static_cast<uint8_t>(flags & kShutdownBoth);
  if ((flags & kShutdownReceive) != 0) host_.close_input();
  if ((flags & kShutdownSend) != 0 && state_.backlog.empty()) host_.close_output();
}

void Connection::count_forwarded(size_t size) {
  state_.forwarded += static_cast<uint32_t>(size);
  if (state_.forwarded - state_.advertised >= kCreditUpdateBytes) owe(Owed::kCreditUpdate);
}

}  // namespace cloche::vsock

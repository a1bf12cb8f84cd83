// The half of Vsock that takes packets from the guest. Whatever a packet says, it changes its own connection at most.
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "devices/vsock/vsock.h"

namespace cloche::vsock {
namespace {

// A guest that floods us shares the loop with the other devices: after this much they get their turn. One packet may
// exceed it, up to a connection's credit.
constexpr int kPacketsPerKick = 128;
constexpr size_t kBytesPerKick = 1 << 20;

// The payload in guest memory, ready for writev().
std::vector<iovec> payload_of(const virtio::Chain& chain, size_t size) {
  std::vector<iovec> pieces;
  for (std::span<const std::byte> span : chain.readable_from(kHeaderSize, size)) {
    // writev() only reads it, but iovec serves readv() too and so has no const.
    pieces.push_back({const_cast<std::byte*>(span.data()), span.size()});
  }
  return pieces;
}

}  // namespace

Result<virtio::Kick> Vsock::take_packets(virtio::Queue& queue) {
  size_t bytes = 0;
  for (int taken = 0; taken < kPacketsPerKick && bytes < kBytesPerKick; ++taken) {
    auto chain = TRY(queue.pop());
    if (!chain) return virtio::Kick::kDone;
    TRY(take_packet(*chain));
    bytes += chain->readable_size();
    queue.push(chain->head, 0);
  }
  return virtio::Kick::kMore;
}

Result<void> Vsock::take_packet(const virtio::Chain& chain) {
  Header packet;
  if (!chain.copy_out(0, std::as_writable_bytes(std::span(&packet, 1))))
    return fail(ErrorCode::kGuest, fmt::format("a packet of {} bytes", chain.readable_size()));
  bool between_us = packet.src_cid == options_.guest_cid && packet.dst_cid == kHostCid;
  if (tsi_ && packet.type == kTypeDatagram) {
    if (between_us) tsi_->take(packet, chain);
    return {};
  }
  bool ours = between_us && packet.type == kTypeStream;
  auto found = ours ? connections_.find(key_of(packet.src_port, packet.dst_port)) : connections_.end();
  if (found != connections_.end()) {
    take_for_connection(*found->second, packet, chain);
  } else if (ours && packet.op == kOpRequest) {
    take_request(packet);
  } else {
    reset_stray(packet);
  }
  return {};
}

// An RST is never answered with another: two sides that both do would never stop.
void Vsock::reset_stray(const Header& packet) {
  if (packet.op == kOpRst) return;
  ++counters_.strays;
  if (!writer_.add_reset(reset_for(packet), PacketWriter::Sort::kStray)) ++counters_.dropped_resets;
}

Result<HostStream> Vsock::open_host_end(const Header& request) {
  uint32_t port = request.dst_port;
  // Whether there is room for it or not, it is not the guest's to fetch any more.
  if (tsi_ && port == kTsiStreamPort) return tsi_->take_stream(request.src_port);
  if (full()) return fail(ErrorCode::kUnavailable, "too many vsock connections");
  if (!connector_) return fail(ErrorCode::kUnavailable, "nothing listens");
  return connector_(port);
}

void Vsock::take_request(const Header& packet) {
  uint32_t port = packet.dst_port;
  Result<HostStream> host = open_host_end(packet);
  // The connector may have opened streams of its own.
  if (!host || full()) {
    ++counters_.refused;
    log_.debug("vsock: refused port {}: {}", port, host ? "too many connections" : host.error().message());
    if (!writer_.add_reset(reset_for(packet), PacketWriter::Sort::kStray)) ++counters_.dropped_resets;
    return;
  }
  Connection& connection = add(packet.src_port, port, std::move(*host));
  connection.take_credit(packet);
  connection.owe(Owed::kResponse);
  connection.establish();
  enqueue(connection);
}

void Vsock::take_for_connection(Connection& connection, const Header& packet, const virtio::Chain& chain) {
  connection.take_credit(packet);
  if (connection.readable) enqueue(connection);  // It may have waited for room.
  if (connection.phase() == Phase::kRequested) return take_answer(connection, packet);
  switch (packet.op) {
    case kOpRw:
      return take_data(connection, packet, chain);
    case kOpShutdown:
      return take_shutdown(connection, packet);
    case kOpCreditRequest:
      connection.owe(Owed::kCreditUpdate);
      return enqueue(connection);
    case kOpCreditUpdate:
      return;
    case kOpRst:
      return remove(connection);
    case kOpRequest:
      // A guest that got our shutdown may have closed its end and use the port anew.
      if (connection.phase() != Phase::kClosing) return violate(connection, packet);
      remove(connection);
      return take_request(packet);
    default:
      return violate(connection, packet);
  }
}

// The guest's answer to connect().
void Vsock::take_answer(Connection& connection, const Header& packet) {
  bool asked = !connection.owes();
  if (packet.op == kOpRst) {
    answer(connection, fail(ErrorCode::kUnavailable, "the guest refused", ECONNREFUSED));
    return remove(connection);
  }
  if (packet.op != kOpResponse || !asked) return violate(connection, packet);
  loop_.cancel(*std::exchange(connection.timer, std::nullopt));
  connection.establish();
  answer(connection, {});
  enqueue(connection);
}

void Vsock::take_data(Connection& connection, const Header& packet, const virtio::Chain& chain) {
  uint32_t size = packet.len;
  bool fits = connection.has_room(size);
  if (!fits) ++counters_.over_credit;
  if (!fits || size > chain.readable_size() - kHeaderSize || (connection.state().guest_shutdown & kShutdownSend) != 0)
    return violate(connection, packet);
  std::vector<iovec> pieces = payload_of(chain, size);
  after_output(connection, connection.deliver(pieces));
}

void Vsock::take_shutdown(Connection& connection, const Header& packet) {
  connection.take_shutdown(packet.flags);
  if (connection.state().guest_shutdown != kShutdownBoth) {
    update_watches(connection);
    return;
  }
  // The guest closed. It waits for this RST before it forgets the connection, not for what we still have to hand over.
  if (!writer_.add_reset(reset_for(packet), PacketWriter::Sort::kConnection)) ++counters_.dropped_resets;
  remove(connection);
}

void Vsock::violate(Connection& connection, const Header& packet) {
  ++counters_.violations;
  abort(connection,
        {ErrorCode::kGuest, 0, fmt::format("a packet with op {} that has no place here", uint16_t{packet.op})});
}

}  // namespace cloche::vsock

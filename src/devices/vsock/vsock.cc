#include "devices/vsock/vsock.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "virtio/spec.h"

namespace cloche::vsock {
namespace {

// Turns before the loop's other work gets its own; each sends up to PacketWriter::kMostPayload bytes.
constexpr int kTurnsPerEvent = 16;

}  // namespace

Vsock::Vsock(EventLoop& loop, Options options, Log log) : loop_(loop), options_(options), log_(std::move(log)) {}

Vsock::~Vsock() {
  drop_all();
  while (!draining_.empty()) finish_draining(*draining_.back());
}

void Vsock::impersonate(TsiOptions options) {
  auto socket_of = [this](uint32_t guest_port, uint32_t host_port) {
    auto found = connections_.find(key_of(guest_port, host_port));
    if (found == connections_.end()) return -1;
    HostEnd& host = found->second->host();
    return host.input() ? host.input().fd() : host.output().fd();
  };
  auto open = [this](uint32_t port, HostStream host, Done done) { connect(port, std::move(host), std::move(done)); };
  tsi_ = std::make_unique<Tsi>(loop_, std::move(options),
                               Tsi::Device{.guest_cid = options_.guest_cid,
                                           .connect = open,
                                           .socket_of = socket_of,
                                           .serve_later = [this] { finish_event_later(); }},
                               log_);
}

uint32_t Vsock::id() const { return virtio::kIdVsock; }

void Vsock::read_config(uint64_t offset, std::span<std::byte> out) const {
  le64 guest_cid = options_.guest_cid;
  virtio::read_config_bytes(std::as_bytes(std::span(&guest_cid, 1)), offset, out);
}

void Vsock::activate(virtio::Driver& driver) {
  driver_ = &driver;
  writer_.attach(driver.queue(kReceive));
  finish_event_later();  // connect() may have been called before.
}

void Vsock::reset() {
  drop_all();
  if (tsi_) tsi_->reset();
  writer_.detach();
  driver_ = nullptr;
  event_owed_ = false;
  report_drained();
}

Result<virtio::Kick> Vsock::on_kick(unsigned index, virtio::Queue& queue) {
  Result<virtio::Kick> kick = virtio::Kick::kDone;
  if (index == kTransmit) kick = take_packets(queue);
  if (kick) {
    if (auto served = serve(); !served) kick = std::unexpected(std::move(served).error());
  }
  if (!kick) {
    driver_ = nullptr;
    drop_all();
    if (tsi_) tsi_->reset();
  }
  report_drained();
  return kick;
}

void Vsock::send_transport_reset() {
  drop_all();
  event_owed_ = true;
  finish_event_later();
}

// To the guest.

Result<void> Vsock::serve() {
  if (driver_ == nullptr) return {};
  TRY(writer_.send_resets());
  if (tsi_) TRY(tsi_->serve(writer_));
  TRY(serve_ready());
  driver_->interrupt(kReceive);
  if (event_owed_) TRY(send_event());
  return {};
}

Result<void> Vsock::serve_ready() {
  int turns = 0;
  while (!ready_.empty() && TRY(writer_.ready())) {
    if (turns++ == kTurnsPerEvent) {
      finish_event_later();
      break;
    }
    Connection& connection = *ready_.front();
    ready_.pop_front();
    connection.queued = false;
    TRY(take_turn(connection));
  }
  // Those that wait for their turn are not watched meanwhile: with no buffer at hand their events would never end.
  for (Connection* connection : ready_) {
    if (connection->readable) connection->host().input().unwatch();
  }
  return {};
}

// One connection sends what it owes, then data of one read. There is a buffer for at least one packet.
Result<void> Vsock::take_turn(Connection& connection) {
  while (connection.owes()) {
    if (!TRY(writer_.ready())) {
      enqueue(connection);
      return {};
    }
    send_owed(connection);
  }
  if (connection.readable && connection.may_read()) return send_input(connection);
  update_watches(connection);
  return {};
}

void Vsock::send_owed(Connection& connection) {
  Header packet = connection.take_owed();
  writer_.send(packet);
  // Nothing can come of it any more; the guest answers with RST.
  if (packet.op == kOpShutdown && packet.flags == kShutdownBoth && connection.phase() == Phase::kEstablished) {
    connection.set_phase(Phase::kClosing);
    start_timer(connection);
  }
}

Result<void> Vsock::send_input(Connection& connection) {
  uint32_t credit = connection.credit();
  if (credit == 0) {
    // It stays readable and unwatched, until the guest tells of room.
    connection.ask_for_credit();
    if (connection.owes()) enqueue(connection);
    update_watches(connection);
    return {};
  }
  auto room = TRY(writer_.data_room(std::min<size_t>(credit, PacketWriter::kMostPayload)));
  if (room.empty()) {
    // A buffer without room for data is good for a header.
    if (TRY(writer_.ready())) writer_.send(connection.header(kOpCreditUpdate));
    enqueue(connection);
    return {};
  }
  size_t most = 0;
  for (const iovec& piece : room) most += piece.iov_len;
  Transfer got = connection.read_input(room);
  if (got.error != 0 && got.error != EAGAIN) {
    abort(connection, {ErrorCode::kHost, got.error, "read for the guest"});
    return {};
  }
  writer_.send_data(connection, got.size);
  // Less than asked for means that there was no more: the loop tells when there is. Files have no such events.
  connection.readable = got.size == most || connection.host().input().always_ready();
  if (connection.owes() || (connection.readable && connection.may_read())) enqueue(connection);
  update_watches(connection);
  return {};
}

Result<void> Vsock::send_event() {
  virtio::Queue& queue = driver_->queue(kEvent);
  auto chain = TRY(queue.pop());
  if (!chain) return {};
  le32 event = kEventTransportReset;
  if (!chain->copy_in(0, std::as_bytes(std::span(&event, 1))))
    return fail(ErrorCode::kGuest, "an event buffer that holds no event");
  queue.push(chain->head, sizeof event);
  driver_->interrupt(kEvent);
  event_owed_ = false;
  return {};
}

void Vsock::enqueue(Connection& connection) {
  if (std::exchange(connection.queued, true)) return;
  ready_.push_back(&connection);
}

void Vsock::finish_event() {
  auto served = serve();
  if (!served) {
    virtio::Driver* driver = std::exchange(driver_, nullptr);
    drop_all();
    if (tsi_) tsi_->reset();
    driver->fault(std::move(served).error());
  }
  report_drained();
}

void Vsock::finish_event_later() {
  if (std::exchange(finish_posted_, true)) return;
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    finish_posted_ = false;
    finish_event();
  });
}

void Vsock::report_drained() {
  if (!std::exchange(output_ended_, false)) return;
  if (on_drained_ && drained()) on_drained_();
}

bool Vsock::drained() const {
  if (!draining_.empty()) return false;
  return std::ranges::all_of(connections_, [](const auto& entry) { return entry.second->state().backlog.empty(); });
}

}  // namespace cloche::vsock

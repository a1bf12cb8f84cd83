// virtio-vsock (virtio 1.2, section 5.10): streams between ports of the guest and descriptors of the host, entirely in
// user space. Everything happens on the loop's thread.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "devices/vsock/connection.h"
#include "devices/vsock/host_stream.h"
#include "devices/vsock/packet_writer.h"
#include "devices/vsock/tsi.h"
#include "virtio/device.h"

namespace cloche::vsock {

struct Options {
  uint64_t guest_cid = 3;
};

// What the guest did that it should not have, and what that cost it.
struct Counters {
  uint64_t violations = 0;      // Packets that broke the rules of an existing connection, which was reset.
  uint64_t over_credit = 0;     // Those of them that held more data than we had room for.
  uint64_t strays = 0;          // Packets for no connection of ours, answered with RST.
  uint64_t refused = 0;         // Connects that were refused.
  uint64_t dropped_resets = 0;  // RSTs that were not sent because the guest offered no buffers for them.
};

class Vsock final : public virtio::Device {
 public:
  // Streams at once, those included that are over for the guest while their last output is handed over. Each costs up
  // to two descriptors and a Backlog.
  static constexpr size_t kMostConnections = 1024;

  // Called on the loop's thread when the guest connects to CID 2, `port`. Returns the host's end, or an error: the
  // guest gets RST. May call connect().
  using Connector = std::function<Result<HostStream>(uint32_t port)>;
  using Done = Connection::Done;

  // `loop` outlives it.
  Vsock(EventLoop& loop, Options options, Log log);
  ~Vsock() override;

  // The guest's programs may use the host's sockets from now on, as `options` say. Before a driver is there.
  void impersonate(TsiOptions options);
  void set_connector(Connector connector) { connector_ = std::move(connector); }
  // Opens a stream to a port on which the guest listens. `done` is called once on the loop's thread, not before this
  // returns, with success or an error: refused or reset (kUnavailable), 10 s without an answer (kTimeout). It is not
  // called any more once the device is destroyed.
  void connect(uint32_t guest_port, HostStream host, Done done);

  // True when nothing that the guest has sent still waits to be written to a host end: all output has been handed over.
  bool drained() const;
  // `callback` is called on the loop's thread whenever drained() may have turned true.
  void on_drained(std::function<void()> callback) { on_drained_ = std::move(callback); }
  // Connections that the guest may still use.
  size_t connections() const { return connections_.size(); }
  const Counters& counters() const { return counters_; }
  // Tells the guest that all its connections are gone (after a restore), and drops them.
  void send_transport_reset();

  uint32_t id() const override;
  uint64_t features() const override { return kFeatureStream | (tsi_ ? kFeatureDatagram : 0); }
  std::span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  void read_config(uint64_t offset, std::span<std::byte> out) const override;
  void activate(virtio::Driver& driver) override;
  // Ends all connections. What the guest sent before is still handed to the host's ends.
  void reset() override;
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;

  static constexpr unsigned kReceive = 0;
  static constexpr unsigned kTransmit = 1;
  static constexpr unsigned kEvent = 2;

 private:
  static constexpr uint64_t kFeatureStream = 1;
  static constexpr uint64_t kFeatureDatagram = 1 << 3;  // Not in the spec; see tsi_message.h.
  static constexpr std::array<uint16_t, 3> kQueueSizes{128, 128, 16};
  using Key = uint64_t;  // Both ports: all connections are between the same two CIDs.
  static Key key_of(uint32_t guest_port, uint32_t host_port) { return uint64_t{host_port} << 32 | guest_port; }

  // From the guest: packets_in.cc.
  Result<virtio::Kick> take_packets(virtio::Queue& queue);
  Result<void> take_packet(const virtio::Chain& chain);
  void take_request(const Header& packet);
  Result<HostStream> open_host_end(const Header& request);
  void take_answer(Connection& connection, const Header& packet);
  void take_for_connection(Connection& connection, const Header& packet, const virtio::Chain& chain);
  void take_data(Connection& connection, const Header& packet, const virtio::Chain& chain);
  void take_shutdown(Connection& connection, const Header& packet);
  void violate(Connection& connection, const Header& packet);
  void reset_stray(const Header& packet);

  // To the guest.
  Result<void> serve();
  Result<void> serve_ready();
  Result<void> take_turn(Connection& connection);
  Result<void> send_input(Connection& connection);
  void send_owed(Connection& connection);
  Result<void> send_event();
  void enqueue(Connection& connection);
  // Ends what an event began: serves the guest, interrupts it, and says when all output is handed over.
  void finish_event();
  void finish_event_later();
  void report_drained();

  // Host ends: lives.cc. Where the loop cannot watch a descriptor, the connection is aborted.
  void update_watches(Connection& connection);
  void on_input(Connection& connection);
  void on_output(Connection& connection);
  void after_output(Connection& connection, int error);

  // Lives of connections: lives.cc. After abort() and remove() the connection is gone, or in draining_ only.
  Connection& add(uint32_t guest_port, uint32_t host_port, HostStream host);
  uint32_t free_host_port(uint32_t guest_port);
  bool full() const { return connections_.size() + draining_.size() >= kMostConnections; }
  void start_timer(Connection& connection);
  void abort(Connection& connection, const Error& why);  // With RST.
  void remove(Connection& connection);
  void finish_draining(Connection& connection);
  void answer(Connection& connection, Result<void> result);
  void drop_all();

  EventLoop& loop_;
  Options options_;
  Log log_;
  Connector connector_;
  std::function<void()> on_drained_;
  Counters counters_;

  virtio::Driver* driver_ = nullptr;  // Nothing while there is no driver, or once it broke the device.
  PacketWriter writer_;
  std::unordered_map<Key, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> draining_;
  std::unique_ptr<Tsi> tsi_;       // Where the guest's programs use the host's sockets.
  std::deque<Connection*> ready_;  // Those that have something for the guest, each once; served in turn.
  uint32_t next_host_port_ = 0;
  unsigned host_errors_logged_ = 0;
  bool event_owed_ = false;
  bool finish_posted_ = false;
  bool output_ended_ = false;                                   // Since drained() was last looked at.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For work posted to the loop.
};

}  // namespace cloche::vsock

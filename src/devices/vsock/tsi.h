// Tsi: transparent socket impersonation, the host's half (tsi_message.h). Streams become Connections of the device,
// with their credit and half-closes; this opens them, and carries datagrams. Loop thread.
//
// Every message is the guest's. It changes sockets of that guest at most, and what they reach is what TsiOptions allow.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/log.h"
#include "devices/vsock/connection.h"
#include "devices/vsock/packet_writer.h"
#include "devices/vsock/tsi_options.h"
#include "devices/vsock/tsi_socket.h"

namespace cloche::vsock {

class Tsi {
 public:
  // Sockets of the guest's that we stand for at once. Each costs up to two descriptors.
  static constexpr size_t kMostSockets = 1024;
  // Answers that wait for a buffer of the guest's. One with a guest's kernel behind it has a question open per thread.
  static constexpr size_t kMostAnswers = 1024;
  // Streams to one listener that the guest's program did not accept yet; more wait in the host's kernel.
  static constexpr uint32_t kMostWaiting = 128;

  // What it needs of the device.
  struct Device {
    uint64_t guest_cid = 0;
    // As Vsock::connect().
    std::function<void(uint32_t guest_port, HostStream host, Connection::Done done)> connect;
    // The host's socket of a stream between two ports; -1: there is none.
    std::function<int(uint32_t guest_port, uint32_t host_port)> socket_of;
    // Calls serve() soon.
    std::function<void()> serve_later;
  };

  // `loop` outlives it.
  Tsi(EventLoop& loop, TsiOptions options, Device device, Log log);
  ~Tsi() { reset(); }
  Tsi(const Tsi&) = delete;
  Tsi& operator=(const Tsi&) = delete;

  // A datagram of the guest's; `chain` holds `packet`, and its payload after that.
  void take(const Header& packet, const virtio::Chain& chain);
  // The host's end of a stream that the guest fetches from kTsiStreamPort.
  Result<HostStream> take_stream(uint32_t guest_port);
  // Sends answers and datagrams as long as there are buffers. Fails as PacketWriter does.
  Result<void> serve(PacketWriter& writer);
  // Forgets all sockets and answers. Streams that were handed over live on.
  void reset();

  size_t sockets() const { return sockets_.size(); }
  // Answers and datagrams that were dropped because the guest had no room for them.
  uint64_t dropped() const { return dropped_; }

 private:
  struct Answer {
    TsiQuestion question;
    uint32_t to = 0;
    std::vector<std::byte> payload;
  };
  using SocketPointer = std::shared_ptr<TsiSocket>;

  TsiSocket* find(uint32_t port);
  void drop(TsiSocket& socket);
  void watch(TsiSocket& socket, uint32_t events, void (Tsi::*act)(TsiSocket&));
  void unwatch(TsiSocket& socket);
  // A fresh descriptor on the host; 0 or an errno.
  int open_socket(TsiSocket& socket);

  void answer(TsiQuestion question, uint32_t to, std::span<const std::byte> payload);
  void answer_result(TsiQuestion question, uint32_t to, int error);
  Header header(TsiQuestion from, uint32_t to, size_t size) const;

  void create(const TsiCreate& message);
  void release(const TsiRelease& message);
  void name(const TsiName& message, uint32_t answer_to);

  // tsi_connect.cc
  void connect(const TsiConnect& message, uint32_t answer_to);
  int begin_connect(TsiSocket& socket, TsiAddress address);
  void finish_connect(TsiSocket& socket);
  // Whether the guest may reach it from a socket of `type`; it may turn into the address of a listener of the guest's
  // own. 0 or an errno.
  int lead(TsiAddress& address, int type) const;

  // tsi_listen.cc
  void listen(const TsiListen& message, uint32_t answer_to);
  int begin_listen(TsiSocket& socket, const TsiListen& message);
  int publish(TsiAddress& address) const;
  void accept(const TsiAccept& message, uint32_t answer_to);
  void take_clients(TsiSocket& socket);
  void came(TsiSocket& socket, bool established);
  void watch_clients(TsiSocket& socket);

  // tsi_datagrams.cc
  void send_to(const TsiConnect& message);
  void send(const Header& packet, const virtio::Chain& chain);
  void on_datagrams(TsiSocket& socket);
  Result<void> send_datagrams(PacketWriter& writer);
  bool forward_datagram(TsiSocket& socket, PacketWriter& writer);

  EventLoop& loop_;
  TsiOptions options_;
  Device device_;
  Log log_;
  std::unordered_map<uint32_t, SocketPointer> sockets_;  // By their ports in the guest.
  std::deque<Answer> answers_;
  std::deque<std::weak_ptr<TsiSocket>> readable_;
  uint64_t dropped_ = 0;
};

}  // namespace cloche::vsock

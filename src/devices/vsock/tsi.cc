#include "devices/vsock/tsi.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace cloche::vsock {
namespace {

// The message that `chain` holds after its header; nothing: it is shorter. What a later kernel adds is left alone.
template <typename Message>
std::optional<Message> read(const Header& packet, const virtio::Chain& chain) {
  Message message;
  if (packet.len < sizeof message || !chain.copy_out(kHeaderSize, std::as_writable_bytes(std::span(&message, 1))))
    return std::nullopt;
  return message;
}

le32 result_of(int error) { return static_cast<uint32_t>(-error); }

}  // namespace

Tsi::Tsi(EventLoop& loop, TsiOptions options, Device device, Log log)
    : loop_(loop), options_(std::move(options)), device_(std::move(device)), log_(std::move(log)) {}

void Tsi::take(const Header& packet, const virtio::Chain& chain) {
  if (packet.op != kOpRw || packet.len > chain.readable_size() - kHeaderSize) return;
  uint32_t from = packet.src_port;
  switch (static_cast<TsiQuestion>(uint32_t{packet.dst_port})) {
    case TsiQuestion::kCreate:
      if (auto message = read<TsiCreate>(packet, chain)) create(*message);
      return;
    case TsiQuestion::kConnect:
      if (auto message = read<TsiConnect>(packet, chain)) connect(*message, from);
      return;
    case TsiQuestion::kName:
      if (auto message = read<TsiName>(packet, chain)) name(*message, from);
      return;
    case TsiQuestion::kSendTo:
      if (auto message = read<TsiConnect>(packet, chain)) send_to(*message);
      return;
    case TsiQuestion::kListen:
      if (auto message = read<TsiListen>(packet, chain)) listen(*message, from);
      return;
    case TsiQuestion::kAccept:
      if (auto message = read<TsiAccept>(packet, chain)) accept(*message, from);
      return;
    case TsiQuestion::kRelease:
      if (auto message = read<TsiRelease>(packet, chain)) release(*message);
      return;
    case TsiQuestion::kData:
    default:
      return send(packet, chain);  // A connected socket sends to its own port, or any.
  }
}

Result<HostStream> Tsi::take_stream(uint32_t guest_port) {
  TsiSocket* socket = find(guest_port);
  if (socket == nullptr || socket->state != TsiState::kConnected)
    return fail(ErrorCode::kGuest, "no such stream was opened");
  Fd stream = std::move(socket->fd);
  socket->state = TsiState::kHandedOver;
  Fd copy = TRY(stream.duplicate());
  return HostStream{.input = std::move(copy), .output = std::move(stream)};
}

Result<void> Tsi::serve(PacketWriter& writer) {
  while (!answers_.empty() && TRY(writer.ready())) {
    const Answer& next = answers_.front();
    if (!writer.send_whole(header(next.question, next.to, next.payload.size()), next.payload)) ++dropped_;
    answers_.pop_front();
  }
  return send_datagrams(writer);
}

void Tsi::reset() {
  answers_.clear();
  readable_.clear();
  while (!sockets_.empty()) drop(*sockets_.begin()->second);
}

TsiSocket* Tsi::find(uint32_t port) {
  auto found = sockets_.find(port);
  return found == sockets_.end() ? nullptr : found->second.get();
}

void Tsi::drop(TsiSocket& socket) {
  unwatch(socket);
  if (socket.pause) loop_.cancel(*socket.pause);
  sockets_.erase(socket.port);
}

void Tsi::watch(TsiSocket& socket, uint32_t events, void (Tsi::*act)(TsiSocket&)) {
  if (socket.watched) return;
  // drop() ends the watch before the socket goes.
  auto watched = loop_.watch(socket.fd.get(), events, [this, &socket, act](uint32_t) { (this->*act)(socket); });
  socket.watched = watched.has_value();
  if (!watched) log_.debug("tsi: {}", watched.error().message());
}

void Tsi::unwatch(TsiSocket& socket) {
  if (std::exchange(socket.watched, false)) loop_.unwatch(socket.fd.get());
}

int Tsi::open_socket(TsiSocket& socket) {
  unwatch(socket);
  socket.fd = Fd(::socket(socket.family, socket.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return socket.fd ? 0 : errno;
}

Header Tsi::header(TsiQuestion from, uint32_t to, size_t size) const {
  Header packet;
  packet.src_cid = kHostCid;
  packet.dst_cid = device_.guest_cid;
  packet.src_port = static_cast<uint32_t>(from);
  packet.dst_port = to;
  packet.len = static_cast<uint32_t>(size);
  packet.type = kTypeDatagram;
  packet.op = kOpRw;
  return packet;
}

void Tsi::answer(TsiQuestion question, uint32_t to, std::span<const std::byte> payload) {
  if (answers_.size() >= kMostAnswers) {
    ++dropped_;
    return;
  }
  answers_.push_back({question, to, {payload.begin(), payload.end()}});
  device_.serve_later();
}

void Tsi::answer_result(TsiQuestion question, uint32_t to, int error) {
  TsiResult result{.result = result_of(error)};
  answer(question, to, std::as_bytes(std::span(&result, 1)));
}

void Tsi::create(const TsiCreate& message) {
  uint16_t family = message.family;
  bool allowed = family == AF_UNIX ? !options_.directories.empty()
                                   : (family == AF_INET || family == AF_INET6) && options_.has_inet;
  bool known = message.type == SOCK_STREAM || message.type == SOCK_DGRAM;
  if (TsiSocket* old = find(message.port)) drop(*old);  // The guest uses the port anew.
  if (!allowed || !known || sockets_.size() >= kMostSockets) return;
  auto socket = std::make_shared<TsiSocket>();
  socket->port = message.port;
  socket->family = family;
  socket->type = message.type;
  sockets_[message.port] = std::move(socket);
}

void Tsi::release(const TsiRelease& message) {
  // A stream that was accepted has its listener's port; it ends as a Connection.
  if (message.peer_port != kTsiStreamPort) return;
  if (TsiSocket* socket = find(message.port)) drop(*socket);
}

void Tsi::name(const TsiName& message, uint32_t answer_to) {
  TsiSocket* socket = message.peer_port == kTsiStreamPort ? find(message.port) : nullptr;
  int fd = socket != nullptr && socket->fd ? socket->fd.get() : device_.socket_of(message.port, message.peer_port);
  std::optional<TsiAddress> address;
  if (fd >= 0) address = message.peer != 0 ? TsiAddress::peer_of(fd) : TsiAddress::name_of(fd);
  TsiNameResult result{.result = result_of(address ? 0 : ENOTCONN), .address = {}};
  if (address) address->write(result.address);
  answer(TsiQuestion::kName, answer_to, std::as_bytes(std::span(&result, 1)));
}

}  // namespace cloche::vsock

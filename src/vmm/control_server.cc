#include "vmm/control_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/private_socket.h"

namespace cloche {
namespace {

// Answers are small, and a client that does not take its answer has no use for it.
bool answer(int client, const Result<void>& result) {
  std::vector<std::byte> frame = wire::encode_control(wire::ControlFrame::kAccepted);
  if (!result) {
    const Error& error = result.error();
    wire::Writer payload;
    payload.put(static_cast<uint8_t>(error.code));
    payload.put(static_cast<int32_t>(error.sys_errno));
    payload.put(std::string_view(error.what));
    frame = wire::encode_control(wire::ControlFrame::kRefused, std::move(payload));
  }
  return ::send(client, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(frame.size());
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::create(EventLoop& loop, const std::string& run_directory,
                                                             Requests requests) {
  std::unique_ptr<ControlServer> server(new ControlServer(loop, std::move(requests)));
  // What is there is of a process that was killed; we hold the sandbox's life.
  server->listener_ = TRY(listen_privately(run_directory, wire::kControlSocket));
  TRY(loop.watch(server->listener_.get(), EPOLLIN, [raw = server.get()](uint32_t) { raw->accept(); }));
  return server;
}

ControlServer::~ControlServer() {
  if (listener_) loop_.unwatch(listener_.get());
  for (auto& [number, client] : clients_) loop_.unwatch(number);
}

void ControlServer::accept() {
  Fd socket = accept_owner(listener_);
  if (!socket) return;
  int number = socket.get();
  if (!loop_.watch(number, EPOLLIN, [this, number](uint32_t) { hear(number); })) return;
  clients_[number] = {std::move(socket), {}};
  if (clients_.size() == kMostClients) static_cast<void>(loop_.change(listener_.get(), 0));
}

void ControlServer::drop(int client) {
  loop_.unwatch(client);
  if (clients_.size() == kMostClients) static_cast<void>(loop_.change(listener_.get(), EPOLLIN));
  clients_.erase(client);
}

// Never reads beyond a frame: what follows a kAgent or a kAttach is for others. Level-triggered: what is left brings us
// back.
void ControlServer::hear(int number) {
  Client& client = clients_.at(number);
  size_t had = client.received.size();
  client.received.resize(client.wanted);
  ssize_t got = ::recv(number, client.received.data() + had, client.wanted - had, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    got = 0;
  else if (got <= 0)
    return drop(number);
  client.received.resize(had + static_cast<size_t>(got));
  if (client.received.size() < client.wanted) return;
  wire::FrameHeader header;
  if (!wire::decode_header(std::span(client.received).first(wire::FrameHeader::kSize), header) ||
      header.payload_size > wire::kMaxControlBytes)
    return drop(number);
  client.wanted = wire::FrameHeader::kSize + header.payload_size;
  if (client.received.size() < client.wanted) return;
  auto type = static_cast<wire::ControlFrame>(header.type);
  if (type == wire::ControlFrame::kAgent || type == wire::ControlFrame::kAttach) return hand_over(number, type);
  if (!answer(number, obey(client, header))) return drop(number);
  client.received.clear();
  client.wanted = wire::FrameHeader::kSize;
}

Result<void> ControlServer::obey(const Client& client, const wire::FrameHeader& header) {
  auto type = static_cast<wire::ControlFrame>(header.type);
  bool numbered = type == wire::ControlFrame::kStop || type == wire::ControlFrame::kSignal;
  wire::Reader payload(std::span(client.received).subspan(wire::FrameHeader::kSize));
  uint32_t number = 0;
  if (numbered) payload.get(number);
  if (!payload.done()) return fail(ErrorCode::kProtocol, "a damaged request");
  return requests_.obey(type, number);
}

void ControlServer::hand_over(int number, wire::ControlFrame type) {
  bool attaches = type == wire::ControlFrame::kAttach;
  Result<void> may = attaches ? requests_.may_attach() : requests_.may_connect();
  Fd socket = std::move(clients_.at(number).socket);
  drop(number);
  if (!answer(socket.get(), may) || !may) return;
  return attaches ? requests_.attach(std::move(socket)) : requests_.connect(std::move(socket));
}

}  // namespace cloche

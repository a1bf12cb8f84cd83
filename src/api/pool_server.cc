#include "api/pool_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/private_socket.h"

namespace cloche {
namespace {

using wire::PoolFrame;

constexpr auto kLongestLease = std::chrono::hours(24 * 365);

std::vector<std::byte> refusal(const Error& error) {
  wire::Writer payload;
  payload.put(static_cast<uint8_t>(error.code));
  payload.put(static_cast<int32_t>(error.sys_errno));
  payload.put(std::string_view(error.what));
  return wire::encode_pool(PoolFrame::kRefused, std::move(payload));
}

std::vector<std::byte> refusal(ErrorCode code, std::string what) { return refusal({code, 0, std::move(what)}); }

std::vector<std::byte> look_at(const PoolStatus& status) {
  wire::PoolLook look{.min = status.min,
                      .max = status.max,
                      .starting = status.starting,
                      .waiting = status.waiting,
                      .failure = status.failure};
  for (const PooledSandbox& each : status.sandboxes)
    look.members.push_back(
        {each.id, each.name, static_cast<uint8_t>(each.state), static_cast<uint64_t>(each.age.count())});
  return wire::encode(look);
}

}  // namespace

Result<std::unique_ptr<PoolServer>> PoolServer::create(std::shared_ptr<PoolCore> core,
                                                       const std::string& run_directory) {
  std::unique_ptr<PoolServer> server(new PoolServer(std::move(core), TRY(EventLoop::create())));
  server->listener_ = TRY(listen_privately(run_directory, wire::kPoolSocket));
  server->run_directory_ = run_directory;
  TRY(server->loop_->watch(server->listener_.get(), EPOLLIN, [raw = server.get()](uint32_t) { raw->accept(); }));
  return server;
}

PoolServer::~PoolServer() {
  if (listener_) {
    ::unlink((run_directory_ + "/" + wire::kPoolSocket).c_str());  // Nobody calls any more.
    ::rmdir(run_directory_.c_str());
    loop_->unwatch(listener_.get());
  }
  core_->shut_down();
}

Result<void> PoolServer::serve(int until) {
  TRY(loop_->watch(until, EPOLLIN, [this](uint32_t) { loop_->stop(); }));
  auto result = loop_->run();
  loop_->unwatch(until);
  return result;
}

void PoolServer::accept() {
  Fd socket = accept_owner(listener_);
  if (!socket) return;
  uint64_t number = ++last_number_;
  if (!loop_->watch(socket.get(), EPOLLIN, [this, number](uint32_t) { hear(number); })) return;
  clients_[number] = {.socket = std::move(socket)};
  if (clients_.size() == kMostClients) static_cast<void>(loop_->change(listener_.get(), 0));
}

void PoolServer::drop(uint64_t number) {
  Client& client = clients_.at(number);
  if (client.ticket) {
    core_->cancel(*client.ticket);  // Or else deliver() finds nobody.
    loop_->cancel(client.deadline);
  }
  if (!client.offered.empty()) core_->give_back(client.offered);
  loop_->unwatch(client.socket.get());
  if (clients_.size() == kMostClients) static_cast<void>(loop_->change(listener_.get(), EPOLLIN));
  clients_.erase(number);
}

void PoolServer::watch_for(uint64_t number, uint32_t events) {
  static_cast<void>(loop_->change(clients_.at(number).socket.get(), events));
}

void PoolServer::hear(uint64_t number) {
  Client& client = clients_.at(number);
  if (client.ticket) return drop(number);  // It waits for our word alone: this is its end.
  size_t had = client.received.size();
  client.received.resize(client.wanted);
  ssize_t got = ::recv(client.socket.get(), client.received.data() + had, client.wanted - had, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    got = 0;
  else if (got <= 0)
    return drop(number);
  client.received.resize(had + static_cast<size_t>(got));
  if (client.received.size() < client.wanted) return;
  wire::FrameHeader header;
  if (!wire::decode_header(std::span(client.received).first(wire::FrameHeader::kSize), header) ||
      header.payload_size > wire::kMaxPoolRequestBytes)
    return drop(number);
  client.wanted = wire::FrameHeader::kSize + header.payload_size;
  if (client.received.size() < client.wanted) return;
  std::vector<std::byte> payload(client.received.begin() + wire::FrameHeader::kSize, client.received.end());
  client.received.clear();
  client.wanted = wire::FrameHeader::kSize;
  auto type = static_cast<PoolFrame>(header.type);
  wire::Acquire wanted;
  if (type == PoolFrame::kAcquire && wire::decode(payload, wanted)) return acquire(number, wanted);
  if (type == PoolFrame::kTaken && !client.offered.empty()) {
    client.offered.clear();
    return answer(number, wire::encode_pool(PoolFrame::kDone));
  }
  answer(number, obey(type, payload));
}

std::vector<std::byte> PoolServer::obey(PoolFrame type, std::span<const std::byte> payload) {
  wire::Reader from(payload);
  if (type == PoolFrame::kStatus && from.done()) return look_at(core_->status());
  std::string sandbox;
  from.get(sandbox);
  if (type != PoolFrame::kRelease || !from.done()) return refusal(ErrorCode::kProtocol, "a damaged request");
  if (core_->give_back(sandbox)) return wire::encode_pool(PoolFrame::kDone);
  return refusal(ErrorCode::kNotFound, "no sandbox of this name is in use");
}

void PoolServer::acquire(uint64_t number, const wire::Acquire& wanted) {
  watch_for(number, EPOLLRDHUP);
  auto deadline = std::chrono::milliseconds(wanted.deadline_ms);
  Client& client = clients_.at(number);
  client.deadline =
      loop_->at(EventLoop::Clock::now() + deadline, [this, number, deadline] { give_up(number, deadline); });
  client.ticket = core_->acquire([this, number, lease_ms = wanted.lease_ms](Result<Pooled> taken) {
    loop_->post([this, number, lease_ms, taken = std::move(taken)] { deliver(number, lease_ms, taken); });
  });
}

void PoolServer::give_up(uint64_t number, std::chrono::milliseconds deadline) {
  Client& client = clients_.at(number);
  if (!core_->cancel(*client.ticket)) return;  // One is on its way.
  client.ticket.reset();
  answer(number, refusal(core_->late(deadline)));
}

void PoolServer::deliver(uint64_t number, uint64_t lease_ms, Result<Pooled> taken) {
  auto found = clients_.find(number);
  if (found == clients_.end()) {
    if (taken) core_->give_back(taken->id);
    return;
  }
  Client& client = found->second;
  client.ticket.reset();
  loop_->cancel(client.deadline);
  if (!taken) return answer(number, refusal(taken.error()));
  begin_lease(taken->id, lease_ms);
  client.offered = taken->id;
  wire::Writer payload;
  payload.put(std::string_view(taken->name));
  answer(number, wire::encode_pool(PoolFrame::kAcquired, std::move(payload)));
}

// A kept one may have had a lease before; this one has nothing to do with that.
void PoolServer::begin_lease(const std::string& id, uint64_t lease_ms) {
  if (auto old = leases_.extract(id)) loop_->cancel(old.mapped());
  if (lease_ms == 0) return;
  auto time = std::min<std::chrono::milliseconds>(std::chrono::milliseconds(std::min<uint64_t>(lease_ms, INT64_MAX)),
                                                  kLongestLease);
  leases_[id] = loop_->at(EventLoop::Clock::now() + time, [this, id] {
    leases_.erase(id);
    core_->give_back(id);
  });
}

// Answers are small, and a client that does not take its answer has no use for it.
void PoolServer::answer(uint64_t number, const std::vector<std::byte>& frame) {
  watch_for(number, EPOLLIN);
  ssize_t put = ::send(clients_.at(number).socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (put != static_cast<ssize_t>(frame.size())) drop(number);
}

}  // namespace cloche

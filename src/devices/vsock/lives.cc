// The half of Vsock that begins and ends connections, and follows what happens at the host's ends of them.
#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <utility>

#include "devices/vsock/vsock.h"

namespace cloche::vsock {
namespace {

// For the guest to answer a connect, and to answer our shutdown with RST. Linux guests use 2 s and 8 s.
constexpr std::chrono::seconds kPatience{10};

// Ports that connect() uses on our side: from here up, where no service of the host listens.
constexpr uint32_t kFirstHostPort = 1u << 30;

// What fails on the host is reported once per stream, but a guest may open many.
constexpr unsigned kMostHostErrorsLogged = 64;

// How a socket tells that the other end, or the way to it, is gone. That is no failure of this host.
bool is_of_peer(int error) {
  return error == ECONNRESET || error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == ENETDOWN || error == ECONNREFUSED;
}

}  // namespace

void Vsock::connect(uint32_t guest_port, HostStream host, Done done) {
  if (full()) {
    loop_.post([done = std::move(done)] { done(fail(ErrorCode::kUnavailable, "too many vsock connections")); });
    return;
  }
  Connection& connection = add(guest_port, free_host_port(guest_port), std::move(host));
  connection.set_phase(Phase::kRequested);
  connection.done = std::move(done);
  connection.owe(Owed::kRequest);
  start_timer(connection);
  enqueue(connection);
  finish_event_later();
}

// There is one: connections are few. Not used twice in a row, so that a late packet for the last one meets no other.
uint32_t Vsock::free_host_port(uint32_t guest_port) {
  for (;;) {
    if (next_host_port_ < kFirstHostPort) next_host_port_ = kFirstHostPort;
    uint32_t port = next_host_port_++;
    if (!connections_.contains(key_of(guest_port, port))) return port;
  }
}

Connection& Vsock::add(uint32_t guest_port, uint32_t host_port, HostStream host) {
  Address address{.guest_cid = options_.guest_cid, .guest_port = guest_port, .host_port = host_port};
  auto& place = connections_[key_of(guest_port, host_port)];
  assert(!place);
  place = std::make_unique<Connection>(address, std::move(host), loop_);
  return *place;
}

void Vsock::start_timer(Connection& connection) {
  // The connection cancels it when it goes.
  connection.timer = loop_.at(EventLoop::Clock::now() + kPatience, [this, &connection] {
    connection.timer.reset();
    Error error{ErrorCode::kTimeout, 0, "the guest did not answer in time"};
    answer(connection, std::unexpected(error));
    abort(connection, error);
    finish_event();
  });
}

void Vsock::answer(Connection& connection, Result<void> result) {
  if (!connection.done) return;
  if (!result)
    result = std::unexpected(
        std::move(result).error().in(fmt::format("connect to guest port {}", connection.state().address.guest_port)));
  loop_.post([alive = std::weak_ptr(alive_), done = std::exchange(connection.done, nullptr), result] {
    if (!alive.expired()) done(result);
  });
}

void Vsock::abort(Connection& connection, const Error& why) {
  const Address& address = connection.state().address;
  bool host_failed =
      why.code == ErrorCode::kHost && !is_of_peer(why.sys_errno) && host_errors_logged_++ < kMostHostErrorsLogged;
  if (host_failed) log_.warning("vsock: reset the stream on port {}: {}", address.host_port, why.message());
  if (!host_failed) log_.debug("vsock: reset {}:{}: {}", address.guest_port, address.host_port, why.message());
  if (!writer_.add_reset(connection.header(kOpRst), PacketWriter::Sort::kConnection)) ++counters_.dropped_resets;
  remove(connection);
}

void Vsock::remove(Connection& connection) {
  if (connection.queued) std::erase(ready_, &connection);
  if (connection.timer) loop_.cancel(*connection.timer);
  answer(connection, fail(ErrorCode::kUnavailable, "the connection was reset", ECONNRESET));
  connection.host().close_input();
  const ConnectionState& state = connection.state();
  auto node = connections_.extract(key_of(state.address.guest_port, state.address.host_port));
  assert(node && node.mapped().get() == &connection);
  if (state.backlog.empty()) {
    connection.host().close_output();
    return;
  }
  // Its output is watched, and will be until all is handed over.
  connection.set_phase(Phase::kDraining);
  draining_.push_back(std::move(node.mapped()));
}

void Vsock::finish_draining(Connection& connection) {
  connection.host().close_output();
  output_ended_ = true;
  std::erase_if(draining_, [&](const auto& each) { return each.get() == &connection; });
}

void Vsock::drop_all() {
  while (!connections_.empty()) remove(*connections_.begin()->second);
}

void Vsock::update_watches(Connection& connection) {
  HostFile& input = connection.host().input();
  HostFile& output = connection.host().output();
  Result<void> watched;
  if (connection.may_read() && !connection.readable) {
    watched = input.watch(EPOLLIN, [this, &connection](uint32_t) { on_input(connection); });
  } else {
    input.unwatch();
  }
  if (connection.state().backlog.empty()) {
    output.unwatch();
  } else if (watched) {
    watched = output.watch(EPOLLOUT, [this, &connection](uint32_t) { on_output(connection); });
  }
  if (watched) return;
  connection.discard_backlog();
  abort(connection, watched.error());
}

void Vsock::on_input(Connection& connection) {
  connection.readable = true;
  enqueue(connection);
  finish_event();
}

void Vsock::on_output(Connection& connection) {
  after_output(connection, connection.flush());
  finish_event();
}

void Vsock::after_output(Connection& connection, int error) {
  if (connection.state().backlog.empty()) output_ended_ = true;
  bool failed = error != 0 && error != EPIPE;
  if (connection.phase() == Phase::kDraining) {
    if (failed || connection.state().backlog.empty()) finish_draining(connection);
    return;
  }
  if (failed) {
    connection.discard_backlog();
    return abort(connection, {ErrorCode::kHost, error, "write for the guest"});
  }
  if (connection.owes()) enqueue(connection);
  update_watches(connection);
}

}  // namespace cloche::vsock

#include "vmm/audience.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

namespace cloche {
namespace {

using sandbox::Frame;
using wire::AgentFrame;

constexpr size_t kFrameCost = 64;          // What a frame takes besides its bytes: many small ones count as well.
constexpr size_t kMostUnspoken = 1 << 20;  // To the agent; more is what no person and no program has to say to it.
constexpr uint32_t kMostSignals = 64;

}  // namespace

Audience::~Audience() {
  for (auto& [number, client] : clients_) loop_.unwatch(number);
}

Result<void> Audience::may_join() const {
  if (clients_.size() < kMostClients) return {};
  return fail(ErrorCode::kUnavailable, fmt::format("{} are attached already, which is the most", kMostClients));
}

void Audience::join(Fd socket) {
  int number = socket.get();
  if (!loop_.watch(number, EPOLLIN, [this, number](uint32_t events) { on_event(number, events); })) return;
  clients_.emplace(number, Client{.peer = sandbox::Peer(std::move(socket), wire::kMaxDataBytes)});
}

void Audience::leave(int number) {
  loop_.unwatch(number);
  clients_.erase(number);
}

void Audience::on_event(int number, uint32_t events) {
  Client& client = clients_.at(number);
  bool stays = (events & EPOLLOUT) == 0 || flush(client);
  if (stays && (events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) stays = !client.is_cut_off && listen(client);
  if (!stays) leave(number);
}

bool Audience::listen(Client& client) {
  auto open = client.peer.fill();
  while (auto frame = client.peer.next())
    if (!obey(client, *frame)) return false;
  pass_input();
  return open && *open;
}

bool Audience::obey(Client& client, const Frame& frame) {
  if (frame.wrong != nullptr) return false;
  switch (frame.type) {
    case AgentFrame::kInput:
      return take_input(client, frame.payload);
    case AgentFrame::kSignal: {
      uint32_t signal = 0;
      if (!wire::decode_number(frame.payload, signal) || signal == 0 || signal > kMostSignals) return false;
      return speak(wire::encode_number(AgentFrame::kSignal, signal));
    }
    case AgentFrame::kResize: {
      uint16_t rows = 0, columns = 0;
      if (!wire::decode_resize(frame.payload, rows, columns)) return false;
      return speak(wire::encode_size(rows, columns));
    }
    default:
      return false;
  }
}

bool Audience::take_input(Client& client, std::span<const std::byte> bytes) {
  if (client.typed.size() + bytes.size() > wire::kInputWindow) return false;  // It was never given so much credit.
  client.ends_input |= bytes.empty();
  client.typed.insert(client.typed.end(), bytes.begin(), bytes.end());
  return true;
}

// Small things, between input. A client that floods a guest with them that takes nothing has to go.
bool Audience::speak(std::span<const std::byte> frame) {
  if (ended_) return true;
  if (command_.unsent() > kMostUnspoken) return false;
  command_.send(frame);
  return true;
}

// A piece of each client's in turn, as far as the agent's window goes. Input that nobody reads any more is taken and
// dropped.
void Audience::pass_input() {
  bool dropped = !command_.has_input || input_ended_ || ended_;
  for (bool more = true; more;) {
    more = false;
    for (auto& [number, client] : clients_) {
      size_t most = dropped ? client.typed.size() : std::min<size_t>(window_, wire::kMaxDataBytes);
      size_t count = std::min(client.typed.size(), most);
      if (count > 0) {
        if (!dropped) command_.send(wire::encode_bytes(AgentFrame::kInput, std::span(client.typed).first(count)));
        if (!dropped) window_ -= static_cast<uint32_t>(count);
        client.typed.erase(client.typed.begin(), client.typed.begin() + static_cast<ptrdiff_t>(count));
        tell(client,
             std::make_shared<const std::vector<std::byte>>(wire::encode_number(AgentFrame::kInputTaken, count)));
        more = true;
      }
      if (!client.ends_input || !client.typed.empty()) continue;
      client.ends_input = false;
      if (!dropped) command_.send(wire::encode_bytes(AgentFrame::kInput, {}));
      input_ended_ = dropped = true;
    }
  }
}

void Audience::take_credit(std::span<const std::byte> payload) {
  uint32_t count = 0;
  if (!wire::decode_number(payload, count)) return;
  window_ += std::min(count, wire::kInputWindow - window_);
  pass_input();
}

void Audience::hear(AgentFrame type, std::span<const std::byte> payload) {
  if (ended_) return;
  switch (type) {
    case AgentFrame::kInputTaken:
      return take_credit(payload);
    case AgentFrame::kOutput:
    case AgentFrame::kErrorOutput:
      return tell_all(type, payload);
    case AgentFrame::kEnded:
      ended_ = true;
      return tell_all(type, payload);
    default:
      return;
  }
}

void Audience::tell_all(AgentFrame type, std::span<const std::byte> payload) {
  if (clients_.empty()) return;
  auto words = std::make_shared<const std::vector<std::byte>>(wire::encode_bytes(type, payload));
  for (auto& [number, client] : clients_) tell(client, words);
}

// Errors of the connection are found when it is next listened to.
void Audience::tell(Client& client, Words words) {
  if (client.is_cut_off) return;
  client.unsent_bytes += words->size() + kFrameCost;
  client.unsent.push_back(std::move(words));
  static_cast<void>(flush(client));
  if (client.unsent_bytes > kMostUnsent) cut_off(client);
}

// What it is in the middle of, it gets whole; behind that, why there is no more.
void Audience::cut_off(Client& client) {
  client.unsent.resize(client.sent > 0 ? 1 : 0);
  auto why = wire::encode(
      AgentFrame::kError,
      wire::AgentError{
          0, fmt::format("cut off: it took {} KiB of output too slowly; `cloche logs` has it all", kMostUnsent >> 10)});
  client.unsent.push_back(std::make_shared<const std::vector<std::byte>>(std::move(why)));
  client.unsent_bytes = 0;
  client.is_cut_off = true;
  client.typed.clear();
  static_cast<void>(loop_.change(client.peer.fd(), EPOLLOUT));
}

// What the connection takes now; false when nothing more is to come for it.
bool Audience::flush(Client& client) {
  while (!client.unsent.empty()) {
    std::span<const std::byte> rest = std::span(*client.unsent.front()).subspan(client.sent);
    ssize_t put = ::send(client.peer.fd(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno != EAGAIN) return false;
    if (put < 0) break;
    client.sent += static_cast<size_t>(put);
    if (static_cast<size_t>(put) < rest.size()) continue;
    if (!client.is_cut_off) client.unsent_bytes -= client.unsent.front()->size() + kFrameCost;
    client.unsent.pop_front();
    client.sent = 0;
  }
  if (client.is_cut_off) return !client.unsent.empty();
  static_cast<void>(loop_.change(client.peer.fd(), client.unsent.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT));
  return true;
}

void Audience::finish(EventLoop::Clock::time_point deadline) {
  for (;;) {
    std::vector<pollfd> polls;
    for (auto& [number, client] : clients_)
      if (!client.unsent.empty()) polls.push_back({number, POLLOUT, 0});
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - EventLoop::Clock::now()).count();
    if (polls.empty() || left <= 0) return;
    if (::poll(polls.data(), polls.size(), static_cast<int>(left)) < 0 && errno != EINTR) return;
    for (const pollfd& each : polls)
      if (each.revents != 0 && !flush(clients_.at(each.fd))) leave(each.fd);
  }
}

}  // namespace cloche

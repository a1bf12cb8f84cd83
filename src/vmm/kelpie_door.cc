#include "vmm/kelpie_door.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "sandbox/outer_socket.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

constexpr int kWaiting = 128;
constexpr auto kQuickLook = 50ms;
constexpr auto kSlowLook = 1s;
constexpr unsigned kQuickLooks = 600;  // For half a minute, as long as kelpie's host waits for a guest.

}  // namespace

Result<std::unique_ptr<KelpieDoor>> KelpieDoor::create(wire::VmSandbox& sandbox) {
  std::unique_ptr<KelpieDoor> port(new KelpieDoor(sandbox.kelpie));
  if (sandbox.kelpie.listens)
    port->listener_ = TRY(sandbox::bind_outer_socket(sandbox.kelpie.socket_path, sandbox.directory));
  return port;
}

KelpieDoor::~KelpieDoor() {
  if (listening_) loop_->unwatch(listener_.get());
}

void KelpieDoor::attach(EventLoop& loop, Guest guest) {
  loop_ = &loop;
  guest_ = std::move(guest);
}

Result<Fd> KelpieDoor::answer() const {
  if (config_.listens) return fail(ErrorCode::kGuest, "kelpie's port is one that the host connects to");
  return sandbox::connect_outer_socket(config_.socket_path);
}

std::vector<std::byte> KelpieDoor::take_request(const wire::Exec& defaults) {
  if (!by_agent() || std::exchange(asked_, true)) return {};
  return wire::encode(config_.listens ? wire::AgentFrame::kKelpieListen : wire::AgentFrame::kKelpieConnect, defaults);
}

bool KelpieDoor::agent_serves() {
  if (!asked_ || std::exchange(served_, true)) return false;
  if (config_.listens) static_cast<void>(listen());
  return true;
}

void KelpieDoor::command_began() {
  if (!by_agent() && config_.listens && !std::exchange(served_, true)) look_for_listener();
}

// A client that connected before the guest listens would have to be told that this was too early, and there is no way
// to. So nobody can connect before a connection of ours was accepted: an empty one, as kelpie's host makes them, too.
void KelpieDoor::look_for_listener() {
  int ends[2];
  bool made = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0;
  auto probe = std::make_shared<Fd>(made ? ends[0] : -1);
  auto looked = [this, alive = std::weak_ptr(alive_), probe](const Result<void>& found) {
    probe->reset();
    if (alive.expired()) return;
    if (found && listen()) return;
    auto wait = looks_++ < kQuickLooks ? std::chrono::milliseconds(kQuickLook) : kSlowLook;
    loop_->at(EventLoop::Clock::now() + wait, [this, alive] {
      if (!alive.expired()) look_for_listener();
    });
  };
  if (!made) return looked(fail_errno("create a socket pair"));
  guest_.connect(Fd(ends[1]), looked);
}

Result<void> KelpieDoor::listen() {
  if (listening_) return {};
  if (::listen(listener_.get(), kWaiting) < 0) return fail_errno("listen on " + config_.socket_path);
  TRY(loop_->watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept(); }));
  listening_ = true;
  return {};
}

void KelpieDoor::accept() {
  Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client || !guest_.may_connect()) return;  // Closed: that is told at once, and no answer would come.
  guest_.connect(std::move(client), [](const Result<void>&) {});
}

}  // namespace cloche

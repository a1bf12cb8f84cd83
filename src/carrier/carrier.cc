#include "carrier/carrier.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "carrier/boot.h"
#include "carrier/caller.h"
#include "carrier/session.h"
#include "cloche/stub.h"

namespace cloche::carrier {
namespace {

constexpr int kLockPoll_ms = 50;
constexpr int kLockNews_ms = 15'000;
constexpr int kLockDeadline_ms = 400'000;  // Longer than a boot may take.
constexpr int kAnswer_ms = 10'000;
constexpr int kOrderlyEnd_ms = 10'000;
constexpr int kExecTries = 3;
constexpr int kResetTries = 20;
constexpr int kResetPause_ms = 100;

// Waits its turn to start or stop the machine.
Result<Fd> lock(const Options& options, const StateDirectory& state) {
  for (int waited = 0; waited < kLockDeadline_ms; waited += kLockPoll_ms) {
    auto held = TRY(state.try_lock());
    if (held) return std::move(*held);
    if (waited % kLockNews_ms == 2 * kLockPoll_ms * 10)
      options.progress("waiting for the emulated computer, which another cloche is starting");
    ::usleep(kLockPoll_ms * 1000);
  }
  return fail(ErrorCode::kTimeout, "another cloche has been starting the emulated computer for too long");
}

bool is_up(const StateDirectory& state) { return state.alive() && state.record() && state.ready(); }

// A connection with the token said. The port is QEMU's as long as it lives, so the token goes nowhere else.
Result<Link> connect(const StateDirectory& state) {
  auto record = state.record();
  std::string token = TRY(state.token());
  if (!record || !state.alive()) return fail(ErrorCode::kUnavailable, "the machine has gone");
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(record->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    return fail_errno("connect to the machine");
  int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Link link = TRY(Link::create(std::move(socket)));
  link.send(MessageType::kToken, encode(Token{.secret = std::move(token)}));
  return link;
}

// One question, one answer, in good time. No answer: the connection was closed.
Result<std::optional<AgentStatus>> ask(const StateDirectory& state, MessageType question) {
  Link link = TRY(connect(state));
  link.trust();
  link.send(question);
  TRY(link.flush_all());
  for (;;) {
    auto message = TRY(link.next());
    AgentStatus status;
    if (message && message->header.type == MessageType::kStatus && decode(message->payload, status)) return status;
    if (message)
      return fail(ErrorCode::kProtocol, "the machine answers strangely: it may be of another version of cloche");
    pollfd wait{link.fd(), POLLIN, 0};
    if (::poll(&wait, 1, kAnswer_ms) == 0) return fail(ErrorCode::kTimeout, "the machine does not answer");
    if (!TRY(link.fill())) return std::nullopt;
  }
}

Result<Exit> run_request(const Options& options, Request request, Terminal& terminal) {
  StateDirectory state = TRY(StateDirectory::open(options.kind));
  for (int tries = 0, resets = 0;;) {
    TRY(start(options));
    auto link = connect(state);
    bool ran = false;
    Result<Exit> result = link ? Result<Exit>() : std::unexpected(link.error());
    if (link) {
      PassedSignals signals = TRY(PassedSignals::create());
      Session session(std::move(*link), terminal, signals);
      result = session.run(request);
      terminal.restore();
      ran = session.accepted();
    }
    bool ours = !result && (result.error().code == ErrorCode::kHost || result.error().code == ErrorCode::kUnavailable);
    if (!result && result.error().code == ErrorCode::kTimeout) result.error().what += state.last_words();
    if (!ours || ran) return result;
    // QEMU lets one connection wait. Of more at once the host's kernel forgets some that it took for made.
    if (result.error().sys_errno == ECONNRESET && resets++ < kResetTries) {
      ::usleep(kResetPause_ms * 1000);
      continue;
    }
    // A machine may be about to end when we come (idle for long, or killed): then it had not begun, and a new one will
    // do.
    if (++tries == kExecTries || !wait_for_end(state, kOrderlyEnd_ms)) return result;
  }
}

Result<Request> describe(std::vector<std::string> arguments, const Terminal& terminal) {
  if (arguments.empty()) return fail(ErrorCode::kInvalidArgument, "no command to run in the machine");
  return describe_caller(std::move(arguments), terminal);
}

Result<std::string> own_program() {
  char path[PATH_MAX];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size < 0 || size == sizeof path) return fail_errno("find this program");
  return std::string(path, static_cast<size_t>(size));
}

}  // namespace

Options installed_options(Kind kind) {
  std::string program = own_program().value_or("/usr/bin/cloche");
  std::string prefix = program.substr(0, program.rfind('/')) + "/..";
  Options options;
  options.kind = kind;
  options.kernel_path = prefix + "/share/cloche/machine-vmlinux";
  options.init_path = prefix + "/libexec/cloche/machine-init";
  return options;
}

bool inside_machine() { return ::getenv("CLOCHE_IN_MACHINE") != nullptr; }

Result<void> start(const Options& options) {
  TRY(refuse_as_stub());
  if (inside_machine())
    return fail(ErrorCode::kUnsupported, "this is the emulated computer already: it starts no other");
  StateDirectory state = TRY(StateDirectory::open(options.kind));
  if (is_up(state)) return {};
  Fd held = TRY(lock(options, state));
  if (is_up(state)) return {};
  // Alive without an agent, and nobody who is starting it: whoever was has been killed.
  TRY(kill_machine(state));
  return boot_machine(options, state);
}

Result<Exit> exec(const Options& options, std::vector<std::string> arguments, std::optional<User> user) {
  Terminal terminal(find_terminal());
  Request request = TRY(describe(std::move(arguments), terminal));
  if (user) {
    request.uid = user->uid;
    request.gid = user->gid;
    request.groups = {user->gid};
  }
  return run_request(options, std::move(request), terminal);
}

Result<Exit> carry(const Options& options, std::vector<std::string> arguments) {
  Terminal terminal(find_terminal());
  Request request = TRY(describe(std::move(arguments), terminal));
  request.program = TRY(own_program());
  return run_request(options, std::move(request), terminal);
}

Result<Status> status(const Options& options) {
  StateDirectory state = TRY(StateDirectory::open(options.kind));
  Status status;
  status.console_path = state.path("console.log");
  auto record = state.record();
  if (!record || !is_up(state)) return status;
  auto answer = TRY(ask(state, MessageType::kAsk));
  if (!answer) return status;
  status.running = true;
  status.pid = record->pid;
  status.port = record->port;
  status.memory_mib = record->memory_mib;
  status.commands = answer->commands;
  status.uptime_s = answer->uptime_s;
  status.idle_stop_s = answer->idle_stop_s;
  return status;
}

Result<void> stop(const Options& options) {
  StateDirectory state = TRY(StateDirectory::open(options.kind));
  Fd held = TRY(lock(options, state));
  if (is_up(state) && ask(state, MessageType::kPowerOff) && wait_for_end(state, kOrderlyEnd_ms)) return {};
  return kill_machine(state);
}

}  // namespace cloche::carrier

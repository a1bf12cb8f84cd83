#include "session.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "carrier/link.h"
#include "command.h"
#include "relay.h"

namespace cloche::machine_init {
namespace {

using carrier::Link;
using carrier::MessageType;

constexpr uint64_t kClockTolerance_ns = 50'000'000;

Result<carrier::Message> receive(Link& link) {
  for (;;) {
    auto message = TRY(link.next());
    if (message) return *message;
    pollfd wait{link.fd(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    if (!TRY(link.fill())) return fail(ErrorCode::kProtocol, "the client has left");
  }
}

// The host's clock rules: build tools compare times of files, which the host sets.
void follow_clock(uint64_t realtime_ns) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  auto here = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  uint64_t off = here > realtime_ns ? here - realtime_ns : realtime_ns - here;
  if (off < kClockTolerance_ns) return;
  timespec right{static_cast<time_t>(realtime_ns / 1'000'000'000), static_cast<long>(realtime_ns % 1'000'000'000)};
  ::clock_settime(CLOCK_REALTIME, &right);
}

// /run is the machine's own, so the user's directory there is as well.
std::string make_runtime_directory(const carrier::Request& request) {
  std::string path = fmt::format("/run/user/{}", request.uid);
  if (::mkdir(path.c_str(), 0700) == 0) (void)!::chown(path.c_str(), request.uid, request.gid);
  return path;
}

void set_variable(std::vector<std::string>& environment, std::string_view name, std::string_view value) {
  std::erase_if(environment, [&](const std::string& each) {
    return each.starts_with(name) && each.substr(name.size()).starts_with('=');
  });
  environment.push_back(fmt::format("{}={}", name, value));
}

void run_command(Link& link, carrier::Request request, const SessionContext& context) {
  follow_clock(request.realtime_ns);
  refresh_caches(context.shared.caches, request.system_stamp);
  set_variable(request.environment, "CLOCHE_IN_MACHINE", "1");
  set_variable(request.environment, "XDG_RUNTIME_DIR", make_runtime_directory(request));
  // execvp() searches with the PATH of the process, which is to be the command's.
  for (const std::string& each : request.environment)
    if (each.starts_with("PATH=")) ::setenv("PATH", each.c_str() + 5, 1);

  sigset_t children;
  ::sigemptyset(&children);
  ::sigaddset(&children, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &children, nullptr);
  Fd child_events(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
  link.send(MessageType::kAccepted);
  if (!link.flush()) return;
  auto command = start_command(request, context.number);
  if (!command) {
    link.send(MessageType::kExited, encode(command.error()));
    return link.finish();
  }
  ++context.shared.commands;
  Relay(link, std::move(*command), child_events.get()).run();
  --context.shared.commands;
}

Result<void> serve(Link& link, const SessionContext& context) {
  auto first = TRY(receive(link));
  carrier::Token token;
  if (first.header.type != MessageType::kToken || !decode(first.payload, token) ||
      !carrier::equal_secrets(token.secret, context.token))
    return fail(ErrorCode::kPermission, "not our client");
  link.trust();
  if (token.version != carrier::kProtocolVersion) {
    link.send(MessageType::kMismatch, carrier::encode_number(carrier::kProtocolVersion));
    link.finish();
    return {};
  }
  auto wish = TRY(receive(link));
  carrier::Request request;
  switch (wish.header.type) {
    case MessageType::kRequest:
      if (!decode(wish.payload, request)) return fail(ErrorCode::kProtocol, "not a request");
      run_command(link, std::move(request), context);
      return {};
    case MessageType::kAsk:
      link.send(MessageType::kStatus, encode(carrier::AgentStatus{context.shared.commands,
                                                                  [] {
                                                                    timespec up{};
                                                                    ::clock_gettime(CLOCK_BOOTTIME, &up);
                                                                    return static_cast<uint64_t>(up.tv_sec);
                                                                  }(),
                                                                  context.idle_stop_s}));
      link.finish();
      return {};
    case MessageType::kPowerOff:
      ::kill(1, SIGTERM);
      return {};
    default:
      return fail(ErrorCode::kProtocol, "not a wish");
  }
}

}  // namespace

void serve_client(Fd connection, const SessionContext& context) {
  for (int number : {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTTOU, SIGTTIN, SIGTSTP}) ::signal(number, SIG_IGN);
  auto link = Link::create(std::move(connection));
  if (link) (void)serve(*link, context);
}

}  // namespace cloche::machine_init

#include "sandbox/control_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "cloche/stub.h"

namespace cloche::sandbox {
namespace {

constexpr uint32_t kMostAnswer = 64 << 10;

}  // namespace

Result<bool> wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{fd, events, 0};
    int ready = ::poll(&wait, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return fail_errno("wait for the sandbox");
    if (left <= 0) return false;
  }
}

Result<ControlClient> ControlClient::connect(const std::string& run_directory) {
  TRY(refuse_as_stub());
  auto directory = open_file(run_directory, O_PATH | O_DIRECTORY);
  if (!directory) return fail(ErrorCode::kUnavailable, "it does not run");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // By way of the descriptor: sun_path holds 107 bytes, and directories can be longer.
  fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}/{}", directory->get(),
                   wire::kControlSocket);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("create a socket");
  int connected;
  do {
    connected = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  } while (connected < 0 && errno == EINTR);
  if (connected == 0) return ControlClient(std::move(socket));
  if (errno == ENOENT || errno == ECONNREFUSED) return fail(ErrorCode::kUnavailable, "it does not run");
  return fail_errno("connect to " + run_directory + "/" + wire::kControlSocket);
}

Result<void> ControlClient::ask(wire::ControlFrame type, Clock::time_point deadline) {
  return converse(wire::encode_control(type), deadline);
}

Result<void> ControlClient::ask(wire::ControlFrame type, uint32_t number, Clock::time_point deadline) {
  wire::Writer payload;
  payload.put(number);
  return converse(wire::encode_control(type, std::move(payload)), deadline);
}

Result<void> ControlClient::converse(std::span<const std::byte> request, Clock::time_point deadline) {
  if (::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE)
    return fail_errno("ask the sandbox's process");
  std::array<std::byte, wire::FrameHeader::kSize> raw;
  wire::FrameHeader header;
  TRY(receive(raw, deadline));
  if (!wire::decode_header(raw, header) || header.payload_size > kMostAnswer)
    return fail(ErrorCode::kProtocol, "the sandbox's process sent what it must not");
  std::vector<std::byte> payload(header.payload_size);
  TRY(receive(payload, deadline));
  if (static_cast<wire::ControlFrame>(header.type) == wire::ControlFrame::kAccepted) return {};
  wire::Failed failed;
  if (!wire::decode(payload, failed) || failed.code > static_cast<uint8_t>(ErrorCode::kInternal))
    return fail(ErrorCode::kProtocol, "the sandbox's process sent what it must not");
  return fail(static_cast<ErrorCode>(failed.code), failed.what, failed.sys_errno);
}

Result<void> ControlClient::receive(std::span<std::byte> to, Clock::time_point deadline) {
  while (!to.empty()) {
    if (!TRY(wait_for(socket_.get(), POLLIN, deadline)))
      return fail(ErrorCode::kTimeout, "the sandbox's process does not answer");
    ssize_t got = ::recv(socket_.get(), to.data(), to.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return fail(ErrorCode::kUnavailable, "it has just ended");
    to = to.subspan(static_cast<size_t>(got));
  }
  return {};
}

Result<bool> ControlClient::wait_for_end(Clock::time_point deadline) {
  return wait_for(socket_.get(), POLLRDHUP, deadline);
}

}  // namespace cloche::sandbox

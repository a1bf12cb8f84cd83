#include "devices/vhost_user/channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace cloche::vhost_user {

Result<Channel> Channel::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no path for a UNIX socket", path));
  std::ranges::copy(path, address.sun_path);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("make a socket");
  // Non-blocking: a listener with a full queue answers EAGAIN at once instead of holding us up for good.
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(fmt::format("connect to the vhost-user back end at {}", path));
  return adopt(std::move(socket));
}

Result<Channel> Channel::adopt(Fd socket, std::chrono::milliseconds patience) {
  int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno("set up a socket");
  return Channel(std::move(socket), patience);
}

Result<void> Channel::send(Request request, std::span<const std::byte> payload, std::span<const int> fds,
                           uint32_t flags) {
  assert(fds.size() <= kMaxRegions);
  Header header{static_cast<uint32_t>(request), kVersion | flags, static_cast<uint32_t>(payload.size())};
  std::vector<std::byte> message(sizeof header + payload.size());
  std::memcpy(message.data(), &header, sizeof header);
  std::ranges::copy(payload, message.begin() + sizeof header);
  auto sent = send_all(message, fds);
  if (!sent) socket_.reset();
  return sent;
}

Result<void> Channel::send_all(std::span<const std::byte> bytes, std::span<const int> fds) {
  while (!bytes.empty()) {
    if (!socket_) return fail(ErrorCode::kHost, "the vhost-user back end is gone");
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};  // sendmsg() only reads it.
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMaxRegions * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(fds.size_bytes());
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(fds.size_bytes());
      std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
    }
    ssize_t count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(count));
      fds = {};  // They went with the first byte.
    } else if (errno == EAGAIN) {
      TRY(wait(POLLOUT));
    } else if (errno != EINTR) {
      return fail_errno("send to the vhost-user back end");
    }
  }
  return {};
}

Result<std::vector<std::byte>> Channel::receive(Request request, std::initializer_list<size_t> sizes) {
  assert(std::ranges::max(sizes) <= kMaxReplyBytes);
  auto read = [&]() -> Result<std::vector<std::byte>> {
    Header header{};
    TRY(receive_all(std::as_writable_bytes(std::span(&header, 1))));
    auto wanted = [&](size_t size) { return std::ranges::find(sizes, size) != sizes.end(); };
    bool is_reply = (header.flags & kVersionMask) == kVersion && (header.flags & kFlagReply) != 0;
    if (!is_reply || header.request != static_cast<uint32_t>(request) || !wanted(header.size))
      return fail(
          ErrorCode::kProtocol,
          fmt::format("the vhost-user back end answered request {} with message {}, flags {:#x}, {} bytes "
                      "instead of {}",
                      static_cast<uint32_t>(request), header.request, header.flags, header.size, *sizes.begin()));
    std::vector<std::byte> payload(header.size);
    TRY(receive_all(payload));
    return payload;
  };
  auto payload = read();
  if (!payload) socket_.reset();
  return payload;
}

Result<void> Channel::receive_all(std::span<std::byte> out) {
  while (!out.empty()) {
    if (!socket_) return fail(ErrorCode::kHost, "the vhost-user back end is gone");
    iovec part{out.data(), out.size()};
    msghdr message{};  // Without room for descriptors: the kernel drops any that come, and says so.
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    ssize_t count = ::recvmsg(socket_.get(), &message, 0);
    if (count == 0) return fail(ErrorCode::kHost, "the vhost-user back end hung up");
    if (count > 0) {
      if ((message.msg_flags & MSG_CTRUNC) != 0)
        return fail(ErrorCode::kProtocol, "the vhost-user back end sent descriptors that nobody asked for");
      out = out.subspan(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      TRY(wait(POLLIN));
    } else if (errno != EINTR) {
      return fail_errno("read from the vhost-user back end");
    }
  }
  return {};
}

// Errors and hang-ups end the wait too: the call that follows says which.
Result<void> Channel::wait(short events) const {
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0) return fail(ErrorCode::kTimeout, "the vhost-user back end does not answer");
    pollfd polled{socket_.get(), events, 0};
    int ready = ::poll(&polled, 1, static_cast<int>(left.count()));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_errno("wait for the vhost-user back end");
  }
}

}  // namespace cloche::vhost_user

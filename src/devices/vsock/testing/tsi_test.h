// A guest whose programs' sockets are impersonated: questions and answers as its kernel sends them, and servers of the
// host to reach.
#pragma once

#include <arpa/inet.h>
#include <sys/un.h>

#include <filesystem>
#include <optional>

#include "devices/vsock/testing/fake_guest.h"

namespace cloche::vsock {

inline TsiAddressBytes bytes_of_address(const void* address, size_t size) {
  TsiAddressBytes bytes;
  bytes.size = static_cast<uint32_t>(size);
  std::memcpy(bytes.bytes.data(), address, std::min(size, kTsiAddressSize));
  return bytes;
}

inline sockaddr_in ipv4(const char* text, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET, text, &address.sin_addr), 1) << text;
  return address;
}

inline TsiAddressBytes ipv4_bytes(const char* text, uint16_t port) {
  sockaddr_in address = ipv4(text, port);
  return bytes_of_address(&address, sizeof address);
}

inline TsiAddressBytes ipv6_bytes(const char* text, uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET6, text, &address.sin6_addr), 1) << text;
  return bytes_of_address(&address, sizeof address);
}

inline TsiAddressBytes unix_bytes(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return bytes_of_address(&address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

inline uint16_t port_of(const Fd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

// A socket of the host's at 127.0.0.1, and a port of its own.
inline Fd host_socket(int type, uint16_t port = 0) {
  Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address = ipv4("127.0.0.1", port);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_TRUE(type != SOCK_STREAM || ::listen(socket.get(), 128) == 0);
  return socket;
}

// A client of the host's; none: nobody listens there.
inline Fd host_client(uint16_t port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = ipv4("127.0.0.1", port);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return {};
  return socket;
}

inline size_t open_descriptors() {
  auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

class TsiTest : public VsockTest {
 protected:
  static constexpr uint32_t kControl = 5000;  // Where the guest's questions come from.

  void begin(TsiOptions options, unsigned buffers = 64) {
    guest_.driver().reset();
    vsock_.impersonate(std::move(options));
    guest_.driver().start();
    guest_.offer(buffers);
    guest_.settle();
  }

  template <typename Message>
  void say(TsiQuestion question, const Message& message, uint32_t from = kControl) {
    say_bytes(static_cast<uint32_t>(question), from, virtio::bytes_of(message));
  }
  void say_bytes(uint32_t to, uint32_t from, std::span<const std::byte> payload) {
    Header header;
    header.src_cid = FakeGuest::kCid;
    header.dst_cid = kHostCid;
    header.src_port = from;
    header.dst_port = to;
    header.len = static_cast<uint32_t>(payload.size());
    header.type = kTypeDatagram;
    header.op = kOpRw;
    guest_.send(header, payload);
  }
  // What came to a port of the guest since; the oldest first, once.
  std::optional<Bytes> take(uint32_t port) {
    for (int tries = 0; tries < 50; ++tries) {
      guest_.settle();
      auto& all = guest_.datagrams();
      auto found = std::ranges::find_if(all, [&](const auto& each) { return each.header.dst_port == port; });
      if (found != all.end()) {
        EXPECT_EQ(found->header.src_cid, kHostCid);
        EXPECT_EQ(found->header.dst_cid, FakeGuest::kCid);
        EXPECT_EQ(found->header.op, kOpRw);
        Bytes payload = std::move(found->payload);
        all.erase(found);
        return payload;
      }
      ::usleep(1000);
    }
    return std::nullopt;
  }
  // The result of the question asked last; nothing: there is no answer.
  std::optional<int> result(uint32_t from = kControl) {
    auto payload = take(from);
    if (!payload) return std::nullopt;
    EXPECT_EQ(payload->size(), sizeof(TsiResult));
    le32 value;
    std::memcpy(&value, payload->data(), sizeof value);
    return static_cast<int>(uint32_t{value});
  }

  void create(uint32_t port, uint16_t family = AF_INET, uint16_t type = SOCK_STREAM) {
    say(TsiQuestion::kCreate, TsiCreate{.port = port, .family = family, .type = type});
  }
  std::optional<int> connect_to(uint32_t port, const TsiAddressBytes& address) {
    say(TsiQuestion::kConnect, TsiConnect{.port = port, .address = address});
    return result();
  }
  std::optional<int> listen_at(uint32_t port, const TsiAddressBytes& address, uint32_t backlog = 16) {
    say(TsiQuestion::kListen, TsiListen{.port = port, .guest_port = port, .backlog = backlog, .address = address});
    return result();
  }
  std::optional<int> accept_at(uint32_t port, uint32_t flags = 0) {
    say(TsiQuestion::kAccept, TsiAccept{.port = port, .flags = flags});
    return result();
  }
  void release(uint32_t port, uint32_t peer_port = kTsiStreamPort) {
    say(TsiQuestion::kRelease, TsiRelease{.port = port, .peer_port = peer_port});
  }
  // As the guest's kernel does after a connect() that succeeded.
  FakeGuest::Stream& fetch_stream(uint32_t port) {
    auto& stream = guest_.add(port, kTsiStreamPort);
    guest_.send(guest_.packet(stream, kOpRequest));
    guest_.settle();
    return stream;
  }
};

}  // namespace cloche::vsock

// What a guest's kernel that impersonates sockets (TSI) says to the host, as it lies in the payload of datagrams.
//
// Each socket of a program has a stream or datagram vsock socket behind it, known by its port, and one for questions.
// A question goes to the port of the host that its kind has; its answer, where it has one, back to the port it came
// from. The guest waits for an answer with the socket locked, and takes the next datagram for it, whatever that is: so
// there must be exactly one. Results are 0 or a negative errno. Streams that a program opened come to kTsiStreamPort.
#pragma once

#include <array>
#include <cstddef>

#include "base/endian.h"

namespace cloche::vsock {

inline constexpr uint32_t kTsiStreamPort = 620;
inline constexpr size_t kTsiAddressSize = 128;

// By the port that they are sent to.
enum class TsiQuestion : uint32_t {
  kCreate = 1024,   // TsiCreate. No answer.
  kConnect = 1025,  // TsiConnect; answered with TsiResult. The stream follows.
  kName = 1026,     // TsiName; TsiNameResult.
  kSendTo = 1027,   // TsiConnect: where the datagrams to kData go. No answer.
  kData = 1028,     // A datagram of the socket whose port it comes from.
  kListen = 1029,   // TsiListen; TsiResult.
  kAccept = 1030,   // TsiAccept; TsiResult, once a stream that the host opened is established.
  kRelease = 1031,  // TsiRelease. No answer.
};

struct TsiAddressBytes {
  le32 size;
  std::array<std::byte, kTsiAddressSize> bytes{};  // A sockaddr of Linux.
};

struct TsiCreate {
  le32 port;
  le16 family;  // AF_INET, AF_INET6 or AF_UNIX of Linux.
  le16 type;    // SOCK_STREAM or SOCK_DGRAM of Linux.
};

struct TsiConnect {
  le32 port;
  TsiAddressBytes address;
};

struct TsiName {
  le32 port;
  le32 peer_port;  // kTsiStreamPort, or the host's port of a stream that was accepted.
  le32 peer;       // 0: the socket's own name, else its peer's.
};

struct TsiNameResult {
  le32 result;
  TsiAddressBytes address;
};

struct TsiListen {
  le32 port;
  le32 guest_port;  // Where streams go: the same.
  le32 backlog;
  TsiAddressBytes address;
};

struct TsiAccept {
  le32 port;
  le32 flags;  // Of accept4().
};

struct TsiRelease {
  le32 port;
  le32 peer_port;
};

struct TsiResult {
  le32 result;
};

static_assert(sizeof(TsiCreate) == 8 && sizeof(TsiConnect) == 136 && sizeof(TsiName) == 12);
static_assert(sizeof(TsiNameResult) == 136 && sizeof(TsiListen) == 144 && sizeof(TsiAccept) == 8);
static_assert(sizeof(TsiRelease) == 8 && sizeof(TsiResult) == 4);

}  // namespace cloche::vsock
